//! How hosts write: each in its own one of the forms that are common.

use chrono::{DateTime, SecondsFormat, Utc};

/// Lines with their times.
#[derive(Default)]
pub(super) struct Lines(Vec<(DateTime<Utc>, String)>);

/// A host: the number tells its name and in which form it writes.
#[derive(Clone, Copy)]
pub(super) struct Host(pub(super) usize);

impl Host {
    pub(super) fn name(self) -> String {
        let role = ["web", "db", "mail", "app", "vpn"].get(self.0 % 5).copied().unwrap_or_default();
        format!("{role}-{}", self.0 / 5 + 1)
    }
}

impl Lines {
    /// A line in a form of its own.
    pub(super) fn raw(&mut self, time: DateTime<Utc>, line: String) {
        self.0.push((time, line));
    }

    /// What a program says, in the form that its host writes.
    pub(super) fn says(&mut self, time: DateTime<Utc>, host: Host, program: &str, message: &str) {
        let name = host.name();
        let pid = 1_000 + time.timestamp() % 30_000;
        let iso = time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let tag = if program == "kernel" { "kernel".into() } else { format!("{program}[{pid}]") };
        let line = match host.0 % 3 {
            0 => format!("{} {name} {tag}: {message}", time.format("%b %e %H:%M:%S")),
            1 => format!("{iso} {name} {tag}: {message}"),
            _ => format!("<86>1 {iso} {name} {program} {pid} - - {message}"),
        };
        self.raw(time, line);
    }

    /// A round of probes.
    pub(super) fn metrics(&mut self, time: DateTime<Utc>, host: &str, values: [f64; 3]) {
        let [cpu, memory, disk] = values;
        let line = serde_json::json!({
            "@timestamp": time.to_rfc3339_opts(SecondsFormat::Secs, true),
            "event.kind": "metric",
            "event.action": secmon_core::probe::ACTION,
            "host.name": host,
            "host.cpu.usage": format!("{cpu:.2}"),
            "system.memory.used.pct": format!("{memory:.2}"),
            "system.filesystem.mount_point": ["/"],
            "system.filesystem.used.pct": [format!("{disk:.2}")],
        });
        self.raw(time, line.to_string());
    }

    /// A login of an application.
    pub(super) fn login(&mut self, time: DateTime<Utc>, ip: &str, user: &str, status: &str) {
        let time_text = time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let line = serde_json::json!({
            "timestamp": time_text, "ip": ip, "user": user, "action": "login", "status": status,
        });
        self.raw(time, line.to_string());
    }

    /// The lines by time.
    pub(super) fn sorted(mut self) -> Vec<String> {
        self.0.sort_by_key(|(time, _)| *time);
        self.0.into_iter().map(|(_, line)| line).collect()
    }
}
