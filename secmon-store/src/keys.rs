//! Key files: outside the database, one a stream, locked while its writer is open.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use secmon_core::seal::KeyFile;
use zeroize::Zeroizing;

use crate::failpoint::hit;
use crate::{Error, Result};

/// How the file beside a key file ends that names the store.
const STORE: &str = "store";

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Database {
        reason: format!("the system gives no random bytes: {error}"),
    })?;
    Ok(bytes)
}

/// The place of a stream's key file, locked as long as this lives.
#[derive(Debug)]
pub(crate) struct KeyPlace {
    path: PathBuf,
    _lock: File,
}

impl KeyPlace {
    /// Locks the place; none if another process holds it.
    pub(crate) fn lock(folder: &Path, stream: &str) -> Result<Option<Self>> {
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
            private(folder, 0o700)?;
        }
        let path = folder.join(stream);
        let lock = folder.join(format!("{stream}.lock"));
        let file = open_private(&lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path, _lock: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(Error::file(&lock, error)),
        }
    }

    /// Notes of which store the stream is: where somebody takes it away there, its key file is missed.
    pub(crate) fn note_store(&self, store: &str) -> Result<()> {
        let path = self.path.with_extension(STORE);
        if fs::read(&path).is_ok_and(|noted| noted == store.as_bytes()) {
            return Ok(());
        }
        let mut file = open_private(&path)?;
        let written = file.set_len(0).and_then(|()| file.write_all(store.as_bytes()));
        written.map_err(|error| Error::file(&path, error))
    }

    /// Reads the key file, if it is there.
    pub(crate) fn read(&self) -> Result<Option<KeyFile>> {
        read(&self.path)
    }

    /// Writes the key file: a temporary file, synced, then renamed over the old one.
    pub(crate) fn write(&self, keys: &KeyFile) -> Result<()> {
        self.write_bytes(&keys.to_json())
    }

    /// Writes bytes so: nothing of what was there before is lost if it fails.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) -> Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = open_private(&temporary)?;
        let failed = |error| Error::file(&self.path, error);
        file.set_len(0).and_then(|()| file.write_all(bytes)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        hit("keys.rename");
        fs::rename(&temporary, &self.path).map_err(failed)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

/// Reads a key file, if it is there.
pub(crate) fn read(path: &Path) -> Result<Option<KeyFile>> {
    let json = bytes(path)?;
    json.map(|json| Ok(KeyFile::parse(&json)?)).transpose()
}

/// The key files in a folder, as far as they can be read: all of them, or where others may have theirs in it those that
/// are noted to be of a store.
pub(crate) fn of_store(folder: &Path, store: Option<&str>) -> Vec<KeyFile> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let is_own = |path: &PathBuf| {
        let noted = || fs::read(path.with_extension(STORE));
        store.is_none_or(|store| noted().is_ok_and(|noted| noted == store.as_bytes()))
    };
    paths.filter(is_own).filter_map(|path| read(&path).ok().flatten()).collect()
}

/// The bytes of a file, if it is there.
pub(crate) fn bytes(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, error)),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(1_024));
    file.read_to_end(&mut bytes).map_err(|error| Error::file(path, error))?;
    Ok(Some(bytes))
}

/// A secret of 32 bytes in a file of its own, made when it is absent.
pub(crate) fn secret(folder: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>> {
    let path = folder.join(name);
    // Held while the file is made: two processes must not make two secrets.
    let place = KeyPlace::lock(folder, name)?;
    let place = place.ok_or_else(|| Error::Locked { label: name.into() })?;
    match fs::read(&path).map(Zeroizing::new) {
        Ok(bytes) => {
            let secret = bytes.as_slice().try_into().map(Zeroizing::new);
            secret.map_err(|_| Error::file(&path, std::io::ErrorKind::InvalidData.into()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(random()?);
            place.write_bytes(&*secret)?;
            Ok(secret)
        }
        Err(error) => Err(Error::file(&path, error)),
    }
}

/// Opens a file that only its owner may read.
fn open_private(path: &Path) -> Result<File> {
    let opened = private_options().create(true).truncate(false).open(path);
    opened.map_err(|error| Error::file(path, error))
}

/// For writing a file that, where it is made, only its owner may read.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| Error::file(path, error))
}

#[cfg(not(unix))]
fn private(_: &Path, _: u32) -> Result<()> {
    Ok(())
}
