//! A detection as a rule: it has no memory, and fires whenever it matched.

use crate::event::{Event, Level};
use crate::rules::{Detections, Input, Rule, Signals};

#[derive(Debug)]
pub(crate) struct Plain(pub(crate) Level);

impl Rule for Plain {
    const KIND: &'static str = super::KIND;
    type State = ();

    /// Signals come from the matcher of all rules.
    fn signals(&self, _: &Event, _: &mut Signals) {}

    fn count(&self, (): &mut (), input: Input<'_>, out: &mut Detections) {
        if let Input::Signal(signal) = input {
            out.push(signal, self.0);
        }
    }
}
