//! The one place where the service reads the clock.

use std::sync::OnceLock;
use std::time::Instant;

use chrono::{DateTime, Utc};

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the service owns time; everything below takes it as an argument"
)]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Nanoseconds since it was asked first; it never goes back.
pub fn nanos() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let since = FIRST.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
