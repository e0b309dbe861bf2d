//! A file of lines, plain or compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::bufread::MultiGzDecoder;
use secmon_store::Position;
use sha2::{Digest as _, Sha256};

/// What tells a file from others: where it lies, whatever its name.
pub(super) type Id = (u64, u64);
/// A file as it is now: its size and last change too.
pub(super) type Mark = (Id, u64, Option<SystemTime>);

/// A file, open for reading.
pub(super) struct Source {
    file: File,
    /// The name under which it was opened, if by one.
    path: Option<PathBuf>,
    is_compressed: bool,
    pub(super) id: Id,
    size: u64,
    /// When it was changed last.
    pub(super) modified: Option<SystemTime>,
}

/// Opens a file to be followed.
///
/// # Errors
/// Also where it is none that lines can be appended to: opening a pipe would wait for whoever writes it.
pub(super) fn open(path: &Path) -> io::Result<Source> {
    let source = Source::open(path)?;
    if source.is_compressed {
        return Err(io::Error::other("it is compressed: `secmon ingest` reads it"));
    }
    Ok(source)
}

impl Source {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Self::of(File::open(path)?, Some(path.into()))
    }

    fn of(mut file: File, path: Option<PathBuf>) -> io::Result<Self> {
        let facts = file.metadata()?;
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        (&mut file).take(2).read_to_end(&mut head)?;
        let (is_compressed, size) = (head == [0x1F, 0x8B], facts.len());
        Ok(Self {
            file,
            path,
            is_compressed,
            id: id(&facts),
            size,
            modified: facts.modified().ok(),
        })
    }

    /// The same file, as it is now.
    pub(super) fn again(&self) -> io::Result<Self> {
        Self::of(self.file.try_clone()?, None)
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.file.metadata().is_ok_and(|facts| facts.len() == 0)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    pub(super) fn mark(&self) -> Mark {
        (self.id, self.size, self.modified)
    }

    /// Its content from a place on.
    pub(super) fn at(&mut self, place: u64) -> io::Result<Box<dyn BufRead + '_>> {
        if self.is_compressed {
            self.file.seek(SeekFrom::Start(0))?;
            let mut content = BufReader::new(MultiGzDecoder::new(BufReader::new(&self.file)));
            io::copy(&mut content.by_ref().take(place), &mut io::sink())?;
            return Ok(Box::new(content));
        }
        self.file.seek(SeekFrom::Start(place))?;
        Ok(Box::new(BufReader::with_capacity(1 << 20, &self.file)))
    }

    /// SHA-256 of the first bytes.
    pub(super) fn fingerprint(&mut self, head: u64) -> io::Result<[u8; 32]> {
        let mut bytes = Vec::new();
        self.at(0)?.take(head).read_to_end(&mut bytes)?;
        Ok(Sha256::digest(&bytes).into())
    }

    /// Whether it is the file of a position.
    pub(super) fn fits(&mut self, position: &Position) -> io::Result<bool> {
        if !self.is_compressed && self.size < position.position {
            return Ok(false);
        }
        Ok(self.fingerprint(position.head)? == position.fingerprint)
    }

    /// Whether there is nothing behind a place.
    pub(super) fn is_read(&mut self, place: u64) -> io::Result<bool> {
        Ok(self.at(place)?.fill_buf()?.is_empty())
    }

    /// Whether nobody has written to it for so long.
    pub(super) fn is_quiet(&self, time: Duration) -> bool {
        let age = self.modified.and_then(|last| last.elapsed().ok());
        age.is_none_or(|age| age > time)
    }
}

/// The content of a compressed file, unpacked up to a place.
pub(super) struct Packed {
    id: Id,
    place: u64,
    content: BufReader<MultiGzDecoder<BufReader<File>>>,
}

impl Packed {
    pub(super) fn open(file: &Source, place: u64) -> io::Result<Self> {
        // A clone would have its place in common with the file.
        let path = file.path.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let own = File::open(path)?;
        let mut content = BufReader::new(MultiGzDecoder::new(BufReader::new(own)));
        io::copy(&mut content.by_ref().take(place), &mut io::sink())?;
        Ok(Self { id: file.id, place, content })
    }

    pub(super) fn is_at(&self, file: &Source, place: u64) -> bool {
        (self.id, self.place) == (file.id, place)
    }

    /// Reads on; `read` says how many bytes it took.
    pub(super) fn read<T>(
        &mut self,
        read: impl FnOnce(&mut dyn BufRead) -> io::Result<(T, u64)>,
    ) -> io::Result<(T, u64)> {
        let (answer, bytes) = read(&mut self.content)?;
        self.place += bytes;
        Ok((answer, bytes))
    }
}

#[cfg(unix)]
fn id(facts: &std::fs::Metadata) -> Id {
    use std::os::unix::fs::MetadataExt as _;
    (facts.dev(), facts.ino())
}

/// Files are told apart by when they were made.
#[cfg(not(unix))]
fn id(facts: &std::fs::Metadata) -> Id {
    let made =
        facts.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    (0, made.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or_default()))
}
