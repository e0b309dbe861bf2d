//! `secmon parse`: one JSON object a line.

use clap::Args;
use secmon_core::Ruleset;

use super::lines::LineArgs;
use super::output::stdout;
use super::{Failure, Run};

/// Print every line as one JSON object with ECS field names
///
/// Example: secmon parse /var/log/auth.log
#[derive(Args, Debug)]
pub(crate) struct Parse {
    /// Files, plain or .gz; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    lines: LineArgs,
}

impl Run for Parse {
    fn run(self) -> Result<u8, Failure> {
        let mut out = stdout();
        let bad = self.lines.each(&self.files, &Ruleset::empty(), |prepared| {
            out.line(prepared.event.to_json())
        })?;
        out.flush()?;
        bad.say("could not be parsed and were kept as `pipeline_error`");
        Ok(0)
    }
}
