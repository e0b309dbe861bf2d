//! `Monitor`: the pure pipeline behind preparation. Seals, counts, and seals what was derived.

mod counting;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use self::counting::Counting;
use crate::batch::{Announcement, Batch, Entry, Record, SignalLog, Step, When, is_high};
use crate::count::{Counters, RuleState};
use crate::event::{Event, Field, fields};
use crate::group::Group;
use crate::incident::{Change, ChangeKind, Detection, Incident};
use crate::privacy::{Hidden, Privacy};
use crate::ruleset::{Prepared, Ruleset};
use crate::seal::{
    Checkpoint, Claim, Envelope, Head, KeyFile, MOST_COPIED, Retention, Sealer, encode, fits,
};
use crate::work::Work;
use crate::{Error, Result};

/// An event from the future counts as one of now: a clock that is wrong blinds nobody.
const MOST_AHEAD: TimeDelta = TimeDelta::minutes(2);

/// Bytes of rule ids in the record that names the rules in use.
const MOST_IDS: usize = 8 * 1024;

/// The pure pipeline: takes prepared events one by one, and gives what must be committed as one
/// [`Batch`]. How the input is cut into batches changes nothing but ids and sealing times.
///
/// ```
/// use secmon_core::seal::{Sealer, StreamKeys};
/// use secmon_core::{Monitor, Ruleset};
///
/// let ruleset = Ruleset::builtin();
/// let now = "2026-11-20T00:00:00Z".parse().unwrap();
/// let sealer = Sealer::create("demo/0a", &StreamKeys::from_bytes([1; 32], [2; 32]))?;
/// let mut monitor = Monitor::new(ruleset.clone(), sealer);
/// let batch = monitor.take(ruleset.prepare_lines(["hello", "world"], now), now, [3; 32]);
/// assert_eq!(batch.records.len(), 2);
/// # Ok::<(), secmon_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Monitor {
    ruleset: Ruleset,
    sealer: Sealer,
    counters: Counters,
    retention: Retention,
    privacy: Option<Privacy>,
    /// How many batches went into the signal log.
    logged: u64,
    counting: Counting,
    /// The time that rules were told last: it never goes back.
    ticked: DateTime<Utc>,
}

impl Monitor {
    /// For a stream that begins, or goes on with empty memory.
    pub fn new(ruleset: Ruleset, sealer: Sealer) -> Self {
        let counters = Counters::live(&ruleset);
        Self {
            ruleset,
            sealer,
            counters,
            retention: Retention::default(),
            privacy: None,
            logged: 0,
            counting: Counting::Own,
            ticked: DateTime::<Utc>::MIN_UTC,
        }
    }

    /// Seals and counts events. `seed` are 32 random bytes, of which ids are made.
    pub fn take(&mut self, events: Vec<Prepared>, now: DateTime<Utc>, seed: [u8; 32]) -> Batch {
        self.step(Step { events, ..Step::default() }, now, seed)
    }

    /// Takes a whole step: what the writer itself says, events, time that passes, a checkpoint.
    pub fn step(&mut self, step: Step, now: DateTime<Utc>, seed: [u8; 32]) -> Batch {
        let mut work = Work::new(step.events.len(), seed);
        for Announcement { category, event, claim } in &step.announce {
            self.seal(&mut work, category, event, claim.as_ref(), Hidden::default(), now);
        }
        self.take_others(&mut work, &step.others, now);
        for mut prepared in step.events {
            if prepared.mark != self.ruleset.mark() {
                // Matched before the rules were exchanged, or against others.
                prepared = self.ruleset.prepare_event(prepared.event);
            }
            let Prepared { event, signals, .. } = &mut prepared;
            let hidden = self.privacy.as_ref().map_or_else(Hidden::default, |privacy| {
                privacy.hide(event, signals, &mut || work.salt())
            });
            let seq = self.seal(&mut work, "event", event, None, hidden, now);
            work.batch_events.push(seq);
            for mut signal in prepared.signals {
                signal.time = signal.time.min(now + MOST_AHEAD);
                let place = self.place(seq);
                let (detections, changes) = self.count(place, &signal);
                work.log(&self.ruleset, place, signal);
                self.derive(&mut work, detections, changes, now);
            }
        }
        let checkpoint = match step.checkpoint {
            When::Never => false,
            When::OnHighIncident => work.changes.iter().any(is_high),
            When::Always => true,
        } || step.rotate.is_some();
        if (step.tick || checkpoint) && !matches!(self.counting, Counting::None) {
            let place = self.place(self.sealer.head().tree.size());
            let (detections, changes) = self.tick(place, now);
            work.entries.push(Entry::Tick(self.ticked.timestamp_micros(), place));
            self.derive(&mut work, detections, changes, now);
        }
        if let Some(secret) = &step.rotate {
            let claim = self.sealer.next_key(secret);
            let Announcement { category, event, claim } =
                Announcement::of(claim, "signing_key_rotated", now);
            self.seal(&mut work, category, &event, claim.as_ref(), Hidden::default(), now);
        }
        let checkpoint = checkpoint.then(|| self.sealer.checkpoint());
        if let Some(secret) = &step.rotate {
            self.sealer.rotate(secret);
        }
        self.finish(work, checkpoint)
    }

