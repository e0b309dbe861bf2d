//! Users who are logged in, and all accounts.

use super::{Probe, Values};
use crate::event::{Value, fields};
use crate::{Error, Result};

/// `system.users.names`: who is logged in, once each; `system.accounts.names`: all accounts.
#[derive(Debug, Default)]
pub struct Users;

impl Probe for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn read(&mut self) -> Result<Values> {
        let accounts = sysinfo::Users::new_with_refreshed_list()
            .map_err(|error| Error::Probe { probe: "users".into(), reason: format!("{error:?}") })?;
        let mut names: Vec<&str> = accounts.iter().map(sysinfo::User::name).collect();
        names.sort_unstable();
        names.dedup();
        // A host without the file has nobody logged in at a terminal.
        let utmp = std::fs::read("/run/utmp").or_else(|_| std::fs::read("/var/run/utmp"));
        let logged_in = logged_in(&utmp.unwrap_or_default());
        Ok(vec![
            ("system.users.count".into(), i64::try_from(logged_in.len()).unwrap_or(0).into()),
            (fields::SYSTEM_USERS.into(), Value::from(logged_in)),
            ("system.accounts.names".into(), Value::from(names)),
        ])
    }
}

/// Names of the user processes of a utmp file (utmp(5): records of 384 bytes, type 7, name at byte 44).
fn logged_in(utmp: &[u8]) -> Vec<String> {
    const USER_PROCESS: [u8; 2] = 7_u16.to_le_bytes();
    let mut names: Vec<String> = utmp
        .chunks_exact(384)
        .filter(|record| record.starts_with(&USER_PROCESS))
        .filter_map(|record| {
            let name = record.get(44..76)?.split(|byte| *byte == 0).next()?;
            (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_processes_are_read_from_utmp() {
        let record = |kind: u8, name: &str| {
            let mut bytes = vec![0; 384];
            bytes[0] = kind;
            bytes[44..44 + name.len()].copy_from_slice(name.as_bytes());
            bytes
        };
        let file = [record(7, "bob"), record(8, "gone"), record(7, "alice"), record(7, "bob")].concat();
        assert_eq!(logged_in(&file), ["alice", "bob"]);
        assert_eq!(logged_in(b"short"), Vec::<String>::new());
    }
}
