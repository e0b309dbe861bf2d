//! Every single bit of a stream of two hundred records: whatever is flipped is found, and named.

use std::sync::atomic::{AtomicUsize, Ordering};

use secmon_core::seal::{Checkpoint, Entry, Flaw, Sealed, Sealer, StreamKeys, Verifier, Vkey};
use secmon_core::{Monitor, Record, Ruleset, Step, When};

const ORIGIN: &str = "local/00112233445566778899aabbccddeeff";
/// Records between two checkpoints.
const EACH: usize = 10;

struct Stream {
    records: Vec<Record>,
    /// One behind each tenth record and at each rotation.
    checkpoints: Vec<Checkpoint>,
    genesis: Vkey,
    own: Vkey,
    k0: [u8; 32],
}

fn stream() -> Stream {
    let keys = StreamKeys::from_bytes([1; 32], [2; 32]).with_stream_key([3; 32]);
    let rules = Ruleset::builtin();
    let mut monitor = Monitor::new(rules.clone(), Sealer::create(ORIGIN, &keys).unwrap());
    let (mut records, mut checkpoints) = (Vec::new(), Vec::new());
    for round in 0_u8..20 {
        let now = chrono::DateTime::from_timestamp(1_795_000_000 + i64::from(round), 0).unwrap();
        // A rotation is a record of its own.
        let lines = if round % 7 == 6 { EACH - 1 } else { EACH };
        let lines =
            (0..lines).map(|line| format!("{{\"message\":\"x {line} \\u00e9\",\"n\":{line}}}"));
        let step = Step {
            events: rules.prepare_lines(lines, now),
            checkpoint: When::Always,
            rotate: (round % 7 == 6).then(|| [round; 32].into()),
            ..Step::default()
        };
        let batch = monitor.step(step, now, [round; 32]);
        records.extend(batch.records);
        checkpoints.extend(batch.checkpoint);
    }
    assert_eq!((records.len(), checkpoints.len(), monitor.head().sig_epoch), (200, 20, 2));
    let own = keys.stream_vkey(ORIGIN).unwrap();
    Stream { records, checkpoints, genesis: keys.vkey(ORIGIN), own, k0: *keys.k0() }
}

fn sealed(record: &Record) -> Sealed<'_> {
    Sealed {
        seq: record.seq,
        entry: Entry::read(record.body.as_bytes()),
        mac: &record.mac,
        leaf: Some(record.leaf),
        columns: None,
        values: None,
    }
}

impl Stream {
    fn verifier(&self) -> Verifier {
        Verifier::new(self.genesis.clone())
    }

    /// Walks ten records and their checkpoint, the way the closure gives them.
    fn round(
        &self,
        verifier: &mut Verifier,
        round: usize,
        mut record: impl FnMut(&mut Verifier, &Record),
    ) {
        for at in &self.records[round * EACH..(round + 1) * EACH] {
            record(verifier, at);
        }
        verifier.checkpoint(&self.checkpoints[round]);
    }

    /// Calls a test of each round with what the verifier knows before it, on all processors.
    fn each_round(
        &self,
        start: &(dyn Fn() -> Verifier + Sync),
        test: &(dyn Fn(usize, &Verifier) + Sync),
    ) {
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let round = next.fetch_add(1, Ordering::Relaxed);
                        if round >= self.checkpoints.len() {
                            return;
                        }
                        let mut verifier = start();
                        for before in 0..round {
                            self.round(&mut verifier, before, |verifier, at| {
                                verifier.record(&sealed(at))
                            });
                        }
                        test(round, &verifier);
                    }
                });
            }
        });
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut other = bytes.to_vec();
    other[bit / 8] ^= 1 << (bit % 8);
    other
}

#[test]
fn nothing_is_found_in_a_stream_that_nobody_touched() {
    let stream = stream();
    let mut verifier = stream.verifier().with_k0(stream.k0).with_stream_key(stream.own.clone());
    for round in 0..20 {
        stream.round(&mut verifier, round, |verifier, at| verifier.record(&sealed(at)));
    }
    let verdict = verifier.finish(None, None);
    assert!(verdict.is_ok(), "{:?}", verdict.findings);
    assert_eq!((verdict.records, verdict.covered, verdict.checkpoints), (200, 200, 20));
}

