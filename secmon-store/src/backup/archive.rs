//! The form of a backup: a first line that says what it is, then (compressed, and encrypted on request) a header, the
//! rows of each table, and the hash of all of it.

use std::io::{self, Read, Write};

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cipher::{Decrypt, Encrypt, PREFIX, SALT};
use crate::keys::random;
use crate::{Error, Result};

const PLAIN: &[u8] = b"secmon-backup v1 plain....\n";
const ENCRYPTED: &[u8] = b"secmon-backup v1 encrypted\n";
const FIRST: usize = 27;

/// A header is small, a row no larger than what any of them holds: else the file is damaged.
const MOST_HEADER: u32 = 16 << 20;
const MOST_CELL: u32 = 256 << 20;
const NULL: u32 = u32::MAX;

/// What a backup says of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Header {
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// The streams, as they were then.
    pub streams: Vec<HeaderStream>,
    /// The last change of the schema that the store had seen; backups of before do not say it.
    #[serde(default)]
    pub schema: Option<String>,
}

/// A stream in a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HeaderStream {
    /// Its name.
    pub origin: String,
    /// How many records it has.
    pub size: u64,
    /// The root of its tree, 64 hexadecimal digits.
    pub root: String,
}

/// The cells of a row; `None` stands for NULL.
pub(super) type Cells = Vec<Option<Vec<u8>>>;

enum Layer<W: Write> {
    Plain(W),
    Encrypted(Box<Encrypt<W>>),
}

impl<W: Write> Write for Layer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Encrypted(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Encrypted(out) => out.flush(),
        }
    }
}

/// A backup that is being written.
pub(super) struct Out<W: Write> {
    into: GzEncoder<Layer<W>>,
    hash: Sha256,
}

impl<W: Write> Out<W> {
    pub(super) fn begin(mut out: W, passphrase: Option<&str>, header: &Header) -> Result<Self> {
        let layer = match passphrase {
            None => {
                out.write_all(PLAIN).map_err(failed)?;
                Layer::Plain(out)
            }
            Some(passphrase) => {
                let (salt, prefix): ([u8; SALT], [u8; PREFIX]) = (random()?, random()?);
                out.write_all(ENCRYPTED).map_err(failed)?;
                out.write_all(&salt).and_then(|()| out.write_all(&prefix)).map_err(failed)?;
                let encrypt = Encrypt::new(out, passphrase, &salt, prefix).map_err(failed)?;
                Layer::Encrypted(Box::new(encrypt))
            }
        };
        let mut this =
            Self { into: GzEncoder::new(layer, Compression::fast()), hash: Sha256::new() };
        let header = serde_json::to_vec(header).map_err(|error| damaged(&error.to_string()))?;
        this.bytes(&header)?;
        Ok(this)
    }

    pub(super) fn table(&mut self, name: &str) -> Result<()> {
        self.put(b"T")?;
        self.bytes(name.as_bytes())
    }

