//! A small disk, which can be full.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A small disk, taken away with the test.
pub struct Disk(TempDir);

impl Disk {
    /// One of a size, as `mount` writes it.
    pub fn of(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path());
        assert!(mount.status().unwrap().success(), "only root may make a small disk");
        Self(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it but for so many bytes; gives what takes the room.
    pub fn fill_but(&self, free: u64) -> PathBuf {
        let path = self.path().join("filler");
        let facts =
            Command::new("df").args(["--output=avail", "-B1"]).arg(self.path()).output().unwrap();
        let facts = String::from_utf8(facts.stdout).unwrap();
        let available: u64 = facts.lines().nth(1).unwrap().trim().parse().unwrap();
        let size = usize::try_from(available.saturating_sub(free)).unwrap();
        fs::write(&path, vec![1; size]).unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
