//! Two services: one witnesses the log of the other. And the answers of a witness, one by one.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use secmon_core::seal::{AddCheckpoint, Note, Sealer, StreamKeys, consistency, leaf_hash};
use secmon_http::{Config, IntegrityConfig, WitnessConfig, WitnessOf};
use support::Service;

const NAME: &str = "witness.example/w1";

async fn witness(logs: Vec<String>) -> Service {
    let witness = WitnessConfig { name: Some(NAME.into()), logs };
    Service::with(Config { witness, ..Config::default() }).await
}

async fn post(service: &Service, body: impl Into<reqwest::Body>) -> (StatusCode, String, String) {
    let request = service.request(Method::POST, "/witness/add-checkpoint").body(body);
    let answer = request.send().await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    (answer.status(), answer.text().await.unwrap(), kind.unwrap_or_default())
}

/// A log of its own, with what it signed at each size.
struct Log {
    keys: StreamKeys,
    sealer: Sealer,
    leaves: Vec<[u8; 32]>,
}

impl Log {
    fn new(origin: &str, key: u8) -> Self {
        let keys = StreamKeys::from_bytes([1; 32], [2; 32]).with_stream_key([key; 32]);
        Self { sealer: Sealer::create(origin, &keys).unwrap(), keys, leaves: Vec::new() }
    }

    fn grow(&mut self, bodies: &[&str]) -> String {
        for body in bodies {
            self.leaves.push(leaf_hash(body.as_bytes()));
            self.sealer.seal(body.as_bytes());
        }
        self.sealer.checkpoint().note
    }

    fn proof(&self, old: u64) -> Vec<[u8; 32]> {
        let node = |level: u32, at: u64| -> Result<[u8; 32], ()> {
            let size = 1 << level;
            let from = usize::try_from(at).unwrap() * size;
            let mut tree = secmon_core::seal::Tree::default();
            self.leaves[from..from + size].iter().for_each(|leaf| tree.push(*leaf));
            Ok(tree.root())
        };
        consistency(old, self.leaves.len() as u64, node).unwrap()
    }
}

