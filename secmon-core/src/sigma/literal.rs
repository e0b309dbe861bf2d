//! What a text must hold for a regular expression to match: a cheap question before a dear one.

use regex_syntax::hir::{Hir, HirKind};

use super::pattern::fold;

/// The longest text, folded, that every match holds; none if there is none of three bytes.
pub(super) fn needed(hir: &Hir) -> Option<Box<str>> {
    let found = longest(hir);
    (found.len() >= 3).then(|| found.into())
}

fn longest(hir: &Hir) -> String {
    let mut best = String::new();
    let mut run = String::new();
    runs(hir, &mut run, &mut best);
    take(&mut run, &mut best);
    best
}

fn take(run: &mut String, best: &mut String) {
    if run.len() > best.len() {
        std::mem::swap(run, best);
    }
    run.clear();
}

/// Lengthens the run with what must stand there, or ends it.
fn runs(hir: &Hir, run: &mut String, best: &mut String) {
    match hir.kind() {
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => run.extend(text.chars().map(fold)),
            Err(_) => take(run, best),
        },
        HirKind::Class(_) => match one_fold(hir) {
            Some(char) => run.push(char),
            None => take(run, best),
        },
        HirKind::Look(_) | HirKind::Empty => {}
        HirKind::Capture(capture) => runs(&capture.sub, run, best),
        HirKind::Concat(parts) => parts.iter().for_each(|part| runs(part, run, best)),
        HirKind::Repetition(repetition) => {
            take(run, best);
            if repetition.min > 0 {
                runs(&repetition.sub, run, best);
                take(run, best);
            }
        }
        HirKind::Alternation(_) => take(run, best),
    }
}

/// The one character that all of a class fold to: `[aA]`, as `(?i)a` is read.
fn one_fold(hir: &Hir) -> Option<char> {
    let HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = hir.kind() else { return None };
    let mut chars =
        class.iter().take(4).flat_map(|range| (range.start()..=range.end()).take(4)).map(fold);
    let first = chars.next()?;
    let whole = class.iter().map(regex_syntax::hir::ClassUnicodeRange::len).sum::<usize>() <= 4;
    (whole && chars.all(|char| char == first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_text_that_must_stand_there_is_found() {
        for (source, found) in [
            (r"foo.*barbaz", Some("barbaz")),
            (r"(?i)PowerShell\.exe", Some("powershell.exe")),
            (r"(foo|bar)", None),
            (r"a{0,3}xyz", Some("xyz")),
            (r"(?:abc)+d", Some("abc")),
            (r"(?:abc)*d", None),
            (r"^Abc$", Some("abc")),
            (r"\d\d", None),
        ] {
            let hir = regex_syntax::parse(source).unwrap();
            assert_eq!(needed(&hir).as_deref(), found, "{source}");
        }
    }
}
