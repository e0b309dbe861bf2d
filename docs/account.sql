-- An account for the service that may do what the service does, and no more: it appends to sealed tables, and changes
-- what is sealed by procedures alone, each of which does one thing that the log announces.
--
-- Run as an administrator, once the schema is there (open the store once with an account that may make it, for
-- instance `secmon verify --store mysql://root@127.0.0.1/secmon`), and again behind an upgrade. The database is the one
-- that is in use: mariadb secmon < docs/account.sql. Put a password of your own, in quotes, in place of CHANGE-ME:
-- as it stands the script is refused.

CREATE USER IF NOT EXISTS 'secmon'@'%' IDENTIFIED BY CHANGE-ME;

-- Sealed: nobody but the procedures changes or deletes a row.
GRANT SELECT, INSERT ON records TO 'secmon'@'%';
GRANT SELECT, INSERT ON checkpoints TO 'secmon'@'%';
GRANT SELECT, INSERT ON seals TO 'secmon'@'%';
GRANT SELECT, INSERT ON erasable_values TO 'secmon'@'%';

-- Personal values are encrypted anew under another key, and go by a procedure.
GRANT SELECT, INSERT, UPDATE ON subjects TO 'secmon'@'%';

-- The service's own.
GRANT SELECT, INSERT, UPDATE, DELETE ON streams TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON tiles TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON removals TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON expirations TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON kept_proofs TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON block_macs TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON erasures TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON anchors TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON witnessed TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON hosts TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON signals TO 'secmon'@'%';
GRANT SELECT, INSERT, DELETE ON search_blocks TO 'secmon'@'%';
GRANT SELECT, INSERT, DELETE ON uncounted TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE ON leases TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON rule_states TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON detections TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON incidents TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON receipts TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON rollups TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON inputs TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON tokens TO 'secmon'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO 'secmon'@'%';
GRANT SELECT ON __diesel_schema_migrations TO 'secmon'@'%';

GRANT EXECUTE ON PROCEDURE secmon_hold TO 'secmon'@'%';
GRANT EXECUTE ON PROCEDURE secmon_erase_value TO 'secmon'@'%';
GRANT EXECUTE ON PROCEDURE secmon_erase_subject TO 'secmon'@'%';
GRANT EXECUTE ON PROCEDURE secmon_delete_records TO 'secmon'@'%';
GRANT EXECUTE ON PROCEDURE secmon_delete_values TO 'secmon'@'%';
GRANT EXECUTE ON PROCEDURE secmon_delete_checkpoints TO 'secmon'@'%';
GRANT EXECUTE ON PROCEDURE secmon_make_partitions TO 'secmon'@'%';
GRANT EXECUTE ON PROCEDURE secmon_drop_partition TO 'secmon'@'%';