    pub(super) fn row(&mut self, cells: &Cells) -> Result<()> {
        if cells.iter().flatten().map(Vec::len).sum::<usize>() > MOST_CELL as usize {
            return Err(damaged("a row is larger than 256 MiB"));
        }
        self.put(b"R")?;
        for cell in cells {
            match cell {
                Some(bytes) => self.bytes(bytes)?,
                None => self.put(&NULL.to_le_bytes())?,
            }
        }
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(mut self) -> Result<()> {
        self.put(b"Z")?;
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        self.put(&hash)?;
        let end = |out: GzEncoder<Layer<W>>| -> io::Result<()> {
            match out.finish()? {
                Layer::Plain(mut out) => out.flush(),
                Layer::Encrypted(out) => out.end()?.flush(),
            }
        };
        end(self.into).map_err(failed)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MOST_CELL);
        let length = length.ok_or_else(|| damaged("a value is larger than 256 MiB"))?;
        self.put(&length.to_le_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.into.write_all(bytes).map_err(failed)
    }
}

/// What comes next in a backup.
pub(super) enum Item {
    Table(String),
    Row(Cells),
    End,
}

/// A backup that is being read.
pub(super) struct In {
    from: GzDecoder<Box<dyn Read + Send>>,
    hash: Sha256,
}

impl In {
    pub(super) fn begin(
        mut from: impl Read + Send + 'static,
        passphrase: Option<&str>,
    ) -> Result<(Header, Self)> {
        let mut first = [0; FIRST];
        from.read_exact(&mut first).map_err(|_| foreign())?;
        let layer: Box<dyn Read + Send> = match (first.as_slice(), passphrase) {
            (PLAIN, None) => Box::new(from),
            (PLAIN, Some(_)) => {
                return Err(damaged("it is not encrypted, though a passphrase was given"));
            }
            (ENCRYPTED, None) => return Err(damaged("it is encrypted: give its passphrase")),
            (ENCRYPTED, Some(passphrase)) => {
                let (mut salt, mut prefix) = ([0; SALT], [0; PREFIX]);
                from.read_exact(&mut salt)
                    .and_then(|()| from.read_exact(&mut prefix))
                    .map_err(read)?;
                Box::new(Decrypt::new(from, passphrase, &salt, prefix).map_err(read)?)
            }
            _ => return Err(foreign()),
        };
        let mut this = Self { from: GzDecoder::new(layer), hash: Sha256::new() };
        let header = this.bytes(MOST_HEADER)?.ok_or_else(|| damaged("it has no header"))?;
        let header =
            serde_json::from_slice(&header).map_err(|error| damaged(&error.to_string()))?;
        Ok((header, this))
    }

    /// What comes next; a row has so many cells.
    pub(super) fn next(&mut self, cells: usize) -> Result<Item> {
        let before = self.hash.clone();
        let mut tag = [0];
        self.get(&mut tag)?;
        match tag {
            [b'T'] => {
                let name = self.bytes(1_000)?.unwrap_or_default();
                Ok(Item::Table(String::from_utf8_lossy(&name).into_owned()))
            }
            [b'R'] => {
                let mut room = MOST_CELL;
                let mut row = Cells::with_capacity(cells);
                for _ in 0..cells {
                    let cell = self.bytes(room)?;
                    let size = cell.as_ref().map_or(0, Vec::len);
                    room = room.saturating_sub(u32::try_from(size).unwrap_or(u32::MAX));
                    row.push(cell);
                }
                Ok(Item::Row(row))
            }
            [b'Z'] => {
                let hash: [u8; 32] = before.chain_update(b"Z").finalize().into();
                let mut said = [0; 32];
                self.get(&mut said)?;
                if said != hash {
                    return Err(damaged("its hash differs from what it holds"));
                }
                // Its checksum, and that nothing follows.
                let mut rest = [0];
                match self.from.read(&mut rest).map_err(read)? {
                    0 => Ok(Item::End),
                    _ => Err(damaged("something follows its end")),
                }
            }
            _ => Err(damaged("it holds what no backup holds")),
        }
    }

    fn bytes(&mut self, most: u32) -> Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        self.get(&mut length)?;
        match u32::from_le_bytes(length) {
            NULL => Ok(None),
            length if length > most => Err(damaged("a value is longer than any may be")),
            length => {
                // What is not there is not made room for.
                let mut bytes = Vec::new();
                self.from.by_ref().take(length.into()).read_to_end(&mut bytes).map_err(read)?;
                if bytes.len() as u64 != u64::from(length) {
                    return Err(damaged("it is cut off"));
                }
                self.hash.update(&bytes);
                Ok(Some(bytes))
            }
        }
    }

    fn get(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.from.read_exact(bytes).map_err(read)?;
        self.hash.update(&*bytes);
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
fn failed(error: io::Error) -> Error {
    Error::Archive { reason: format!("it cannot be written: {error}") }
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
fn read(error: io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut off".into(),
        _ => error.to_string(),
    };
    damaged(&reason)
}

fn foreign() -> Error {
    damaged("it is no backup of secmon")
}

pub(super) fn damaged(reason: &str) -> Error {
    Error::Archive { reason: reason.into() }
}
