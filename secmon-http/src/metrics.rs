//! Own metrics, in the words of Prometheus.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{
    CounterVec, Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use secmon_core::{Level, Ruleset};

/// Counters of the service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(crate) events_ingested: IntCounterVec,
    pub(crate) events_rejected: IntCounterVec,
    pub(crate) ingest_duration: Histogram,
    pub(crate) commits: IntCounter,
    pub(crate) commit_failures: IntCounter,
    pub(crate) queue_depth: IntGauge,
    incidents_open: IntGaugeVec,
    records: IntGauge,
    rule_candidates: IntCounterVec,
    rule_matches: IntCounterVec,
    rule_seconds: CounterVec,
    evicted: IntGauge,
    counts: IntGauge,
    /// Held while rules are read and all is written: two scrapes at once must not see half of it.
    scraping: Mutex<()>,
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| Opts::new(format!("secmon_{name}"), help);
        let metrics = Self {
            registry: Registry::new(),
            events_ingested: IntCounterVec::new(
                opts("events_ingested_total", "Events that were stored, by source."),
                &["source"],
            )?,
            events_rejected: IntCounterVec::new(
                opts("events_rejected_total", "Lines that could not be parsed, by source."),
                &["source"],
            )?,
            ingest_duration: Histogram::with_opts(HistogramOpts::new(
                "secmon_ingest_duration_seconds",
                "Time of one commit.",
            ))?,
            commits: IntCounter::with_opts(opts("commits_total", "Batches that were committed."))?,
            commit_failures: IntCounter::with_opts(opts(
                "commit_failures_total",
                "Batches that could not be committed at once.",
            ))?,
            queue_depth: IntGauge::with_opts(opts("queue_depth", "Requests before the writer."))?,
            incidents_open: IntGaugeVec::new(
                opts("incidents_open", "Incidents that are not closed, by level."),
                &["level"],
            )?,
            records: IntGauge::with_opts(opts("records", "Sealed records in the store."))?,
            rule_candidates: IntCounterVec::new(
                opts("rule_candidates_total", "Events compared with a Sigma rule, by rule."),
                &["rule"],
            )?,
            rule_matches: IntCounterVec::new(
                opts("rule_matches_total", "Events that matched a Sigma rule, by rule."),
                &["rule"],
            )?,
            rule_seconds: CounterVec::new(
                opts("rule_seconds_total", "Time that a Sigma rule took, sampled, by rule."),
                &["rule"],
            )?,
            evicted: IntGauge::with_opts(opts(
                "rule_groups_evicted",
                "Groups that rules have forgotten to stay within their budgets.",
            ))?,
            counts: IntGauge::with_opts(opts(
                "counts",
                "Whether this service counts: for itself, or for all that share its database.",
            ))?,
            scraping: Mutex::default(),
        };
        let build = IntGaugeVec::new(opts("build_info", "The version that runs."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.events_ingested.clone()))?;
        registry.register(Box::new(metrics.events_rejected.clone()))?;
        registry.register(Box::new(metrics.ingest_duration.clone()))?;
        registry.register(Box::new(metrics.commits.clone()))?;
        registry.register(Box::new(metrics.commit_failures.clone()))?;
        registry.register(Box::new(metrics.queue_depth.clone()))?;
        registry.register(Box::new(metrics.incidents_open.clone()))?;
        registry.register(Box::new(metrics.records.clone()))?;
        registry.register(Box::new(metrics.rule_candidates.clone()))?;
        registry.register(Box::new(metrics.rule_matches.clone()))?;
        registry.register(Box::new(metrics.rule_seconds.clone()))?;
        registry.register(Box::new(metrics.evicted.clone()))?;
        registry.register(Box::new(metrics.counts.clone()))?;
        registry.register(Box::new(build))?;
        Ok(metrics)
    }

    pub(crate) fn committed(&self, events: usize, took: Duration) {
        if events > 0 {
            self.commits.inc();
            self.ingest_duration.observe(took.as_secs_f64());
        }
    }

    pub(crate) fn ingested(&self, source: &str, accepted: usize, rejected: usize) {
        self.events_ingested.with_label_values(&[source]).inc_by(accepted as u64);
        self.events_rejected.with_label_values(&[source]).inc_by(rejected as u64);
    }

    /// What the memory of rules has forgotten.
    pub(crate) fn evicted(&self, count: u64) {
        self.evicted.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Whether the service counts, or leaves that to another.
    pub(crate) fn set_counts(&self, counts: bool) {
        self.counts.set(counts.into());
    }

    /// As it was set last.
    pub(crate) fn counts(&self) -> bool {
        self.counts.get() == 1
    }

    /// Reads from the store what is counted there.
    pub(crate) fn refresh(&self, store: &secmon_store::Store) -> secmon_store::Result<()> {
        let open = store.open_incidents()?;
        for level in Level::ALL {
            let count = open.get(&level).copied().unwrap_or(0);
            let gauge = self.incidents_open.with_label_values(&[level.as_str()]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.records.set(i64::try_from(store.record_count()?).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Reads what rules have cost and brought since they were loaded; of those that nothing was compared with
    /// nothing is said.
    fn refresh_rules(&self, ruleset: &Ruleset) {
        self.rule_candidates.reset();
        self.rule_matches.reset();
        self.rule_seconds.reset();
        for (rule, counts) in ruleset.counts().filter(|(_, counts)| counts.candidates > 0) {
            let id = &[rule.id()];
            self.rule_candidates.with_label_values(id).inc_by(counts.candidates);
            self.rule_matches.with_label_values(id).inc_by(counts.matches);
            let took = Duration::from_nanos(counts.nanos);
            self.rule_seconds.with_label_values(id).inc_by(took.as_secs_f64());
        }
    }

    /// All metrics as text, those of rules included.
    pub(crate) fn text(&self, ruleset: &Ruleset) -> prometheus::Result<String> {
        let _turn = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh_rules(ruleset);
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}
