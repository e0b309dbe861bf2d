//! Stores of their own for tests, and times.

#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use secmon_store::Store;
use tempfile::TempDir;

/// A folder of one's own, in memory where the system has such a place.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The store of a folder: a file in it, or a database of its own on the server that `SECMON_TEST_MYSQL` names.
pub fn url(folder: impl AsRef<Path>) -> String {
    let folder = folder.as_ref();
    match mysql() {
        Some(server) => {
            Sql::of(folder).create();
            format!("{server}/{}", database(folder))
        }
        None => format!("sqlite://{}/secmon.db", folder.display()),
    }
}

/// The folder of the key files of that store.
pub fn keys(folder: impl AsRef<Path>) -> PathBuf {
    folder.as_ref().join("secmon.db.keys")
}

/// Opens the store of a folder, made when it is absent.
pub fn open(folder: impl AsRef<Path>) -> Store {
    Store::open_with(&url(&folder), Some(&keys(&folder)), true).unwrap()
}

/// The server on which stores are made, if they are not files: `mysql://root@127.0.0.1:PORT`.
pub fn mysql() -> Option<String> {
    std::env::var("SECMON_TEST_MYSQL").ok().filter(|server| !server.is_empty())
}

fn database(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let letters =
        name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { byte.into() } else { '_' });
    format!("t{}", letters.collect::<String>())
}

/// The database of a folder, as somebody who administers it by hand sees it.
pub struct Sql {
    file: PathBuf,
    server: Option<(String, String)>,
}

impl Sql {
    /// That of the store in a folder.
    pub fn of(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let port = mysql().map(|server| server.rsplit(':').next().unwrap().to_owned());
        let server = port.map(|port| (port, database(folder)));
        Self { file: folder.join("secmon.db"), server }
    }

    fn mariadb(port: &str) -> Command {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "-h127.0.0.1", "-uroot", "-N", "-B", "--raw", "-P", port]);
        command
    }

    fn create(&self) {
        if let Some((port, database)) = &self.server {
            let sql = format!("CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4");
            assert!(Self::mariadb(port).arg("-e").arg(sql).status().unwrap().success());
        }
    }

    /// Runs statements; the error is the database's.
    pub fn run(&self, sql: &str) -> Result<(), String> {
        match &self.server {
            None => {
                let file = rusqlite::Connection::open(&self.file).unwrap();
                file.execute_batch(sql).map_err(|error| error.to_string())
            }
            Some((port, database)) => {
                let sql = in_mysql(sql);
                let done = Self::mariadb(port).args(["-D", database, "-e", &sql]).output().unwrap();
                let said = String::from_utf8_lossy(&done.stderr).into_owned();
                if done.status.success() { Ok(()) } else { Err(said) }
            }
        }
    }

    /// Runs a statement that must change something.
    pub fn change(&self, sql: &str) {
        let changed = match &self.server {
            None => {
                let file = rusqlite::Connection::open(&self.file).unwrap();
                file.execute(sql, []).unwrap().cast_signed() as i64
            }
            Some(_) => self.number(&format!("{}; SELECT ROW_COUNT()", in_mysql(sql))),
        };
        assert!(changed > 0, "{sql}");
    }

    /// The number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        match &self.server {
            None => {
                let file = rusqlite::Connection::open(&self.file).unwrap();
                file.query_row(query, [], |row| row.get(0)).unwrap()
            }
            Some((port, database)) => {
                let done =
                    Self::mariadb(port).args(["-D", database, "-e", query]).output().unwrap();
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                String::from_utf8(done.stdout).unwrap().trim().parse().unwrap()
            }
        }
    }

    /// Copies the database to that of another folder, as a backup does.
    pub fn copy_to(&self, folder: impl AsRef<Path>) {
        let folder = folder.as_ref();
        match &self.server {
            None => {
                let file = rusqlite::Connection::open(&self.file).unwrap();
                let to = folder.join("secmon.db");
                file.execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
            }
            Some((port, from)) => {
                Self::of(folder).create();
                let dump = "mariadb-dump --no-defaults -h127.0.0.1 -uroot --routines --triggers --hex-blob";
                let to = format!(
                    "mariadb --no-defaults -h127.0.0.1 -uroot -P {port} {}",
                    database(folder)
                );
                let pipe = format!("set -o pipefail; {dump} -P {port} {from} | {to}");
                assert!(Command::new("bash").args(["-c", &pipe]).status().unwrap().success());
            }
        }
    }

    /// Takes the triggers away, as whoever may write the database can.
    pub fn drop_triggers(&self) {
        let query = match &self.server {
            None => "SELECT name FROM sqlite_master WHERE type = 'trigger'",
            Some(_) => {
                "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
            }
        };
        for name in self.column(query) {
            self.run(&format!("DROP TRIGGER {name}")).unwrap();
        }
    }

    /// The texts that a query gives.
    pub fn column(&self, query: &str) -> Vec<String> {
        match &self.server {
            None => {
                let file = rusqlite::Connection::open(&self.file).unwrap();
                let mut query = file.prepare(query).unwrap();
                let rows = query.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Some((port, database)) => {
                let done =
                    Self::mariadb(port).args(["-D", database, "-e", query]).output().unwrap();
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                String::from_utf8(done.stdout).unwrap().lines().map(Into::into).collect()
            }
        }
    }
}

