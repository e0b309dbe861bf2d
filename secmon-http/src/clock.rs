//! The one place where the service reads the clock.

use chrono::{DateTime, Utc};

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the service owns time; everything below takes it as an argument"
)]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
