-- Personal values, each once, encrypted under a key outside the database; everywhere else stands the token.
CREATE TABLE subjects (
    token      BLOB   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,             -- user, address, text, ...
    ciphertext BLOB   NOT NULL,             -- nonce and XChaCha20-Poly1305
    key_id     BIGINT NOT NULL
);
CREATE INDEX subjects_key ON subjects (key_id);

-- Which record commits to which value, and with which salt.
CREATE TABLE erasable_values (
    stream_no BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    field     TEXT   NOT NULL,
    salt      BLOB   NOT NULL,
    token     BLOB   NOT NULL,
    PRIMARY KEY (stream_no, seq, field)
);
CREATE INDEX erasable_values_token ON erasable_values (token);

-- Which records announce the erasure of values of a stream; what they say stands in their bodies.
CREATE TABLE erasures (
    of_stream BIGINT NOT NULL,
    stream_no BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    PRIMARY KEY (of_stream, stream_no, seq)
);

-- 1 only inside the transaction that erases what was announced.
ALTER TABLE expiring ADD COLUMN erasing INTEGER NOT NULL DEFAULT 0;

-- An erasure takes tokens out of indexed copies; nothing else changes a record.
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

CREATE TRIGGER erasable_values_update BEFORE UPDATE ON erasable_values
BEGIN SELECT RAISE(ABORT, 'personal values are append-only'); END;
CREATE TRIGGER erasable_values_delete BEFORE DELETE ON erasable_values
WHEN (SELECT MAX(erasing) FROM expiring) <> 1
BEGIN SELECT RAISE(ABORT, 'personal values go by erasure or expiry'); END;
CREATE TRIGGER subjects_delete BEFORE DELETE ON subjects
WHEN (SELECT MAX(erasing) FROM expiring) <> 1
BEGIN SELECT RAISE(ABORT, 'personal values go by erasure or expiry'); END;
