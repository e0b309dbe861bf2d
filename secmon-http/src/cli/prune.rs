//! `secmon prune`: removes what has expired, as it was announced.

use clap::Args;
use secmon_http::clock::now;

use super::output::say;
use super::{Failure, Run, WriterArgs};

/// Remove records whose day of expiry has passed
///
/// Each removal is sealed first, record by record, so that verification tells it from tampering; leaves
/// and proofs stay. Once all events of the first 65,536 records have expired, those records go with their
/// leaves; what verification needs stays. The service does the same by itself; this is for stores that no
/// service runs on.
/// Example: secmon prune --label main
#[derive(Args, Debug)]
pub(crate) struct Prune {
    #[command(flatten)]
    writer: WriterArgs,
}

impl Run for Prune {
    fn run(self) -> Result<u8, Failure> {
        let mut writer = self.writer.open()?;
        let mut gone = 0;
        loop {
            match writer.expire(now())? {
                0 => break,
                more => gone += more,
            }
        }
        let mut pruned = 0;
        loop {
            match writer.prune(now())? {
                0 => break,
                more => pruned += more,
            }
        }
        for warning in writer.take_warnings() {
            say(format_args!("warning: {warning}"));
        }
        writer.close(now())?;
        say(format_args!("{gone} records are gone; their leaves and proofs stay"));
        if pruned > 0 {
            say(format_args!("the first {pruned} records that were left went with their leaves"));
        }
        Ok(0)
    }
}
