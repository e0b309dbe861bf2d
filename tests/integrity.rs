//! The bytes of the sealed log: known answers, published vectors, canonical bodies.

#[path = "support/stores.rs"]
mod stores;

use std::net::IpAddr;
use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use proptest::prelude::*;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::seal::{
    Claim, Columns, Entry, MOST_BODY, Note, Sealed, Sealer, StreamKeys, Tree, Verifier, Vkey,
    consistency, consistency_holds, inclusion, inclusion_holds, leaf_hash, node_hash,
};
use secmon_core::{Event, Level, Monitor, Prepared, Record, Ruleset, Value, event_of, fields};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use stores::{noon, unhex};

/// A file of the shared data; none, with a word, where there is no such folder.
fn shared(name: &str) -> Option<Json> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let path = folder.join("integrity").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: no {}", path.display());
        return None;
    };
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// A hash; some cases hold other bytes where it does not matter which, and those have a hash too.
fn hash(json: &Json) -> [u8; 32] {
    let bytes = unhex(json.as_str().unwrap());
    bytes.try_into().unwrap_or_else(|bytes: Vec<u8>| {
        Sha256::new_with_prefix("other").chain_update(bytes).finalize().into()
    })
}

/// s_0 = SHA-256("ed0s"), s_(n+1) = SHA-256("next" ‖ s_n).
fn seed(number: usize) -> [u8; 32] {
    (0..number).fold(Sha256::digest("ed0s").into(), |seed: [u8; 32], _| {
        Sha256::new_with_prefix("next").chain_update(seed).finalize().into()
    })
}

fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = char::from(alphabet[(bits >> (18 - 6 * at)) as usize & 63]);
            out.push(if at <= three.len() { letter } else { '=' });
        }
    }
    out
}

#[test]
fn known_answers_come_out_byte_for_byte() {
    let Some(known) = shared("kat.json") else { return };
    let origin = known["stream"].as_str().unwrap();
    let keys = StreamKeys::from_bytes(hash(&known["k0"]), seed(0));
    assert_eq!(keys.vkey(origin).to_string(), known["genesis_vkey"].as_str().unwrap());
    let mut sealer = Sealer::create(origin, &keys).unwrap();
    assert_eq!(sealer.head().last_mac, hash(&known["mac0"]));
    let mut verifier = Verifier::new(keys.vkey(origin)).with_k0(*keys.k0());
    let checkpoints = known["checkpoints"].as_array().unwrap();
    let seals = known["seals"].as_array().unwrap();
    let mut rotations = 0;
    for record in known["records"].as_array().unwrap() {
        let seq = record["seq"].as_u64().unwrap();
        let body = record["body"].as_str().unwrap();
        assert_eq!(leaf_hash(body.as_bytes()), hash(&record["leaf"]), "leaf {seq}");
        let (leaf, mac) = sealer.seal(body.as_bytes());
        assert_eq!((leaf, mac), (hash(&record["leaf"]), hash(&record["mac"])), "record {seq}");
        verifier.record(&Sealed {
            seq,
            entry: Entry::read(body.as_bytes()),
            mac: &mac,
            leaf: Some(leaf),
            columns: None,
            values: None,
        });
        let Some(at) = checkpoints.iter().position(|point| point["size"] == seq + 1) else {
            continue;
        };
        let note = checkpoints[at]["note"].as_str().unwrap();
        let signer = sealer.vkey();
        let made = sealer.checkpoint();
        assert_eq!(made.note, note, "checkpoint at {}", seq + 1);
        let seal = (
            seals[at]["epoch"].as_u64().unwrap(),
            seals[at]["size"].as_u64().unwrap(),
            hash(&seals[at]["mac"]),
        );
        assert_eq!((made.epoch, made.size, made.mac), seal);
        let read = Note::parse(note).unwrap();
        assert_eq!(
            (read.origin.as_str(), read.size, read.root),
            (origin, seq + 1, sealer.head().tree.root())
        );
        assert!(read.is_signed_by(&signer));
        verifier.checkpoint(&made);
        for other in (0..4).filter(|other| *other != rotations) {
            assert!(!read.is_signed_by(&StreamKeys::from_bytes([0; 32], seed(other)).vkey(origin)));
        }
        if at == 0 {
            let file: Json = serde_json::from_slice(&sealer.key_file().to_json()).unwrap();
            assert_eq!(file["mac_key"], base64(&hash(&known["k1"])), "K_1");
        }
        if body.contains("\"cat\":\"secmon.key\"") {
            rotations += 1;
            let Some(Claim::Key { epoch, next }) = Claim::of(body.as_bytes()) else {
                panic!("{body} names no key")
            };
            assert_eq!(sealer.next_key(&seed(rotations)), Claim::Key { epoch, next });
            sealer.rotate(&seed(rotations));
        }
    }
    assert_eq!((sealer.head().tree.size(), rotations), (62, 2));
    let verdict = verifier.finish(Some(sealer.head()), None);
    assert!(verdict.is_ok(), "{:?}", verdict.findings);
    assert_eq!((verdict.records, verdict.checkpoints, verdict.covered), (62, 7, 56));
}

