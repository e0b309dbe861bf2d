//! Many literal texts, found in one pass over a value.
//!
//! Each text is known by four of its bytes, those that the fewest others share. A pass takes each four
//! bytes of a value through a bitmap that fits the first cache; only what passes is looked up and compared
//! as a whole. That is faster than an automaton over some thousand texts, whose states fit no cache, and
//! takes a fraction of its memory and time to build.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use foldhash::fast::FixedState;

/// So many texts are few.
const FEW: usize = 48;

/// A text to be found, folded.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    pub(super) text: Box<str>,
    /// Whether it must stand at the start of the value.
    pub(super) starts: bool,
    /// Whether it must stand at the end.
    pub(super) ends: bool,
    /// What is told when it is found.
    pub(super) hit: u32,
}

/// All texts that are looked for in one field.
#[derive(Debug, Default)]
pub(super) struct Literals {
    /// Whole values.
    exact: HashMap<Box<[u8]>, Vec<u32>, FixedState>,
    /// The last part of a path, from its separator on.
    tails: HashMap<Box<[u8]>, Vec<u32>, FixedState>,
    long: Windows<4>,
    /// Texts of less than four bytes, by their length.
    three: Windows<3>,
    two: Windows<2>,
    one: Windows<1>,
    /// Where these are few, whether there is any of them, many bytes at a time.
    few: Option<Searcher>,
}

impl Literals {
    pub(super) fn new(literals: Vec<Literal>) -> Self {
        let mut all = Self::default();
        let [mut one, mut two, mut three, mut long] = [const { Vec::new() }; 4];
        for literal in literals {
            let bytes: Box<[u8]> = literal.text.as_bytes().into();
            if literal.starts && literal.ends {
                all.exact.entry(bytes).or_default().push(literal.hit);
            } else if literal.ends && is_tail(&bytes) {
                all.tails.entry(bytes).or_default().push(literal.hit);
            } else {
                let length = match bytes.len() {
                    0 | 1 => &mut one,
                    2 => &mut two,
                    3 => &mut three,
                    _ => &mut long,
                };
                length.push(literal);
            }
        }
        let texts: Vec<&[u8]> = [&one, &two, &three, &long]
            .into_iter()
            .flatten()
            .map(|one| from_rarest(one.text.as_bytes()))
            .collect();
        if (1..=FEW).contains(&texts.len()) && texts.iter().all(|text| text.len() > 1) {
            all.few = Searcher::new(texts);
        }
        all.one = Windows::new(one);
        all.two = Windows::new(two);
        all.three = Windows::new(three);
        all.long = Windows::new(long);
        all
    }

    /// What says at once that a value holds none of the texts, where these are few and all may stand inside.
    pub(super) fn few(&self) -> Option<&Searcher> {
        self.few.as_ref().filter(|_| self.exact.is_empty() && self.tails.is_empty())
    }

    /// Tells all texts that a folded value holds, some of them more than once.
    pub(super) fn find(&self, value: &str, hit: &mut impl FnMut(u32)) {
        let bytes = value.as_bytes();
        if !self.exact.is_empty()
            && let Some(hits) = self.exact.get(bytes)
        {
            hits.iter().copied().for_each(&mut *hit);
        }
        if !self.tails.is_empty()
            && let Some(at) = bytes.iter().rposition(|byte| is_separator(*byte))
            && let Some(hits) = bytes.get(at..).and_then(|tail| self.tails.get(tail))
        {
            hits.iter().copied().for_each(&mut *hit);
        }
        if let Some(few) = &self.few
            && few.find(bytes).is_none()
        {
            return;
        }
        self.long.find(bytes, hit);
        self.three.find(bytes, hit);
        self.two.find(bytes, hit);
        self.one.find(bytes, hit);
    }
}

/// A text from the first of its windows on that is rare: what begins so is seldom mistaken for it.
fn from_rarest(text: &[u8]) -> &[u8] {
    let rarest =
        windows::<4>(text).enumerate().min_by_key(|(at, window)| (commonness::<4>(*window), *at));
    rarest.and_then(|(at, _)| text.get(at..)).unwrap_or(text)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'\\' | b'/')
}

/// Whether a text begins with a separator and holds no other.
fn is_tail(bytes: &[u8]) -> bool {
    let mut separators = bytes.iter().map(|byte| is_separator(*byte));
    separators.next() == Some(true) && !separators.any(|is| is)
}

/// Texts of at least `N` bytes, each known by `N` of them.
#[derive(Debug, Default)]
struct Windows<const N: usize> {
    /// A bit for each hash of a window that is known.
    bitmap: Vec<u64>,
    /// Where the entries of a hash begin; one more than there are hashes.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    texts: Vec<u8>,
    /// How far a hash is shifted for the bitmap, and for the entries.
    shifts: (u32, u32),
}

#[derive(Clone, Debug)]
struct Entry {
    window: u32,
    /// Where the window stands in the text.
    offset: u32,
    /// Where the text stands among all, and how long it is.
    at: u32,
    length: u32,
    hit: u32,
    starts: bool,
    ends: bool,
}

