//! One source that tries many ports.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{About, Detections, DistinctWindows, Group, Input, Memory, Rule, Signals};
use crate::event::{Event, Field, Level, Value, fields};
use crate::span;

/// Many distinct destination ports of one source, in a short window or, for patient scanners, a long one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortScan {
    /// How many distinct ports in the short window are too many.
    pub ports: u32,
    /// The length of the short window.
    #[serde(with = "span")]
    pub within: Duration,
    /// How many distinct ports in the long window are too many.
    pub slow_ports: u32,
    /// The length of the long window.
    #[serde(with = "span")]
    pub slow_within: Duration,
}

impl Default for PortScan {
    fn default() -> Self {
        Self {
            ports: 15,
            within: Duration::from_mins(1),
            slow_ports: 40,
            slow_within: Duration::from_hours(24),
        }
    }
}

/// Ports by source, in both windows.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Ports {
    fast: DistinctWindows,
    slow: DistinctWindows,
}

impl Memory for Ports {
    fn bytes(&self) -> usize {
        self.fast.bytes() + self.slow.bytes()
    }

    fn evicted(&self) -> u64 {
        self.fast.evicted() + self.slow.evicted()
    }

    fn evict(&mut self) {
        let greater =
            if self.fast.bytes() > self.slow.bytes() { &mut self.fast } else { &mut self.slow };
        greater.evict();
    }
}

impl Rule for PortScan {
    const KIND: &'static str = "port_scan";
    const ABOUT: About<'static> = About {
        title: "Port scan: one source tries many ports",
        level: Level::Medium,
        technique: "T1046",
        description: "One address tries many distinct ports, fast or over a day.",
        advice: "Block the address at the border, and see which of the ports answered.",
    };
    type State = Ports;

    fn signals(&self, event: &Event, out: &mut Signals) {
        // What is merely logged is an answer, or stands in another line as blocked or allowed.
        if matches!(event.action(), Some("connection_blocked" | "connection_allowed"))
            && !is_answer(event)
            && let Some(port) = event.get(fields::DESTINATION_PORT)
        {
            out.push_value(Group::by_source(event), Some(port.clone()), out.repeats());
        }
    }

    fn count(&self, state: &mut Ports, input: Input<'_>, out: &mut Detections) {
        match input {
            Input::Signal(signal) => {
                let fast = state.fast.add(signal, self.within, self.ports) >= self.ports;
                let slow = state.slow.add(signal, self.slow_within, self.slow_ports) >= self.slow_ports;
                if fast || slow {
                    out.push(signal, Self::ABOUT.level);
                }
            }
            Input::Tick(now) => {
                state.fast.expire(now, self.within * 2);
                state.slow.expire(now, self.slow_within);
            }
        }
    }

    fn needs(&self) -> Option<Field> {
        Some(fields::DESTINATION_PORT)
    }

    fn memory<'s>(&self, state: &'s mut Ports) -> Option<&'s mut dyn Memory> {
        Some(state)
    }

    fn horizon(&self) -> Duration {
        self.slow_within
    }

    fn check(&self) -> Result<(), String> {
        if self.ports < 2 || self.slow_ports < 2 {
            return Err("`ports` and `slow_ports` must be at least 2".into());
        }
        if self.ports > 1_000 || self.slow_ports > 1_000 {
            return Err("`ports` and `slow_ports` must be at most 1000".into());
        }
        Ok(())
    }
}

/// Whether a packet answers one from here, as those do that come when a firewall has forgotten the connection. Whoever
/// scans with such packets (`nmap -sA`, `-sU -g 53`) is not told from these.
fn is_answer(event: &Event) -> bool {
    if let Some(flags) = event.get(fields::IPTABLES_TCP_FLAGS) {
        return flags.each().iter().any(|flag| matches!(flag.as_str(), Some("ACK" | "RST")));
    }
    let port = |field: Field| event.get(field).and_then(Value::as_int);
    event.text(fields::NETWORK_TRANSPORT) == Some("udp")
        && matches!(port(fields::SOURCE_PORT), Some(53 | 123 | 443))
        && port(fields::DESTINATION_PORT).is_some_and(|port| port >= 1_024)
}