#[test]
fn known_proofs_hold_and_come_out() {
    let Some(known) = shared("kat.json") else { return };
    let records = known["records"].as_array().unwrap();
    let leaves: Vec<_> = records.iter().map(|record| hash(&record["leaf"])).collect();
    let inclusions = known["inclusion"].as_array().unwrap();
    for case in inclusions {
        let (index, size) = (number(&case["index"]), number(&case["tree_size"]));
        let (leaf, root, proof) = (hash(&case["leaf_hash"]), hash(&case["root"]), path(case));
        let expected = case["expect"].as_bool().unwrap();
        assert_eq!(inclusion_holds(&leaf, index, size, &proof, &root), expected, "{case}");
        if expected {
            assert_eq!(inclusion(index, size, node(&leaves)).unwrap(), proof, "{case}");
        }
    }
    let consistencies = known["consistency"].as_array().unwrap();
    for case in consistencies {
        let (old, new) = (number(&case["size1"]), number(&case["size2"]));
        let (before, after, proof) = (hash(&case["root1"]), hash(&case["root2"]), path(case));
        let expected = case["expect"].as_bool().unwrap();
        assert_eq!(consistency_holds((old, &before), (new, &after), &proof), expected, "{case}");
        if expected {
            assert_eq!(consistency(old, new, node(&leaves)).unwrap(), proof, "{case}");
        }
    }
    assert_eq!((inclusions.len(), consistencies.len()), (48, 28));
}

/// The nodes of a tree over leaves, as proofs ask for them.
fn node(leaves: &[[u8; 32]]) -> impl FnMut(u32, u64) -> Result<[u8; 32], String> + '_ {
    |level, at| {
        let size = 1 << level;
        let from = usize::try_from(at).unwrap() * size;
        let leaves = leaves.get(from..from + size);
        leaves.map(root).ok_or_else(|| format!("no node {at} at level {level}"))
    }
}

fn number(json: &Json) -> u64 {
    json.as_u64().unwrap()
}

fn path(case: &Json) -> Vec<[u8; 32]> {
    let proof = case["proof"].as_array().unwrap();
    proof.iter().map(hash).collect()
}

