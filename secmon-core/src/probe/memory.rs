//! Memory use.

use sysinfo::System;

use super::{Probe, Values};
use crate::event::{Value, fields};
use crate::{Error, Result};

/// `system.memory.used.pct` and bytes; what the system can give back at once does not count as used.
#[derive(Debug, Default)]
pub struct Memory;

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self) -> Result<Values> {
        let failed = |reason: String| Error::Probe { probe: "memory".into(), reason };
        let mut system = System::new().map_err(|error| failed(format!("{error:?}")))?;
        system.refresh_memory();
        let (total, swap) = (system.total_memory(), system.total_swap());
        let used = total.saturating_sub(system.available_memory());
        Ok(vec![
            (fields::MEMORY_USED_PCT.into(), Value::percent(percent(used, total))),
            ("system.memory.total".into(), bytes(total)),
            ("system.memory.used.bytes".into(), bytes(used)),
            ("system.memory.swap.used.pct".into(), Value::percent(percent(system.used_swap(), swap))),
        ])
    }
}

/// A share in percent; none of nothing is 0.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

pub(super) fn bytes(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
