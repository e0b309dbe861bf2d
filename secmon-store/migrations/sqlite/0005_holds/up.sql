-- Which records are held as evidence beyond their day, and which record announces that.
CREATE TABLE holds (
    stream_no BIGINT NOT NULL,
    held      BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    day       BIGINT NOT NULL,              -- days since 1970
    PRIMARY KEY (stream_no, held, seq)
);

-- 1 only inside the transaction that stores an announced hold.
ALTER TABLE expiring ADD COLUMN holding INTEGER NOT NULL DEFAULT 0;

-- An erasure takes tokens out of indexed copies, a hold moves the day of expiry back; nothing else changes a
-- record.
DROP TRIGGER records_update;
CREATE TRIGGER records_update BEFORE UPDATE ON records
WHEN NEW.stream_no IS NOT OLD.stream_no OR NEW.seq IS NOT OLD.seq OR NEW.ts IS NOT OLD.ts
  OR NEW.level IS NOT OLD.level OR NEW.category IS NOT OLD.category
  OR NEW.action IS NOT OLD.action OR NEW.outcome IS NOT OLD.outcome OR NEW.body IS NOT OLD.body
  OR NEW.mac IS NOT OLD.mac
  OR (NEW.expires IS NOT OLD.expires
      AND ((SELECT MAX(holding) FROM expiring) <> 1 OR NEW.expires < OLD.expires))
  OR ((NEW.host IS NOT OLD.host OR NEW.source_ip IS NOT OLD.source_ip OR NEW.user_name IS NOT OLD.user_name)
      AND (SELECT MAX(erasing) FROM expiring) <> 1)
  OR (NEW.host IS NOT OLD.host AND NEW.host IS NOT NULL)
  OR (NEW.source_ip IS NOT OLD.source_ip AND NEW.source_ip IS NOT NULL)
  OR (NEW.user_name IS NOT OLD.user_name AND NEW.user_name IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
