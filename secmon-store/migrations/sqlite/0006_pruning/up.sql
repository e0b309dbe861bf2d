-- Where a stream begins by now: below this multiple of 65,536 rows and tiles are gone.
ALTER TABLE streams ADD COLUMN pruned_to    BIGINT NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN pruned_range BLOB   NOT NULL DEFAULT x'';  -- roots of the perfect subtrees below
ALTER TABLE streams ADD COLUMN pruned_mac   BLOB   NOT NULL DEFAULT x'';  -- MAC of the last record below
ALTER TABLE streams ADD COLUMN pruned_epoch BIGINT NOT NULL DEFAULT 0;    -- epochs that ended there or before

-- Proofs of the records that stayed below: 16 hashes, from the leaf's sibling to the root of its block.
CREATE TABLE kept_proofs (
    stream_no BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    path      BLOB   NOT NULL,
    PRIMARY KEY (stream_no, seq)
);

-- The MAC of the last record of a block, once that has expired: a stream that is pruned begins with it.
CREATE TABLE block_macs (
    stream_no BIGINT NOT NULL,
    block     BIGINT NOT NULL,
    mac       BLOB   NOT NULL,
    PRIMARY KEY (stream_no, block)
);

-- The index below which records are pruned; 0 but inside the transaction that does it.
ALTER TABLE expiring ADD COLUMN pruning BIGINT NOT NULL DEFAULT 0;

DROP TRIGGER records_delete;
CREATE TRIGGER records_delete BEFORE DELETE ON records
WHEN (OLD.category <> 'event' OR OLD.expires >= (SELECT MAX(day) FROM expiring))
 AND (OLD.category NOT IN ('secmon.heartbeat', 'secmon.directory', 'secmon.retention')
      OR OLD.seq >= (SELECT MAX(pruning) FROM expiring))
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;

DROP TRIGGER checkpoints_delete;
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints
WHEN OLD.size > (SELECT MAX(pruning) FROM expiring)
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;
