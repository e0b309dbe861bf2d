-- The memory of rules, in parts: other databases take no statement of any length.
CREATE TABLE rule_state_parts (
    stream_no BIGINT  NOT NULL,
    rule      TEXT    NOT NULL,
    part      INTEGER NOT NULL,
    settings  BLOB    NOT NULL,              -- SHA-256 of kind and settings
    logged    BIGINT  NOT NULL,              -- the batch of `signals` behind which it was taken
    state     TEXT    NOT NULL,
    PRIMARY KEY (stream_no, rule, part)
);
INSERT INTO rule_state_parts SELECT stream_no, rule, 0, settings, logged, state FROM rule_states;
DROP TABLE rule_states;
ALTER TABLE rule_state_parts RENAME TO rule_states;
