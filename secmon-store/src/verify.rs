//! Verification of what is stored: streams page by page, with memory that does not grow.

use std::collections::BTreeSet;

use secmon_core::seal::{Finding, Flaw, KeyFile, Note, Verdict, Verifier, Vkey};

use crate::auditor::AuditorSecret;
use crate::streams::StreamRow;
use crate::vault::Vault;
use crate::walk::Walk;
use crate::{Error, Result, Store, keys, records, stored, streams};

/// What the verifier holds, and what it looks at.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Public keys that came by another way than the store; without them the store's own are used, which
    /// proves only that the store agrees with itself.
    pub vkeys: Vec<Vkey>,
    /// K_0 of streams by id or origin; without a name, of the only stream.
    pub k0: Vec<(Option<String>, [u8; 32])>,
    /// The secret key of an auditor, for streams whose K_0 was encrypted to him.
    pub auditor: Option<AuditorSecret>,
    /// Checkpoints that were kept outside: each stream must go on from those of its name.
    pub anchors: Vec<Note>,
    /// Only this stream, by id, origin or label.
    pub stream: Option<String>,
}

impl Store {
    /// Walks everything: bodies, indexed columns, leaves, roots, signatures, seals, and the key file if
    /// it is at hand. One verdict a stream.
    pub fn verify(&self, options: &VerifyOptions) -> Result<Vec<Verdict>> {
        self.verify_with(options, |_| {})
    }

    /// As [`Store::verify`]; `progress` is told how many records were read.
    pub fn verify_with(
        &self,
        options: &VerifyOptions,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        let streams = self.streams()?;
        options.check(&streams)?;
        for vkey in &options.vkeys {
            if !streams.iter().any(|stream| stream.origin == vkey.name()) {
                verdicts.push(gone(vkey.name(), "the stream of this key is not in the store"));
            }
        }
        for origin in options.anchors_of_none(streams.iter().map(|stream| stream.origin.as_str())) {
            verdicts
                .push(gone(origin, "the stream of a checkpoint kept outside is not in the store"));
        }
        for stream in &streams {
            if options.stream.as_deref().is_none_or(|name| stream.is(name)) {
                verdicts.push(self.verify_stream(stream, options, &streams, &mut progress)?);
            }
        }
        self.check_reliance(options, &streams, &mut verdicts)?;
        verdicts.extend(self.listed_but_gone(&verdicts)?);
        if options.stream.is_none() {
            verdicts.extend(self.orphans(&streams)?);
            verdicts.extend(self.left_keys(&verdicts)?);
        }
        self.0.location.check_still()?;
        Ok(verdicts)
    }

