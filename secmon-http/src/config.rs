//! The configuration: `secmon.toml`, all of it optional, with overrides from the environment.

mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secmon_core::parse::Zone;
use secmon_core::parse_span;
use secmon_core::seal::Retention;
use secmon_store::Store;
use serde::Deserialize;

use crate::backup::BackupConfig;
use crate::host::host_name;
use crate::sigma::SigmaConfig;

/// What can be set. Order: command line, then environment (`SECMON_*`, also from `.env`), then file,
/// then these defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the service listens. Default `127.0.0.1:8686`. `SECMON_LISTEN`.
    pub listen: String,
    /// The store. Default `sqlite://secmon.db`. `SECMON_STORE`.
    pub store: String,
    /// The folder of key files. Default beside the store. `SECMON_KEYS`.
    pub keys: Option<PathBuf>,
    /// The first part of the names of new streams. Default the host's name. `SECMON_CLUSTER`.
    pub cluster: String,
    /// Under which the service opens its writer. Default `main`; in a database, which services of several machines
    /// may share, the host's name. `SECMON_LABEL`.
    pub label: String,
    /// How many writers there are, each with a stream and a core; default 1, more need a database that is no file.
    pub writers: usize,
    /// The zone of stamps that name none: an IANA name or an offset. Default `UTC`, and for followed files of the own
    /// host the system's zone. `SECMON_TIMEZONE`.
    pub timezone: Option<Zone>,
    /// Whether the rules that come with secmon, built in or written in Sigma, are in use. Default true.
    pub builtin: bool,
    /// Rules by id: `kind` (the id, if absent), `enabled`, and the settings of the kind.
    pub rules: BTreeMap<String, RuleConfig>,
    /// Sigma rules.
    pub sigma: SigmaConfig,
    /// Probes of the own host.
    pub probe: ProbeConfig,
    /// Files that are followed.
    pub follow: FollowConfig,
    /// How long records are kept.
    pub retention: RetentionConfig,
    /// The privacy mode.
    pub privacy: PrivacyConfig,
    /// Where checkpoints are put outside the store, and how often the store is verified.
    pub integrity: IntegrityConfig,
    /// The service as the witness of other logs.
    pub witness: WitnessConfig,
    /// Backups by the clock.
    pub backup: BackupConfig,
    /// The file that it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// The service as the witness of other logs (C2SP `tlog-witness`, under `/witness`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WitnessConfig {
    /// The name under which it cosigns; without one it is no witness.
    pub name: Option<String>,
    /// The public keys of the logs, those that stay: the stream keys.
    pub logs: Vec<String>,
}

/// A witness that cosigns the checkpoints of this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessOf {
    /// Where it takes them: `/add-checkpoint` is added.
    pub url: String,
    /// Its public key, `<name>+<key id>+<base64>`.
    pub vkey: String,
}

/// A rule in the configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct RuleConfig {
    /// The kind; the rule's id if absent.
    pub kind: Option<String>,
    /// Whether it is in use. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The settings of the kind.
    #[serde(flatten)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// Probes of the own host.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// Whether they run. Default true. `SECMON_PROBE_ENABLED`.
    pub enabled: bool,
    /// How often. Default `60s`. `SECMON_PROBE_EVERY`.
    #[serde(deserialize_with = "span")]
    pub every: Duration,
    /// Which; all if empty.
    pub names: Vec<String>,
}

/// Files that are followed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FollowConfig {
    /// Whether the auth logs of the own host are followed where they are readable. Default true.
    /// `SECMON_FOLLOW_AUTO`.
    pub auto: bool,
    /// Further files.
    pub files: Vec<PathBuf>,
}

/// How long records are kept: by level and kind, in whole days. What the writer itself says never goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Events below level high. Default `90d`.
    #[serde(deserialize_with = "span")]
    pub everyday: Duration,
    /// Events of level high or critical. Default `1825d`.
    #[serde(deserialize_with = "span")]
    pub high: Duration,
    /// Rounds of probes. Default `90d`.
    #[serde(deserialize_with = "span")]
    pub metrics: Duration,
}

/// The privacy mode: personal values are sealed as commitments, and `secmon erase` can remove them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacyConfig {
    /// The fields that are personal, as `user.name`; off if empty. Messages and lines are personal then too.
    pub erasable: Vec<String>,
}

