-- The stream's own key, which signs every checkpoint beside the key that rotates.
ALTER TABLE streams ADD COLUMN stream_vkey TEXT NOT NULL DEFAULT '';

-- Which records announce what is removed of a block of 65,536; what they say stands in their bodies.
CREATE TABLE removals (
    stream_no BIGINT NOT NULL,
    block     BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    PRIMARY KEY (stream_no, block, seq)
);

-- The day before which records may be deleted; -1 but inside the transaction that deletes what expired.
CREATE TABLE expiring (
    day BIGINT NOT NULL
);
INSERT INTO expiring (day) VALUES (-1);
CREATE INDEX records_expires ON records (expires) WHERE category = 'event';

DROP TRIGGER records_delete;
CREATE TRIGGER records_delete BEFORE DELETE ON records
WHEN OLD.category <> 'event' OR OLD.expires >= (SELECT MAX(day) FROM expiring)
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;

-- Where checkpoints were put outside the database.
CREATE TABLE anchors (
    stream_no BIGINT NOT NULL,
    size      BIGINT NOT NULL,
    kind      TEXT   NOT NULL,              -- file, syslog, witness
    place     TEXT   NOT NULL,              -- the file, the address
    at        BIGINT NOT NULL,
    evidence  TEXT   NOT NULL,              -- what the place answered: signature lines of a witness
    PRIMARY KEY (stream_no, size, kind, place)
);

-- As a witness for other logs: the latest checkpoint of each.
CREATE TABLE witnessed (
    origin TEXT   NOT NULL PRIMARY KEY,
    size   BIGINT NOT NULL,
    root   BLOB   NOT NULL,
    note   TEXT   NOT NULL,
    at     BIGINT NOT NULL
);
