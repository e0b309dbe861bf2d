-- Which words stand in a block of records: made behind the append, from the first block that is missing at the end.
CREATE TABLE IF NOT EXISTS search_blocks (
    stream_no BIGINT   NOT NULL,
    block     BIGINT   NOT NULL,                  -- of 4,096 records
    min_ts    BIGINT   NOT NULL,
    max_ts    BIGINT   NOT NULL,
    made      BIGINT   NOT NULL,                  -- counts all of them
    words     LONGBLOB NOT NULL,                  -- a Bloom filter
    PRIMARY KEY (stream_no, block),
    KEY search_blocks_ts (max_ts, stream_no, block)
) ENGINE = InnoDB;
