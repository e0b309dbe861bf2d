//! `Ruleset`: rules compiled and shared; the stateless half of the pipeline.

mod builder;

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::event::{Event, Level, Name, Value, fields, rfc3339};
use crate::json::{SAFE, is_safe};
use crate::parse::{Context, LineFormat, bad_line, bad_line_of, parse, parse_json, read_lossy};
use crate::rules::{About, AnyRule, Signal, Signals};
use crate::seal::{MOST_BODY, fits};
#[cfg(feature = "sigma")]
use crate::sigma::{Matcher, SigmaRule};

pub use self::builder::Builder;

/// Rules, compiled and immutable; cheap to clone and to share between threads.
///
/// ```
/// use secmon_core::{Ruleset, rules::BruteForce};
/// let ruleset = Ruleset::builder()
///     .rule("ssh", BruteForce { failures: 3, ..Default::default() })
///     .settings("night", "off_hours", serde_json::json!({"zone": "Europe/Paris"}))?
///     .build()?;
/// assert_eq!(ruleset.rules().count(), 2);
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ruleset(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<ActiveRule>,
    /// The places of rules that look at each event themselves.
    direct: Vec<u32>,
    /// The first bytes of its hash: whose signals an event has.
    mark: u64,
    /// All Sigma rules, which one matcher looks for.
    #[cfg(feature = "sigma")]
    sigma: Option<Matcher>,
}

/// A rule in use: id, kind and settings.
#[derive(Clone, Debug)]
pub struct ActiveRule {
    id: String,
    rule: AnyRule,
    #[cfg(feature = "sigma")]
    sigma: Option<Arc<SigmaRule>>,
}

impl ActiveRule {
    /// By what its incidents, silences and state go.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of its kind.
    pub fn kind_name(&self) -> &'static str {
        self.rule.kind
    }

    /// Its title.
    pub fn title(&self) -> &str {
        let title = self.about().title;
        if title.is_empty() { &self.id } else { title }
    }

    /// The level of its incidents.
    pub fn level(&self) -> Level {
        self.about().level
    }

    /// What it, or its kind, says of itself.
    pub fn about(&self) -> About<'_> {
        #[cfg(feature = "sigma")]
        if let Some(rule) = &self.sigma {
            return rule.about();
        }
        self.rule.about
    }

    /// Its settings, defaults included.
    pub fn settings(&self) -> &serde_json::Value {
        &self.rule.settings
    }

    pub(crate) fn kind(&self) -> &AnyRule {
        &self.rule
    }

    /// SHA-256 of kind and settings.
    pub(crate) fn settings_hash(&self) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(self.rule.kind);
        // What a Sigma rule says, wherever its file lies.
        #[cfg(feature = "sigma")]
        if let Some(rule) = &self.sigma {
            return hash.chain_update(rule.hash).finalize().into();
        }
        hash.chain_update(self.rule.settings.to_string()).finalize().into()
    }
}

impl Serialize for ActiveRule {
    /// Id, kind, what it says of itself, settings.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let about = self.about();
        let mut all = serializer.serialize_struct("ActiveRule", 8)?;
        all.serialize_field("id", self.id())?;
        all.serialize_field("kind", self.kind_name())?;
        all.serialize_field("title", self.title())?;
        all.serialize_field("level", &about.level)?;
        all.serialize_field("technique", about.technique)?;
        all.serialize_field("description", about.description)?;
        all.serialize_field("advice", about.advice)?;
        all.serialize_field("settings", self.settings())?;
        all.end()
    }
}

impl Ruleset {
    /// A ruleset to add rules to.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// All built-in kinds with their default settings, and thresholds for processor, memory and disks.
    pub fn builtin() -> Self {
        Builder::default().builtin().build().unwrap_or_else(|_| Self::empty())
    }

    /// No rules: events are only parsed.
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// Its rules.
    pub fn rules(&self) -> impl Iterator<Item = &ActiveRule> {
        self.0.rules.iter()
    }

    /// SHA-256 over all rules, which names the set.
    pub fn hash(&self) -> [u8; 32] {
        hash_of(&self.0.rules)
    }

    pub(crate) fn mark(&self) -> u64 {
        self.0.mark
    }

