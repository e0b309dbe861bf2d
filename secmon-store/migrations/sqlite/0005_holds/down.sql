DROP TRIGGER records_update;
CREATE TRIGGER records_update BEFORE UPDATE ON records
WHEN (SELECT MAX(erasing) FROM expiring) <> 1
  OR NEW.stream_no IS NOT OLD.stream_no OR NEW.seq IS NOT OLD.seq OR NEW.ts IS NOT OLD.ts
  OR NEW.expires IS NOT OLD.expires OR NEW.level IS NOT OLD.level OR NEW.category IS NOT OLD.category
  OR NEW.action IS NOT OLD.action OR NEW.outcome IS NOT OLD.outcome OR NEW.body IS NOT OLD.body
  OR NEW.mac IS NOT OLD.mac
  OR (NEW.host IS NOT OLD.host AND NEW.host IS NOT NULL)
  OR (NEW.source_ip IS NOT OLD.source_ip AND NEW.source_ip IS NOT NULL)
  OR (NEW.user_name IS NOT OLD.user_name AND NEW.user_name IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
ALTER TABLE expiring DROP COLUMN holding;
DROP TABLE holds;
