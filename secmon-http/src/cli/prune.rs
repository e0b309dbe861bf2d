//! `secmon prune`: removes what has expired, as it was announced.

use chrono::{DateTime, Utc};
use clap::Args;
use secmon_http::clock::now;
use secmon_store::Writer;

use super::output::say;
use super::{Failure, Run, WriterArgs, finish};

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
        let (gone, pruned) = (all(&mut writer, Writer::expire)?, all(&mut writer, Writer::prune)?);
        finish(writer)?;
        say(format_args!("{gone} records are gone; their leaves and proofs stay"));
        if pruned > 0 {
            say(format_args!("the first {pruned} records that were left went with their leaves"));
        }
        Ok(0)
    }
}

/// Does what is done a part at a time until nothing is left; says how much that was.
fn all(
    writer: &mut Writer,
    part: fn(&mut Writer, DateTime<Utc>) -> secmon_store::Result<u64>,
) -> secmon_store::Result<u64> {
    let mut total = 0;
    loop {
        match part(writer, now())? {
            0 => return Ok(total),
            more => total += more,
        }
    }
}
