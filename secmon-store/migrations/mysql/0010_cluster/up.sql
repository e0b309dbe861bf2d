-- What the rules of a stream were told and nobody has counted yet: whoever has the lease takes it.
CREATE TABLE IF NOT EXISTS uncounted (
    stream_no BIGINT   NOT NULL,
    no        BIGINT   NOT NULL,                  -- counts batches of the stream
    at        BIGINT   NOT NULL,                  -- when it was sealed, in microseconds
    log       LONGBLOB NOT NULL,                  -- what the rules were told, JSON
    PRIMARY KEY (stream_no, no),
    KEY uncounted_at (at, stream_no, no)
) ENGINE = InnoDB;

-- The right to count for all streams. Its log and the memory of its rules stand under stream 0.
CREATE TABLE IF NOT EXISTS leases (
    name    VARBINARY(255) NOT NULL PRIMARY KEY,
    holder  VARBINARY(255) NOT NULL,              -- the origin of the stream of whoever has it
    epoch   BIGINT         NOT NULL,              -- how often it was taken
    expires BIGINT         NOT NULL,              -- by the clock of the database, in microseconds
    logged  BIGINT         NOT NULL               -- the last batch of `signals` of all streams
) ENGINE = InnoDB;