#[test]
fn published_roots_and_nodes_come_out() {
    let Some(vectors) = shared("merkle_vectors.json") else { return };
    let mut tree = Tree::default();
    let roots = vectors["roots_by_size"].as_array().unwrap();
    assert_eq!(tree.root(), hash(&roots[0]));
    let mut level = Vec::new();
    for (input, root) in vectors["leaf_inputs"].as_array().unwrap().iter().zip(&roots[1..]) {
        let leaf = leaf_hash(&unhex(input.as_str().unwrap()));
        level.push(leaf);
        tree.push(leaf);
        assert_eq!(tree.root(), hash(root), "size {}", tree.size());
        let again = Tree::from_frontier(tree.size(), tree.frontier().to_vec()).unwrap();
        assert_eq!(again, tree);
        assert!(
            Tree::from_frontier(tree.size() + 1, tree.frontier().to_vec())
                .is_none_or(|other| other != tree)
        );
    }
    for height in 0..4 {
        let nodes: Vec<_> = vectors["node_hashes"][format!("level{height}")]
            .as_array()
            .unwrap()
            .iter()
            .map(hash)
            .collect();
        assert_eq!(level, nodes, "level {height}");
        level = level.chunks(2).map(|pair| node_hash(&pair[0], &pair[pair.len() - 1])).collect();
    }
    let inclusions = vectors["inclusion"].as_array().unwrap();
    for case in inclusions {
        let (index, size) = (number(&case["index"]), number(&case["tree_size"]));
        // What is no leaf hash cannot be asked.
        let leaf = <[u8; 32]>::try_from(unhex(case["leaf_hash"].as_str().unwrap()));
        let root = hash(&case["root"]);
        let holds = leaf.is_ok_and(|leaf| inclusion_holds(&leaf, index, size, &path(case), &root));
        assert_eq!(holds, case["expect"].as_bool().unwrap(), "{case}");
    }
    let consistencies = vectors["consistency"].as_array().unwrap();
    for case in consistencies {
        let (old, new) = (number(&case["size1"]), number(&case["size2"]));
        let (before, after) = (hash(&case["root1"]), hash(&case["root2"]));
        let holds = consistency_holds((old, &before), (new, &after), &path(case));
        assert_eq!(holds, case["expect"].as_bool().unwrap(), "{case}");
    }
    assert_eq!((inclusions.len(), consistencies.len()), (98, 98));
}

/// Sums over all subtrees that begin where one of their size may, and all proofs inside them.
#[test]
fn published_sums_over_all_subtrees_come_out() {
    let Some(vectors) = shared("merkle_vectors.json") else { return };
    let sums = &vectors["subtree_rolling_sha256_draft_ietf_plants_merkle_tree_certs"];
    let leaves: Vec<_> = (0..130_u8).map(|byte| leaf_hash(&[byte])).collect();
    let hex = |hash: &[u8; 32]| secmon_core::hex(hash);
    let (mut roots, mut proofs) = (Sha256::new(), Sha256::new());
    for end in 0..=130_u64 {
        for start in 0..=end {
            let size = end - start;
            if !start.is_multiple_of(size.next_power_of_two()) {
                continue;
            }
            let own = &leaves[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
            let root = root(own);
            roots.update(format!("[{start}, {end}) {}\n", hex(&root)));
            for index in start..end {
                let proof = inclusion(index - start, size, node(own)).unwrap();
                let hashes: String = proof.iter().map(|hash| format!(" {}", hex(hash))).collect();
                proofs.update(format!("{index} [{start}, {end}){hashes}\n"));
                let leaf = leaves[usize::try_from(index).unwrap()];
                assert!(inclusion_holds(&leaf, index - start, size, &proof, &root));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!inclusion_holds(&leaf, index - start, size, shorter, &root));
                }
                let longer = [proof.as_slice(), &[root]].concat();
                assert!(!inclusion_holds(&leaf, index - start, size, &longer, &root));
            }
        }
    }
    assert_eq!(secmon_core::hex(&roots.finalize()), sums["subtree_hash"].as_str().unwrap());
    assert_eq!(secmon_core::hex(&proofs.finalize()), sums["inclusion"].as_str().unwrap());
    let mut proofs = Sha256::new();
    for new in 0..=130_u64 {
        let all = &leaves[..usize::try_from(new).unwrap()];
        for end in 0..=new {
            for start in 0..=end {
                if !start.is_multiple_of((end - start).next_power_of_two()) {
                    continue;
                }
                let proof = subtree_proof(start, end, (0, new), true, &leaves);
                if start == 0 && end > 0 {
                    // Of a subtree that begins the tree it is a proof of consistency.
                    assert_eq!(proof, consistency(end, new, node(all)).unwrap(), "{end} of {new}");
                }
                let hashes: String = proof.iter().map(|hash| format!(" {}", hex(hash))).collect();
                proofs.update(format!("[{start}, {end}) {new}{hashes}\n"));
            }
        }
    }
    assert_eq!(secmon_core::hex(&proofs.finalize()), sums["consistency"].as_str().unwrap());
}

