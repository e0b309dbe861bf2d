//! The memory of rules as it is saved, and taken back.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Counters, Running};
use crate::incident::Tally;
use crate::window::Bounded;
use crate::{Error, Result};

/// The saved memory of one rule.
#[derive(Clone, Debug)]
pub struct RuleState {
    /// Id of the rule.
    pub rule: String,
    /// Hash of its kind and settings: state of other settings is not taken back.
    pub settings: [u8; 32],
    /// The memory, as JSON.
    pub state: String,
}

#[derive(Deserialize, Serialize)]
struct Saved<T> {
    counter: Box<RawValue>,
    tallies: T,
}

impl Counters {
    /// The memory of the rules that counted something since this was asked last.
    pub(crate) fn take_dirty(&mut self) -> Result<Vec<RuleState>> {
        let dirty =
            |running: &mut Running| std::mem::take(&mut running.dirty).then(|| running.save());
        self.rules.iter_mut().filter_map(dirty).collect()
    }

    /// The memory of all rules.
    pub(crate) fn save_all(&mut self) -> Result<Vec<RuleState>> {
        self.rules.iter_mut().for_each(|running| running.dirty = false);
        self.rules.iter().map(Running::save).collect()
    }

    /// Takes saved memory back; false for a rule that is gone or has other settings.
    pub(crate) fn restore(&mut self, saved: &RuleState) -> Result<bool> {
        let running = self.rules.iter_mut().find(|running| {
            running.rule.id() == saved.rule && running.rule.settings_hash() == saved.settings
        });
        let Some(running) = running else { return Ok(false) };
        let failed = |error: serde_json::Error| Error::State {
            rule: saved.rule.clone(),
            reason: error.to_string(),
        };
        let before = running.bytes();
        let state: Saved<Bounded<Tally>> = serde_json::from_str(&saved.state).map_err(failed)?;
        running.counter.load(&state.counter).map_err(failed)?;
        running.tallies = state.tallies;
        self.bytes = (self.bytes + running.bytes()).saturating_sub(before);
        Ok(true)
    }
}

impl Running {
    fn save(&self) -> Result<RuleState> {
        let failed = |error: serde_json::Error| Error::State {
            rule: self.rule.id().into(),
            reason: error.to_string(),
        };
        let counter = self.counter.save().map_err(failed)?;
        let saved = Saved { counter, tallies: &self.tallies };
        Ok(RuleState {
            rule: self.rule.id().into(),
            settings: self.rule.settings_hash(),
            state: serde_json::to_string(&saved).map_err(failed)?,
        })
    }
}
