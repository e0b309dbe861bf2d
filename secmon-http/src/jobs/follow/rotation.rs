//! Which file is to be read: the one of the name, or first what had the name before.

use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secmon_store::Position;

use super::source::{Id, Mark, Packed, Source, open};

/// How long a file that lost its name must have been quiet, and without the name, before the next one is read: programs
/// write to it until they are told.
const GRACE: Duration = Duration::from_secs(5);
/// After which one that is written to all the same keeps the next one waiting no more.
const LONG: Duration = Duration::from_mins(1);
/// How many files that were read to their end are known again under other names.
const MOST_PASSED: usize = 16;

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
    held: Option<Source>,
    /// Which file was found to have lost the name, and when.
    lost: Option<(Id, Instant)>,
    /// Whether somebody was told that the file before is not found.
    is_told: bool,
    /// Files in which there is nothing more, as they were then.
    ended: Vec<Mark>,
    /// How files begin that were read to their end.
    passed: Vec<(u64, [u8; 32])>,
    packed: Option<Packed>,
}

impl Followed {
    pub(super) fn new(path: PathBuf) -> Self {
        let (ended, passed) = (Vec::new(), Vec::new());
        Self { path, held: None, lost: None, is_told: false, ended, passed, packed: None }
    }

    /// The content of a file from a place on; says what was read of it by `read`.
    pub(super) fn content<T>(
        &mut self,
        file: &mut Source,
        place: u64,
        read: impl FnOnce(&mut dyn BufRead) -> io::Result<(T, u64)>,
    ) -> io::Result<(T, u64)> {
        if !file.is_compressed() {
            return read(&mut *file.at(place)?);
        }
        // Unpacking it from its beginning for each part would take for ever.
        let mut packed = match self.packed.take().filter(|packed| packed.is_at(file, place)) {
            Some(packed) => packed,
            None => Packed::open(file, place)?,
        };
        let answer = packed.read(read)?;
        self.packed = Some(packed);
        Ok(answer)
    }

    /// What is to be read behind a position.
    pub(super) fn place(&mut self, position: &Position) -> io::Result<Place> {
        let mut named = open(&self.path);
        let is_begun = position.position > 0;
        let is_named = match &mut named {
            // What was never read has lost its name nevertheless, where it was held.
            Ok(file) if !is_begun => {
                self.held.as_ref().is_none_or(|held| held.is_same(file) || held.is_empty())
            }
            Ok(file) => file.fits(position)?,
            Err(_) => !is_begun,
        };
        if !is_named {
            return self.rotated(named, position);
        }
        let file = named?;
        (self.held, self.lost, self.is_told) = (file.again().ok(), None, false);
        Ok(Place { file, is_new: false, is_ended: false, warning: None })
    }

    /// What is to be read where the name belongs to another file, or to none.
    fn rotated(&mut self, named: io::Result<Source>, position: &Position) -> io::Result<Place> {
        let mut warning = None;
        let Some(mut file) = self.before(position) else {
            if !std::mem::replace(&mut self.is_told, true) {
                warning = Some(format!(
                    "`{}` began anew, and what it was before is not found: lines that were written last may be missing",
                    self.path.display()
                ));
            }
            return Ok(Place { file: named?, is_new: true, is_ended: false, warning });
        };
        let since = match self.lost {
            Some((id, since)) if id == file.id => since.elapsed(),
            _ => {
                self.lost = Some((file.id, Instant::now()));
                Duration::ZERO
            }
        };
        let is_ended = since > GRACE && file.is_quiet(GRACE);
        if !self.ended.contains(&file.mark()) {
            let is_late = since > LONG && !is_ended;
            let is_done = is_late || (is_ended && file.is_read(position.position)?);
            if !is_done {
                return Ok(Place { file, is_new: false, is_ended, warning });
            }
            if is_late && !std::mem::replace(&mut self.is_told, true) {
                warning = Some(format!(
                    "somebody still writes to the file that was `{}`: that is not read any more",
                    self.path.display()
                ));
            }
            if is_ended {
                self.ended.push(file.mark());
            }
            self.pass((position.head, position.fingerprint));
        }
        match self.behind(&file, named.as_ref().ok()) {
            Some(next) if next.is_quiet(GRACE) => {
                Ok(Place { file: next, is_new: true, is_ended: true, warning })
            }
            // It may be on its way to another name, or still be written to.
            Some(_) if since <= LONG => Ok(Place { file, is_new: false, is_ended, warning }),
            _ => Ok(Place { file: named?, is_new: true, is_ended: false, warning }),
        }
    }

    fn pass(&mut self, head: (u64, [u8; 32])) {
        if head.0 > 0 && !self.passed.contains(&head) {
            self.passed.push(head);
        }
        self.passed.drain(..self.passed.len().saturating_sub(MOST_PASSED));
        self.ended.drain(..self.ended.len().saturating_sub(MOST_PASSED));
    }

    /// The file of a position, under whatever name: of several, as where somebody has made a copy, that in which there is
    /// more.
    fn before(&self, position: &Position) -> Option<Source> {
        let fits = |file: &mut Source| file.fits(position).unwrap_or_default();
        if let Some(mut held) = self.held.as_ref().and_then(|file| file.again().ok())
            && fits(&mut held)
        {
            return Some(held);
        }
        let begun = position.position > 0;
        let all = self
            .rotations()
            .into_iter()
            .filter_map(|mut file| (begun && fits(&mut file)).then_some(file));
        all.max_by_key(|file| (!self.ended.contains(&file.mark()), file.modified))
    }

    /// The oldest of the rotated files that are younger than one, and that were not read.
    fn behind(&mut self, before: &Source, named: Option<&Source>) -> Option<Source> {
        let mut next: Option<Source> = None;
        for mut file in self.rotations() {
            let is_known = file.is_same(before)
                || named.is_some_and(|named| named.is_same(&file))
                || self.held.as_ref().is_some_and(|held| held.is_same(&file))
                || self.ended.contains(&file.mark());
            if is_known || file.modified <= before.modified {
                continue;
            }
            let is_passed = |(head, print): &(u64, [u8; 32])| {
                file.fingerprint(*head).map_or(true, |found| found == *print)
            };
            if self.passed.iter().any(is_passed) || file.is_read(0).unwrap_or(true) {
                continue; // A copy, or nothing in it.
            }
            if next.as_ref().is_none_or(|next| file.modified < next.modified) {
                next = Some(file);
            }
        }
        next
    }

    /// Files beside it that rotation has named: `auth.log.1`, `auth.log-20261120`, `auth.log.2.gz`.
    fn rotations(&self) -> Vec<Source> {
        let place = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let own = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let entries =
            fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
        let rotated = entries.filter(|entry| {
            let name = entry.file_name();
            let end = name.to_str().and_then(|name| name.strip_prefix(own)).unwrap_or_default();
            is_rotation(end.strip_suffix(".gz").unwrap_or(end))
        });
        rotated.filter_map(|entry| Source::open(&entry.path()).ok()).collect()
    }
}

/// Whether what stands behind the name of a log is a number, up to 999, or a date.
fn is_rotation(end: &str) -> bool {
    let Some(number) = end.strip_prefix(['.', '-']) else { return false };
    let is_digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_digits && (number.len() >= 8 || (end.starts_with('.') && (1..=3).contains(&number.len())))
}