/// Where checkpoints are put outside the store, and how often the store is verified.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntegrityConfig {
    /// A file to which checkpoints are appended, best on another mount. `SECMON_ANCHOR_FILE`.
    pub anchor_file: Option<PathBuf>,
    /// Whether checkpoints go to the system's log too (the socket `/dev/log`). Default false.
    pub anchor_syslog: bool,
    /// Whether a stream of its own, with the label `directory`, lists the checkpoints of all others, so that none
    /// of them can be put back or taken away unseen. Default false.
    pub directory: bool,
    /// Witnesses that are asked to cosign checkpoints.
    pub witnesses: Vec<WitnessOf>,
    /// How often checkpoints are put there. Default `60s`.
    #[serde(deserialize_with = "span")]
    pub anchor_every: Duration,
    /// The public X25519 key of an auditor, 32 bytes in base64: K_0 of new streams is encrypted to it.
    /// `SECMON_AUDITOR`.
    pub auditor: Option<String>,
    /// How often the whole store is verified. Default `24h`.
    #[serde(deserialize_with = "span")]
    pub verify_every: Duration,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        let Retention { everyday, high, metrics } = Retention::default();
        Self { everyday: days(everyday), high: days(high), metrics: days(metrics) }
    }
}

impl RetentionConfig {
    /// The same in days.
    pub fn retention(&self) -> Retention {
        let days = |span: Duration| u32::try_from(span.as_secs() / 86_400).unwrap_or(u32::MAX);
        Retention {
            everyday: days(self.everyday),
            high: days(self.high),
            metrics: days(self.metrics),
        }
    }
}

impl Default for IntegrityConfig {
    fn default() -> Self {
        Self {
            anchor_file: None,
            anchor_syslog: false,
            directory: false,
            auditor: None,
            witnesses: Vec::new(),
            anchor_every: Duration::from_mins(1),
            verify_every: Duration::from_hours(24),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8686".into(),
            store: "sqlite://secmon.db".into(),
            keys: None,
            cluster: host_name(),
            label: String::new(),
            writers: 1,
            timezone: None,
            builtin: true,
            rules: BTreeMap::new(),
            sigma: SigmaConfig::default(),
            probe: ProbeConfig::default(),
            follow: FollowConfig::default(),
            retention: RetentionConfig::default(),
            privacy: PrivacyConfig::default(),
            integrity: IntegrityConfig::default(),
            witness: WitnessConfig::default(),
            backup: BackupConfig::default(),
            file: None,
        }
    }
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { enabled: true, every: Duration::from_mins(1), names: Vec::new() }
    }
}

impl Default for FollowConfig {
    fn default() -> Self {
        Self { auto: true, files: Vec::new() }
    }
}

/// Environment variables and the settings that they override.
const OVERRIDES: [(&str, &[&str]); 13] = [
    ("SECMON_BACKUP_FOLDER", &["backup", "folder"]),
    ("SECMON_BACKUP_PASSPHRASE_FILE", &["backup", "passphrase_file"]),
    ("SECMON_LISTEN", &["listen"]),
    ("SECMON_STORE", &["store"]),
    ("SECMON_KEYS", &["keys"]),
    ("SECMON_CLUSTER", &["cluster"]),
    ("SECMON_LABEL", &["label"]),
    ("SECMON_TIMEZONE", &["timezone"]),
    ("SECMON_PROBE_ENABLED", &["probe", "enabled"]),
    ("SECMON_PROBE_EVERY", &["probe", "every"]),
    ("SECMON_FOLLOW_AUTO", &["follow", "auto"]),
    ("SECMON_ANCHOR_FILE", &["integrity", "anchor_file"]),
    ("SECMON_AUDITOR", &["integrity", "auditor"]),
];

