//! `secmon restore`: a backup into a store that is not there yet.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use clap::Args;
use secmon_http::{clock::now, passphrase};
use secmon_store::Restore as Into;

use super::output::say;
use super::{Failure, Run, StoreArgs};

/// Restore a backup into a store that is not there yet
///
/// What was restored is verified before the store gets its name; a backup that is damaged or cut off is refused, and
/// nothing is ever overwritten. The streams in it are closed for ever, as what was written behind the backup is lost;
/// the service begins a new one that says so.
/// Example: secmon restore secmon-20261126T084500.000Z.backup --store sqlite://restored.db
#[derive(Args, Debug)]
pub(crate) struct Restore {
    #[command(flatten)]
    store: StoreArgs,
    /// The backup, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The passphrase of an encrypted backup is in this file
    #[arg(long, value_name = "FILE", env = "SECMON_BACKUP_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Keep what was restored also where verification finds something, which may have been there before
    #[arg(long)]
    unsound: bool,
}

impl Run for Restore {
    fn run(self) -> Result<u8, Failure> {
        let from: Box<dyn Read + Send> = if self.file.as_os_str() == "-" {
            Box::new(std::io::stdin())
        } else {
            let failed = |error| format!("`{}`: {error}", self.file.display());
            Box::new(BufReader::with_capacity(1 << 20, File::open(&self.file).map_err(failed)?))
        };
        let mut restore = Into::new(&self.store.store).keys(self.store.keys.as_deref());
        if let Some(path) = &self.passphrase_file {
            restore = restore.passphrase(&passphrase(path)?);
        }
        let restored = restore.takes_unsound(self.unsound).run(from, now(), |_| {})?;
        let mut is_sound = true;
        for (stream, verdict) in restored.header.streams.iter().zip(&restored.verdicts) {
            say(format_args!("{}: {} records, root {}", stream.origin, stream.size, stream.root));
            if let Some(found) = verdict.first() {
                is_sound = false;
                say(format_args!("  does not verify: record {}: {}", found.seq, found.detail));
            }
        }
        let sound = if is_sound { ", verified" } else { "" };
        say(format_args!("restored as it was at {}{sound}; its streams are closed", restored.header.made_at.format("%Y-%m-%dT%H:%M:%SZ")));
        Ok(0)
    }
}
