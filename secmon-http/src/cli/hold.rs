//! `secmon hold`: keeps evidence beyond its day of expiry.

use chrono::NaiveDate;
use clap::Args;
use secmon_http::clock::now;
use secmon_store::Held;

use super::output::say;
use super::{Failure, Run, WriterArgs, finish};

/// Keep records beyond their day of expiry
///
/// Which records are held, and by whom, is sealed first; expiry and verification honour it. While the service
/// runs, ask it: POST /api/v1/holds with {"incident":ID}, or with the indexes of "records".
/// Example: secmon hold --incident 0193c5a0f00d7000a000000000000001
#[derive(Args, Debug)]
pub(crate) struct Hold {
    /// Records by their index in the writer's stream
    #[arg(required_unless_present = "incident")]
    seqs: Vec<u64>,
    /// All evidence of an incident
    #[arg(long, value_name = "ID", conflicts_with = "seqs")]
    incident: Option<String>,
    /// The last day on which they are kept [default: for ever]
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<NaiveDate>,
    /// Who wants it
    #[arg(long, value_name = "NAME", default_value = "secmon hold")]
    by: String,
    #[command(flatten)]
    writer: WriterArgs,
}

impl Run for Hold {
    fn run(self) -> Result<u8, Failure> {
        let mut writer = self.writer.open()?;
        let held = if let Some(id) = &self.incident {
            writer.hold_incident(id, self.until, &self.by, now())?
        } else {
            writer.hold(&self.seqs, self.until, &self.by, now())?;
            Held { records: self.seqs.len(), elsewhere: Vec::new() }
        };
        finish(writer)?;
        say(format_args!("{} records are held", held.records));
        if !held.elsewhere.is_empty() {
            let elsewhere = held.elsewhere.join(", ");
            say(format_args!("the rest lies in other streams, whose services must hold it: {elsewhere}"));
        }
        Ok(0)
    }
}
