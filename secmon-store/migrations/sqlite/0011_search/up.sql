-- Which words stand in a block of records: made behind the append, from the first block that is missing at the end.
CREATE TABLE search_blocks (
    stream_no INTEGER NOT NULL,
    block     INTEGER NOT NULL,                  -- of 4,096 records
    min_ts    INTEGER NOT NULL,
    max_ts    INTEGER NOT NULL,
    made      INTEGER NOT NULL,                  -- counts all of them
    words     BLOB    NOT NULL,                  -- a Bloom filter
    PRIMARY KEY (stream_no, block)
);
CREATE INDEX search_blocks_ts ON search_blocks (max_ts, stream_no, block);