    /// Parses a line and matches it against all rules. Never fails: what cannot be parsed becomes an
    /// event that says so.
    pub fn prepare(&self, line: &str, format: LineFormat, cx: &Context) -> Prepared {
        let parsed = parse(line, format, cx);
        let bad = |error: String| bad_line(line.as_bytes(), &error, cx.reference);
        self.matched(parsed.map_err(bad), Some(line.as_bytes()))
    }

    /// As [`Ruleset::prepare`], for bytes that may be no UTF-8. A line that is none is kept as one that cannot be parsed,
    /// and rules see what can be read of it all the same.
    pub fn prepare_bytes(&self, line: &[u8], format: LineFormat, cx: &Context) -> Prepared {
        match simdutf8::compat::from_utf8(line) {
            Ok(line) => self.prepare(line, format, cx),
            Err(error) => {
                let error = format!("not UTF-8 at byte {}", error.valid_up_to());
                let bad = bad_line(line, &error, cx.reference);
                self.matched(Err(read_unclean(line, bad, format, cx)), Some(line))
            }
        }
    }

    /// Parses a JSON object and matches it.
    pub fn prepare_json(&self, bytes: &[u8], cx: &Context) -> Prepared {
        let parsed = parse_json(bytes, cx);
        self.matched(parsed.map_err(|error| bad_line(bytes, &error, cx.reference)), Some(bytes))
    }

    /// Keeps a line that is too long to be read, by its head, length and hash.
    pub fn prepare_oversized(
        &self,
        head: &[u8],
        length: u64,
        sha256: [u8; 32],
        cx: &Context,
    ) -> Prepared {
        let error = format!("line of {length} bytes is too long for a record");
        self.matched(Err(bad_line_of(head, length, sha256, &error, cx.reference)), None)
    }

    /// Prepares lines as they are received, stamps without a zone in UTC.
    pub fn prepare_lines<L: AsRef<str>>(
        &self,
        lines: impl IntoIterator<Item = L>,
        now: DateTime<Utc>,
    ) -> Vec<Prepared> {
        let cx = Context::new(now);
        let prepare = |line: L| self.prepare(line.as_ref(), LineFormat::Detect, &cx);
        lines.into_iter().map(prepare).collect()
    }

    /// Matches an event that was made by hand.
    pub fn prepare_event(&self, event: Event) -> Prepared {
        self.matched(Ok(event), None)
    }

    /// Why a rule written in Sigma matches an event, or why not; none for other rules and for correlations.
    #[cfg(feature = "sigma")]
    pub fn explain(&self, rule: &str, event: &Event) -> Option<crate::sigma::Explanation> {
        self.rules().find(|one| one.id == rule)?.sigma.as_ref()?.explain(event)
    }

    /// What each detection written in Sigma has cost and brought since the ruleset was made.
    #[cfg(feature = "sigma")]
    pub fn counts(&self) -> impl Iterator<Item = (&ActiveRule, crate::sigma::RuleCounts)> {
        (0..)
            .zip(self.rules())
            .filter_map(|(at, rule)| Some((rule, self.0.sigma.as_ref()?.counts(at)?)))
    }

    /// What a line is to the rules, for who keeps no events: the signals that [`Ruleset::prepare_bytes`] gives.
    /// With nothing but Sigma rules, lines of JSON are matched several times faster than events are made.
    pub fn glance(&self, line: &[u8], format: LineFormat, cx: &Context) -> Glance {
        #[cfg(feature = "sigma")]
        if let Some(matcher) = self.0.sigma.as_ref().filter(|_| self.0.direct.is_empty()) {
            let is_json = format == LineFormat::Named("json")
                || (format == LineFormat::Detect && line.first() == Some(&b'{'));
            let text = simdutf8::basic::from_utf8(line).ok().filter(|_| is_json);
            let found = text.and_then(|text| matcher.signals_of_line(text, cx.reference));
            if let Some(signals) = found {
                return Glance { signals, error: None };
            }
        }
        self.prepare_bytes(line, format, cx).into()
    }

