//! `secmon erase`: takes a personal value out of every record.

use clap::Args;
use secmon_http::clock::now;

use super::output::say;
use super::{Failure, Run, WriterArgs, finish};

/// Erase a personal value from all records, so that every proof stays valid
///
/// Which values go is sealed first, record by record; then the value, with every line and message that holds it,
/// is removed, and the key that it was encrypted under is replaced, so that backups hold it no more. It needs
/// the privacy mode: `[privacy] erasable`. While the service runs, ask it:
/// POST /api/v1/erasures with {"kind":"user","value":"bob"}.
/// Example: secmon erase user bob
#[derive(Args, Debug)]
pub(crate) struct Erase {
    /// What the value is: user, address, host, mac, or the name of a field
    kind: String,
    /// The value
    value: String,
    #[command(flatten)]
    writer: WriterArgs,
}

impl Run for Erase {
    fn run(self) -> Result<u8, Failure> {
        let mut writer = self.writer.open()?;
        let erasure = writer.erase(&self.kind, &self.value, now())?;
        finish(writer)?;
        say(format_args!("{} values are erased; every proof stays valid", erasure.values));
        if erasure.in_clear > 0 {
            say(format_args!(
                "warning: {} records were sealed before the privacy mode was on and hold the value in clear; \
                 only their expiry removes it",
                erasure.in_clear
            ));
        }
        Ok(0)
    }
}
