//! `secmon prune`: removes what has expired, as it was announced.

use std::path::PathBuf;

use clap::Args;
use secmon_http::Config;
use secmon_http::clock::now;

use super::output::say;
use super::{Failure, Run, StoreArgs};

/// Remove records whose day of expiry has passed
///
/// Each removal is sealed first, record by record, so that verification tells it from tampering; leaves
/// and proofs stay. The service does the same by itself; this is for stores that no service runs on.
/// Example: secmon prune --label main
#[derive(Args, Debug)]
pub(crate) struct Prune {
    #[command(flatten)]
    store: StoreArgs,
    /// The writer whose stream is pruned
    #[arg(long, value_name = "LABEL", default_value = "main")]
    label: String,
    /// A configuration with the rules of the writer
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Run for Prune {
    fn run(self) -> Result<u8, Failure> {
        let store = self.store.open(false)?;
        if !store.streams()?.iter().any(|stream| stream.label == self.label) {
            return Err(format!("there is no writer `{}` in this store", self.label).into());
        }
        let config = Config::load(self.config.as_deref())?;
        config.prepare(&store)?;
        let mut writer =
            store.writer_in(&config.cluster, &self.label, config.ruleset()?, now())?;
        let mut gone = 0;
        loop {
            match writer.expire(now())? {
                0 => break,
                more => gone += more,
            }
        }
        for warning in writer.take_warnings() {
            say(format_args!("warning: {warning}"));
        }
        writer.close(now())?;
        say(format_args!("{gone} records are gone; their leaves and proofs stay"));
        Ok(0)
    }
}
