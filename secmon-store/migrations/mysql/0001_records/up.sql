-- Times are microseconds since 1970, UTC. `stream_no` stands for the stream id in every key.
--
-- Texts that are compared are VARBINARY: bytes, in any collation of the server, as on SQLite. Every statement can
-- be run again: these databases commit each of them by itself.

CREATE TABLE IF NOT EXISTS streams (
    stream_no    BIGINT         NOT NULL PRIMARY KEY,
    stream_id    VARBINARY(16)  NOT NULL UNIQUE,  -- 16 random bytes
    origin       VARBINARY(512) NOT NULL UNIQUE,  -- <cluster>/<stream id in hex>; the C2SP origin
    label        VARBINARY(512) NOT NULL,         -- by which a writer is opened
    genesis_vkey TEXT           NOT NULL,         -- the key from which verification starts
    size         BIGINT         NOT NULL,
    root         VARBINARY(32)  NOT NULL,
    frontier     BLOB           NOT NULL,         -- roots of the perfect subtrees, the largest first
    last_mac     VARBINARY(32)  NOT NULL,
    mac_epoch    BIGINT         NOT NULL,
    sig_epoch    BIGINT         NOT NULL,
    last_at      BIGINT         NOT NULL,         -- when the last record was sealed
    logged       BIGINT         NOT NULL,         -- batches in the signal log
    closed       BOOLEAN        NOT NULL,         -- no writer may resume it
    k0_box       BLOB,                            -- K_0, encrypted to the auditor
    stream_vkey  TEXT           NOT NULL,         -- the stream's own key, which signs every checkpoint
    pruned_to    BIGINT         NOT NULL,         -- below this multiple of 65,536 rows and tiles are gone
    pruned_range BLOB           NOT NULL,         -- roots of the perfect subtrees below
    pruned_mac   VARBINARY(32)  NOT NULL,         -- MAC of the last record below
    pruned_epoch BIGINT         NOT NULL,         -- epochs that ended there or before
    KEY streams_label (label)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The day of expiry is in the key because rows are parted by it: what is due goes with its partition. It is the
-- row of the stream, not this key, that keeps a second writer out.
CREATE TABLE IF NOT EXISTS records (
    stream_no BIGINT         NOT NULL,
    seq       BIGINT         NOT NULL,
    ts        BIGINT         NOT NULL,            -- indexed copies of the body, from here to outcome
    expires   BIGINT         NOT NULL,            -- days since 1970
    level     INT            NOT NULL,            -- 0 informational to 4 critical
    category  VARBINARY(64)  NOT NULL,
    host      VARBINARY(255),
    source_ip VARBINARY(255),
    user_name VARBINARY(255),
    action    VARBINARY(255),
    outcome   VARBINARY(255),
    body      MEDIUMBLOB     NOT NULL,            -- what is hashed is what is stored
    mac       VARBINARY(32)  NOT NULL,
    PRIMARY KEY (stream_no, seq, expires),
    KEY records_ts        (ts, stream_no, seq),
    KEY records_host      (host, ts, stream_no, seq),
    KEY records_level     (level, ts, stream_no, seq),
    KEY records_source_ip (source_ip, ts, stream_no, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
PARTITION BY RANGE (expires) (
    PARTITION ahead VALUES LESS THAN (2932896),   -- days for which no partition was made yet
    PARTITION never VALUES LESS THAN MAXVALUE
);

CREATE TABLE IF NOT EXISTS tiles (
    stream_no BIGINT     NOT NULL,
    level     INT        NOT NULL,
    idx       BIGINT     NOT NULL,
    hashes    BLOB       NOT NULL,                -- up to 256 hashes of 32 bytes
    PRIMARY KEY (stream_no, level, idx)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS checkpoints (
    stream_no BIGINT        NOT NULL,
    size      BIGINT        NOT NULL,
    epoch     BIGINT        NOT NULL,
    mac       VARBINARY(32) NOT NULL,
    note      MEDIUMTEXT    NOT NULL,             -- C2SP signed note
    issued_at BIGINT        NOT NULL,
    PRIMARY KEY (stream_no, size),
    KEY checkpoints_issued_at (issued_at, stream_no, size)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS seals (
    stream_no BIGINT        NOT NULL,
    epoch     BIGINT        NOT NULL,
    size      BIGINT        NOT NULL,
    mac       VARBINARY(32) NOT NULL,
    PRIMARY KEY (stream_no, epoch)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which records announce what is removed of a block of 65,536; what they say stands in their bodies.
CREATE TABLE IF NOT EXISTS removals (
    stream_no BIGINT NOT NULL,
    block     BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    PRIMARY KEY (stream_no, block, seq)
) ENGINE = InnoDB;

-- The day before which all events of a stream were announced to go, the index behind the last of them, and the day up to which their
-- personal values have gone too.
CREATE TABLE IF NOT EXISTS expirations (
    stream_no BIGINT NOT NULL PRIMARY KEY,
    day       BIGINT NOT NULL,
    last_seq  BIGINT NOT NULL,
    forgotten BIGINT NOT NULL
) ENGINE = InnoDB;

-- Proofs of the records that stayed below a prefix that was pruned.
CREATE TABLE IF NOT EXISTS kept_proofs (
    stream_no BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    path      BLOB   NOT NULL,
    PRIMARY KEY (stream_no, seq)
) ENGINE = InnoDB;

-- The MAC of the last record of a block, once that has expired.
CREATE TABLE IF NOT EXISTS block_macs (
    stream_no BIGINT        NOT NULL,
    block     BIGINT        NOT NULL,
    mac       VARBINARY(32) NOT NULL,
    PRIMARY KEY (stream_no, block)
) ENGINE = InnoDB;

-- Which records are held as evidence beyond their day, and which record announces that.
CREATE TABLE IF NOT EXISTS holds (
    stream_no BIGINT NOT NULL,
    held      BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    day       BIGINT NOT NULL,                    -- days since 1970
    PRIMARY KEY (stream_no, held, seq)
) ENGINE = InnoDB;

-- Personal values, each once, encrypted under a key outside the database; everywhere else stands the token.
CREATE TABLE IF NOT EXISTS subjects (
    token      VARBINARY(32) NOT NULL PRIMARY KEY,
    kind       VARBINARY(1024) NOT NULL,          -- user, address, text, ...
    ciphertext MEDIUMBLOB    NOT NULL,            -- nonce and XChaCha20-Poly1305
    key_id     BIGINT        NOT NULL,
    KEY subjects_key (key_id)
) ENGINE = InnoDB;

-- Which record commits to which value, and with which salt.
CREATE TABLE IF NOT EXISTS erasable_values (
    stream_no BIGINT          NOT NULL,
    seq       BIGINT          NOT NULL,
    field     VARBINARY(1024) NOT NULL,
    salt      VARBINARY(32)   NOT NULL,
    token     VARBINARY(32)   NOT NULL,
    PRIMARY KEY (stream_no, seq, field),
    KEY erasable_values_token (token)
) ENGINE = InnoDB;

-- Which records announce the erasure of values of a stream; what they say stands in their bodies.
CREATE TABLE IF NOT EXISTS erasures (
    of_stream BIGINT NOT NULL,
    stream_no BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    PRIMARY KEY (of_stream, stream_no, seq)
) ENGINE = InnoDB;

-- Where checkpoints were put outside the database.
CREATE TABLE IF NOT EXISTS anchors (
    stream_no BIGINT          NOT NULL,
    size      BIGINT          NOT NULL,
    kind      VARBINARY(16)   NOT NULL,           -- file, syslog, witness
    place     VARBINARY(1024) NOT NULL,           -- the file, the address
    at        BIGINT          NOT NULL,
    evidence  MEDIUMTEXT      NOT NULL,           -- what the place answered: signature lines of a witness
    PRIMARY KEY (stream_no, size, kind, place)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- As a witness for other logs: the latest checkpoint of each.
CREATE TABLE IF NOT EXISTS witnessed (
    origin VARBINARY(1024) NOT NULL PRIMARY KEY,
    size   BIGINT          NOT NULL,
    root   VARBINARY(32)   NOT NULL,
    note   MEDIUMTEXT      NOT NULL,
    at     BIGINT          NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS hosts (
    stream_no  BIGINT         NOT NULL,
    name       VARBINARY(255) NOT NULL,
    first_seen BIGINT         NOT NULL,
    last_seen  BIGINT         NOT NULL,
    events     BIGINT         NOT NULL,
    PRIMARY KEY (stream_no, name),
    KEY hosts_name (name, stream_no)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS signals (
    stream_no BIGINT   NOT NULL,
    no        BIGINT   NOT NULL,                  -- counts batches
    log       LONGBLOB NOT NULL,                  -- what the rules were told, JSON
    PRIMARY KEY (stream_no, no)
) ENGINE = InnoDB;

-- The memory of rules, in parts that fit a packet.
CREATE TABLE IF NOT EXISTS rule_states (
    stream_no BIGINT         NOT NULL,
    rule      VARBINARY(255) NOT NULL,
    part      INT            NOT NULL,
    settings  VARBINARY(32)  NOT NULL,            -- SHA-256 of kind and settings
    logged    BIGINT         NOT NULL,            -- the batch of `signals` behind which it was taken
    state     LONGTEXT       NOT NULL,
    PRIMARY KEY (stream_no, rule, part)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS detections (
    id        VARBINARY(16)  NOT NULL PRIMARY KEY,
    stream_no BIGINT         NOT NULL,
    seq       BIGINT         NOT NULL,
    rule      VARBINARY(255) NOT NULL,
    title     TEXT           NOT NULL,
    level     INT            NOT NULL,
    ts        BIGINT         NOT NULL,
    grp       MEDIUMTEXT     NOT NULL,            -- the group as canonical JSON
    reason    MEDIUMTEXT,                         -- what a rule that learns expected, and what it saw
    KEY detections_ts (ts, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS incidents (
    id        VARBINARY(32)  NOT NULL PRIMARY KEY,
    open_key  VARBINARY(32)  UNIQUE,              -- hash of rule and group while it is not closed: one open incident of each
    rule      VARBINARY(255) NOT NULL,
    title     TEXT           NOT NULL,
    level     INT            NOT NULL,
    state     VARBINARY(16)  NOT NULL,
    grp       MEDIUMTEXT     NOT NULL,
    stream_no BIGINT         NOT NULL,
    count     BIGINT         NOT NULL,
    first_ts  BIGINT         NOT NULL,
    last_ts   BIGINT         NOT NULL,
    evidence  MEDIUMTEXT     NOT NULL,            -- record numbers, JSON
    reason    MEDIUMTEXT,
    KEY incidents_last_ts (last_ts, id),
    KEY incidents_state   (state, last_ts, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS outbox (
    no       BIGINT        NOT NULL PRIMARY KEY AUTO_INCREMENT,
    incident VARBINARY(32) NOT NULL,
    kind     VARBINARY(64) NOT NULL,
    at       BIGINT        NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS receipts (
    `key`     VARBINARY(32) NOT NULL,             -- SHA-256 of who asked and the Idempotency-Key
    part      INT           NOT NULL,             -- a long request is stored in parts of 1,000 events
    body      VARBINARY(32) NOT NULL,             -- SHA-256 of the request's body
    stream_no BIGINT        NOT NULL,
    first_seq BIGINT        NOT NULL,
    last_seq  BIGINT        NOT NULL,
    at        BIGINT        NOT NULL,
    PRIMARY KEY (`key`, part),
    KEY receipts_at (at)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS rollups (
    stream_no BIGINT         NOT NULL,
    hour      BIGINT         NOT NULL,            -- hours since 1970
    field     VARBINARY(64)  NOT NULL,
    value     VARBINARY(255) NOT NULL,
    count     BIGINT         NOT NULL,
    PRIMARY KEY (stream_no, hour, field, value),
    KEY rollups_hour (field, hour)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS inputs (
    name        VARBINARY(3072) NOT NULL PRIMARY KEY, -- the file
    fingerprint VARBINARY(32)   NOT NULL,         -- SHA-256 of its first bytes
    head        BIGINT          NOT NULL,         -- how many bytes that hash covers
    position    BIGINT          NOT NULL,
    `lines`     BIGINT          NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS tokens (
    hash       VARBINARY(32) NOT NULL PRIMARY KEY,  -- SHA-256 of the token
    name       TEXT          NOT NULL,
    scope      VARBINARY(16) NOT NULL,
    created_at BIGINT        NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sessions (
    hash       VARBINARY(32) NOT NULL PRIMARY KEY,  -- SHA-256 of the cookie
    name       TEXT          NOT NULL,
    scope      VARBINARY(16) NOT NULL,
    created_at BIGINT        NOT NULL,
    expires_at BIGINT        NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What is sealed changes by the procedures below alone. They say what they are about in variables of the session,
-- which the triggers read: whoever may write the tables besides is refused by these.

DROP TRIGGER IF EXISTS records_update;
CREATE TRIGGER records_update BEFORE UPDATE ON records FOR EACH ROW
BEGIN
    -- An erasure takes tokens out of indexed copies, a hold moves the day of expiry back.
    IF NOT (NEW.stream_no <=> OLD.stream_no AND NEW.seq <=> OLD.seq AND NEW.ts <=> OLD.ts
            AND NEW.level <=> OLD.level AND NEW.category <=> OLD.category
            AND NEW.action <=> OLD.action AND NEW.outcome <=> OLD.outcome AND NEW.body <=> OLD.body
            AND NEW.mac <=> OLD.mac)
       OR (NEW.expires <> OLD.expires AND (COALESCE(@secmon_holding, 0) <> 1 OR NEW.expires < OLD.expires))
       OR (NOT (NEW.host <=> OLD.host AND NEW.source_ip <=> OLD.source_ip AND NEW.user_name <=> OLD.user_name)
           AND COALESCE(@secmon_erasing, 0) <> 1)
       OR (NOT NEW.host <=> OLD.host AND NEW.host IS NOT NULL)
       OR (NOT NEW.source_ip <=> OLD.source_ip AND NEW.source_ip IS NOT NULL)
       OR (NOT NEW.user_name <=> OLD.user_name AND NEW.user_name IS NOT NULL)
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'records are append-only'; END IF;
END;

DROP TRIGGER IF EXISTS records_delete;
CREATE TRIGGER records_delete BEFORE DELETE ON records FOR EACH ROW
BEGIN
    IF (OLD.category <> 'event' OR OLD.expires >= COALESCE(@secmon_day, -1))
       AND (OLD.category NOT IN ('secmon.heartbeat', 'secmon.directory', 'secmon.retention')
            OR OLD.seq >= COALESCE(@secmon_pruning, 0))
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'records are append-only'; END IF;
END;

DROP TRIGGER IF EXISTS checkpoints_update;
CREATE TRIGGER checkpoints_update BEFORE UPDATE ON checkpoints FOR EACH ROW
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'checkpoints are append-only';

DROP TRIGGER IF EXISTS checkpoints_delete;
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints FOR EACH ROW
BEGIN
    IF OLD.size > COALESCE(@secmon_pruning, 0)
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'checkpoints are append-only'; END IF;
END;

DROP TRIGGER IF EXISTS seals_update;
CREATE TRIGGER seals_update BEFORE UPDATE ON seals FOR EACH ROW
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seals are append-only';

DROP TRIGGER IF EXISTS seals_delete;
CREATE TRIGGER seals_delete BEFORE DELETE ON seals FOR EACH ROW
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seals are append-only';

DROP TRIGGER IF EXISTS erasable_values_update;
CREATE TRIGGER erasable_values_update BEFORE UPDATE ON erasable_values FOR EACH ROW
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'personal values are append-only';

DROP TRIGGER IF EXISTS erasable_values_delete;
CREATE TRIGGER erasable_values_delete BEFORE DELETE ON erasable_values FOR EACH ROW
BEGIN
    IF COALESCE(@secmon_erasing, 0) <> 1
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'personal values go by erasure or expiry'; END IF;
END;

DROP TRIGGER IF EXISTS subjects_delete;
CREATE TRIGGER subjects_delete BEFORE DELETE ON subjects FOR EACH ROW
BEGIN
    IF COALESCE(@secmon_erasing, 0) <> 1
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'personal values go by erasure or expiry'; END IF;
END;

-- Moves the day of a record that is held.
DROP PROCEDURE IF EXISTS secmon_hold;
CREATE PROCEDURE secmon_hold(IN the_stream BIGINT, IN the_seq BIGINT, IN the_day BIGINT)
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET @secmon_holding = NULL; RESIGNAL; END;
    SET @secmon_holding = 1;
    UPDATE records SET expires = the_day WHERE stream_no = the_stream AND seq = the_seq AND expires < the_day;
    SET @secmon_holding = NULL;
END;

-- Takes a personal value of a record away, with the token in its column.
DROP PROCEDURE IF EXISTS secmon_erase_value;
CREATE PROCEDURE secmon_erase_value(IN the_stream BIGINT, IN the_seq BIGINT, IN the_field VARBINARY(1024))
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET @secmon_erasing = NULL; RESIGNAL; END;
    SET @secmon_erasing = 1;
    DELETE FROM erasable_values WHERE stream_no = the_stream AND seq = the_seq AND field = the_field;
    IF the_field = 'host.name' THEN
        UPDATE records SET host = NULL WHERE stream_no = the_stream AND seq = the_seq;
    ELSEIF the_field = 'source.ip' THEN
        UPDATE records SET source_ip = NULL WHERE stream_no = the_stream AND seq = the_seq;
    ELSEIF the_field = 'user.name' THEN
        UPDATE records SET user_name = NULL WHERE stream_no = the_stream AND seq = the_seq;
    END IF;
    SET @secmon_erasing = NULL;
END;

-- Takes a personal value away to which no record commits any more.
DROP PROCEDURE IF EXISTS secmon_erase_subject;
CREATE PROCEDURE secmon_erase_subject(IN the_token VARBINARY(32))
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET @secmon_erasing = NULL; RESIGNAL; END;
    SET @secmon_erasing = 1;
    DELETE FROM subjects WHERE token = the_token
        AND NOT EXISTS (SELECT 1 FROM erasable_values WHERE erasable_values.token = the_token);
    SET @secmon_erasing = NULL;
END;

-- Deletes events whose day is before `the_day`, and of what passes, what is pruned below `the_end`; `seqs` is a
-- list of indexes with commas.
DROP PROCEDURE IF EXISTS secmon_delete_records;
CREATE PROCEDURE secmon_delete_records(IN the_stream BIGINT, IN seqs MEDIUMTEXT, IN the_day BIGINT, IN the_end BIGINT)
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET @secmon_day = NULL, @secmon_pruning = NULL; RESIGNAL; END;
    IF seqs NOT REGEXP '^[0-9]+(,[0-9]+)*$'
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seqs is no list of indexes'; END IF;
    SET @secmon_day = the_day, @secmon_pruning = the_end, @secmon_stream = the_stream;
    SET @secmon_sql = CONCAT('DELETE FROM records WHERE stream_no = ? AND seq IN (', seqs, ')');
    PREPARE secmon_statement FROM @secmon_sql;
    EXECUTE secmon_statement USING @secmon_stream;
    DEALLOCATE PREPARE secmon_statement;
    SET @secmon_day = NULL, @secmon_pruning = NULL;
END;

-- The same of personal values of records.
DROP PROCEDURE IF EXISTS secmon_delete_values;
CREATE PROCEDURE secmon_delete_values(IN the_stream BIGINT, IN seqs MEDIUMTEXT)
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET @secmon_erasing = NULL; RESIGNAL; END;
    IF seqs NOT REGEXP '^[0-9]+(,[0-9]+)*$'
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seqs is no list of indexes'; END IF;
    SET @secmon_erasing = 1, @secmon_stream = the_stream;
    SET @secmon_sql = CONCAT('DELETE FROM erasable_values WHERE stream_no = ? AND seq IN (', seqs, ')');
    PREPARE secmon_statement FROM @secmon_sql;
    EXECUTE secmon_statement USING @secmon_stream;
    DEALLOCATE PREPARE secmon_statement;
    SET @secmon_erasing = NULL;
END;

-- The same of checkpoints up to `the_end`; `sizes` is a list with commas.
DROP PROCEDURE IF EXISTS secmon_delete_checkpoints;
CREATE PROCEDURE secmon_delete_checkpoints(IN the_stream BIGINT, IN sizes MEDIUMTEXT, IN the_end BIGINT)
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET @secmon_pruning = NULL; RESIGNAL; END;
    IF sizes NOT REGEXP '^[0-9]+(,[0-9]+)*$'
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'sizes is no list of sizes'; END IF;
    SET @secmon_pruning = the_end, @secmon_stream = the_stream;
    SET @secmon_sql = CONCAT('DELETE FROM checkpoints WHERE stream_no = ? AND size IN (', sizes, ')');
    PREPARE secmon_statement FROM @secmon_sql;
    EXECUTE secmon_statement USING @secmon_stream;
    DEALLOCATE PREPARE secmon_statement;
    SET @secmon_pruning = NULL;
END;

-- Keeps partitions ahead: wide ones up to the day `the_far`, parted into those of `width` days where most records go,
-- up to the day `the_near`. What is parted holds only what is kept for long.
DROP PROCEDURE IF EXISTS secmon_make_partitions;
CREATE PROCEDURE secmon_make_partitions(IN the_first BIGINT, IN the_near BIGINT, IN the_far BIGINT, IN width BIGINT)
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE bound, below BIGINT;
    DECLARE wide BIGINT DEFAULT GREATEST(13 * width, 91 DIV width * width);
    DECLARE list LONGTEXT DEFAULT '';
    SELECT MAX(CAST(SUBSTRING(partition_name, 2) AS SIGNED)) INTO bound FROM information_schema.partitions
        WHERE table_schema = DATABASE() AND table_name = 'records' AND partition_name LIKE 'd%';
    IF bound IS NULL THEN
        SET bound = the_first DIV width * width;
        SET list = CONCAT('PARTITION d', bound, ' VALUES LESS THAN (', bound, '), ');
    END IF;
    WHILE bound <= the_far AND bound + wide < 2932896 DO
        SET bound = bound + wide;
        SET list = CONCAT(list, 'PARTITION d', bound, ' VALUES LESS THAN (', bound, '), ');
    END WHILE;
    IF list <> '' THEN
        SET @secmon_sql = CONCAT('ALTER TABLE records REORGANIZE PARTITION ahead INTO (', list,
                                 'PARTITION ahead VALUES LESS THAN (2932896))');
        PREPARE secmon_statement FROM @secmon_sql;
        EXECUTE secmon_statement;
        DEALLOCATE PREPARE secmon_statement;
    END IF;
    parting: LOOP
        SET bound = NULL;
        SELECT b, a INTO bound, below FROM (
            SELECT CAST(SUBSTRING(partition_name, 2) AS SIGNED) AS b,
                   LAG(CAST(SUBSTRING(partition_name, 2) AS SIGNED)) OVER (ORDER BY partition_ordinal_position) AS a
            FROM information_schema.partitions
            WHERE table_schema = DATABASE() AND table_name = 'records' AND partition_name LIKE 'd%') AS bounds
        WHERE b - a > width AND a <= the_near AND b > the_first ORDER BY b LIMIT 1;
        IF bound IS NULL THEN LEAVE parting; END IF;
        SET list = '';
        WHILE below + width < bound DO
            SET below = below + width;
            SET list = CONCAT(list, 'PARTITION d', below, ' VALUES LESS THAN (', below, '), ');
        END WHILE;
        SET @secmon_sql = CONCAT('ALTER TABLE records REORGANIZE PARTITION d', bound, ' INTO (', list,
                                 'PARTITION d', bound, ' VALUES LESS THAN (', bound, '))');
        PREPARE secmon_statement FROM @secmon_sql;
        EXECUTE secmon_statement;
        DEALLOCATE PREPARE secmon_statement;
    END LOOP;
END;

-- Drops the partition that ends with `the_bound`, once every stream has announced that its events in it go.
DROP PROCEDURE IF EXISTS secmon_drop_partition;
CREATE PROCEDURE secmon_drop_partition(IN the_bound BIGINT)
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    IF NOT EXISTS (SELECT 1 FROM information_schema.partitions WHERE table_schema = DATABASE()
                   AND table_name = 'records' AND partition_name = CONCAT('d', the_bound))
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'there is no partition that ends so'; END IF;
    SET @secmon_sql = CONCAT('SELECT COUNT(*) INTO @secmon_waiting FROM (SELECT stream_no, MAX(seq) AS last FROM records ',
        'PARTITION (d', the_bound, ') GROUP BY stream_no) AS there LEFT JOIN expirations USING (stream_no) ',
        'WHERE COALESCE(day, -1) < ', the_bound, ' OR last >= last_seq');
    PREPARE secmon_statement FROM @secmon_sql;
    EXECUTE secmon_statement;
    DEALLOCATE PREPARE secmon_statement;
    IF @secmon_waiting > 0
    THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not all that is in this partition was announced to go'; END IF;
    SET @secmon_sql = CONCAT('ALTER TABLE records DROP PARTITION d', the_bound);
    PREPARE secmon_statement FROM @secmon_sql;
    EXECUTE secmon_statement;
    DEALLOCATE PREPARE secmon_statement;
END;