/// The draft's proof, word for word, that the leaves from `start` to `end` are a subtree of those of `tree`.
fn subtree_proof(
    start: u64,
    end: u64,
    tree: (u64, u64),
    is_known: bool,
    leaves: &[[u8; 32]],
) -> Vec<[u8; 32]> {
    let hash = |from: u64, to: u64| {
        root(&leaves[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()])
    };
    if start == end {
        return Vec::new();
    }
    if (start, end) == tree {
        return if is_known { Vec::new() } else { vec![hash(start, end)] };
    }
    let (first, last) = tree;
    let middle = first + (last - first).next_power_of_two() / 2;
    let (mut proof, sibling) = if end <= middle {
        let proof = subtree_proof(start, end, (first, middle), is_known, leaves);
        (proof, hash(middle, last))
    } else if middle <= start {
        let proof = subtree_proof(start, end, (middle, last), is_known, leaves);
        (proof, hash(first, middle))
    } else {
        let proof = subtree_proof(middle, end, (middle, last), false, leaves);
        (proof, hash(first, middle))
    };
    proof.push(sibling);
    proof
}

/// RFC 6962 section 2.1 word for word: the hash of a list of leaves.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

#[test]
fn a_growing_tree_has_the_roots_of_rfc_6962() {
    let leaves: Vec<_> = (0..300_u16).map(|number| leaf_hash(&number.to_be_bytes())).collect();
    let mut tree = Tree::default();
    for size in 0..leaves.len() {
        assert_eq!(tree.root(), root(&leaves[..size]), "size {size}");
        tree.push(leaves[size]);
    }
}

const ORIGIN: &str = "local/00112233445566778899aabbccddeeff";

fn monitor(rules: &Ruleset) -> Monitor {
    Monitor::new(
        rules.clone(),
        Sealer::create(ORIGIN, &StreamKeys::from_bytes([1; 32], [2; 32])).unwrap(),
    )
}

/// Seals events and asserts what must hold of every record: strict and canonical, within bounds,
/// columns equal to the body, leaf and MAC right.
fn sealed(rules: &Ruleset, events: Vec<Prepared>) -> Vec<Record> {
    let keys = StreamKeys::from_bytes([1; 32], [2; 32]);
    let mut verifier = Verifier::new(keys.vkey(ORIGIN)).with_k0([1; 32]);
    let batch = monitor(rules).take(events, noon(0), [3; 32]);
    for record in &batch.records {
        let body: Json = serde_json::from_str(&record.body).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&body).unwrap(), record.body);
        assert!(record.body.len() <= MOST_BODY, "{} bytes", record.body.len());
        let columns = Columns {
            time: record.time,
            expires: record.expires,
            level: record.level.as_str(),
            category: record.category,
            host: record.host.as_deref(),
            source_ip: record.source_ip.as_deref(),
            user: record.user.as_deref(),
            action: record.action.as_deref(),
            outcome: record.outcome.as_deref(),
        };
        verifier.record(&Sealed {
            seq: record.seq,
            entry: Entry::read(record.body.as_bytes()),
            mac: &record.mac,
            leaf: Some(record.leaf),
            columns: Some(columns),
            values: None,
        });
    }
    let verdict = verifier.finish(Some(&batch.head), None);
    assert!(verdict.is_ok(), "{:?}", verdict.findings);
    batch.records
}