#[tokio::test]
async fn a_witness_answers_as_the_protocol_says() {
    let mut log = Log::new("log.example/one", 3);
    let vkey = log.keys.stream_vkey("log.example/one").unwrap().to_string();
    let service = witness(vec![vkey]).await;
    let own = service.app.witness_vkey().unwrap();
    let ask = |old: u64, proof: Vec<[u8; 32]>, note: &str| {
        AddCheckpoint { old, proof, note: note.into() }.to_string()
    };

    let empty = log.grow(&[]);
    let (status, ..) = post(&service, ask(0, vec![], &empty)).await;
    assert_eq!(status, StatusCode::OK, "an empty log can be seen");
    let first = log.grow(&["a", "b", "c"]);
    let (status, text, _) = post(&service, ask(0, vec![], &first)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let note = Note::parse(&first).unwrap();
    assert!(own.cosigned(&note, &text).unwrap() > 1_700_000_000);
    let other = Note::parse(&empty).unwrap();
    assert!(own.cosigned(&other, &text).is_none(), "it speaks of one checkpoint");

    // Twice the same is answered again; another old size with how far the witness is.
    assert_eq!(post(&service, ask(3, vec![], &first)).await.0, StatusCode::OK);
    let (status, text, kind) = post(&service, ask(0, vec![], &first)).await;
    assert_eq!((status, &*text, &*kind), (StatusCode::CONFLICT, "3\n", "text/x.tlog.size"));

    let second = log.grow(&["d", "e"]);
    let proof = log.proof(3);
    let mut wrong = proof.clone();
    wrong[0][0] ^= 1;
    for (proof, why) in [(vec![], "no proof"), (wrong, "another proof")] {
        let (status, ..) = post(&service, ask(3, proof, &second)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{why}");
    }
    assert_eq!(post(&service, ask(9, vec![], &second)).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(post(&service, ask(3, proof, &second)).await.0, StatusCode::OK);

    // A fork of the same size and of the same key.
    let mut fork = Log::new("log.example/one", 3);
    let forked = fork.grow(&["a", "b", "c", "d", "x"]);
    assert_eq!(post(&service, ask(5, vec![], &forked)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let longer = fork.grow(&["y"]);
    let (status, ..) = post(&service, ask(5, fork.proof(5), &longer)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);

    let stranger = Log::new("log.example/one", 9).grow(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!(post(&service, ask(5, vec![], &stranger)).await.0, StatusCode::FORBIDDEN);
    let unknown = Log::new("log.example/two", 3).grow(&["a"]);
    assert_eq!(post(&service, ask(0, vec![], &unknown)).await.0, StatusCode::NOT_FOUND);
    for body in ["", "old 0\n", "old 00\n\nx\n", "old 0\nAAAA\n\nx\n1\n", "new 0\n\n", "\u{0}"] {
        assert_eq!(post(&service, body).await.0, StatusCode::BAD_REQUEST, "{body:?}");
    }
    let (status, ..) = post(&service, "x".repeat(100_000)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(post(&service, vec![0xff, 0xfe]).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_service_that_is_no_witness_says_so() {
    let service = Service::start().await;
    assert_eq!(post(&service, "old 0\n\n").await.0, StatusCode::NOT_FOUND);
    assert!(service.app.witness_vkey().is_none());
}

#[tokio::test]
async fn one_service_cosigns_what_the_other_signs() {
    // The witness must know the log's key, and the log the witness's: the log comes first.
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/secmon.db", folder.path().display());
    let store = secmon_store::Store::open(&url).unwrap();
    let now = secmon_http::clock::now();
    let rules = secmon_core::Ruleset::empty();
    store.writer_in("test", "main", rules, now).unwrap().close(now).unwrap();
    let stream = store.stream("main").unwrap();
    let other = witness(vec![stream.stream_vkey.clone()]).await;
    let vkey = other.app.witness_vkey().unwrap();
    let integrity = IntegrityConfig {
        witnesses: vec![WitnessOf {
            url: format!("{}/witness", other.url),
            vkey: vkey.to_string(),
        }],
        anchor_every: Duration::from_millis(100),
        ..IntegrityConfig::default()
    };
    let config = Config {
        store: url,
        integrity,
        // What makes it grow.
        probe: secmon_http::ProbeConfig { every: Duration::from_secs(1), ..Default::default() },
        follow: secmon_http::FollowConfig { auto: false, files: vec![] },
        ..Config::default()
    };
    let app = secmon_http::App::open(config).unwrap();
    app.start_jobs();
    for round in 0..2 {
        let mut cosigned = 0;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Some(row) = app.store().checkpoint(&stream.id()).unwrap() else { continue };
            let note = Note::parse(&row.note).unwrap();
            let anchors = app.store().anchors().unwrap();
            let of_note = anchors.iter().find(|anchor| anchor.size == note.size);
            cosigned =
                of_note.and_then(|anchor| vkey.cosigned(&note, &anchor.evidence)).unwrap_or(0);
            if cosigned > 0 {
                break;
            }
        }
        assert!(cosigned > 0, "round {round}");
    }
    app.close().await;
    // An export shows the cosignature, and a checkpoint that the witness did not see is no longer the one here.
    let out = folder.path().join("export");
    app.store().export(&out, None, |_| {}).unwrap();
    let notes = std::fs::read_to_string(out.join(stream.id()).join("checkpoints.txt")).unwrap();
    let seen = Note::parse_all(&notes).into_iter().filter_map(|(text, note)| {
        let seconds = vkey.cosigned(&note.ok()?, &text)?;
        Some(seconds)
    });
    assert_eq!(seen.count(), 1, "{notes}");
    let options = secmon_store::VerifyOptions::default();
    let verdicts = secmon_store::verify_export(&out, &options, |_| {}).unwrap();
    assert!(verdicts[0].is_ok(), "{:?}", verdicts[0].findings);
}
