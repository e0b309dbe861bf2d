-- Times are microseconds since 1970, UTC. `stream_no` stands for the stream id in every key.

CREATE TABLE streams (
    stream_no    INTEGER NOT NULL PRIMARY KEY,
    stream_id    BLOB    NOT NULL UNIQUE,   -- 16 random bytes
    origin       TEXT    NOT NULL UNIQUE,   -- <cluster>/<stream id in hex>; the C2SP origin
    label        TEXT    NOT NULL,          -- by which a writer is opened
    genesis_vkey TEXT    NOT NULL,          -- the key from which verification starts
    size         BIGINT  NOT NULL,
    root         BLOB    NOT NULL,
    frontier     BLOB    NOT NULL,          -- roots of the perfect subtrees, the largest first
    last_mac     BLOB    NOT NULL,
    mac_epoch    BIGINT  NOT NULL,
    sig_epoch    BIGINT  NOT NULL,
    last_at      BIGINT  NOT NULL,          -- when the last record was sealed
    logged       BIGINT  NOT NULL,          -- batches in the signal log
    closed       BOOLEAN NOT NULL,          -- no writer may resume it
    k0_box       BLOB                       -- K_0, encrypted to the auditor
);
CREATE INDEX streams_label ON streams (label);

CREATE TABLE records (
    stream_no BIGINT  NOT NULL,
    seq       BIGINT  NOT NULL,
    ts        BIGINT  NOT NULL,             -- indexed copies of the body, from here to outcome
    expires   BIGINT  NOT NULL,             -- days since 1970
    level     INTEGER NOT NULL,             -- 0 informational to 4 critical
    category  TEXT    NOT NULL,
    host      TEXT,
    source_ip TEXT,
    user_name TEXT,
    action    TEXT,
    outcome   TEXT,
    body      BLOB    NOT NULL,             -- what is hashed is what is stored
    mac       BLOB    NOT NULL,
    PRIMARY KEY (stream_no, seq)
);
CREATE INDEX records_ts        ON records (ts);
CREATE INDEX records_host      ON records (host, ts);
CREATE INDEX records_level     ON records (level, ts);
CREATE INDEX records_source_ip ON records (source_ip, ts);

CREATE TABLE tiles (
    stream_no BIGINT  NOT NULL,
    level     INTEGER NOT NULL,
    idx       BIGINT  NOT NULL,
    hashes    BLOB    NOT NULL,             -- up to 256 hashes of 32 bytes
    PRIMARY KEY (stream_no, level, idx)
);

CREATE TABLE checkpoints (
    stream_no BIGINT NOT NULL,
    size      BIGINT NOT NULL,
    epoch     BIGINT NOT NULL,
    mac       BLOB   NOT NULL,
    note      TEXT   NOT NULL,              -- C2SP signed note
    issued_at BIGINT NOT NULL,
    PRIMARY KEY (stream_no, size)
);

CREATE TABLE seals (
    stream_no BIGINT NOT NULL,
    epoch     BIGINT NOT NULL,
    size      BIGINT NOT NULL,
    mac       BLOB   NOT NULL,
    PRIMARY KEY (stream_no, epoch)
);

CREATE TRIGGER records_update BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
CREATE TRIGGER records_delete BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'records are append-only'); END;
CREATE TRIGGER checkpoints_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;
CREATE TRIGGER seals_update BEFORE UPDATE ON seals
BEGIN SELECT RAISE(ABORT, 'seals are append-only'); END;
CREATE TRIGGER seals_delete BEFORE DELETE ON seals
BEGIN SELECT RAISE(ABORT, 'seals are append-only'); END;

CREATE TABLE hosts (
    stream_no  BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    events     BIGINT NOT NULL,
    PRIMARY KEY (stream_no, name)
);

CREATE TABLE signals (
    stream_no BIGINT NOT NULL,
    no        BIGINT NOT NULL,              -- counts batches
    log       BLOB   NOT NULL,              -- what the rules were told, JSON
    PRIMARY KEY (stream_no, no)
);

CREATE TABLE rule_states (
    stream_no BIGINT NOT NULL,
    rule      TEXT   NOT NULL,
    settings  BLOB   NOT NULL,              -- SHA-256 of kind and settings
    logged    BIGINT NOT NULL,              -- the batch of `signals` behind which it was taken
    state     TEXT   NOT NULL,
    PRIMARY KEY (stream_no, rule)
);

CREATE TABLE detections (
    id        BLOB    NOT NULL PRIMARY KEY,
    stream_no BIGINT  NOT NULL,
    seq       BIGINT  NOT NULL,
    rule      TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    level     INTEGER NOT NULL,
    ts        BIGINT  NOT NULL,
    grp       TEXT    NOT NULL              -- the group as canonical JSON
);
CREATE INDEX detections_ts ON detections (ts);

CREATE TABLE incidents (
    id        TEXT    NOT NULL PRIMARY KEY,
    open_key  BLOB    UNIQUE,               -- hash of rule and group while it is not closed: one open incident of each
    rule      TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    level     INTEGER NOT NULL,
    state     TEXT    NOT NULL,
    grp       TEXT    NOT NULL,
    stream_no BIGINT  NOT NULL,
    count     BIGINT  NOT NULL,
    first_ts  BIGINT  NOT NULL,
    last_ts   BIGINT  NOT NULL,
    evidence  TEXT    NOT NULL              -- record numbers, JSON
);
CREATE INDEX incidents_state ON incidents (state, last_ts);

CREATE TABLE outbox (
    no       INTEGER NOT NULL PRIMARY KEY,
    incident TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    at       BIGINT  NOT NULL
);

CREATE TABLE receipts (
    key       BLOB    NOT NULL,             -- SHA-256 of who asked and the Idempotency-Key
    part      INTEGER NOT NULL,             -- a long request is stored in parts of 1,000 events
    body      BLOB    NOT NULL,             -- SHA-256 of the request's body
    stream_no BIGINT  NOT NULL,
    first_seq BIGINT  NOT NULL,
    last_seq  BIGINT  NOT NULL,
    at        BIGINT  NOT NULL,
    PRIMARY KEY (key, part)
);
CREATE INDEX receipts_at ON receipts (at);

CREATE TABLE rollups (
    stream_no BIGINT NOT NULL,
    hour      BIGINT NOT NULL,              -- hours since 1970
    field     TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (stream_no, hour, field, value)
);
CREATE INDEX rollups_hour ON rollups (field, hour);

CREATE TABLE inputs (
    name        TEXT   NOT NULL PRIMARY KEY, -- the file
    fingerprint BLOB   NOT NULL,             -- SHA-256 of its first bytes
    head        BIGINT NOT NULL,             -- how many bytes that hash covers
    position    BIGINT NOT NULL,
    lines       BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash       BLOB   NOT NULL PRIMARY KEY,  -- SHA-256 of the token
    name       TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash       BLOB   NOT NULL PRIMARY KEY,  -- SHA-256 of the cookie
    name       TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
