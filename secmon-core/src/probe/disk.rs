//! Use of file systems.

use std::collections::BTreeMap;

use sysinfo::Disks;

use super::memory::{bytes, percent};
use super::{Probe, Values};
use crate::event::{Value, fields};
use crate::{Error, Result};

/// `system.filesystem.*`: lists in the same order, one element a mounted file system; each device once.
#[derive(Debug, Default)]
pub struct Disk;

impl Probe for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn read(&mut self) -> Result<Values> {
        let disks = Disks::new_with_refreshed_list()
            .map_err(|error| Error::Probe { probe: "disk".into(), reason: format!("{error:?}") })?;
        // The shortest mount point stands for a device that is mounted in several places.
        let mut by_device: BTreeMap<String, (String, u64, u64)> = BTreeMap::new();
        for disk in &disks {
            let (total, free) = (disk.total_space(), disk.available_space());
            if total == 0 {
                continue;
            }
            let device = disk.name().to_string_lossy().into_owned();
            let mount = disk.mount_point().to_string_lossy().into_owned();
            let place = by_device.entry(device).or_insert_with(|| (mount.clone(), total, free));
            if mount.len() < place.0.len() {
                *place = (mount, total, free);
            }
        }
        let mut mounts: Vec<_> = by_device.into_values().collect();
        mounts.sort();
        let list = |value: fn(&(String, u64, u64)) -> Value| Value::List(mounts.iter().map(value).collect());
        Ok(vec![
            ("system.filesystem.mount_point".into(), list(|(mount, ..)| mount.as_str().into())),
            (
                fields::DISK_USED_PCT.into(),
                list(|(_, total, free)| Value::percent(percent(total.saturating_sub(*free), *total))),
            ),
            ("system.filesystem.total".into(), list(|(_, total, _)| bytes(*total))),
            ("system.filesystem.free".into(), list(|(.., free)| bytes(*free))),
        ])
    }
}
