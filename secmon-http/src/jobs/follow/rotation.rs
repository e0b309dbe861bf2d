//! Which file is to be read: the one of the name, or first the rest of the one that had the name before.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use flate2::bufread::MultiGzDecoder;
use secmon_store::Position;
use sha2::{Digest as _, Sha256};

/// How long a file that lost its name must have been quiet, and without the name, before the next one is read: programs
/// write to it until they are told.
const GRACE: Duration = Duration::from_secs(5);

/// A file, open for reading.
pub(super) struct Source {
    file: File,
    is_compressed: bool,
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
    fn open(path: &Path) -> io::Result<Self> {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Self::of(File::open(path)?)
    }

    fn of(mut file: File) -> io::Result<Self> {
        let facts = file.metadata()?;
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        (&mut file).take(2).read_to_end(&mut head)?;
        let is_compressed = head == [0x1F, 0x8B];
        Ok(Self { file, is_compressed, size: facts.len(), modified: facts.modified().ok() })
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
    fn fits(&mut self, position: &Position) -> io::Result<bool> {
        if !self.is_compressed && self.size < position.position {
            return Ok(false);
        }
        Ok(self.fingerprint(position.head)? == position.fingerprint)
    }

    /// Whether there is nothing behind a place.
    fn is_read(&mut self, place: u64) -> io::Result<bool> {
        Ok(self.at(place)?.fill_buf()?.is_empty())
    }

    fn is_quiet(&self) -> bool {
        let age = self.modified.and_then(|time| time.elapsed().ok());
        age.is_none_or(|age| age > GRACE)
    }
}

/// What is to be read now.
pub(super) struct Place {
    pub(super) file: Source,
    /// It is read from its beginning.
    pub(super) is_new: bool,
    /// Nobody writes to it any more.
    pub(super) is_ended: bool,
    pub(super) warning: Option<String>,
}

/// A followed file, from one look to the next.
pub(super) struct Followed {
    pub(super) path: PathBuf,
    /// The file that had the name when it was last looked at, whatever its name is now.
    held: Option<File>,
    /// Since when it has lost the name.
    lost: Option<Instant>,
}

impl Followed {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, held: None, lost: None }
    }

    /// What is to be read behind a position.
    pub(super) fn place(&mut self, position: &Position) -> io::Result<Place> {
        let mut named = open(&self.path);
        let is_begun = position.position > 0;
        if let Ok(file) = &mut named
            && (!is_begun || file.fits(position)?)
        {
            (self.held, self.lost) = (file.file.try_clone().ok(), None);
        } else if is_begun {
            return self.rotated(named, position);
        }
        Ok(Place { file: named?, is_new: false, is_ended: false, warning: None })
    }

    /// What is to be read where the name belongs to another file, or to none.
    fn rotated(&mut self, named: io::Result<Source>, position: &Position) -> io::Result<Place> {
        let since = *self.lost.get_or_insert_with(Instant::now);
        let Some(mut file) = self.before(position) else {
            let warning = format!(
                "`{}` began anew, and what it was before is not found: lines that were written last may be missing",
                self.path.display()
            );
            return Ok(Place {
                file: named?,
                is_new: true,
                is_ended: false,
                warning: Some(warning),
            });
        };
        let is_ended = since.elapsed() > GRACE && file.is_quiet();
        if !is_ended || !file.is_read(position.position)? {
            return Ok(Place { file, is_new: false, is_ended, warning: None });
        }
        // Where nobody looked there may have been more than one.
        let next = if self.held.is_none() { self.behind(&file, position) } else { None };
        match next {
            Some(file) => Ok(Place { file, is_new: true, is_ended: true, warning: None }),
            None => Ok(Place { file: named?, is_new: true, is_ended: false, warning: None }),
        }
    }

    /// The file of a position, under whatever name.
    fn before(&self, position: &Position) -> Option<Source> {
        let held = self.held.as_ref().and_then(|file| Source::of(file.try_clone().ok()?).ok());
        let mut all = held.into_iter().chain(self.rotations());
        all.find_map(|mut file| file.fits(position).unwrap_or_default().then_some(file))
    }

    /// The oldest of the rotated files that are younger than one, and no copies of it.
    fn behind(&self, before: &Source, position: &Position) -> Option<Source> {
        let younger = self.rotations().into_iter().filter_map(|mut file| {
            let is_next = file.modified > before.modified && file.is_quiet();
            (is_next && !file.fits(position).unwrap_or(true)).then_some(file)
        });
        younger.min_by_key(|file| file.modified)
    }

    /// Files beside it that rotation has named: `auth.log.1`, `auth.log-20261120`, `auth.log.2.gz`.
    fn rotations(&self) -> Vec<Source> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let own = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let entries =
            fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
        let rotated = entries.filter(|entry| {
            let name = entry.file_name();
            let end = name.to_str().and_then(|name| name.strip_prefix(own)).unwrap_or_default();
            let end = end.strip_suffix(".gz").unwrap_or(end);
            let number = end.strip_prefix(['.', '-']).unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        });
        rotated.filter_map(|entry| Source::open(&entry.path()).ok()).collect()
    }
}