    /// Matches an event, or the one that stands for what could not be parsed. `came` is what it was made of.
    fn matched(&self, parsed: Result<Event, Event>, came: Option<&[u8]>) -> Prepared {
        let mut event = match parsed {
            Ok(event) if fits(&event) => event,
            Ok(event) => {
                let made = came.map_or_else(|| event.to_json().into_bytes().into(), Cow::Borrowed);
                let length = made.len();
                let error = format!(
                    "an event of {length} bytes does not fit a record, which holds {MOST_BODY}, escapes and its own members included"
                );
                let mut bad = bad_line(&made, &error, event.time);
                if let Some(host) = event.host() {
                    bad.set(
                        fields::HOST_NAME,
                        host.get(..host.floor_char_boundary(255)).unwrap_or_default(),
                    );
                }
                cut(bad)
            }
            Err(bad) => cut(bad),
        };
        hold_time(&mut event);
        hold_names(&mut event);
        let mut signals = Signals::of(&event);
        for at in &self.0.direct {
            let Some(rule) = self.0.rules.get(*at as usize) else { continue };
            signals.for_rule(*at);
            rule.kind().signals(&event, &mut signals);
        }
        #[cfg(feature = "sigma")]
        if let Some(matcher) = &self.0.sigma {
            matcher.signals(&event, &mut signals);
        }
        Prepared { event, signals: signals.into_found(), mark: self.0.mark }
    }
}

/// SHA-256 over rules.
fn hash_of(rules: &[ActiveRule]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for rule in rules {
        hash.update(&rule.id);
        hash.update([0]);
        hash.update(rule.settings_hash());
    }
    hash.finalize().into()
}

/// A name that ends in `#` says that its value is a commitment: no input may say so.
fn hold_names(event: &mut Event) {
    let marked = event.fields().map(|(name, _)| name).filter(|name| name.ends_with('#'));
    for name in marked.map(Name::from).collect::<Vec<_>>() {
        let held = format!("{name}_");
        if let Some(value) = event.remove(name) {
            event.set(held.as_str(), value);
        }
    }
}

/// A bad line with what can be read of it. What is so long that it leaves no room for the message is left out.
fn read_unclean(line: &[u8], bad: Event, format: LineFormat, cx: &Context) -> Event {
    const MOST_LONG: usize = 1_024;
    let Some(mut read) = read_lossy(line, &bad, format, cx) else { return bad };
    if !fits(&read) {
        let is_long = |value: &Value| {
            value.each().iter().map(|one| one.to_string().len()).sum::<usize>() > MOST_LONG
        };
        let kept = |name: &str| bad.find(name).is_some();
        let long = read.fields().filter(|(name, value)| !kept(name) && is_long(value));
        for name in long.map(|(name, _)| Name::from(name)).collect::<Vec<_>>() {
            read.remove(name);
        }
    }
    let read = cut(read);
    if fits(&read) { read } else { bad }
}

/// A bad line of which nothing but the message is long: quotes and backslashes, escaped in it and
/// again in the body, may need more room than there is.
fn cut(mut bad: Event) -> Event {
    while !fits(&bad) && !bad.message().is_empty() {
        let message = bad.message();
        let half = message
            .get(..message.floor_char_boundary(message.len() / 2))
            .unwrap_or_default()
            .to_owned();
        bad.set(fields::MESSAGE, half);
    }
    bad
}

/// A body holds the years 1684 to 2255 (integers of 53 bits): what lies outside is moved to the end of
/// them, and said.
fn hold_time(event: &mut Event) {
    let micros = event.time.timestamp_micros();
    if is_safe(micros) {
        return;
    }
    event.set("event.original_timestamp", rfc3339(event.time));
    let end = if micros < 0 { -SAFE } else { SAFE };
    event.time = DateTime::from_timestamp_micros(end).unwrap_or_default();
}

/// An event with the signals of all rules: all that can be known of it without memory.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The event.
    pub event: Event,
    pub(crate) signals: Vec<Signal>,
    /// Of which ruleset the signals are.
    pub(crate) mark: u64,
}

/// What a line is to the rules, without its event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glance {
    /// As [`Prepared::signals`].
    pub signals: Vec<Signal>,
    /// As [`Prepared::error`].
    pub error: Option<String>,
}

impl From<Prepared> for Glance {
    fn from(prepared: Prepared) -> Self {
        Self { error: prepared.error().map(str::to_owned), signals: prepared.signals }
    }
}

impl Prepared {
    /// Why the line could not be parsed, if it could not.
    pub fn error(&self) -> Option<&str> {
        let bad = self.event.text(fields::EVENT_KIND) == Some("pipeline_error");
        if bad { self.event.text(fields::ERROR_MESSAGE) } else { None }
    }

    /// What it is to the rules.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// Bytes, roughly, for budgets.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.event.heap_bytes()
    }
}
