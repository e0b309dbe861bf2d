//! How the service opens a writer.

use secmon_core::Ruleset;
use secmon_core::seal::Retention;
use secmon_store::{Store, Writer};

use crate::clock::now;

/// How a writer is opened, again after a conflict.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) store: Store,
    pub(crate) cluster: String,
    pub(crate) label: String,
    pub(crate) ruleset: Ruleset,
    pub(crate) retention: Retention,
    /// Whether the stream of the label belongs to another writer by now: a new one begins.
    pub(crate) anew: bool,
    /// Whether the writer may count for all that share the database.
    pub(crate) stands: bool,
}

impl Opening {
    pub(crate) fn open(&mut self) -> secmon_store::Result<Writer> {
        let ruleset = self.ruleset.clone();
        let mut writer = if self.anew {
            self.store.writer_anew(&self.cluster, &self.label, ruleset, now())?
        } else {
            self.store.writer_in(&self.cluster, &self.label, ruleset, now())?
        };
        self.anew = false;
        writer.set_retention(self.retention);
        if self.stands {
            writer.share_counting()?;
        }
        for warning in writer.take_warnings() {
            tracing::warn!("{warning}");
        }
        Ok(writer)
    }

    /// As [`Opening::open`], where nobody is there to keep K_0 of a stream that begins.
    pub(crate) fn reopen(&mut self) -> secmon_store::Result<Writer> {
        let mut writer = self.open()?;
        if writer.take_begun().is_some() {
            let stream = writer.stream();
            tracing::warn!(
                "K_0 of the new stream {stream} is kept by nobody: MACs cannot be checked; configure `integrity.auditor`"
            );
        }
        Ok(writer)
    }
}
