DROP TABLE rule_states;
CREATE TABLE rule_states (
    stream_no BIGINT NOT NULL,
    rule      TEXT   NOT NULL,
    settings  BLOB   NOT NULL,
    logged    BIGINT NOT NULL,
    state     TEXT   NOT NULL,
    PRIMARY KEY (stream_no, rule)
);
