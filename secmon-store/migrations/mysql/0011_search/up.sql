-- Which words stand in a block of records: made behind the append, and made again where it is lost.
CREATE TABLE IF NOT EXISTS search_blocks (
    stream_no BIGINT   NOT NULL,
    block     BIGINT   NOT NULL,                  -- of 4,096 records
    size      BIGINT   NOT NULL,                  -- how many of them it covers
    min_ts    BIGINT   NOT NULL,
    max_ts    BIGINT   NOT NULL,
    words     LONGBLOB NOT NULL,                  -- a Bloom filter
    PRIMARY KEY (stream_no, block),
    KEY search_blocks_ts (max_ts, stream_no, block)
) ENGINE = InnoDB;