impl Config {
    /// Reads the configuration: this file, else `./secmon.toml`, else `/etc/secmon/secmon.toml`, else
    /// defaults; the environment overrides each.
    ///
    /// # Errors
    /// A sentence that names the file, the line and the field.
    pub fn load(file: Option<&Path>) -> Result<Self, String> {
        let file = file.map(Path::to_path_buf).or_else(|| {
            let usual = ["secmon.toml", "/etc/secmon/secmon.toml"].map(PathBuf::from);
            usual.into_iter().find(|path| path.is_file())
        });
        let text = match &file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("configuration `{}`: {error}", path.display()))?,
            None => String::new(),
        };
        let name = file.as_ref().map_or("environment".into(), |path| path.display().to_string());
        let parsed = Self::parse(&text, |variable| std::env::var(variable).ok());
        let parsed = parsed.map_err(|error| format!("configuration `{name}`: {error}"))?;
        Ok(Self { file, ..parsed })
    }

    /// Reads the configuration's text, with a look-up for the environment.
    ///
    /// # Errors
    /// A sentence that names the line and the field.
    pub fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        // Parsed as a whole first, so that a mistake is named with its line.
        let _: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
        for (variable, path) in OVERRIDES {
            let Some(value) = environment(variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            let value = match value.as_str() {
                "true" => toml::Value::Boolean(true),
                "false" => toml::Value::Boolean(false),
                _ => toml::Value::String(value),
            };
            let (Some((last, folders)), mut inner) = (path.split_last(), &mut table) else {
                continue;
            };
            for folder in folders {
                let entry = inner.entry(*folder).or_insert_with(|| toml::Table::new().into());
                inner = entry.as_table_mut().ok_or_else(|| format!("`{folder}` is no table"))?;
            }
            inner.insert((*last).into(), value);
        }
        // The file alone was read above.
        let config: Self = table.try_into().map_err(|error: toml::de::Error| {
            format!("a variable of the environment, SECMON_*, is wrong: {error}")
        })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses spans that make no sense, though each is one.
    fn check(&self) -> Result<(), String> {
        let Self { retention, integrity, probe, .. } = self;
        for (name, span) in [
            ("retention.everyday", retention.everyday),
            ("retention.high", retention.high),
            ("retention.metrics", retention.metrics),
        ] {
            if span.as_secs() % 86_400 != 0 {
                return Err(format!("`{name}` must be whole days, such as `90d`"));
            }
        }
        for (name, span) in [
            ("integrity.anchor_every", integrity.anchor_every),
            ("integrity.verify_every", integrity.verify_every),
            ("probe.every", probe.every),
        ] {
            if span < Duration::from_secs(1) {
                return Err(format!("`{name}` must be at least `1s`"));
            }
        }
        Ok(())
    }

    /// Tells the store, before a writer is opened, to whom K_0 of new streams is encrypted, and what is
    /// personal.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn prepare(&self, store: &Store) -> Result<(), String> {
        if !self.privacy.erasable.is_empty() {
            let erasable = store.set_erasable(self.privacy.erasable.clone());
            erasable.map_err(|error| format!("`privacy.erasable`: {error}"))?;
        }
        let Some(auditor) = &self.integrity.auditor else { return Ok(()) };
        let key = auditor.parse().map_err(|error| format!("`integrity.auditor`: {error}"))?;
        store.set_auditor(key);
        Ok(())
    }
}

fn yes() -> bool {
    true
}

pub(crate) fn span<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    parse_span(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_the_file_and_the_file_the_defaults() {
        let text = "listen = \"127.0.0.1:1\"\n[probe]\nevery = \"5m\"\n[rules.address]\nallowed = [\"10.0.0.0/8\"]";
        let environment = |name: &str| (name == "SECMON_LISTEN").then(|| "127.0.0.1:2".to_owned());
        let config = Config::parse(text, environment).unwrap();
        assert_eq!(config.listen, "127.0.0.1:2");
        assert_eq!(config.probe.every, Duration::from_mins(5));
        assert_eq!(config.store, "sqlite://secmon.db");
        assert!(config.ruleset().unwrap().rules().any(|rule| rule.id() == "address"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| {
            let config = Config::parse(text, |_| None);
            config.and_then(|config| config.ruleset().map(drop)).unwrap_err()
        };
        assert!(error("listn = 1").contains("line 1") && error("listn = 1").contains("listn"));
        let environment = |name: &str| (name == "SECMON_PROBE_EVERY").then(|| "abc".to_owned());
        let wrong = Config::parse("", environment).unwrap_err();
        assert!(wrong.contains("environment") && wrong.contains("probe.every"), "{wrong}");
        let unknown = error("[rules.brute_force]\nfailurs = 3");
        assert!(unknown.contains("brute_force") && unknown.contains("failurs"), "{unknown}");
        assert!(error("[retention]\neveryday = \"23h\"").contains("retention.everyday"));
        assert!(error("[integrity]\nanchor_every = \"0s\"").contains("integrity.anchor_every"));
        assert!(error("timezone = \"Mars\"").contains("Mars"));
        let nope = error("[rules.x]\nkind = \"nope\"");
        assert!(nope.contains("nope") && nope.contains("[rules.x]"), "{nope}");
        let off = error("[rules.brut_force]\nenabled = false");
        assert!(off.contains("[rules.brut_force]"), "{off}");
        let fine = "[rules.threshold_disk]\nenabled = false\n[rules.5f3d-1]\nenabled = false";
        Config::parse(fine, |_| None).unwrap().ruleset().unwrap();
        let without = "builtin = false\n[rules.threshold_disk]\nenabled = false";
        Config::parse(without, |_| None).unwrap().ruleset().unwrap();
    }
}