#[test]
fn every_bit_of_every_body_and_leaf_is_found_with_the_public_key() {
    let stream = stream();
    let flips = AtomicUsize::new(0);
    stream.each_round(&|| stream.verifier(), &|round, before| {
        for target in 0..EACH {
            let record = &stream.records[round * EACH + target];
            let (body, leaf) = (record.body.as_bytes(), record.leaf);
            for bit in 0..(body.len() + leaf.len()) * 8 {
                let mut verifier = before.clone();
                let other = (bit < body.len() * 8).then(|| flipped(body, bit));
                let other_leaf = match bit.checked_sub(body.len() * 8) {
                    Some(bit) => flipped(&leaf, bit).try_into().unwrap(),
                    None => leaf,
                };
                stream.round(&mut verifier, round, |verifier, at| {
                    let mut given = sealed(at);
                    if at.seq == record.seq {
                        given.leaf = Some(other_leaf);
                        given.entry = other.as_deref().map_or(given.entry, Entry::read);
                    }
                    verifier.record(&given);
                });
                let verdict = verifier.finish(None, None);
                let first = verdict.first().map(|found| found.seq);
                assert_eq!(first, Some(record.seq), "bit {bit} of record {}", record.seq);
                flips.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let flips = flips.into_inner();
    println!("{flips} bits");
    assert!(flips > 400_000);
}

#[test]
fn every_bit_of_every_checkpoint_is_found_that_a_verifier_can_know() {
    let stream = stream();
    stream.each_round(&|| stream.verifier(), &|round, before| {
        let checkpoint = &stream.checkpoints[round];
        let note = checkpoint.note.as_bytes();
        // The stream's own key signs on the first line behind the text, the key of the epoch behind it.
        let text = checkpoint.note.find("\n\n").unwrap() + 2;
        let own = text + checkpoint.note[text..].find('\n').unwrap() + 1;
        for bit in 0..note.len() * 8 {
            let other = flipped(note, bit);
            let forged = Checkpoint {
                note: String::from_utf8_lossy(&other).into_owned(),
                ..checkpoint.clone()
            };
            let verify = |mut verifier: Verifier| {
                for at in &stream.records[round * EACH..(round + 1) * EACH] {
                    verifier.record(&sealed(at));
                }
                verifier.checkpoint(&forged);
                verifier.finish(None, None)
            };
            let with_own = verify(before.clone().with_stream_key(stream.own.clone()));
            assert!(!with_own.is_ok(), "bit {bit} of checkpoint {round}");
            if !(text..own).contains(&(bit / 8)) {
                assert!(!verify(before.clone()).is_ok(), "bit {bit} of checkpoint {round}");
            }
        }
    });
}

#[test]
fn every_bit_of_every_mac_and_seal_is_found_with_k0() {
    let stream = stream();
    stream.each_round(&|| stream.verifier().with_k0(stream.k0), &|round, before| {
        for target in 0..EACH {
            let record = &stream.records[round * EACH + target];
            for bit in 0..256 {
                let other = flipped(&record.mac, bit);
                let mut verifier = before.clone();
                stream.round(&mut verifier, round, |verifier, at| {
                    let mac = if at.seq == record.seq { &other } else { &at.mac[..] };
                    verifier.record(&Sealed { mac, ..sealed(at) });
                });
                let verdict = verifier.finish(None, None);
                let first = verdict.first().map(|found| (found.flaw, found.seq));
                assert_eq!(first, Some((Flaw::BadMac, record.seq)), "bit {bit}");
            }
        }
        let checkpoint = &stream.checkpoints[round];
        let mut walked = before.clone();
        for at in &stream.records[round * EACH..(round + 1) * EACH] {
            walked.record(&sealed(at));
        }
        for bit in 0..256 {
            let mac = flipped(&checkpoint.mac, bit).try_into().unwrap();
            let mut verifier = walked.clone();
            verifier.checkpoint(&Checkpoint { mac, ..checkpoint.clone() });
            assert_eq!(verifier.finish(None, None).findings[0].flaw, Flaw::BadSeal, "bit {bit}");
        }
        for bit in 0..64 {
            let mut verifier = walked.clone();
            let epoch = checkpoint.epoch ^ (1 << bit);
            verifier.checkpoint(&Checkpoint { epoch, ..checkpoint.clone() });
            assert_eq!(verifier.finish(None, None).findings[0].flaw, Flaw::BadSeal, "bit {bit}");
        }
    });
}
