DROP TRIGGER subjects_delete;
DROP TRIGGER erasable_values_delete;
DROP TRIGGER erasable_values_update;
DROP TRIGGER records_update;
CREATE TRIGGER records_update BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
ALTER TABLE expiring DROP COLUMN erasing;
DROP TABLE erasures;
DROP TABLE erasable_values;
DROP TABLE subjects;
