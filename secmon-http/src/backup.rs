//! Where backups go: a file, a folder that keeps the last ones, or a command.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secmon_store::{Header, Restore, Store};
use serde::Deserialize;
use zeroize::Zeroizing;

/// The end of a backup's name.
const END: &str = ".backup";

/// Backups by the clock: into a folder, or to a command; none are made without one of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupConfig {
    /// A folder, best on another machine's disk. `SECMON_BACKUP_FOLDER`.
    pub folder: Option<PathBuf>,
    /// A command of the shell that reads the backup from its standard input.
    pub command: Option<String>,
    /// How often. Default `24h`.
    #[serde(deserialize_with = "crate::config::span")]
    pub every: Duration,
    /// How many a folder keeps. Default 7.
    pub keep: usize,
    /// The file of the passphrase under which they are encrypted. `SECMON_BACKUP_PASSPHRASE_FILE`.
    pub passphrase_file: Option<PathBuf>,
    /// Whether each is restored beside itself and verified. Default true.
    pub verify: bool,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            folder: None,
            command: None,
            every: Duration::from_hours(24),
            keep: 7,
            passphrase_file: None,
            verify: true,
        }
    }
}

/// Where a backup goes.
#[derive(Clone, Debug)]
pub enum BackupTarget {
    /// A file, which must not be there yet.
    File(PathBuf),
    /// A folder, in which the last ones are kept.
    Folder(PathBuf, usize),
    /// A command of the shell, which reads it from its standard input.
    Command(String),
}

/// A backup that was made.
#[derive(Debug)]
pub struct Backup {
    /// What it holds.
    pub header: Header,
    /// The file, if it is one.
    pub file: Option<PathBuf>,
    /// Files that were removed for it.
    pub removed: Vec<PathBuf>,
}

/// Makes a backup. A file has its name only once it is whole; with `verify` it was then restored beside it, verified
/// as a store is, and found to hold the same roots.
///
/// # Errors
/// A sentence; nothing is left of it then.
pub fn back_up(
    store: &Store,
    target: &BackupTarget,
    passphrase: Option<&str>,
    verify: bool,
    now: DateTime<Utc>,
    progress: impl FnMut(u64),
) -> Result<Backup, String> {
    match target {
        BackupTarget::File(path) => {
            let header = into_file(store, path, passphrase, verify, now, progress)?;
            Ok(Backup { header, file: Some(path.clone()), removed: Vec::new() })
        }
        BackupTarget::Folder(folder, keep) => {
            let name = format!("secmon-{}{END}", now.format("%Y%m%dT%H%M%S%.3fZ"));
            let path = folder.join(name);
            let header = into_file(store, &path, passphrase, verify, now, progress)?;
            let removed = rotate(folder, *keep)?;
            Ok(Backup { header, file: Some(path), removed })
        }
        BackupTarget::Command(command) => {
            let header = into_command(store, command, passphrase, now, progress)?;
            Ok(Backup { header, file: None, removed: Vec::new() })
        }
    }
}

fn into_file(
    store: &Store,
    path: &Path,
    passphrase: Option<&str>,
    verify: bool,
    now: DateTime<Utc>,
    progress: impl FnMut(u64),
) -> Result<Header, String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", path.display());
    if path.exists() {
        return Err(format!("`{}` is there already: nothing is overwritten", path.display()));
    }
    let partial = beside(path, ".partial");
    let made = (|| {
        // Of an attempt that broke off.
        let _ = fs::remove_file(&partial);
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&partial).map_err(failed)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let header = store.backup(&mut out, passphrase, now, progress);
        let header = header.map_err(|error| error.to_string())?;
        out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        if verify {
            check(&partial, &header, passphrase, now)?;
        }
        fs::rename(&partial, path).map_err(failed)?;
        Ok(header)
    })();
    if made.is_err() {
        // It need not be there.
        let _ = fs::remove_file(&partial);
    }
    made
}

/// Restores a backup into a store beside it, which verifies, and compares the roots.
fn check(
    path: &Path,
    header: &Header,
    passphrase: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), String> {
    // What is encrypted there lies here in clear: in a folder of our own, for as long as it takes.
    let folder = beside(path, ".check");
    let _ = fs::remove_dir_all(&folder);
    let made = private_folder(&folder);
    made.map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let target = folder.join("check.db");
    let file = File::open(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let mut restore = Restore::new(&format!("sqlite://{}", target.display())).takes_unsound(true);
    if let Some(passphrase) = passphrase {
        restore = restore.passphrase(passphrase);
    }
    let restored = restore.run(std::io::BufReader::new(file), now, |_| {});
    let _ = fs::remove_dir_all(&folder);
    let restored = restored.map_err(|error| format!("the backup cannot be restored: {error}"))?;
    if restored.header.streams != header.streams {
        return Err("the backup holds other roots than the store".into());
    }
    Ok(())
}

#[cfg(unix)]
fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
}

fn into_command(
    store: &Store,
    command: &str,
    passphrase: Option<&str>,
    now: DateTime<Utc>,
    progress: impl FnMut(u64),
) -> Result<Header, String> {
    let failed = |error: std::io::Error| format!("`{command}`: {error}");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let Some(input) = child.stdin.take() else {
        return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
    };
    let mut out = BufWriter::with_capacity(1 << 20, input);
    let header = store.backup(&mut out, passphrase, now, progress);
    let flushed = out.flush();
    if header.is_err() || flushed.is_err() {
        // Else it would take what it has for the whole. It may have ended by itself.
        let _ = child.kill();
    }
    drop(out);
    let status = child.wait().map_err(failed)?;
    if let Err(error) = &header
        && !matches!(error, secmon_store::Error::Archive { .. })
    {
        return Err(error.to_string());
    }
    if !status.success() {
        return Err(format!("`{command}` ended with {status}: the backup did not arrive"));
    }
    let header = header.map_err(|error| error.to_string())?;
    flushed.map_err(failed)?;
    Ok(header)
}

/// Removes all but the last backups of a folder; only files that have the name of one.
fn rotate(folder: &Path, keep: usize) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(name) = name.to_str()
            && name.starts_with("secmon-2")
            && name.ends_with(END)
        {
            names.push(name.to_owned());
        }
    }
    // Their names are in the order of their times.
    names.sort();
    let old = names.len().saturating_sub(keep.max(1));
    let old: Vec<PathBuf> = names.into_iter().take(old).map(|name| folder.join(name)).collect();
    old.iter().try_for_each(fs::remove_file).map_err(failed)?;
    Ok(old)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The passphrase in a file, without the end of its line.
///
/// # Errors
/// It cannot be read, or is empty.
pub fn passphrase(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| format!("`{}`: {error}", path.display()))?;
    let text = Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    if text.is_empty() {
        Err(format!("`{}` holds no passphrase", path.display()))
    } else {
        Ok(text)
    }
}
