//! Rules of any kind behind one face.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{About, Detections, Input, Memory, Rule, Signals};
use crate::event::{Event, Field};
use crate::{Error, Result};

/// Builds a rule of one kind from its settings; the id is for the message.
pub(super) type Build = fn(id: &str, settings: serde_json::Value) -> Result<AnyRule>;

pub(super) fn build<R: Rule + Serialize + DeserializeOwned>(
    id: &str,
    settings: serde_json::Value,
) -> Result<AnyRule> {
    let wrong = |reason: String| Error::Settings { rule: id.into(), reason };
    let rule: R = serde_json::from_value(settings).map_err(|error| wrong(error.to_string()))?;
    rule.check().map_err(wrong)?;
    Ok(erase(rule))
}

/// A rule of any kind.
pub(crate) fn erase<R: Rule + Serialize>(rule: R) -> AnyRule {
    let settings = serde_json::to_value(&rule).unwrap_or_default();
    erase_with(Arc::new(rule), settings)
}

/// A rule of any kind whose settings are told apart from it.
pub(crate) fn erase_with<R: Rule>(rule: Arc<R>, settings: serde_json::Value) -> AnyRule {
    AnyRule {
        kind: R::KIND,
        about: R::ABOUT,
        settings,
        horizon: rule.horizon(),
        needs: rule.needs(),
        wrong: rule.check().err(),
        rule,
    }
}

/// A rule whose kind is known only at run time.
#[derive(Clone, Debug)]
pub(crate) struct AnyRule {
    pub(crate) kind: &'static str,
    pub(crate) about: About<'static>,
    pub(crate) settings: serde_json::Value,
    pub(crate) horizon: Duration,
    needs: Option<Field>,
    /// What is wrong with its settings.
    pub(crate) wrong: Option<String>,
    rule: Arc<dyn Erased>,
}

impl AnyRule {
    pub(crate) fn signals(&self, event: &Event, out: &mut Signals) {
        if self.needs.is_none_or(|field| event.get(field).is_some()) {
            self.rule.signals(event, out);
        }
    }

    /// A counter with empty memory.
    pub(crate) fn counter(&self) -> Box<dyn Counter> {
        Arc::clone(&self.rule).counter()
    }
}

trait Erased: fmt::Debug + Send + Sync {
    fn signals(&self, event: &Event, out: &mut Signals);
    fn counter(self: Arc<Self>) -> Box<dyn Counter>;
}

impl<R: Rule> Erased for R {
    fn signals(&self, event: &Event, out: &mut Signals) {
        Rule::signals(self, event, out);
    }

    fn counter(self: Arc<Self>) -> Box<dyn Counter> {
        Box::new(Live { rule: self, state: R::State::default() })
    }
}

/// The second half of a rule with its memory.
pub(crate) trait Counter: fmt::Debug + Send + Sync {
    fn count(&mut self, input: Input<'_>, out: &mut Detections);
    fn memory(&mut self) -> Option<&mut dyn Memory>;
    fn save(&self) -> serde_json::Result<Box<RawValue>>;
    fn load(&mut self, state: &RawValue) -> serde_json::Result<()>;
}

#[derive(Debug)]
struct Live<R: Rule> {
    rule: Arc<R>,
    state: R::State,
}

impl<R: Rule> Counter for Live<R> {
    fn count(&mut self, input: Input<'_>, out: &mut Detections) {
        self.rule.count(&mut self.state, input, out);
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        self.rule.memory(&mut self.state)
    }

    fn save(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&self.state)
    }

    fn load(&mut self, state: &RawValue) -> serde_json::Result<()> {
        self.state = serde_json::from_str(state.get())?;
        Ok(())
    }
}
