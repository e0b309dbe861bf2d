//! `secmon move`: a store to another place, on another database perhaps.

use std::path::PathBuf;

use clap::Args;
use secmon_http::clock::now;
use secmon_http::host_name;
use secmon_store::Store;

use super::output::say;
use super::{Failure, Run};

/// Move a store to another database, and go on there
///
/// Stop the service first. Everything is copied with its key files and verified in the new place; then the streams are
/// closed in the old one, and go on in the new one. Records, checkpoints and proofs stay what they are.
/// Example: secmon move --from sqlite://secmon.db --to mysql://secmon@127.0.0.1/secmon
#[derive(Args, Debug)]
pub(crate) struct Move {
    /// Where the store is
    #[arg(long, value_name = "URL")]
    from: String,
    /// The folder of its key files [default: beside the store]
    #[arg(long, value_name = "DIR")]
    from_keys: Option<PathBuf>,
    /// Where it goes: a file that is not there yet, or an empty database
    #[arg(long, value_name = "URL")]
    to: String,
    /// The folder of the key files there [default: beside the store]
    #[arg(long, value_name = "DIR")]
    to_keys: Option<PathBuf>,
}

impl Run for Move {
    fn run(self) -> Result<u8, Failure> {
        let from = Store::open_with(&self.from, self.from_keys.as_deref(), false)?;
        let moved = from.move_to(&self.to, self.to_keys.as_deref(), now(), |_| {})?;
        for stream in &moved.header.streams {
            say(format_args!("{}: {} records, root {}", stream.origin, stream.size, stream.root));
        }
        say("moved and verified; the streams are closed in the old store and go on in the new one");
        let there = Store::open_with(&self.to, self.to_keys.as_deref(), false)?;
        there.adopt_positions(&host_name()).map_err(|error| {
            format!("the positions of `ingest` could not be named as they are there: {error}")
        })?;
        Ok(0)
    }
}
