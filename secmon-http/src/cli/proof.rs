//! `secmon proof`: the proof of one record, a file of its own.

use clap::Args;
use secmon_core::seal::{Proof as File, Vkey};

use super::output::{say, stdout};
use super::{Failure, Run, StoreArgs};

/// Print the proof that a record is in its stream
///
/// The proof is a C2SP tlog-proof: anybody can check it with the record's body and a public key, without
/// the store. Example: secmon proof main 17 > record.tlog-proof
///
/// With --check a proof is read instead: exit 0 if it holds for the body.
/// Example: secmon proof --check record.tlog-proof --body body.json --vkey "$(cat stream.vkey)"
#[derive(Args, Debug)]
pub(crate) struct Proof {
    #[command(flatten)]
    store: StoreArgs,
    /// The stream, by id, origin or label
    #[arg(required_unless_present = "check", value_name = "STREAM")]
    stream: Option<String>,
    /// The record's index
    #[arg(required_unless_present = "check", value_name = "SEQ")]
    seq: Option<u64>,
    /// Print the record's body instead, byte for byte as it was hashed
    #[arg(long, conflicts_with = "check")]
    print_body: bool,
    /// A proof to check
    #[arg(long, value_name = "FILE", requires_all = ["body", "vkey"])]
    check: Option<String>,
    /// The body that the proof to check is of
    #[arg(long, value_name = "FILE")]
    body: Option<String>,
    /// A public key that must have signed the checkpoint; may repeat
    #[arg(long, value_name = "KEY")]
    vkey: Vec<Vkey>,
}

impl Run for Proof {
    fn run(self) -> Result<u8, Failure> {
        let mut out = stdout();
        if let (Some(proof), Some(body)) = (&self.check, &self.body) {
            let text = String::from_utf8(read(proof)?).map_err(|_| format!("`{proof}` is no text"))?;
            let proof: File = text.parse()?;
            let note = proof.check(&read(body)?, &self.vkey)?;
            say(format_args!(
                "record {} of `{}` is under the checkpoint of {} records",
                proof.index, note.origin, note.size
            ));
            return Ok(0);
        }
        let (Some(stream), Some(seq)) = (&self.stream, self.seq) else {
            return Err("name a stream and a record, or --check a proof".into());
        };
        let store = self.store.open(false)?;
        if self.print_body {
            out.bytes(&store.record(&store.stream(stream)?.id(), seq)?.body)?;
        } else {
            out.bytes(store.proof(stream, seq)?.to_string().as_bytes())?;
        }
        out.flush()?;
        Ok(0)
    }
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).map_err(|error| format!("cannot read `{path}`: {error}"))?)
}