    /// Checks the records of other streams on which verdicts rely: those streams must be sound up to there,
    /// and their keys known, if keys came by another way.
    fn check_reliance(
        &self,
        options: &VerifyOptions,
        streams: &[StreamRow],
        verdicts: &mut [Verdict],
    ) -> Result<()> {
        let mut known: Vec<Verdict> = verdicts.to_vec();
        for verdict in verdicts {
            for (origin, seq) in verdict.relies_on.clone() {
                let stream = streams.iter().find(|stream| stream.origin == origin);
                if let Some(stream) = stream
                    && !known.iter().any(|other| other.origin == origin)
                {
                    known.push(self.verify_stream(stream, options, streams, &mut |_| {})?);
                }
                let given = |vkey: &Vkey| vkey.name() == origin;
                let is_known = options.vkeys.is_empty() || options.vkeys.iter().any(given);
                let is_sound = |other: &Verdict| {
                    other.origin == origin && other.is_ok() && other.covered > seq
                };
                if !is_known || !known.iter().any(is_sound) {
                    verdict.findings.push(Finding {
                        flaw: Flaw::Unannounced,
                        seq: 0,
                        detail: format!(
                            "record {seq} of `{origin}` announces erasures here, but that stream is not \
                             sound up to there, or its key was not given"
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// Looks for streams that others list and that are not there.
    fn listed_but_gone(&self, verdicts: &[Verdict]) -> Result<Vec<Verdict>> {
        let there: BTreeSet<String> =
            self.streams()?.into_iter().map(|stream| stream.origin).collect();
        let mut gone_ones = Vec::new();
        for verdict in verdicts {
            for origin in verdict.lists.difference(&there) {
                if !gone_ones.iter().any(|gone: &Verdict| gone.origin == *origin) {
                    let detail = format!(
                        "`{}` lists this stream, which is not in the store",
                        verdict.origin
                    );
                    gone_ones.push(gone(origin, &detail));
                }
            }
        }
        Ok(gone_ones)
    }

    /// Looks for key files of streams that had records and are not there.
    fn left_keys(&self, verdicts: &[Verdict]) -> Result<Vec<Verdict>> {
        // Read first: a stream is stored before its key file knows of records.
        let location = &self.0.location;
        let is_own = !location.is_shared() && self.0.keys == location.keys();
        let name = (!is_own).then(|| location.name());
        let keys = keys::of_store(&self.0.keys, name.as_deref());
        let there: Vec<String> = self.streams()?.into_iter().map(|stream| stream.origin).collect();
        let is_left = |keys: &KeyFile| {
            keys.size > 0
                && !there.contains(&keys.stream)
                && !verdicts.iter().any(|verdict| verdict.origin == keys.stream)
        };
        let missed = |keys: KeyFile| {
            let detail = format!(
                "its key file in `{}` knows of {} records, and the stream is not in the store: if it was begun anew on \
                 purpose, move the key file elsewhere",
                self.0.keys.display(),
                keys.size
            );
            gone(&keys.stream, &detail)
        };
        Ok(keys.into_iter().filter(is_left).map(missed).collect())
    }

    /// Looks for records of a stream that is not there.
    fn orphans(&self, streams: &[StreamRow]) -> Result<Option<Verdict>> {
        let numbers: Vec<i64> = streams.iter().map(|stream| stream.stream_no).collect();
        let Some(number) = self.read(|db| stored::orphan(db, &numbers))? else { return Ok(None) };
        if self
            .streams()?
            .iter()
            .any(|stream| stream.stream_no == number && !numbers.contains(&number))
        {
            return Ok(None); // It began meanwhile.
        }
        let mut verdict =
            Verdict { origin: format!("stream number {number}"), ..Verdict::default() };
        verdict.findings.push(Finding {
            flaw: Flaw::Inserted,
            seq: 0,
            detail: "records of a stream that is not in the store".into(),
        });
        Ok(Some(verdict))
    }

    fn verify_stream(
        &self,
        listed: &StreamRow,
        options: &VerifyOptions,
        streams: &[StreamRow],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Verdict> {
        let mut begin = self.read(|db| streams::again(db, listed))?.pruned_to();
        loop {
            let verdict = self.walk_stream(listed, options, streams, progress)?;
            let now = self.read(|db| streams::again(db, listed))?.pruned_to();
            // What was pruned meanwhile was missed: the walk begins anew behind it.
            if now <= begin {
                return Ok(verdict);
            }
            begin = now;
        }
    }

    fn walk_stream(
        &self,
        listed: &StreamRow,
        options: &VerifyOptions,
        streams: &[StreamRow],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Verdict> {
        // The key file is written behind the database: read before it, it cannot be ahead. By the name that
        // stands in every body: the id beside it is a column that anybody may have changed.
        let id = listed.origin.rsplit('/').next().unwrap_or_default();
        let key_file = keys::read(&self.0.keys.join(id));
        let stream = self.streams()?.into_iter().find(|row| row.stream_no == listed.stream_no);
        let stream = stream
            .ok_or_else(|| Error::NotFound { what: format!("stream `{}`", listed.origin) })?;
        let StreamRow { origin, genesis_vkey, stream_vkey, .. } = &stream;
        let mut verifier = match verifier_for(origin, genesis_vkey, stream_vkey, options) {
            Ok(verifier) => verifier,
            Err(verdict) => return Ok(*verdict),
        };
        if stream.id() != id {
            let detail = "the stream's id is not the one in its origin";
            verifier.report(Flaw::ColumnMismatch, 0, detail);
        }
        verifier.expect_box(stream.k0_box.as_deref());
        let k0 = options.k0.iter().find(|(name, _)| match name {
            Some(name) => stream.is(name),
            None => streams.len() == 1,
        });
        let sealed = stream.k0_box.as_deref();
        verifier = options.with_k0(verifier, origin, k0.map(|(_, k0)| *k0), sealed);
        if let Ok(Some(keys)) = &key_file {
            verifier.expect_keys(keys);
        }
        let mut notices = Vec::new();
        if stream.closed {
            notices.extend(self.restore_of(&stream)?);
        }
        let vault = match Vault::read(&self.0.keys) {
            Err(error) if error.is_denied() => {
                notices.push(format!("personal values were not opened: {error}"));
                None
            }
            vault => vault?,
        };
        let keys = match key_file {
            Ok(Some(keys)) if keys.stream != stream.origin => {
                verifier.report(Flaw::Malformed, 0, "the key file is that of another stream");
                None
            }
            Ok(keys) => keys,
            Err(error) if error.is_denied() => {
                notices.push(format!("not compared with its key file: {error}"));
                None
            }
            Err(error) => {
                verifier.report(
                    Flaw::Malformed,
                    0,
                    &format!("the key file cannot be read: {error}"),
                );
                None
            }
        };
        let stream = self.read(|db| {
            let mut walk = Walk::new(stream, self.clone(), vault);
            walk.run(db, &mut verifier, progress)?;
            walk.epochs(db, &mut verifier)?;
            Ok(walk.stream)
        })?;
        let head = stream.head();
        if head.as_ref().is_none_or(|head| stream.root != head.tree.root()) {
            verifier.report(Flaw::ColumnMismatch, 0, "the stream's row was changed");
        }
        let mut verdict = verifier.finish(head.as_ref(), keys.as_ref());
        verdict.notices.extend(notices);
        Ok(verdict)
    }

    /// What the stream that follows a closed one says of its end, if that fits.
    fn restore_of(&self, stream: &StreamRow) -> Result<Option<String>> {
        let rows = self.read(records::restores)?;
        let said = rows.into_iter().find_map(|(no, seq, body)| {
            let event = secmon_core::event_of(&body).ok()?;
            let text = |name: &str| event.find(name).map(ToString::to_string);
            let fits = text("secmon.restore.origin")? == stream.origin
                && text("secmon.restore.size")? == stream.size().to_string();
            fits.then(|| (no, seq, event.message().to_owned()))
        });
        let Some((no, seq, message)) = said else { return Ok(None) };
        let streams = self.streams()?;
        let by = streams.iter().find(|other| other.stream_no == no && no != stream.stream_no);
        Ok(by.map(|by| {
            let (size, by) = (stream.size(), &by.origin);
            format!("closed at record {size}, as record {seq} of `{by}` announces: {message}")
        }))
    }
}

impl VerifyOptions {
    /// Refuses what would be used for nothing: whoever gives a key must not be told that all is well without it.
    fn check(&self, streams: &[StreamRow]) -> Result<()> {
        let known = |name: &str| streams.iter().any(|stream| stream.is(name));
        if let Some(name) = self.stream.as_deref().filter(|name| !known(name)) {
            return Err(Error::NotFound { what: format!("stream `{name}`") });
        }
        for (name, _) in &self.k0 {
            match name {
                Some(name) if !known(name) => {
                    return Err(Error::NotFound {
                        what: format!("stream `{name}`, whose K_0 was given,"),
                    });
                }
                None if streams.len() != 1 => {
                    let reason = format!(
                        "there are {} streams: say whose K_0 it is, STREAM=@FILE",
                        streams.len()
                    );
                    return Err(Error::Query { reason });
                }
                _ => {}
            }
        }
        let has_box = streams.iter().any(|stream| stream.k0_box.is_some());
        if self.auditor.is_some() && self.k0.is_empty() && !has_box {
            let reason = "no K_0 was encrypted to an auditor in this store".into();
            return Err(Error::Query { reason });
        }
        Ok(())
    }

    /// Lets a verifier check MACs where K_0 was given, or encrypted to the auditor.
    pub(crate) fn with_k0(
        &self,
        mut verifier: Verifier,
        origin: &str,
        given: Option<[u8; 32]>,
        sealed: Option<&[u8]>,
    ) -> Verifier {
        let k0 = given.or_else(|| self.auditor.as_ref()?.open(origin, sealed?));
        if let Some(k0) = k0 {
            return verifier.with_k0(k0);
        }
        if self.auditor.is_some() && sealed.is_some() {
            verifier.report(Flaw::Malformed, 0, "K_0 was not encrypted to this auditor");
        }
        verifier
    }

    /// The streams of checkpoints kept outside that are none of these.
    pub(crate) fn anchors_of_none<'o, 's>(
        &'o self,
        origins: impl Iterator<Item = &'s str>,
    ) -> BTreeSet<&'o str> {
        let mut left: BTreeSet<&str> =
            self.anchors.iter().map(|note| note.origin.as_str()).collect();
        for origin in origins {
            left.remove(origin);
        }
        left
    }
}

/// The verdict on a stream that is not there.
fn gone(origin: &str, detail: &str) -> Verdict {
    let mut verdict = Verdict { origin: origin.into(), ..Verdict::default() };
    verdict.findings.push(Finding { flaw: Flaw::Missing, seq: 0, detail: detail.into() });
    verdict
}

/// The verifier of a stream, with the key to start from and the stream's own key: those given, else what
/// the store or export says of them.
pub(crate) fn verifier_for(
    origin: &str,
    genesis: &str,
    own: &str,
    options: &VerifyOptions,
) -> Result<Verifier, Box<Verdict>> {
    let malformed = |reason: String| {
        let mut verdict = Verdict { origin: origin.into(), ..Verdict::default() };
        verdict.findings.push(Finding {
            flaw: Flaw::Malformed,
            seq: 0,
            detail: format!("the stream's key cannot be read: {reason}"),
        });
        Box::new(verdict)
    };
    let read = |text: &str| {
        let vkey: Vkey = text.parse().map_err(|error| malformed(format!("{error}")))?;
        let is_own = vkey.name() == origin;
        if is_own { Ok(vkey) } else { Err(malformed("it is the key of another stream".into())) }
    };
    let genesis = read(genesis)?;
    let own = (!own.is_empty()).then(|| read(own)).transpose()?;
    // Of the keys given for the stream, one that the store calls its own key is that; of the others the
    // first is the genesis key, and a second one the stream's own.
    let given = options.vkeys.iter().filter(|vkey| vkey.name() == origin).cloned();
    let (known, others): (Vec<Vkey>, Vec<Vkey>) =
        given.partition(|vkey| Some(vkey) == own.as_ref());
    let mut others = others.into_iter();
    let verifier = Verifier::new(others.next().unwrap_or(genesis));
    let own = known.into_iter().next().or(others.next()).or(own);
    let verifier = own.into_iter().fold(verifier, Verifier::with_stream_key);
    Ok(options.anchors.iter().fold(verifier, Verifier::with_anchor))
}