/// Takes the triggers of a file away, as whoever may write it can; gives what makes them again.
pub fn drop_triggers(sql: &rusqlite::Connection) -> Vec<String> {
    let triggers: Vec<(String, String)> = {
        let query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'";
        let mut all = sql.prepare(query).unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    for (name, _) in &triggers {
        sql.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    triggers.into_iter().map(|(_, sql)| sql).collect()
}

/// Somebody else who keeps the database from being written.
pub enum Lock {
    File(rusqlite::Connection),
    Client(std::process::Child),
}

impl Lock {
    pub fn of(folder: impl AsRef<Path>) -> Self {
        let sql = Sql::of(folder);
        let Some((port, database)) = &sql.server else {
            let file = rusqlite::Connection::open(&sql.file).unwrap();
            file.execute_batch("BEGIN IMMEDIATE").unwrap();
            return Self::File(file);
        };
        let wait =
            "START TRANSACTION; UPDATE streams SET size = size; SELECT 'locked'; SELECT SLEEP(60)";
        let mut command = Sql::mariadb(port);
        command
            .args(["--unbuffered", "-D", database, "-e", wait])
            .stdout(std::process::Stdio::piped());
        let mut client = command.spawn().unwrap();
        let mut said = [0; 6];
        std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(&said, b"locked");
        Self::Client(client)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match self {
            Self::File(file) => file.execute_batch("ROLLBACK").unwrap(),
            Self::Client(client) => {
                client.kill().unwrap();
                client.wait().unwrap();
            }
        }
    }
}

/// A statement for SQLite as the others understand it.
fn in_mysql(sql: &str) -> String {
    let mut sql = sql
        .replace("CAST(replace(CAST(body AS TEXT)", "CAST(replace(CONVERT(body USING utf8mb4)")
        .replace("AS BLOB)", "AS BINARY)")
        .replace("char(8212)", "_utf8mb4 x'E28094'")
        .replace("UPDATE expiring SET erasing", "SET @secmon_erasing");
    while let Some((before, rest)) = sql.split_once("zeroblob(") {
        sql = format!("{before}REPEAT(x'00', {rest}");
    }
    sql
}

/// A time as RFC 3339 says it.
pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Noon of the day on which tests happen, and so many seconds.
pub fn noon(seconds: i64) -> DateTime<Utc> {
    time("2026-11-20T12:00:00Z") + TimeDelta::seconds(seconds)
}

/// A failed SSH login at a second behind noon.
pub fn failure(second: i64, address: &str) -> String {
    format!(
        "{} web-1 sshd[{second}]: Failed password for root from {address} port 51234 ssh2",
        noon(second).format("%Y-%m-%dT%H:%M:%SZ")
    )
}

/// The bytes that a text in base64 stands for.
pub fn unbase64(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for letter in text.trim_end_matches('=').chars() {
        bits = bits << 6 | u32::try_from(alphabet.find(letter).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    out
}

/// The bytes that hexadecimal digits stand for.
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
