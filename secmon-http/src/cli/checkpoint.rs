//! `secmon checkpoint`: what was signed last, to be kept elsewhere.

use clap::Args;

use super::output::stdout;
use super::{Failure, Run, StoreArgs};

/// Print the latest checkpoint of a stream, to be kept elsewhere
///
/// Whoever has an older checkpoint can see later that nothing before it was changed or rolled back.
/// Without STREAM all streams are printed, with an empty line between them.
/// Example: secmon checkpoint main
#[derive(Args, Debug)]
pub(crate) struct Checkpoint {
    #[command(flatten)]
    store: StoreArgs,
    /// The stream, by id, origin or label
    #[arg(value_name = "STREAM")]
    stream: Option<String>,
    /// Print the stream's public keys instead: the genesis key, then the stream's own
    #[arg(long)]
    vkey: bool,
}

impl Run for Checkpoint {
    fn run(self) -> Result<u8, Failure> {
        let store = self.store.open(false)?;
        let streams = match &self.stream {
            Some(name) => vec![store.stream(name)?],
            None => store.streams()?,
        };
        let mut out = stdout();
        let mut first = true;
        for stream in streams {
            if self.vkey {
                out.line(&stream.genesis_vkey)?;
                if !stream.stream_vkey.is_empty() {
                    out.line(&stream.stream_vkey)?;
                }
                continue;
            }
            let Some(row) = store.checkpoint(&stream.id())? else { continue };
            if !std::mem::take(&mut first) {
                out.line("")?;
            }
            out.bytes(row.note.as_bytes())?;
        }
        out.flush()?;
        Ok(0)
    }
}
