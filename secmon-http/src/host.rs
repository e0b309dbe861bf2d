//! What this host says of itself.

use std::path::Path;

use secmon_core::parse::Zone;

/// The zone of this host, as far as it says.
pub(crate) fn system_zone() -> Zone {
    let link = std::fs::read_link("/etc/localtime").ok();
    let named =
        link.as_deref().and_then(Path::to_str).and_then(|link| link.split_once("zoneinfo/"));
    let named = named.map(|(_, zone)| zone.to_owned());
    let named = named.or_else(|| std::fs::read_to_string("/etc/timezone").ok());
    named.and_then(|zone| zone.trim().parse().ok()).unwrap_or_default()
}

/// The name of this host.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        .collect();
    if name.is_empty() { "localhost".into() } else { name }
}
