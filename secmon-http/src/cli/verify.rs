//! `secmon verify`: walks everything and says the first bad record and why.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use secmon_core::seal::{Note, Verdict, Vkey};
use secmon_store::{AuditorSecret, VerifyOptions, verify_export};

use super::lines::counter;
use super::output::{Format, say, stdout};
use super::{Failure, Run, StoreArgs};

/// Verify that nothing in a store or an export was changed
///
/// Exits with 1 and names the first bad record if something is wrong.
/// Example: secmon verify --store sqlite://secmon.db --vkey "$(cat genesis.vkey)"
#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    store: StoreArgs,
    /// Verify an export instead of a store
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// A public key that came by another way than the store; may repeat
    #[arg(long, value_name = "KEY")]
    vkey: Vec<Vkey>,
    /// A file with K_0 in base64, to check every MAC too; may repeat
    #[arg(long, value_name = "[STREAM=]@FILE")]
    k0: Vec<String>,
    /// A file with the secret key of the auditor in base64, to whom K_0 was encrypted
    #[arg(long, value_name = "FILE")]
    auditor_key: Option<PathBuf>,
    /// A file of checkpoints that were kept outside, from which the streams must go on; may repeat
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// How to print [default: table on a terminal, else jsonl]
    #[arg(long, value_enum)]
    output: Option<Format>,
}

impl Run for Verify {
    fn run(self) -> Result<u8, Failure> {
        let k0 = self.k0.iter().map(|argument| read_k0(argument)).collect::<Result<_, _>>()?;
        if self.vkey.is_empty() {
            let what = if self.export.is_some() { "export" } else { "store" };
            say(format_args!("warning: no --vkey given: the {what}'s own key is used, which proves only that the {what} agrees with itself"));
        }
        let anchors = self.anchor.iter().map(|path| read_notes(path)).collect::<Result<Vec<_>, _>>()?;
        let anchors = anchors.concat();
        let auditor = self.auditor_key.as_deref().map(read_secret).transpose()?;
        let options = VerifyOptions { vkeys: self.vkey, k0, auditor, anchors, stream: None };
        let verdicts = if let Some(folder) = &self.export {
            verify_export(folder, &options, |_| {})?
        } else {
            let store = self.store.open(false)?;
            let bar = counter(store.record_count()?);
            let verdicts = store.verify_with(&options, |records| bar.set_position(records))?;
            bar.finish_and_clear();
            verdicts
        };
        if verdicts.is_empty() {
            say(format_args!("warning: there is no stream in it: nothing was verified"));
        }
        let mut out = stdout();
        for verdict in &verdicts {
            match Format::or_default(self.output) {
                Format::Jsonl => out.line(verdict.to_json())?,
                Format::Table => out.line(sentence(verdict))?,
            }
        }
        out.flush()?;
        let wrong = verdicts.iter().filter_map(|verdict| Some((verdict, verdict.first()?)));
        for verdict in &verdicts {
            for notice in &verdict.notices {
                say(format_args!("{}: {notice}", verdict.origin));
            }
        }
        let mut code = 0;
        for (verdict, first) in wrong {
            say(format_args!("{}: {first}", verdict.origin));
            code = 1;
        }
        Ok(code)
    }
}

/// `[STREAM=]@FILE`: the file holds 32 bytes in base64.
fn read_k0(argument: &str) -> Result<(Option<String>, [u8; 32]), Failure> {
    let (stream, file) = match argument.split_once("=@") {
        Some((stream, file)) => (Some(stream.to_owned()), file),
        None => (None, argument.strip_prefix('@').ok_or("--k0 is written [STREAM=]@FILE")?),
    };
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read `{file}`: {error}"))?;
    let key = BASE64.decode(text.trim()).ok().and_then(|key| key.try_into().ok());
    Ok((stream, key.ok_or_else(|| format!("`{file}` does not hold 32 bytes in base64"))?))
}

/// The auditor's secret key.
fn read_secret(path: &Path) -> Result<AuditorSecret, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    Ok(text.parse().map_err(|error| format!("`{}`: {error}", path.display()))?)
}

/// The checkpoints of a file.
fn read_notes(path: &Path) -> Result<Vec<Note>, Failure> {
    let failed = |error: String| format!("`{}`: {error}", path.display());
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let all = Note::parse_all(&String::from_utf8_lossy(&bytes));
    let (count, mut notes) = (all.len(), Vec::new());
    notes.extend(all.into_iter().filter_map(|(_, note)| note.ok()));
    if notes.len() < count {
        let bad = count - notes.len();
        say(format_args!("warning: {}", failed(format!("{bad} checkpoints in it cannot be read"))));
    }
    if notes.is_empty() { Err(failed("no checkpoint in it".into()).into()) } else { Ok(notes) }
}

fn sentence(verdict: &Verdict) -> String {
    let Verdict { origin, records, expired, pruned, checkpoints, covered, .. } = verdict;
    let state = if verdict.is_ok() { "ok" } else { "WRONG" };
    let macs = if verdict.macs_checked { "MACs checked" } else { "by public key; no K_0, so no MACs" };
    let and = |count: u64, what: &str| if count > 0 { format!(" and {count} {what}") } else { String::new() };
    let gone = and(*expired, "expired ones") + &and(*pruned, "places that were pruned");
    format!("{state}  {origin}: {records} records{gone}, {checkpoints} checkpoints cover {covered}; {macs}")
}
