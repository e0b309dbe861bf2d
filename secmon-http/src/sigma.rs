//! Sigma rules from files and folders, as the configuration and the command line name them.

use std::fs;
use std::path::{Path, PathBuf};

use secmon_core::sigma::{FilterMode, SigmaRules};
use serde::Deserialize;

/// Folders inside of one another.
const MOST_DEPTH: usize = 32;
/// Bytes of one file.
const MOST_BYTES: u64 = 64 << 20;

/// Sigma rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigmaConfig {
    /// Files, and folders with all `.yml` and `.yaml` files in them: rules, correlations, filters.
    pub rules: Vec<PathBuf>,
    /// Pipelines, in the form of pySigma's: where fields stand in events, what placeholders stand for.
    pub pipelines: Vec<PathBuf>,
    /// How filters are joined with rules: `and_not` (what a filter matches is suppressed, the default), or `and`
    /// (only what a filter matches is kept), as those for pySigma are written.
    pub filter_mode: FilterMode,
}

impl SigmaConfig {
    /// Reads all of them, before those that come with secmon if these are wanted: a name that both use is theirs. A bad rule stops nothing: it is
    /// among the problems of the rules.
    ///
    /// # Errors
    /// A file or folder that cannot be read.
    pub fn load(&self, with_shipped: bool) -> Result<SigmaRules, String> {
        let mut rules = SigmaRules::default();
        rules.set_filter_mode(self.filter_mode);

        for path in &self.pipelines {
            each_file(path, 0, &mut |name, text| rules.load_pipeline(name, text))?;
        }
        for path in &self.rules {
            each_file(path, 0, &mut |name, text| rules.load(name, text))?;
        }
        if with_shipped {
            rules.load_shipped();
        }
        Ok(rules)
    }
}

/// Gives a file, or all files of rules in a folder, to a visitor, in the order of their names.
fn each_file(path: &Path, depth: usize, visit: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("rules `{}`: {error}", path.display());
    let about = fs::metadata(path).map_err(|error| failed(&error))?;
    if !about.is_dir() {
        if about.len() > MOST_BYTES {
            return Err(failed(&format!("longer than {MOST_BYTES} bytes")));
        }
        let bytes = fs::read(path).map_err(|error| failed(&error))?;
        visit(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        return Ok(());
    }
    if depth >= MOST_DEPTH {
        return Err(failed(&format!("more than {MOST_DEPTH} folders inside of one another")));
    }
    let mut inner = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| failed(&error))? {
        inner.push(entry.map_err(|error| failed(&error))?.path());
    }
    inner.sort();
    for path in inner {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() || matches!(extension, Some("yml" | "yaml")) {
            each_file(&path, depth + 1, visit)?;
        }
    }
    Ok(())
}
