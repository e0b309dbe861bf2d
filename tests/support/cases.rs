//! The cases of `tests/cases/*.yaml`: lines, rules, and what must come of them.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Utc};
use secmon_core::Ruleset;
use secmon_core::parse::LineFormat;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// What is read.
    pub lines: Vec<String>,
    /// In which format; detected when absent.
    pub format: Option<String>,
    /// When it is read.
    pub reference_time: DateTime<Utc>,
    /// Rules by id with `kind` and settings; the built-in ones when absent.
    pub rules: Option<BTreeMap<String, Map<String, Value>>>,
    /// For each line, fields that its event must have; null means absent.
    #[serde(default)]
    pub events: Vec<Map<String, Value>>,
    /// All incidents that must be found, each with fields that it must have.
    #[serde(default)]
    pub incidents: Vec<Map<String, Value>>,
}

impl Case {
    /// The rules.
    pub fn ruleset(&self) -> Ruleset {
        let Some(rules) = &self.rules else { return Ruleset::builtin() };
        let mut builder = Ruleset::builder();
        for (id, settings) in rules {
            let mut settings = settings.clone();
            let kind = settings
                .remove("kind")
                .map_or(id.clone(), |kind| kind.as_str().unwrap().to_owned());
            builder = builder.settings(id, &kind, settings.into()).unwrap();
        }
        builder.build().unwrap()
    }

    /// The format.
    pub fn line_format(&self) -> LineFormat {
        self.format.as_deref().map_or(LineFormat::Detect, |name| LineFormat::named(name).unwrap())
    }

    /// The lines as they are for whoever reads them at another time: stamps have their year.
    pub fn dated(&self) -> Vec<String> {
        self.lines.iter().map(|line| dated(line, self.reference_time)).collect()
    }

    /// Compares an event with what is expected of the line.
    pub fn check_event(&self, line: usize, event: &Value) {
        let Some(expected) = self.events.get(line) else { return };
        for (name, value) in expected {
            let found = event.get(name).unwrap_or(&Value::Null);
            assert_eq!(found, value, "{}: `{name}` of line {}", self.name, line + 1);
        }
    }

    /// Compares incidents with those that are expected, in any order.
    pub fn check_incidents(&self, found: &[Value]) {
        let fits = |expected: &Map<String, Value>, incident: &Value| {
            expected.iter().all(|(name, value)| incident.get(name) == Some(value))
        };
        for expected in &self.incidents {
            let count = found.iter().filter(|incident| fits(expected, incident)).count();
            assert_eq!(count, 1, "{}: {expected:?} among {found:?}", self.name);
        }
        assert_eq!(found.len(), self.incidents.len(), "{}: {found:?}", self.name);
    }
}

/// A line whose stamp has the year, and RFC 3339's form.
fn dated(line: &str, reference: DateTime<Utc>) -> String {
    let priority = if line.starts_with('<') { line.find('>').map_or(0, |at| at + 1) } else { 0 };
    let (before, rest) = line.split_at(priority);
    let stamp = |year: i32| {
        let stamp = format!("{year} {}", rest.get(..15)?);
        Some(NaiveDateTime::parse_from_str(&stamp, "%Y %b %e %H:%M:%S").ok()?.and_utc())
    };
    let year = reference.year();
    match stamp(year).filter(|at| *at <= reference).or_else(|| stamp(year - 1)) {
        Some(at) => format!("{before}{}{}", at.format("%Y-%m-%dT%H:%M:%SZ"), &rest[15..]),
        None => line.into(),
    }
}

/// Reads all cases.
pub fn load_cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let case = serde_saphyr::from_str::<Case>(&text);
        let case = case.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Case { name: path.file_stem().unwrap().to_string_lossy().into_owned(), ..case }
    };
    let cases: Vec<Case> = paths.iter().map(case).collect();
    assert!(cases.len() >= 10, "the cases are gone");
    cases
}