/// What a value is once it was sealed: decimals, addresses and integers beyond 53 bits are texts.
fn stored(value: &Value) -> Value {
    match value {
        Value::Decimal(text) => Value::Text(text.to_string()),
        Value::Ip(address) => Value::Text(address.to_string()),
        Value::Int(number) if number.unsigned_abs() >= 1 << 53 => Value::Text(number.to_string()),
        Value::List(values) => Value::List(values.iter().map(stored).collect()),
        other => other.clone(),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[\\x00-\\x20\"\\\\/\u{7f}\u{80}\u{2028}\u{e000}\u{ffff}\u{1f600}]{0,9}"
    ];
    let leaf = prop_oneof![
        text.prop_map(Value::Text),
        any::<i64>().prop_map(Value::Int),
        prop::sample::select(vec![
            0,
            -1,
            1 << 53,
            (1 << 53) - 1,
            -(1 << 53) + 1,
            i64::MIN,
            i64::MAX
        ])
        .prop_map(Value::Int),
        any::<f64>().prop_map(|number| Value::Decimal(number.to_string().into())),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        any::<IpAddr>().prop_map(Value::Ip),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::List))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-c\u{e9}\u{e000}\u{ffff}\u{10000}\u{1f600}\\x00-\\x1f\"\\\\.]{0,4}",
        prop::sample::select(vec![
            "host.name",
            "source.ip",
            "user.name",
            "event.action",
            "event.outcome",
            "message",
            "destination.ip",
            "secmon.repeat",
            "source.address",
            "event.kind",
            "log.level",
            "@timestamp",
            "raw",
            "ev",
            "seq",
        ])
        .prop_map(str::to_owned),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let micros = -(1_i64 << 53) + 1..1_i64 << 53;
    let fields = prop::collection::vec((name(), value()), 0..12);
    (micros, prop::option::of(-86_399..86_399_i32), 0..5_usize, fields).prop_map(
        |(time, offset, level, fields)| {
            let mut event = Event::new(DateTime::from_timestamp_micros(time).unwrap());
            event.offset = offset.and_then(FixedOffset::east_opt);
            event.level = Level::ALL[level];
            for (name, value) in fields {
                // An address that stands where addresses stand comes back as one.
                let as_address = ["source.ip", "destination.ip"].contains(&name.as_str());
                let parsed = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
                match parsed.filter(|_| as_address) {
                    Some(address) => event.set(name.as_str(), Value::Ip(address)),
                    None => event.set(name.as_str(), value),
                }
            }
            event
        },
    )
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

#[test]
fn any_event_is_sealed_canonically_and_read_back_as_the_same() {
    let rules = Ruleset::builtin();
    proptest!(config(1_000), |(event in event())| {
        let records = sealed(&rules, vec![rules.prepare_event(event.clone())]);
        let back = event_of(records[0].body.as_bytes()).unwrap();
        let kept = event.fields().map(|(name, value)| {
            let address = matches!(name, "source.ip" | "destination.ip") && matches!(value, Value::Ip(_));
            // That a value is a commitment no input may say.
            let held = if name.ends_with('#') { format!("{name}_") } else { name.to_owned() };
            (held, if address { value.clone() } else { stored(value) })
        }).collect::<std::collections::BTreeMap<_, _>>();
        let found: std::collections::BTreeMap<_, _> = back.fields().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        prop_assert_eq!(found, kept);
        prop_assert_eq!((back.time, back.offset, back.level), (event.time, event.offset, event.level));
    });
}

#[test]
fn any_line_is_kept_whole_and_read_back_as_the_same() {
    let rules = Ruleset::builtin();
    let cx = Context::new(noon(0));
    let line = prop_oneof![
        any::<String>(),
        "(Nov 20 11:59:00|2026-11-20T11:59:00\\+0[0-9]:30|<13>1 2026-11-20T11:59:00Z) web-1 [a-z]{2,6}(\\[[0-9]{1,4}\\])?: \\PC{0,40}",
        "\\{\"[a-z.]{1,9}\":(\"[^\"\\\\\\x00-\\x1f]{0,9}\"|[0-9]{1,22}|-?[0-9]{1,3}\\.[0-9]{1,3}|true|null|\\[1,\"x\"\\])\\}",
    ];
    proptest!(config(600), |(line in line)| {
        let prepared = rules.prepare(&line, LineFormat::Detect, &cx);
        let event = prepared.event.clone();
        let records = sealed(&rules, vec![prepared]);
        let back = event_of(records[0].body.as_bytes()).unwrap();
        prop_assert_eq!(back.raw(), event.raw());
        prop_assert_eq!(back.message(), event.message());
        prop_assert_eq!(&back.sources, &event.sources);
        prop_assert_eq!(back.fields().count(), event.fields().count());
        for ((name, value), (kept, before)) in back.fields().zip(event.fields()) {
            prop_assert_eq!(name, kept);
            prop_assert_eq!(stored(value), stored(before));
        }
    });
}

#[test]
fn what_does_not_fit_a_body_is_kept_by_its_head_and_hash() {
    let rules = Ruleset::builtin();
    let cx = Context::new(noon(0));
    let long = "x".repeat(70_000);
    let quotes = "\u{1}".repeat(11_000);
    for line in [
        long.clone(),
        quotes.clone(),
        format!("{{\"a\":\"{long}\"}}"),
        format!("{{\"{long}\":1}}"),
        "\\".repeat(70_000),
        "\"".repeat(70_000),
        format!("{{\"host\":\"a{}\"}}", "\u{e9}".repeat(40_000)),
        format!(
            "{{{}}}",
            (0..6_000).map(|n| format!("\"field.number.{n}\":1")).collect::<Vec<_>>().join(",")
        ),
        format!("{{\"product\":\"{long}\"}}"),
        format!("{{\"category\":[{}]}}", vec!["\"abcdefgh\""; 9_000].join(",")),
        format!("{{\"event.module\":\"{long}\",\"host\":\"web-1\"}}"),
        format!("{{\"a\":[{}]}}", vec!["-1234567890"; 9_000].join(",")),
    ] {
        let records = sealed(&rules, vec![rules.prepare(&line, LineFormat::Detect, &cx)]);
        let event = event_of(records[0].body.as_bytes()).unwrap();
        assert_eq!(event.find("event.kind"), Some(&"pipeline_error".into()), "{:.40}", line);
        assert_eq!(event.find("event.original.length"), Some(&(line.len() as i64).into()));
        let hash = secmon_core::hex(&Sha256::digest(&line));
        assert_eq!(event.text(fields::EVENT_HASH), Some(hash.as_str()));
        assert!(event.message().len() <= 32 * 1024);
    }
}

#[test]
fn a_time_beyond_what_a_body_can_hold_is_moved_and_said() {
    let rules = Ruleset::builtin();
    for (stamp, held) in [
        ("9999-12-31T23:59:59Z", "2255-06-05T23:47:34.740991Z"),
        ("0001-01-01T00:00:00Z", "1684-07-28T00:12:25.259009Z"),
        ("2255-06-05T23:47:34Z", "2255-06-05T23:47:34Z"),
    ] {
        let line = format!(r#"{{"@timestamp":"{stamp}","message":"x"}}"#);
        let records =
            sealed(&rules, vec![rules.prepare(&line, LineFormat::Detect, &Context::new(noon(0)))]);
        let event = event_of(records[0].body.as_bytes()).unwrap();
        assert_eq!(event.time, held.parse::<DateTime<chrono::Utc>>().unwrap(), "{stamp}");
        assert_eq!(event.find("event.original_timestamp").is_some(), stamp != held, "{stamp}");
    }
}

#[test]
fn what_follows_from_an_event_that_just_fits_fits_too() {
    let rules = Ruleset::builder()
        .settings(
            &"r".repeat(200),
            "off_hours",
            serde_json::json!({"from": "00:00:00", "to": "00:00:00", "days_off": ["Fri"]}),
        )
        .unwrap()
        .build()
        .unwrap();
    for length in (60_000..65_500).step_by(50) {
        let mut event = Event::new(noon(0));
        event.set("event.action", "login");
        event.set("event.outcome", "success");
        event.set("user.name", "u".repeat(length));
        sealed(&rules, vec![rules.prepare_event(event)]);
    }
}

#[test]
fn many_rules_are_announced_within_the_bounds_of_a_body() {
    let rules = (0..4_000).fold(Ruleset::builder(), |rules, number| {
        let metric = secmon_core::rules::Threshold::default();
        rules.rule(&format!("{number:036}"), metric)
    });
    let rules = rules.build().unwrap();
    let monitor = monitor(&rules);
    let announced = monitor.rules_announcement(noon(0));
    sealed(&Ruleset::empty(), vec![]);
    let mut other = self::monitor(&Ruleset::empty());
    let step = secmon_core::Step { announce: vec![announced], ..Default::default() };
    let batch = other.step(step, noon(0), [3; 32]);
    assert!(batch.records[0].body.len() <= MOST_BODY, "{} bytes", batch.records[0].body.len());
}

#[test]
fn a_body_that_is_not_strictly_canonical_is_malformed() {
    let keys = StreamKeys::from_bytes([1; 32], [2; 32]);
    let good = format!(
        r#"{{"at":1,"cat":"event","ev":{{}},"exp":1,"id":"x","lvl":"low","seq":0,"st":"{ORIGIN}","ts":1,"v":1}}"#
    );
    let verdict = |body: &str| {
        let mut verifier = Verifier::new(keys.vkey(ORIGIN));
        verifier.record(&Sealed {
            seq: 0,
            entry: Entry::read(body.as_bytes()),
            mac: &[0; 32],
            leaf: None,
            columns: None,
            values: None,
        });
        verifier.finish(None, None)
    };
    assert!(verdict(&good).is_ok(), "{:?}", verdict(&good));
    for (from, to) in [
        ("{\"at\"", " {\"at\""),
        ("\"at\":1", "\"at\": 1"),
        ("\"at\":1", "\"at\":1.0"),
        ("\"at\":1", "\"at\":1e0"),
        ("\"at\":1", "\"at\":01"),
        ("\"at\":1", "\"at\":-0"),
        ("\"at\":1", "\"at\":9007199254740992"),
        ("\"at\":1,", "\"at\":1,\"at\":1,"),
        ("\"ev\":{}", "\"ev\":{\"b\":1,\"a\":1}"),
        ("\"ev\":{}", "\"ev\":{\"a\":0.5}"),
        ("\"ev\":{}", "\"ev\":{\"a\":\"\\u0041\"}"),
        ("\"ev\":{}", "\"ev\":{\"a\":\"\\/\"}"),
        ("\"ev\":{}", "\"ev\":{\"a\":\"\\u000a\"}"),
        ("\"ev\":{}", "\"ev\":{\"a\":\"\\u001B\"}"),
        ("\"ev\":{}", "\"ev\":{\"a\":\"\\ud800\"}"),
        ("\"ev\":{}", "\"ev\":{\"\u{10000}\":1,\"\u{ffff}\":1,\"\u{10000}\":1}"),
        ("\"v\":1}", "\"v\":1}x"),
        ("\"ev\":{}", "\"ev\":{\"\u{ffff}\":1,\"\u{10000}\":1}"),
        ("\"ev\":{}", "\"ev\":{\"a\":[1,]}"),
        ("\"ev\":{}", "\"ev\":{\"a\":\"\u{1}\"}"),
        ("\"v\":1", "\"v\":2"),
        ("\"v\":1", "\"v\":\"1\""),
        (",\"v\":1", ""),
    ] {
        let body = good.replace(from, to);
        assert_ne!(body, good);
        assert!(!verdict(&body).is_ok(), "{body}");
    }
    let long = good.replace("\"id\":\"x\"", &format!("\"id\":\"{}\"", "x".repeat(MOST_BODY)));
    assert!(!verdict(&long).is_ok());
}

#[test]
fn keys_and_notes_of_another_form_are_refused() {
    let vkey = StreamKeys::from_bytes([1; 32], [2; 32]).vkey("c/0a").to_string();
    assert!(vkey.parse::<Vkey>().is_ok());
    for at in 0..vkey.len() {
        let mut bytes = vkey.clone().into_bytes();
        bytes[at] ^= 1;
        let other = String::from_utf8(bytes).unwrap();
        assert!(other.parse::<Vkey>().is_err(), "{other}");
    }
    for origin in ["", "a b", "a+b", "a\nb", "a\u{a0}b", &"x".repeat(300)] {
        assert!(
            Sealer::create(origin, &StreamKeys::from_bytes([1; 32], [2; 32])).is_err(),
            "{origin:?}"
        );
    }
    let good = "c/0a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} c/0a AAAA\n";
    assert!(Note::parse(good).is_ok());
    for (from, to) in [
        ("\n1\n", "\n01\n"),
        ("\n1\n", "\n+1\n"),
        ("\n1\n", "\n-1\n"),
        ("A=\n", "A\n"),
        ("A=\n", "B=\n"),
        ("\n\n", "\nx\n\n"),
        ("\u{2014}", "-"),
        ("AAAA\n", "AAAA"),
        ("c/0a\n1", "\n1"),
        ("AAAA\n", "AAAA\n\n"),
    ] {
        assert!(Note::parse(&good.replacen(from, to, 1)).is_err(), "{from:?} {to:?}");
    }
}
