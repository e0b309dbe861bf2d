//! `secmon backup`: all of a store as it is now, while the service goes on.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use secmon_http::{BackupTarget, back_up, clock::now, passphrase};

use super::output::say;
use super::{Failure, Run, StoreArgs};

/// Back a store up, while its service goes on
///
/// A backup is one file, the same for every database, compressed, and encrypted under a passphrase on request. It is
/// restored beside itself and verified before it gets its name. It holds no key files: keep those apart.
/// Example: secmon backup /srv/backups/
#[derive(Args, Debug)]
pub(crate) struct Backup {
    #[command(flatten)]
    store: StoreArgs,
    /// A file that is not there yet, a folder that keeps the last ones, or `-` for stdout
    #[arg(value_name = "FILE", required_unless_present = "command", conflicts_with = "command")]
    target: Option<PathBuf>,
    /// Send it to the standard input of this command of the shell instead
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// How many backups a folder keeps
    #[arg(long, value_name = "N", default_value_t = 7)]
    keep: usize,
    /// Encrypt it under the passphrase in this file
    #[arg(long, value_name = "FILE", env = "SECMON_BACKUP_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Do not restore it to verify it
    #[arg(long)]
    no_verify: bool,
}

impl Run for Backup {
    fn run(self) -> Result<u8, Failure> {
        let store = self.store.open(false)?;
        let secret = self.passphrase_file.as_deref().map(passphrase).transpose()?;
        let secret = secret.as_ref().map(|secret| secret.as_str());
        let target = match (self.target, self.command) {
            (Some(path), _) if path.as_os_str() == "-" => {
                let mut out = std::io::stdout().lock();
                store.backup(&mut out, secret, now(), |_| {})?;
                out.flush()?;
                return Ok(0);
            }
            (Some(path), _) if path.is_dir() => BackupTarget::Folder(path, self.keep),
            (Some(path), _) => BackupTarget::File(path),
            (None, command) => BackupTarget::Command(command.unwrap_or_default()),
        };
        let made = back_up(&store, &target, secret, !self.no_verify, now(), |_| {})?;
        for stream in &made.header.streams {
            say(format_args!("{}: {} records, root {}", stream.origin, stream.size, stream.root));
        }
        for old in &made.removed {
            say(format_args!("removed `{}`", old.display()));
        }
        if let Some(file) = &made.file {
            let verified = if self.no_verify { "" } else { ", restored and verified" };
            say(format_args!("`{}`{verified}", file.display()));
        }
        Ok(0)
    }
}