    /// What the writer says of the rules in use.
    pub fn rules_announcement(&self, now: DateTime<Utc>) -> Announcement {
        let mut announcement = Announcement::new("secmon.rules", "rules_loaded", now);
        let event = &mut announcement.event;
        let all: Vec<&str> = self.ruleset.rules().map(super::ruleset::ActiveRule::id).collect();
        // As many ids as fit a body in any case: the hash is over all of them.
        let mut bytes = 0;
        let fit = |id: &&&str| {
            bytes += id.len();
            bytes <= MOST_IDS
        };
        let ids: Vec<&str> = all.iter().take_while(fit).copied().collect();
        event.set("secmon.rules.count", i64::try_from(all.len()).unwrap_or(i64::MAX));
        event.set("secmon.rules.hash", crate::hex(&self.ruleset.hash()));
        event.set("secmon.rules.ids", ids);
        announcement
    }

    /// Keeps records for other times from the next event on.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// How long records are kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Hides personal values from the next event on.
    pub fn set_privacy(&mut self, privacy: Privacy) {
        self.privacy = Some(privacy);
    }

    /// Takes rules into use from the next event on; rules whose id, kind and settings stay keep their
    /// memory.
    pub fn set_rules(&mut self, ruleset: Ruleset) {
        let counters = Counters::live(&ruleset);
        let before = std::mem::replace(&mut self.counters, counters);
        self.counters.adopt(before);
        self.ruleset = ruleset;
    }

    /// Forgets that an incident is open, because somebody closed it: the next detection opens another.
    pub fn close_incident(&mut self, rule: &str, group: &Group) {
        self.counters.close(rule, group);
    }

    /// How many groups the memory of rules has forgotten to stay within its budgets.
    pub fn evicted(&mut self) -> u64 {
        self.counters.evicted()
    }

    /// The memory of all rules.
    pub fn save_all(&mut self) -> Result<Vec<RuleState>> {
        self.counters.save_all()
    }

    /// The memory of the rules that counted something since this was asked last.
    pub fn take_dirty(&mut self) -> Result<Vec<RuleState>> {
        self.counters.take_dirty()
    }

    /// The key file that belongs to the present state.
    pub fn key_file(&self) -> KeyFile {
        self.sealer.key_file()
    }

    /// The state of the stream behind its last record.
    pub fn head(&self) -> &Head {
        self.sealer.head()
    }

    /// The stream's name.
    pub fn origin(&self) -> &str {
        self.sealer.origin()
    }

    /// The rules in use.
    pub fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// How many batches went into the signal log.
    pub fn logged(&self) -> u64 {
        self.logged
    }

    fn derive(
        &mut self,
        work: &mut Work,
        detections: Vec<Detection>,
        changes: Vec<Change>,
        now: DateTime<Utc>,
    ) {
        work.detections.extend(detections);
        for change in changes {
            let mut event = change.event();
            shorten(&mut event, &change.incident.group);
            let hidden = self.privacy.as_ref().map_or_else(Hidden::default, |_| {
                Privacy::hide_tokens(&mut event, &mut || work.salt())
            });
            self.seal(work, "secmon.incident", &event, None, hidden, now);
            work.changes.push(change);
        }
    }

