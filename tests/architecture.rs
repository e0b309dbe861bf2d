//! Who may name whom: modules of the core, and crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module of secmon-core -> modules that it may name. What is not in the table may name none.
const MODULES: &[(&str, &[&str])] = &[
    (
        "batch",
        &["event", "group", "incident", "monitor", "place", "privacy", "rules", "ruleset", "seal"],
    ),
    ("count", &["group", "incident", "place", "rules", "ruleset", "span", "window"]),
    ("error", &[]),
    ("event", &["json"]),
    ("group", &["event", "json"]),
    ("hex", &[]),
    ("incident", &["event", "group", "place", "window"]),
    ("json", &[]),
    ("lib", &[]),
    (
        "monitor",
        &[
            "batch", "count", "event", "group", "hex", "incident", "place", "privacy", "rules",
            "ruleset", "seal", "work",
        ],
    ),
    ("parse", &["event", "hex", "json"]),
    ("place", &[]),
    ("privacy", &["event", "group", "rules", "seal", "token"]),
    ("probe", &["event"]),
    // Of `parse` only the zone: a rule is told events, it reads no lines.
    ("rules", &["event", "group", "json", "parse::Zone", "span", "token", "window"]),
    ("ruleset", &["event", "json", "parse", "rules", "seal", "sigma"]),
    // Its unit tests seal a line.
    ("seal", &["event", "hex", "json", "parse", "token"]),
    // Of `parse` only other names of fields, and JSON without an event.
    (
        "sigma",
        &[
            "event",
            "group",
            "hex",
            "parse::aliases::ecs_name",
            "parse::flat",
            "parse::flat::Flat",
            "rules",
            "window",
        ],
    ),
    ("span", &[]),
    ("token", &[]),
    ("window", &["event", "group", "rules", "span"]),
    ("work", &["batch", "incident", "place", "privacy", "rules", "ruleset", "seal"]),
];

/// Crate -> crates and tools that it may not depend on, in whatever section.
const CRATES: &[(&str, &[&str])] = &[
    (
        "secmon-core",
        &[
            "secmon-store",
            "secmon-http",
            "secmon-py",
            "tokio",
            "axum",
            "diesel",
            "reqwest",
            "hyper",
            "rusqlite",
        ],
    ),
    ("secmon-store", &["secmon-http", "secmon-py", "axum", "reqwest", "hyper"]),
    ("secmon-http", &["secmon-py", "diesel", "rusqlite", "libsqlite3-sys"]),
    ("secmon-py", &["secmon-http", "diesel", "rusqlite", "tokio", "axum"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All sources under a path.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return if path.extension().is_some_and(|extension| extension == "rs") {
            vec![path.into()]
        } else {
            vec![]
        };
    }
    let mut entries: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| sources(entry)).collect()
}

/// Lines without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths behind `crate::` whose first word is in lower case: modules, with what is taken from them.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        // `use crate::{event::Event, rules::Rule}` names several.
        let parts: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for part in parts {
            let word =
                |character: char| !(character.is_alphanumeric() || matches!(character, '_' | ':'));
            let path = part.trim().split(word).next().unwrap_or_default();
            if path.chars().next().is_some_and(char::is_lowercase) {
                found.insert(path.trim_end_matches(':').to_owned());
            }
        }
    }
    found
}

#[test]
fn modules_of_the_core_name_only_those_below_them() {
    let folder = root().join("secmon-core/src");
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        modules.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), path);
    }
    let table: BTreeMap<_, _> = MODULES.iter().copied().collect();
    let mut wrong = Vec::new();
    for (module, path) in &modules {
        let allowed = table.get(module.as_str()).copied().unwrap_or_default();
        for source in sources(path) {
            for path in named(&code(&source)) {
                let target = path.split("::").next().unwrap_or_default();
                let may =
                    target == module || allowed.iter().any(|one| *one == target || path == *one);
                // What is not a module is a function of the crate root.
                if modules.contains_key(target) && !may {
                    wrong.push(format!("{} names crate::{path}", source.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let gone: Vec<_> = table.keys().filter(|module| !modules.contains_key(**module)).collect();
    assert!(gone.is_empty(), "in the table, but not there: {gone:?}");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let found = named(
        "use crate::{Error, event::Event, rules};\nuse crate::seal::Head; crate::span(); crate::Result",
    );
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["event::Event", "rules", "seal::Head", "span"]
    );
}

/// The dependencies of a crate: every name in a section whose title speaks of dependencies.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[') {
            let title = title.trim_end_matches(']');
            inside = title.ends_with("dependencies");
            if let Some((_, name)) = title.split_once("dependencies.") {
                names.insert(name.to_owned());
            }
        } else if inside && let Some((name, _)) = line.split_once(['=', '.']) {
            names.insert(name.trim().trim_matches('"').to_owned());
        }
    }
    names
}

#[test]
fn crates_depend_only_downwards() {
    for (name, forbidden) in CRATES {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let found = dependencies(&manifest);
        assert!(found.len() > 2, "{name}: {found:?}");
        let wrong: Vec<_> = found.iter().filter(|one| forbidden.contains(&one.as_str())).collect();
        assert!(wrong.is_empty(), "{name} depends on {wrong:?}");
    }
}

#[test]
fn no_crate_but_the_service_and_python_reads_the_clock_or_speaks_sql_of_its_own() {
    for (name, words) in [
        (
            "secmon-core",
            &[
                "Utc::now",
                "SystemTime::now",
                "std::net::Tcp",
                "std::net::Udp",
                "thread::spawn",
                "SELECT ",
            ][..],
        ),
        ("secmon-store", &["Utc::now", "SystemTime::now", "std::net::Tcp", "std::net::Udp"]),
        ("secmon-http", &["diesel", "rusqlite", "SELECT "]),
        ("secmon-py", &["diesel", "rusqlite", "SELECT "]),
    ] {
        for source in sources(&root().join(name).join("src")) {
            let code = code(&source);
            for word in words {
                assert!(!code.contains(word), "{} holds `{word}`", source.display());
            }
        }
    }
}

#[test]
fn routes_of_the_service_do_not_name_each_other() {
    let folder = root().join("secmon-http/src/routes");
    for source in sources(&folder) {
        let own = source.file_stem().unwrap().to_str().unwrap().to_owned();
        if own == "mod" {
            continue;
        }
        for path in named(&code(&source)) {
            let mut parts = path.split("::");
            if parts.next() == Some("routes") {
                let other = parts.next().unwrap_or_default();
                let module = folder.join(format!("{other}.rs")).is_file() && other != own;
                assert!(!module, "{own} names routes::{other}");
            }
        }
        let beside: Vec<_> = code(&source)
            .split("super::")
            .skip(1)
            .map(|rest| {
                rest.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .filter(|name| folder.join(format!("{name}.rs")).is_file() && *name != own)
            .collect();
        assert!(beside.is_empty(), "{own} names {beside:?}");
    }
}

#[test]
fn every_module_has_its_word_in_the_head_of_the_file() {
    for name in ["secmon-core", "secmon-store", "secmon-http", "secmon-py"] {
        for source in sources(&root().join(name).join("src")) {
            let text = fs::read_to_string(&source).unwrap();
            let inner = source.file_stem().is_some_and(|stem| stem == "tests");
            assert!(
                text.starts_with("//!") || inner,
                "{} begins without a `//!` line",
                source.display()
            );
        }
    }
}
