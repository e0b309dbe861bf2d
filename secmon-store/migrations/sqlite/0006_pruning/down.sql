DROP TRIGGER checkpoints_delete;
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;

DROP TRIGGER records_delete;
CREATE TRIGGER records_delete BEFORE DELETE ON records
WHEN OLD.category <> 'event' OR OLD.expires >= (SELECT MAX(day) FROM expiring)
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;

ALTER TABLE expiring DROP COLUMN pruning;
DROP TABLE block_macs;
DROP TABLE kept_proofs;
ALTER TABLE streams DROP COLUMN pruned_epoch;
ALTER TABLE streams DROP COLUMN pruned_mac;
ALTER TABLE streams DROP COLUMN pruned_range;
ALTER TABLE streams DROP COLUMN pruned_to;
