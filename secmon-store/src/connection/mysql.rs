//! MySQL and MariaDB: a driver in Rust, driven by a runtime of its own.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::Duration;

use diesel::migration::Migration;
use diesel::mysql::Mysql;
use diesel::result::{Error, QueryResult};
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use diesel_async::AsyncMysqlConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use tokio::runtime::{Builder, Runtime};

use super::migrate::next;
use super::timed::{Timed, no_answer};
use super::turn::Turn;

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/mysql");

/// How long the database has for an answer: a server that hangs would keep its caller for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
/// ... where it changes its schema.
pub(super) const LONG: Duration = Duration::from_hours(6);

/// A connection that was used so lately is there still.
pub(super) const TRUSTED: Duration = Duration::from_secs(1);

/// Settings of each session, which every server knows.
const SETUP: &[&str] = &[
    "SET autocommit = 1",
    "SET time_zone = '+00:00'",
    "SET NAMES utf8mb4",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
];

/// In a cluster a node answers for all that was committed anywhere before it was asked.
const IN_CLUSTER: &str = "SET SESSION wsrep_sync_wait = 1";
/// What a server says that is built for none: 1193, `ER_UNKNOWN_SYSTEM_VARIABLE`.
const UNKNOWN_VARIABLE: u16 = 1_193;

/// A connection with a patience.
pub(crate) type Connection = AsyncConnectionWrapper<Timed, Driver>;

/// Where a database is, and how it is spoken to.
#[derive(Clone)]
pub(super) struct Place(OptsBuilder);

impl Place {
    /// `mysql://USER[:PW]@HOST[:PORT]/DB[?tls=verify&ca=FILE]`.
    pub(super) fn parse(url: &str) -> crate::Result<Self> {
        let shown = url.split('@').next_back().unwrap_or_default();
        let wrong = |reason: &str| crate::Error::Open { url: shown.into(), reason: reason.into() };
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let opts = Opts::from_url(address).map_err(|error| wrong(&error.to_string()))?;
        if opts.db_name().is_none_or(str::is_empty) {
            return Err(wrong("the URL names no database: mysql://USER[:PW]@HOST[:PORT]/DB"));
        }
        let (mut tls, mut ca) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("tls", "verify")) => tls = Some(true),
                Some(("tls", "off")) => tls = Some(false),
                Some(("ca", file)) => ca = Some(std::path::PathBuf::from(file)),
                _ => return Err(wrong("its options are `tls=verify`, `tls=off` and `ca=FILE`")),
            }
        }
        if ca.is_some() && tls != Some(true) {
            return Err(wrong("`ca` goes with `tls=verify`"));
        }
        if let Some(file) = ca.as_ref().filter(|file| !file.is_file()) {
            return Err(wrong(&format!("there is no file `{}` of a CA", file.display())));
        }
        if tls.is_none() && !is_own(opts.ip_or_hostname()) {
            let reason = "passwords and records would cross the network in clear: add `?tls=verify` (with \
                          `&ca=FILE` for a CA of one's own), or `?tls=off` where nobody listens";
            return Err(wrong(reason));
        }
        let ssl = tls.unwrap_or(false).then(|| {
            let own = ca.is_some();
            let roots = ca.into_iter().map(Into::into).collect();
            SslOpts::default().with_root_certs(roots).with_disable_built_in_roots(own)
        });
        let builder = OptsBuilder::from_opts(opts)
            .ssl_opts(ssl)
            .prefer_socket(false)
            .client_found_rows(true)
            .stmt_cache_size(0)
            .tcp_keepalive(Some(10_000_u32))
            .setup(SETUP.to_vec());
        Ok(Self(builder))
    }

    /// Its address, without a password.
    pub(super) fn shown(&self) -> String {
        let opts: Opts = self.0.clone().into();
        let user = opts.user().unwrap_or_default();
        let database = opts.db_name().unwrap_or_default();
        format!("mysql://{user}@{}:{}/{database}", opts.ip_or_hostname(), opts.tcp_port())
    }

    /// Connects; else why not.
    pub(super) fn connect(&self, patience: Duration) -> Result<Connection, String> {
        runtime()?;
        let opts: Opts = self.0.clone().into();
        let database = opts.db_name().unwrap_or_default().to_owned();
        let opened = Driver.block_on(async {
            let open = async {
                let mut connection = Conn::new(opts).await.map_err(|error| match error {
                    mysql_async::Error::Server(error) if error.code == 1049 => format!(
                        "there is no database `{database}`: CREATE DATABASE {database} CHARACTER SET utf8mb4"
                    ),
                    error => error.to_string(),
                })?;
                match connection.query_drop(IN_CLUSTER).await {
                    Err(mysql_async::Error::Server(error)) if error.code == UNKNOWN_VARIABLE => {}
                    answer => answer.map_err(|error| error.to_string())?,
                }
                AsyncMysqlConnection::try_from(connection).await.map_err(|error| error.to_string())
            };
            let answer = tokio::time::timeout(PATIENCE, open).await;
            answer.unwrap_or_else(|_| Err(no_answer(PATIENCE)))
        });
        Ok(Timed::new(opened?, patience).into())
    }

    /// Makes what is missing of the schema, up to a change or all of it; what is there is kept before. Each migration can
    /// be run again where one ended midway, and two services may do so at once: whoever is second waits.
    pub(super) fn migrate(
        db: &mut Connection,
        last: Option<&str>,
        keep: &dyn Fn(&str) -> crate::Result<()>,
    ) -> Result<(), String> {
        if missing(db, last)?.is_none() {
            return Ok(());
        }
        // Nothing is asked of it while a backup is made.
        let patient = format!("SET SESSION wait_timeout = {}", LONG.as_secs());
        sql_query(patient).execute(db).map_err(|error| error.to_string())?;
        let lock = format!(
            "SELECT COALESCE(GET_LOCK(LEFT(CONCAT('secmon.', DATABASE()), 64), {}), 0) AS count",
            LONG.as_secs()
        );
        let locked: Count = sql_query(lock).get_result(db).map_err(|error| error.to_string())?;
        if locked.count == 0 {
            return Err("another service has been changing its schema for hours".into());
        }
        let done = kept(db, last, keep).and_then(|()| change(db, last));
        let unlock = "SELECT RELEASE_LOCK(LEFT(CONCAT('secmon.', DATABASE()), 64))";
        // Else it goes with the connection.
        let _ = sql_query(unlock).execute(db);
        done
    }
}

