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
        let mut by_device: BTreeMap<String, String> = BTreeMap::new();
        for disk in &disks {
            let device = disk.name().to_string_lossy().into_owned();
            let mount = disk.mount_point().to_string_lossy().into_owned();
            let place = by_device.entry(device).or_insert_with(|| mount.clone());
            if mount.len() < place.len() {
                *place = mount;
            }
        }
        let mut mounts: Vec<Mount> = by_device.into_values().filter_map(Mount::read).collect();
        mounts.sort_by(|a, b| a.point.cmp(&b.point));
        let list = |value: fn(&Mount) -> Value| Value::List(mounts.iter().map(value).collect());
        Ok(vec![
            ("system.filesystem.mount_point".into(), list(|mount| mount.point.as_str().into())),
            (
                fields::DISK_USED_PCT.into(),
                list(|mount| Value::percent(percent(mount.used, mount.used + mount.available))),
            ),
            ("system.filesystem.total".into(), list(|mount| bytes(mount.total))),
            ("system.filesystem.free".into(), list(|mount| bytes(mount.available))),
        ])
    }
}

/// A file system, as `df` counts it: what is kept for root is neither used nor available.
struct Mount {
    point: String,
    total: u64,
    used: u64,
    available: u64,
}

impl Mount {
    fn read(point: String) -> Option<Self> {
        let facts = rustix::fs::statvfs(point.as_str()).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
        let used = bytes(facts.f_blocks.saturating_sub(facts.f_bfree));
        let (total, available) = (bytes(facts.f_blocks), bytes(facts.f_bavail));
        (total > 0).then_some(Self { point, total, used, available })
    }
}
