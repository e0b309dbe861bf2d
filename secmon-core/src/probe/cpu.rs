//! Processor use.

use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, System};

use super::{Probe, Values};
use crate::event::{Value, fields};
use crate::{Error, Result};

/// `host.cpu.usage`: percent of all processors since the last reading, or over a fifth of a second.
#[derive(Debug, Default)]
pub struct Cpu {
    system: Option<System>,
}

impl Probe for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self) -> Result<Values> {
        let failed = |reason: String| Error::Probe { probe: "cpu".into(), reason };
        let first = self.system.is_none();
        if first {
            self.system = Some(System::new().map_err(|error| failed(format!("{error:?}")))?);
        }
        let system = self.system.as_mut().ok_or_else(|| failed("not supported here".into()))?;
        system.refresh_cpu_usage();
        if first {
            // Use is a difference: the first reading needs two.
            std::thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL);
            system.refresh_cpu_usage();
        }
        let usage = f64::from(system.global_cpu_usage()).clamp(0.0, 100.0);
        let load = System::load_average().map_err(|error| failed(format!("{error:?}")))?;
        let count = i64::try_from(system.cpus().len()).unwrap_or(0);
        Ok(vec![
            (fields::HOST_CPU_USAGE.into(), Value::percent(usage)),
            ("system.cpu.cores".into(), count.into()),
            ("system.load.1".into(), Value::percent(load.one)),
            ("system.load.5".into(), Value::percent(load.five)),
            ("system.load.15".into(), Value::percent(load.fifteen)),
        ])
    }
}
