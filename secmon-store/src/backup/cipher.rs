//! A backup under a passphrase: chunks of 64 KiB, each encrypted (XChaCha20-Poly1305) with a nonce that counts them and
//! says which is the last, so that none can be left out, put elsewhere or cut off. The key is made of the passphrase
//! by Argon2id.

use std::io::{Error, ErrorKind, Read, Result, Write};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
/// Random bytes at the beginning: salt, then the part of nonces that stays.
pub(super) const SALT: usize = 16;
pub(super) const PREFIX: usize = 19;

/// 64 MiB, three passes: about a fifth of a second.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;

struct Chunks {
    cipher: XChaCha20Poly1305,
    prefix: [u8; PREFIX],
    count: u32,
}

impl Chunks {
    fn new(passphrase: &str, salt: &[u8; SALT], prefix: [u8; PREFIX]) -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(Error::other)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
            .map_err(Error::other)?;
        Ok(Self { cipher: XChaCha20Poly1305::new((&*key).into()), prefix, count: 0 })
    }

    /// The nonce of the next chunk.
    fn nonce(&mut self, is_last: bool) -> Result<XNonce> {
        let mut nonce = [0; 24];
        let (prefix, rest) = nonce.split_at_mut(PREFIX);
        prefix.copy_from_slice(&self.prefix);
        let (count, last) = rest.split_at_mut(4);
        count.copy_from_slice(&self.count.to_be_bytes());
        last.fill(u8::from(is_last));
        self.count = self
            .count
            .checked_add(1)
            .ok_or_else(|| Error::other("a backup has at most 256 TiB"))?;
        Ok(nonce.into())
    }
}

/// Encrypts what is written.
pub(super) struct Encrypt<W: Write> {
    out: W,
    chunks: Chunks,
    open: Zeroizing<Vec<u8>>,
}

impl<W: Write> Encrypt<W> {
    pub(super) fn new(
        out: W,
        passphrase: &str,
        salt: &[u8; SALT],
        prefix: [u8; PREFIX],
    ) -> Result<Self> {
        let chunks = Chunks::new(passphrase, salt, prefix)?;
        Ok(Self { out, chunks, open: Zeroizing::new(Vec::with_capacity(CHUNK)) })
    }

    fn chunk(&mut self, is_last: bool) -> Result<()> {
        let nonce = self.chunks.nonce(is_last)?;
        let sealed = self.chunks.cipher.encrypt(&nonce, self.open.as_slice());
        self.out.write_all(&sealed.map_err(|_| Error::other("a chunk cannot be encrypted"))?)?;
        self.open.clear();
        Ok(())
    }

    /// Writes the last chunk.
    pub(super) fn end(mut self) -> Result<W> {
        self.chunk(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Encrypt<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.open.len() == CHUNK {
            self.chunk(false)?;
        }
        let (now, _) = bytes.split_at(bytes.len().min(CHUNK - self.open.len()));
        self.open.extend_from_slice(now);
        Ok(now.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}

/// Decrypts what is read.
pub(super) struct Decrypt<R: Read> {
    from: R,
    chunks: Chunks,
    /// Encrypted bytes that were read ahead, to know which chunk is the last.
    ahead: Vec<u8>,
    open: Zeroizing<Vec<u8>>,
    at: usize,
    is_ended: bool,
}

impl<R: Read> Decrypt<R> {
    pub(super) fn new(
        from: R,
        passphrase: &str,
        salt: &[u8; SALT],
        prefix: [u8; PREFIX],
    ) -> Result<Self> {
        let chunks = Chunks::new(passphrase, salt, prefix)?;
        let (ahead, open) = (Vec::new(), Zeroizing::new(Vec::new()));
        Ok(Self { from, chunks, ahead, open, at: 0, is_ended: false })
    }

    fn chunk(&mut self) -> Result<()> {
        let wanted = CHUNK + TAG + 1 - self.ahead.len();
        self.from.by_ref().take(wanted as u64).read_to_end(&mut self.ahead)?;
        let is_last = self.ahead.len() <= CHUNK + TAG;
        let rest = self.ahead.split_off(self.ahead.len().min(CHUNK + TAG));
        let sealed = std::mem::replace(&mut self.ahead, rest);
        let nonce = self.chunks.nonce(is_last)?;
        let opened = self.chunks.cipher.decrypt(&nonce, sealed.as_slice());
        let wrong = "the passphrase is another, or the backup is damaged or cut off";
        self.open = Zeroizing::new(opened.map_err(|_| Error::new(ErrorKind::InvalidData, wrong))?);
        (self.at, self.is_ended) = (0, is_last);
        Ok(())
    }
}

impl<R: Read> Read for Decrypt<R> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        while self.at == self.open.len() {
            if self.is_ended {
                return Ok(0);
            }
            self.chunk()?;
        }
        let mut rest = self.open.get(self.at..).unwrap_or_default();
        let read = rest.read(bytes)?;
        self.at += read;
        Ok(read)
    }
}
