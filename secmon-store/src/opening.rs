//! How a writer is opened: its stream resumed, or a new one begun when nobody may go on with the old.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use secmon_core::privacy::Privacy;
use secmon_core::seal::{Claim, Sealer, StreamKeys};
use secmon_core::{Announcement, Monitor, Ruleset, Step, When, fields};

use sha2::{Digest as _, Sha256};

use crate::connection::Db;
use crate::counting::Counting;
use crate::directory::Listed;
use crate::failpoint::hit;
use crate::keys::{KeyPlace, random};
use crate::lanes::Lanes;
use crate::removals::Due;
use crate::rollups::Known;
use crate::streams::StreamRow;
use crate::tiles::Open;
use crate::vault::Vault;
use crate::writer::CHECKPOINT_PAUSE;
use crate::{Error, Result, Store, Writer, counting, proofs, signals, streams, tail, unsigned};

impl Writer {
    /// Resumes the stream of a label, or begins one.
    pub(crate) fn open(
        store: &Store,
        label: &str,
        cluster: &str,
        ruleset: Ruleset,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let mut db = store.0.location.connect(false)?;
        let mut warnings = Vec::new();
        let mut reason = "it was closed before".to_owned();
        if let Some(stream) = Self::resumable(store, &mut db, label)? {
            let keys = KeyPlace::lock(&store.0.keys, &stream.id())?;
            let keys = keys.ok_or_else(|| Error::Locked { label: label.into() })?;
            // Read again under the lock: another process may have just left.
            let stream = Self::resumable(store, &mut db, label)?.unwrap_or(stream);
            match Self::sealer(&mut db, &stream, &keys)? {
                Ok(sealer) => {
                    let monitor = Monitor::new(ruleset, sealer);
                    let mut writer = Self::assemble(store, db, keys, monitor, stream, now)?;
                    writer.save_keys(&writer.monitor.key_file());
                    writer.join()?;
                    writer.announce_restores(label, &reason, now)?;
                    return Ok(writer);
                }
                Err(alarm) => {
                    warnings.push(format!(
                        "stream `{}` is closed and a new one begun: {alarm}",
                        stream.origin
                    ));
                    streams::close(&mut db, stream.stream_no)?;
                    hit("restore.closed");
                    reason = alarm;
                }
            }
        }
        let mut writer = Self::start(store, db, label, cluster, ruleset, now)?;
        writer.warnings = warnings;
        writer.announce_restores(label, &reason, now)?;
        Ok(writer)
    }

    /// The stream of a label with which this machine may go on: the last whose key file is here. In a file of its
    /// own also one whose key file is gone, which is then closed; in a database it may be that of another machine.
    fn resumable(store: &Store, db: &mut Db, label: &str) -> Result<Option<StreamRow>> {
        let open = streams::open_of(db, label)?;
        let held = open.iter().find(|stream| store.0.keys.join(stream.id()).exists());
        let any = if db.is_shared() { None } else { open.first() };
        Ok(held.or(any).cloned())
    }

    /// Says of every stream of the label that was closed, and of which nothing says so yet, where it ended.
    fn announce_restores(&mut self, label: &str, reason: &str, now: DateTime<Utc>) -> Result<()> {
        let said = crate::records::restores(&mut self.db)?;
        let said: Vec<String> = said
            .iter()
            .filter_map(|(_, _, body)| secmon_core::event_of(body).ok())
            .filter_map(|event| event.find("secmon.restore.origin").map(ToString::to_string))
            .collect();
        for stream in self.store.streams()? {
            if !stream.closed || stream.label != label || said.contains(&stream.origin) {
                continue;
            }
            let mut announcement = Announcement::new("secmon.restore", "stream_restored", now);
            let event = &mut announcement.event;
            event.level = secmon_core::Level::Critical;
            event.set(fields::MESSAGE, reason);
            event.set("secmon.restore.origin", stream.origin.as_str());
            event.set("secmon.restore.size", stream.size);
            if let Some(last) = proofs::last_checkpoint(&mut self.db, stream.stream_no)? {
                event.set("secmon.restore.last", last.note);
            }
            let announce = vec![announcement];
            self.run(Step { announce, checkpoint: When::Always, ..Step::default() }, now)?;
        }
        Ok(())
    }

