//! What others make of our trees, proofs and checkpoints: the crates `ct-merkle`, `tlog_tiles` and
//! `signed_note`, none of which shares code with secmon.

#[path = "support/stores.rs"]
mod stores;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use secmon_core::Ruleset;
use secmon_core::seal::{Proof, Tree, consistency_holds, inclusion_holds, leaf_hash};
use secmon_store::Store;
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, VerifierList};
use stores::{folder, noon};
use tlog_tiles::{Checkpoint, Hash, check_record, check_tree};

/// More than two full tiles, so that there is a tile of the second level, and a rotation.
const RECORDS: usize = 700;

struct Written {
    _folder: tempfile::TempDir,
    store: Store,
    bodies: Vec<Vec<u8>>,
    vkeys: [String; 2],
}

fn written() -> Written {
    let folder = folder();
    let store = stores::open(&folder);
    let rules = Ruleset::empty();
    let mut writer = store.writer("main", rules.clone(), noon(0)).unwrap();
    for batch in 0..(RECORDS / 50) {
        let now = noon(i64::try_from(batch).unwrap() * 2 * 3_600);
        let lines = (0..50).map(|line| format!("line {line} of {batch} \u{e9}"));
        writer.write(rules.prepare_lines(lines, now), now).unwrap();
    }
    writer.close(noon(100_000)).unwrap();
    let stream = store.streams().unwrap().remove(0);
    assert!(stream.size() >= RECORDS as u64 && stream.signing_epoch() == 1);
    let bodies = (0..stream.size()).map(|seq| store.record(&stream.id(), seq).unwrap().body);
    let bodies = bodies.collect();
    let vkeys = [stream.genesis_vkey.clone(), stream.stream_vkey.clone()];
    Written { _folder: folder, store, bodies, vkeys }
}

fn theirs(bodies: &[Vec<u8>]) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    bodies.iter().for_each(|body| tree.push(body.clone()));
    tree
}

#[test]
fn roots_and_proofs_equal_those_of_ct_merkle() {
    let written = written();
    let size = written.bodies.len();
    let tree = theirs(&written.bodies);
    let mut ours = Tree::default();
    for (at, body) in written.bodies.iter().enumerate() {
        ours.push(leaf_hash(body));
        if at % 37 == 0 {
            let root: RootHash<Sha256> = theirs(&written.bodies[..=at]).root();
            assert_eq!(root.as_bytes()[..], ours.root(), "size {}", at + 1);
        }
    }
    for seq in 0..size {
        let proof = written.store.proof("main", seq as u64).unwrap();
        assert_eq!(proof.path.concat(), tree.prove_inclusion(seq).as_bytes(), "record {seq}");
        let given = InclusionProof::<Sha256>::from_bytes(proof.path.concat());
        tree.root().verify_inclusion(&written.bodies[seq], seq as u64, &given).unwrap();
    }
    for old in 1..size {
        let path = written.store.consistency("main", old as u64, size as u64).unwrap();
        assert_eq!(path.concat(), tree.prove_consistency(size - old).as_bytes(), "from {old}");
    }
}

#[test]
fn checkpoints_and_proofs_are_accepted_by_the_crates_of_others() {
    let written = written();
    let verifier = |vkey: &String| -> Box<dyn signed_note::Verifier> {
        Box::new(StandardVerifier::new(vkey).unwrap())
    };
    let own = VerifierList::new(vec![verifier(&written.vkeys[1])]);
    let page = written.store.checkpoints(1_000, None).unwrap();
    assert!(page.rows.len() > 10);
    let mut known = Vec::new();
    for (_, row) in page.rows.iter().rev() {
        let note = Note::from_bytes(row.note.as_bytes()).unwrap();
        let (verified, others) = note.verify(&own).unwrap();
        assert_eq!((verified.len(), others.len()), (1, 1), "one line of each key");
        let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!(checkpoint.size(), row.size());
        known.push((checkpoint.size(), *checkpoint.hash()));
    }
    // The first is signed by the genesis key too.
    let genesis = VerifierList::new(vec![verifier(&written.vkeys[0])]);
    let first = &page.rows.last().unwrap().1;
    assert!(Note::from_bytes(first.note.as_bytes()).unwrap().verify(&genesis).is_ok());
    let (size, root) = *known.last().unwrap();
    let hashes = |path: Vec<[u8; 32]>| path.into_iter().map(Hash).collect::<Vec<_>>();
    for (seq, body) in (0..size).zip(&written.bodies) {
        let proof = written.store.proof("main", seq).unwrap();
        let leaf = tlog_tiles::record_hash(body);
        assert_eq!(leaf.0, leaf_hash(body));
        check_record(&hashes(proof.path), size, root, seq, leaf).unwrap();
    }
    for (old, old_root) in &known {
        if *old < size {
            let path = written.store.consistency("main", *old, size).unwrap();
            assert!(consistency_holds((*old, &old_root.0), (size, &root.0), &path));
            check_tree(&hashes(path), size, root, *old, *old_root).unwrap();
        }
    }
}

#[test]
fn any_change_of_a_proof_makes_it_fail() {
    let written = written();
    let vkeys: Vec<_> = written.vkeys.iter().map(|vkey| vkey.parse().unwrap()).collect();
    for seq in [0, 1, 255, 256, 511, 640] {
        let body = &written.bodies[usize::try_from(seq).unwrap()];
        let proof = written.store.proof("main", seq).unwrap();
        let note = proof.check(body, &vkeys).unwrap();
        let text = proof.to_string();
        assert_eq!(text.parse::<Proof>().unwrap(), proof);
        let leaf = leaf_hash(body);
        for at in 0..proof.path.len() {
            for bit in (0..256).step_by(7) {
                let mut path = proof.path.clone();
                path[at][bit / 8] ^= 1 << (bit % 8);
                assert!(!inclusion_holds(&leaf, seq, note.size, &path, &note.root));
            }
            let mut shorter = proof.path.clone();
            shorter.remove(at);
            assert!(!inclusion_holds(&leaf, seq, note.size, &shorter, &note.root));
        }
        assert!(!inclusion_holds(&leaf, seq + 1, note.size, &proof.path, &note.root));
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] ^= 1;
            let Ok(other) = String::from_utf8(other) else { continue };
            let Ok(other) = other.parse::<Proof>() else { continue };
            // The line of a key that nobody asked for may be another one.
            let own_line = other.note.lines().nth(4) == proof.note.lines().nth(4);
            assert!(other.check(body, &vkeys).is_err() || own_line, "byte {at}: {other}");
        }
    }
    let lone = written.store.proof("main", 3).unwrap();
    let stranger = secmon_core::seal::StreamKeys::from_bytes([1; 32], [9; 32]);
    let name: &secmon_core::seal::Vkey = &vkeys[0];
    assert!(lone.check(&written.bodies[3], &[stranger.vkey(name.name())]).is_err());
}
