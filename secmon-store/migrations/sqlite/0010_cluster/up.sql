-- For services that share a database, which this one cannot be: here they are only for stores that are moved.
CREATE TABLE uncounted (
    stream_no INTEGER NOT NULL,
    no        INTEGER NOT NULL,                  -- counts batches of the stream
    at        INTEGER NOT NULL,                  -- when it was sealed, in microseconds
    log       BLOB    NOT NULL,                  -- what the rules were told, JSON
    PRIMARY KEY (stream_no, no)
) WITHOUT ROWID;
CREATE TABLE leases (
    name    TEXT    NOT NULL PRIMARY KEY,
    holder  TEXT    NOT NULL,                    -- the origin of the stream of whoever has it
    epoch   INTEGER NOT NULL,                    -- how often it was taken
    expires INTEGER NOT NULL,                    -- by the clock of the database, in microseconds
    logged  INTEGER NOT NULL                     -- the last batch of `signals` of all streams
) WITHOUT ROWID;
