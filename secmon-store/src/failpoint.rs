//! Named places at which a debug build can be told to die, as a crash would end it: tests restart it and
//! look at what is left. `SECMON_FAILPOINT=commit.before:3` dies at the third visit of that place.

/// Comes to a place.
#[cfg(debug_assertions)]
pub(crate) fn hit(place: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static VISITS: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("SECMON_FAILPOINT").ok()?;
        let (place, visit) = text.split_once(':')?;
        Some((place.to_owned(), visit.parse().ok()?))
    });
    if let Some((wanted, visit)) = wanted
        && wanted == place
        && VISITS.fetch_add(1, Ordering::Relaxed) + 1 == *visit
    {
        std::process::abort();
    }
}

/// Comes to a place.
#[cfg(not(debug_assertions))]
pub(crate) fn hit(_: &str) {}
