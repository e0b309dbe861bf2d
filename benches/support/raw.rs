//! Raw SQLite, which appends are held against: the same rows, columns, key and indexes, under the same pragmas.

use std::path::Path;

use rusqlite::{Connection, params};
use secmon_core::Record;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    CREATE TABLE records (
        stream_no BIGINT NOT NULL, seq BIGINT NOT NULL, ts BIGINT NOT NULL, expires BIGINT NOT NULL,
        level INTEGER NOT NULL, category TEXT NOT NULL, host TEXT, source_ip TEXT, user_name TEXT,
        action TEXT, outcome TEXT, body BLOB NOT NULL, mac BLOB NOT NULL, PRIMARY KEY (stream_no, seq));
    CREATE INDEX records_ts ON records (ts);
    CREATE INDEX records_host ON records (host, ts);
    CREATE INDEX records_level ON records (level, ts);
    CREATE INDEX records_source_ip ON records (source_ip, ts);
    CREATE INDEX records_expires ON records (expires) WHERE category = 'event';";

/// A database, and the next sequence number.
pub(crate) struct Raw(Connection, i64);

impl Raw {
    pub(crate) fn open(folder: &Path) -> Self {
        let connection = Connection::open(folder.join("raw.db")).expect("a database");
        connection.execute_batch(SCHEMA).expect("a schema");
        connection.set_prepared_statement_cache_capacity(16);
        Self(connection, 0)
    }

    pub(crate) fn append(&mut self, records: &[Record]) {
        let transaction = self.0.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")
                .expect("a statement");
            for record in records {
                let row = params![
                    1,
                    self.1,
                    record.time,
                    record.expires,
                    record.level.rank(),
                    record.category,
                    record.host,
                    record.source_ip,
                    record.user,
                    record.action,
                    record.outcome,
                    record.body.as_bytes(),
                    record.mac.as_slice(),
                ];
                insert.execute(row).expect("a row");
                self.1 += 1;
            }
        }
        transaction.commit().expect("a commit");
    }
}
