//! `secmon export`: streams as files that anybody can verify.

use std::path::PathBuf;

use clap::Args;

use super::lines::counter;
use super::output::say;
use super::{Failure, Run, StoreArgs};

/// Write streams as files that anybody can read and verify
///
/// Each stream has a folder named by its id with records.jsonl (bodies, one a line), macs,
/// checkpoints.txt (signed notes) and vkey. Nothing is overwritten.
/// Example: secmon export --out audit && secmon verify --export audit
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    store: StoreArgs,
    /// The folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only this stream, by id, origin or label
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
}

impl Run for Export {
    fn run(self) -> Result<u8, Failure> {
        let store = self.store.open(false)?;
        let bar = counter(store.record_count()?);
        let records =
            store.export(&self.out, self.stream.as_deref(), |done| bar.set_position(done))?;
        bar.finish_and_clear();
        say(format_args!("{records} records are in `{}`", self.out.display()));
        Ok(0)
    }
}
