//! Stores of their own for tests, and times.

#![allow(dead_code, reason = "each test uses some of it")]

use chrono::{DateTime, TimeDelta, Utc};
use secmon_store::Store;
use tempfile::TempDir;

/// A folder of one's own, in memory where the system has such a place.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The store in a folder.
pub fn url(folder: &TempDir) -> String {
    format!("sqlite://{}/secmon.db", folder.path().display())
}

/// Opens the store in a folder, made when it is absent.
pub fn open(folder: &TempDir) -> Store {
    Store::open(&url(folder)).unwrap()
}

/// Takes the triggers away, as whoever may write the database can; gives what makes them again.
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