impl<const N: usize> Windows<N> {
    fn new(literals: Vec<Literal>) -> Self {
        if literals.is_empty() {
            return Self::default();
        }
        let mut uses: HashMap<u32, u32, FixedState> = HashMap::default();
        for literal in &literals {
            for window in windows::<N>(literal.text.as_bytes()) {
                *uses.entry(window).or_default() += 1;
            }
        }
        let bits = (literals.len() * 32).next_power_of_two().clamp(1 << 10, 1 << 19);
        let slots = literals.len().next_power_of_two();
        let shifts = (32 - bits.trailing_zeros(), 32 - slots.trailing_zeros());
        let mut all = Self {
            bitmap: vec![0; bits / 64],
            starts: vec![0; slots + 1],
            entries: Vec::with_capacity(literals.len()),
            texts: Vec::new(),
            shifts,
        };
        for literal in literals {
            let bytes = literal.text.as_bytes();
            let rarest = windows::<N>(bytes).enumerate().min_by_key(|(at, window)| {
                (uses.get(window).copied().unwrap_or_default() + commonness::<N>(*window), *at)
            });
            let Some((offset, window)) = rarest else { continue };
            let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            all.entries.push(Entry {
                window,
                offset: number(offset),
                at: number(all.texts.len()),
                length: number(bytes.len()),
                hit: literal.hit,
                starts: literal.starts,
                ends: literal.ends,
            });
            all.texts.extend_from_slice(bytes);
            let bit = (hash(window) >> shifts.0) as usize;
            if let Some(word) = all.bitmap.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        all.entries.sort_by_key(|entry| hash(entry.window).checked_shr(shifts.1).unwrap_or(0));
        for entry in &all.entries {
            let slot = hash(entry.window).checked_shr(shifts.1).unwrap_or(0) as usize;
            if let Some(count) = all.starts.get_mut(slot + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut all.starts {
            sum += *start;
            *start = sum;
        }
        all
    }

    #[inline]
    fn find(&self, value: &[u8], hit: &mut impl FnMut(u32)) {
        let bitmap = self.bitmap.as_slice();
        if bitmap.is_empty() {
            return;
        }
        let shift = self.shifts.0;
        for (at, window) in windows::<N>(value).enumerate() {
            let hash = hash(window);
            let bit = (hash >> shift) as usize;
            let word = bitmap.get(bit / 64).copied().unwrap_or_default();
            if word >> (bit % 64) & 1 == 1 {
                self.compare(value, at, window, hash, hit);
            }
        }
    }

    /// Compares all texts that are known by a window with what stands around it.
    #[inline(never)]
    fn compare(&self, value: &[u8], at: usize, window: u32, hash: u32, hit: &mut impl FnMut(u32)) {
        let slot = hash.checked_shr(self.shifts.1).unwrap_or(0) as usize;
        let (Some(from), Some(to)) = (self.starts.get(slot), self.starts.get(slot + 1)) else {
            return;
        };
        let entries = self.entries.get(*from as usize..*to as usize).unwrap_or_default();
        for entry in entries {
            if entry.window != window {
                continue;
            }
            let Some(start) = at.checked_sub(entry.offset as usize) else { continue };
            let end = start + entry.length as usize;
            if (entry.starts && start != 0) || (entry.ends && end != value.len()) {
                continue;
            }
            let text = entry.at as usize..(entry.at + entry.length) as usize;
            if value.get(start..end).is_some_and(|found| self.texts.get(text) == Some(found)) {
                hit(entry.hit);
            }
        }
    }
}

#[inline]
fn windows<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.array_windows::<N>().map(|window| {
        let mut all = [0; 4];
        all.iter_mut().zip(window).for_each(|(byte, found)| *byte = *found);
        u32::from_le_bytes(all)
    })
}

#[inline]
fn hash(window: u32) -> u32 {
    window.wrapping_mul(0x9E37_79B1)
}

/// What stands in nearly all paths, commands and messages: a text is known by a part of these only if it has no other.
const COMMON: &[&str] = &[
    ".exe ",
    ".dll",
    "/etc/",
    "/usr/bin/",
    "/usr/sbin/",
    "\\appdata\\local\\temp\\",
    "\\appdata\\roaming\\",
    "\\device\\harddiskvolume",
    "c:\\program files (x86)\\",
    "c:\\programdata\\",
    "c:\\users\\",
    "c:\\windows\\system32\\windowspowershell\\v1.0\\powershell.exe",
    "c:\\windows\\syswow64\\",
    "hklm\\software\\microsoft\\windows nt\\currentversion\\",
    "hklm\\system\\currentcontrolset\\services\\",
    "https://www.",
    "microsoft-windows-",
    "nt authority\\system",
];

/// How often a window is to be expected beyond the texts: letters, dots and separators are in every value,
/// digits and signs are rarer.
fn commonness<const N: usize>(window: u32) -> u32 {
    static WINDOWS: LazyLock<HashSet<u32, FixedState>> = LazyLock::new(|| {
        let bytes = || COMMON.iter().map(|text| text.as_bytes());
        bytes().flat_map(windows::<4>).chain(bytes().flat_map(windows::<3>)).collect()
    });
    let common = |byte: &u8| matches!(byte, b'a'..=b'z' | b' ' | b'.' | b'\\' | b'/');
    match window {
        window if N > 2 && WINDOWS.contains(&window) => 1_000,
        window => u32::from(window.to_le_bytes().iter().take(N).all(common)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_search_one_by_one_finds(
            texts in proptest::collection::vec(("[ab/\\\\]{1,7}", 0..4_u8), 0..40),
            value in "[ab/\\\\]{0,30}",
        ) {
            let literals: Vec<Literal> = (0..).zip(&texts).map(|(hit, (text, anchors))| Literal {
                text: text.as_str().into(), starts: anchors & 1 > 0, ends: anchors & 2 > 0, hit,
            }).collect();
            let mut expected: Vec<u32> = literals.iter().filter(|literal| {
                let text = &*literal.text;
                match (literal.starts, literal.ends) {
                    (true, true) => value == text,
                    (true, false) => value.starts_with(text),
                    (false, true) => value.ends_with(text),
                    (false, false) => value.contains(text),
                }
            }).map(|literal| literal.hit).collect();
            let mut found = Vec::new();
            Literals::new(literals).find(&value, &mut |hit| found.push(hit));
            found.sort_unstable();
            found.dedup();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
