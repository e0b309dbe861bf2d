DROP TABLE witnessed;
DROP TABLE anchors;
DROP TRIGGER records_delete;
CREATE TRIGGER records_delete BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
DROP INDEX records_expires;
DROP TABLE expiring;
DROP TABLE removals;
ALTER TABLE streams DROP COLUMN stream_vkey;