    fn seal(
        &mut self,
        work: &mut Work,
        category: &'static str,
        event: &Event,
        claim: Option<&Claim>,
        hidden: Hidden,
        now: DateTime<Utc>,
    ) -> u64 {
        let at = now.timestamp_micros().max(self.sealer.head().last_at);
        let seq = self.sealer.head().tree.size();
        let mut body = String::with_capacity(768);
        let expires = self.retention.day(at, event, category);
        let envelope = Envelope {
            origin: self.sealer.origin(),
            seq,
            at,
            id: work.id(at),
            expires,
            category,
            claim,
            raw: hidden.raw.as_deref(),
        };
        encode(&envelope, event, &mut body);
        let (leaf, mac) = self.sealer.seal(body.as_bytes());
        self.sealer.set_last_at(at);
        work.claims.extend(claim.map(|claim| (seq, claim.clone())));
        let text = |field: Field| {
            let text = match event.get(field) {
                Some(value) => value.body_text().map(std::borrow::Cow::into_owned),
                None => hidden.token(field.name()),
            };
            text.filter(|text| text.len() <= MOST_COPIED)
        };
        work.records.push(Record {
            seq,
            time: event.time.timestamp_micros(),
            at,
            expires,
            level: event.level,
            category,
            host: text(fields::HOST_NAME),
            source_ip: text(fields::SOURCE_IP),
            user: text(fields::USER_NAME),
            action: text(fields::EVENT_ACTION),
            outcome: text(fields::EVENT_OUTCOME),
            body,
            leaf,
            mac,
        });
        work.personal.extend(hidden.personal.into_iter().map(|personal| (seq, personal)));
        seq
    }

    fn finish(&mut self, work: Work, checkpoint: Option<Checkpoint>) -> Batch {
        let mut changes = work.changes;
        for incident in self.counters.take_touched() {
            settle(&mut changes, incident);
        }
        self.logged += u64::from(!work.entries.is_empty());
        Batch {
            records: work.records,
            events: work.batch_events,
            claims: work.claims,
            personal: work.personal,
            signals: SignalLog { entries: work.entries },
            unknown: work.unknown,
            detections: work.detections,
            changes,
            checkpoint,
            head: self.sealer.head().clone(),
            logged: self.logged,
        }
    }
}

/// Bytes of a value that are kept of a group too long for a record.
const MOST_VALUE: usize = 1_000;

/// An incident's record says less where its group would outgrow it.
fn shorten(event: &mut Event, group: &Group) {
    if fits(event) {
        return;
    }
    event.remove("event.reason");
    for (name, value) in group.pairs() {
        let text = value.to_string();
        if text.len() > MOST_VALUE {
            let cut = text.get(..text.floor_char_boundary(MOST_VALUE)).unwrap_or_default();
            event.set(name, format!("{cut}\u{2026}"));
        }
    }
}

/// Brings what is known of an incident to its state at the end of the batch.
fn settle(changes: &mut Vec<Change>, incident: Incident) {
    let known = changes.iter_mut().rev().find(|change| change.incident.id == incident.id);
    match known {
        Some(change) => change.incident = incident,
        None => changes.push(Change { kind: ChangeKind::Updated, incident }),
    }
}

/// Reads the event out of a record's body.
///
/// # Errors
/// The body is none of ours.
pub fn event_of(body: &[u8]) -> Result<Event> {
    event_with(body, &BTreeMap::new())
}

/// As [`event_of`], with the personal values that are known in place of what the body commits to, by field
/// (`raw` for the raw line).
///
/// # Errors
/// The body is none of ours.
pub fn event_with(body: &[u8], values: &BTreeMap<String, serde_json::Value>) -> Result<Event> {
    crate::seal::decode(body, values).ok_or_else(|| Error::Malformed {
        what: "record",
        reason: "the body holds no event".into(),
    })
}