/// The next change that was not made, up to one; told without the right to make anything.
fn missing(
    db: &mut Connection,
    last: Option<&str>,
) -> Result<Option<Box<dyn Migration<Mysql>>>, String> {
    let applied = applied(db).map_err(|error| error.to_string())?;
    Ok(next(&MIGRATIONS, &applied, last))
}

/// Keeps what is there before it changes.
fn kept(
    db: &mut Connection,
    last: Option<&str>,
    keep: &dyn Fn(&str) -> crate::Result<()>,
) -> Result<(), String> {
    let text = |error: Error| error.to_string();
    let before = applied(db).map_err(text)?;
    let Some(version) = before.iter().max() else { return Ok(()) };
    if missing(db, last)?.is_none() {
        return Ok(());
    }
    // Whoever may not change it finds out before: this asks for the right to make a table, though there is one.
    db.applied_migrations().map_err(|error| unchanged(&error))?;
    let Err(error) = keep(version) else { return Ok(()) };
    // On another node somebody may be changing it, and has kept it before.
    if let Ok(turn) = Turn::wait(db) {
        turn.end(db);
    }
    if applied(db).is_ok_and(|now| now.len() > before.len()) {
        return Ok(());
    }
    Err(format!(
        "its schema must be brought up to date, and no backup can be made before: {error}; nothing was changed"
    ))
}

fn change(db: &mut Connection, last: Option<&str>) -> Result<(), String> {
    let turn = Turn::wait(db).map_err(|error| unchanged(&error))?;
    let done = run(db, last, &turn);
    turn.end(db);
    done.map_err(|error| unchanged(&*error))
}

fn run(db: &mut Connection, last: Option<&str>, turn: &Turn) -> diesel::migration::Result<()> {
    // Makes the table of what was applied, where there is none.
    db.applied_migrations()?;
    while missing(db, last)?.is_some() {
        turn.keep(db)?;
        // Asked again behind that: whoever had the turn meanwhile may have made it.
        if let Some(next) = missing(db, last)? {
            db.run_migration(&next)?;
        }
    }
    Ok(())
}

fn unchanged(error: &(impl std::fmt::Display + ?Sized)) -> String {
    format!(
        "its schema cannot be brought up to date: {error}; the account needs the rights to make tables, triggers and \
         procedures, or somebody who has them opens the store once"
    )
}

/// Whether a host is this machine.
fn is_own(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// The migrations that were applied, told without the right to make a table of them.
pub(super) fn applied(db: &mut Connection) -> QueryResult<Vec<String>> {
    let tables = "SELECT COUNT(*) AS count FROM information_schema.tables WHERE table_schema = DATABASE() \
                  AND table_name = '__diesel_schema_migrations'";
    let tables: Count = sql_query(tables).get_result(db)?;
    if tables.count == 0 {
        return Ok(Vec::new());
    }
    let versions: Vec<Applied> =
        sql_query("SELECT version FROM __diesel_schema_migrations").load(db)?;
    Ok(versions.into_iter().map(|row| row.version).collect())
}

/// The runtime of all connections: one thread that reads and writes for those who wait.
fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("mysql").enable_all();
        builder.build().map_err(|error| error.to_string())
    });
    made.as_ref().map_err(Clone::clone)
}

/// Waits for answers, on whatever thread: also on one that drives another runtime, which must not be entered again.
#[derive(Debug)]
pub(crate) struct Driver;

/// Wakes a thread that waits.
struct Waiting(Thread);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl BlockOn for Driver {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        // Timers and sockets belong to the runtime; no connection was made without it.
        let _entered = runtime().ok().map(Runtime::enter);
        let waker = Arc::new(Waiting(std::thread::current())).into();
        let mut cx = Context::from_waker(&waker);
        // Without a share of the turns of a task around it: waiting here gives none back.
        let mut future = pin!(tokio::task::unconstrained(future));
        loop {
            match future.as_mut().poll(&mut cx) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    fn get_runtime() -> Self {
        Self
    }
}