    /// Begins a stream: its key file first, so that no stream is without keys.
    pub(crate) fn start(
        store: &Store,
        mut db: Db,
        label: &str,
        cluster: &str,
        ruleset: Ruleset,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let id: [u8; 16] = random()?;
        let origin = format!("{cluster}/{}", secmon_core::hex(&id));
        let secrets = StreamKeys::from_bytes(random()?, random()?).with_stream_key(random()?);
        let sealer = Sealer::create(&origin, &secrets)?;
        let keys = KeyPlace::lock(&store.0.keys, &secmon_core::hex(&id))?;
        let keys = keys.ok_or_else(|| Error::Locked { label: label.into() })?;
        keys.write(&sealer.key_file())?;
        let auditor = store.0.auditor.get();
        let k0_box = auditor.map(|key| key.seal(&origin, secrets.k0())).transpose()?;
        let mut stream = StreamRow {
            stream_no: 0,
            stream_id: id.to_vec(),
            origin,
            label: label.into(),
            genesis_vkey: sealer.vkey().to_string(),
            size: 0,
            root: Vec::new(),
            frontier: Vec::new(),
            last_mac: Vec::new(),
            mac_epoch: 0,
            sig_epoch: 0,
            last_at: 0,
            logged: 0,
            closed: false,
            k0_box,
            stream_vkey: sealer.stream_vkey().map(|vkey| vkey.to_string()).unwrap_or_default(),
            pruned_to: 0,
            pruned_range: Vec::new(),
            pruned_mac: Vec::new(),
            pruned_epoch: 0,
        };
        stream.set_head(sealer.head(), 0);
        streams::insert(&mut db, &mut stream)?;
        let monitor = Monitor::new(ruleset, sealer);
        let mut writer = Self::assemble(store, db, keys, monitor, stream, now)?;
        writer.join()?;
        // Whom nobody else stands in for has K_0 from the store.
        writer.begun = auditor.is_none().then_some(secrets);
        // Whoever puts another K_0 there later contradicts the first record.
        if let Some(sealed) = &writer.stream.k0_box {
            let claim = Claim::Box { sha256: Sha256::digest(sealed).into() };
            let announce = vec![Announcement::of(claim, "stream_began", now)];
            writer.rotated_at = now;
            writer.run(Step { announce, checkpoint: When::Always, ..Step::default() }, now)?;
        }
        // Its first key is in use from now on; that of a stream that is resumed rotates at once.
        writer.rotated_at = now;
        Ok(writer)
    }

    /// The sealer that goes on with a stream, or why nobody may.
    fn sealer(db: &mut Db, stream: &StreamRow, keys: &KeyPlace) -> Result<Result<Sealer, String>> {
        let Some(head) = stream.head() else {
            return Ok(Err("its row in the database was changed".into()));
        };
        let Some(file) = keys.read()? else { return Ok(Err("its key file is gone".into())) };
        if file.stream != stream.origin {
            return Ok(Err("its key file is that of another stream".into()));
        }
        let kept = file.clone();
        let file = match file.reconcile(&head) {
            Ok(file) => file,
            Err(alarm) => return Ok(Err(alarm)),
        };
        Ok(match tail::check(db, stream, &head, &kept)? {
            None => Ok(Sealer::resume(&stream.origin, head, &file)?),
            Some(alarm) => Err(alarm),
        })
    }

    fn assemble(
        store: &Store,
        mut db: Db,
        keys: KeyPlace,
        mut monitor: Monitor,
        stream: StreamRow,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        keys.note_store(&store.0.location.name())?;
        let stream = counting::inherit(&mut db, stream)?;
        signals::resume(&mut db, stream.stream_no, &mut monitor)?;
        monitor.set_logged(unsigned(stream.logged));
        let erasable = store.0.erasable.get();
        let vault = erasable.map(|_| Vault::open(&store.0.keys)).transpose()?;
        if let Some((fields, vault)) = erasable.zip(vault.as_ref()) {
            monitor.set_privacy(Privacy::new(fields.clone(), *vault.index()?)?);
        }
        let tiles = Open::resume(&mut db, &stream)?;
        // What a crash left uncovered is news.
        let covered = proofs::last_checkpoint(&mut db, stream.stream_no)?;
        Ok(Self {
            store: store.clone(),
            db,
            keys,
            tiles,
            known: Known::default(),
            pending: VecDeque::new(),
            lanes: Lanes::default(),
            broken: None,
            spent: None,
            answers: Vec::new(),
            due: Due::default(),
            listed: Listed::default(),
            vault,
            erased_of: Vec::new(),
            begun: None,
            warnings: Vec::new(),
            rules_said: false,
            checkpoint_at: now - CHECKPOINT_PAUSE,
            urgent: false,
            checkpoint_size: covered.map_or(0, |row| row.size()),
            rotated_at: DateTime::<Utc>::MIN_UTC,
            tick_at: now,
            // The first batch saves the memory of all rules: what is logged from then on is of these rules,
            // and what rules of before have left is gone.
            snapshot_at: DateTime::<Utc>::MIN_UTC,
            rules_changed: true,
            counting: Counting::Own,
            unknown: BTreeSet::new(),
            monitor,
            stream,
        })
    }
}
