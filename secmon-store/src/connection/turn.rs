//! Whose turn it is to change the schema, on a cluster of several nodes: statements that do so run on all of them, and two
//! from two nodes may wait for each other for ever. Locks of a node are no help there; a row is one for all.

use std::time::Duration;

use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};

use super::mysql::Connection;

/// How long whoever has the turn may take for one change, in seconds; then others believe that it died.
const TURN: i64 = 600;
/// How often it is asked for.
const ASK: Duration = Duration::from_millis(500);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_turns (id INT NOT NULL PRIMARY KEY, holder VARCHAR(36) NOT NULL, \
                     until_at BIGINT NOT NULL) ENGINE = InnoDB";
const FIRST: &str = "INSERT IGNORE INTO schema_turns (id, holder, until_at) VALUES (1, '', 0)";
const FREE: &str = "UPDATE schema_turns SET holder = @secmon_turn, until_at = UNIX_TIMESTAMP() + ? \
                    WHERE id = 1 AND (until_at < UNIX_TIMESTAMP() OR holder = @secmon_turn)";
const SECOND: &[&str] = &["Deadlock found", "WSREP"];
const END: &str = "UPDATE schema_turns SET until_at = 0 WHERE holder = @secmon_turn";

#[derive(QueryableByName)]
struct Variable {
    #[diesel(sql_type = Text, column_name = "Value")]
    value: String,
}

/// The turn of this connection.
pub(super) struct Turn {
    /// Whether it takes one: the database is a cluster's.
    needed: bool,
}

impl Turn {
    /// Waits for it.
    pub(super) fn wait(db: &mut Connection) -> QueryResult<Self> {
        let on: Vec<Variable> = sql_query("SHOW VARIABLES LIKE 'wsrep_on'").load(db)?;
        let turn = Self { needed: on.iter().any(|row| row.value == "ON") };
        if turn.needed {
            sql_query(TABLE).execute(db)?;
            sql_query("SET @secmon_turn = UUID()").execute(db)?;
            turn.keep(db)?;
        }
        Ok(turn)
    }

    /// Keeps it for one more change; waits until it has it again where another has taken it meanwhile.
    pub(super) fn keep(&self, db: &mut Connection) -> QueryResult<()> {
        while !self.take(db)? {
            std::thread::sleep(ASK);
        }
        Ok(())
    }

    /// Takes it; false if another has it.
    fn take(&self, db: &mut Connection) -> QueryResult<bool> {
        if !self.needed {
            return Ok(true);
        }
        let mut taken = sql_query(FIRST).execute(db);
        if taken.is_ok() {
            taken = sql_query(FREE).bind::<BigInt, _>(TURN).execute(db);
        }
        match taken {
            Ok(rows) => Ok(rows == 1),
            // Of two nodes that do so at once one is told that it came second.
            Err(error) if SECOND.iter().any(|words| error.to_string().contains(words)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives it back.
    pub(super) fn end(self, db: &mut Connection) {
        if self.needed {
            // Else it runs out by itself.
            let _ = sql_query(END).execute(db);
        }
    }
}
