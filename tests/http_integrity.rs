//! Proofs and soundness over HTTP.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use secmon_core::seal::{Note, Proof, Vkey, WitnessKey, consistency_holds};
use secmon_http::{Config, IntegrityConfig, WitnessOf};
use secmon_store::Scope;
use serde_json::Value;
use support::Service;

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    // What comes every ten seconds must have its turn.
    for _ in 0..600 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come about");
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap()
}

#[tokio::test]
async fn a_record_has_a_proof_that_holds_under_the_key_of_its_stream() {
    let service = Service::start().await;
    let answer: Value = service.post("one\ntwo\nthree\n").await.json().await.unwrap();
    let (stream, seq) = (text(&answer, "stream").to_owned(), answer["last_seq"].as_u64().unwrap());
    let path = format!("/api/v1/records/{stream}/{seq}/proof");
    // At first no checkpoint may cover it: the answer says so.
    until("a proof", async || service.get(&path).await.status() == StatusCode::OK).await;
    let answer = service.get(&path).await;
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let name = format!("{}-{seq}.tlog-proof", &stream[..8]);
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains(&name));
    let proof: Proof = answer.text().await.unwrap().parse().unwrap();
    let integrity = service.json("/api/v1/integrity").await;
    let own = &integrity["integrity"]["streams"][0];
    let vkey: Vkey = text(own, "stream_vkey").parse().unwrap();
    let body = service.app.store().record(&stream, seq).unwrap().body;
    assert_eq!(proof.check(&body, &[vkey]).unwrap().origin, text(own, "origin"));

    for (path, status) in [
        (format!("/api/v1/records/{stream}/99999/proof"), StatusCode::NOT_FOUND),
        (format!("/api/v1/records/{}/0/proof", "0".repeat(32)), StatusCode::NOT_FOUND),
        ("/api/v1/records/%0d%0aset-cookie:x/0/proof".into(), StatusCode::NOT_FOUND),
        (format!("/api/v1/records/{stream}/-1/proof"), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(service.get(&path).await.status(), status, "{path}");
    }
    let unknown = service.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
    let sender = service.request(Method::GET, &path).bearer_auth(&service.ingest);
    assert_eq!(sender.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_later_checkpoint_is_consistent_with_an_earlier_one() {
    let service = Service::start().await;
    let notes = async || -> Vec<Note> {
        let page = service.json("/api/v1/checkpoints").await;
        let rows = page["checkpoints"].as_array().unwrap();
        rows.iter().map(|row| Note::parse(text(row, "note")).unwrap()).collect()
    };
    let answer: Value = service.post("one\n").await.json().await.unwrap();
    until("a checkpoint", async || !notes().await.is_empty()).await;
    let old = notes().await.remove(0);
    service.post("two\nthree\n").await;
    until("another", async || notes().await[0].size > old.size).await;
    let new = notes().await.remove(0);
    let stream = text(&answer, "stream");
    let path = format!("/api/v1/streams/{stream}/consistency?old={}&new={}", old.size, new.size);
    let proof = service.json(&path).await;
    let hash = |hash: &Value| -> [u8; 32] {
        use base64::Engine as _;
        let text = hash.as_str().unwrap();
        base64::engine::general_purpose::STANDARD.decode(text).unwrap().try_into().unwrap()
    };
    let proof: Vec<_> = proof["proof"].as_array().unwrap().iter().map(hash).collect();
    assert!(consistency_holds((old.size, &old.root), (new.size, &new.root), &proof));
    for wrong in ["old=9&new=1", "old=0&new=99999", "old=x&new=1", "old=1", "old=1&new=1&x=1"] {
        let answer = service.get(&format!("/api/v1/streams/{stream}/consistency?{wrong}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn a_verification_is_started_by_an_admin_and_finds_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let anchors = folder.path().join("anchors.txt");
    let service = Service::with(Config {
        integrity: IntegrityConfig {
            anchor_file: Some(anchors.clone()),
            anchor_every: Duration::from_millis(100),
            ..IntegrityConfig::default()
        },
        ..Config::default()
    })
    .await;
    service.post("one\ntwo\n").await;
    let state = async || service.json("/api/v1/integrity").await["integrity"].clone();
    assert_eq!(state().await["verified"], Value::Null);
    let admin = service.app.store().create_token("a", Scope::Admin, secmon_http::clock::now());
    let admin = admin.unwrap().expose().to_owned();
    let start = async |token: &str| {
        let request = service.request(Method::POST, "/api/v1/integrity/verify");
        request.bearer_auth(token).send().await.unwrap().status()
    };
    assert_eq!(start(&service.read).await, StatusCode::FORBIDDEN);
    assert_eq!(start(&admin).await, StatusCode::ACCEPTED);
    until("a verdict", async || state().await["verified"]["ok"] == true).await;

    // Checkpoints lie outside by now, and the page says where.
    until("an anchor", async || !state().await["anchors"].as_array().unwrap().is_empty()).await;
    let anchor = &state().await["anchors"][0];
    assert_eq!((text(anchor, "kind"), text(anchor, "place")), ("file", anchors.to_str().unwrap()));
    let kept = std::fs::read_to_string(&anchors).unwrap();
    assert!(Note::parse_all(&kept).iter().all(|(_, note)| note.is_ok()), "{kept}");

    let sql = support::stores::Sql::of(service.folder());
    sql.drop_triggers();
    sql.run("UPDATE records SET body = replace(body, 'two', '2wo') WHERE category = 'event'")
        .unwrap();
    assert_eq!(start(&admin).await, StatusCode::ACCEPTED);
    until("a finding", async || state().await["verified"]["ok"] == false).await;
    let found = &state().await["verified"]["streams"][0]["findings"][0];
    assert!(["altered", "column_mismatch"].contains(&text(found, "verdict")), "{found}");
}

#[tokio::test]
async fn how_long_records_are_kept_is_configured() {
    let config = "[retention]\neveryday = \"0d\"";
    let config = Config::parse(config, |_| None).unwrap();
    assert_eq!(config.retention.retention().everyday, 0);
    let service = Service::with(config).await;
    let answer: Value = service.post("one\ntwo\n").await.json().await.unwrap();
    let path = format!("/api/v1/records/{}/{}", text(&answer, "stream"), answer["first_seq"]);
    // Today they are kept.
    let record = service.json(&path).await;
    assert_eq!(record["record"]["expires"], secmon_http::clock::now().date_naive().to_string());
}

#[tokio::test]
async fn a_personal_value_is_erased_on_request_of_an_administrator() {
    let config = Config::parse("[privacy]\nerasable = [\"user.name\"]", |_| None).unwrap();
    let service = Service::with(config).await;
    let event = serde_json::json!({"user": "carol", "action": "login", "message": "carol is here"});
    let answer = service.post(event.to_string()).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let shown = service.json("/api/v1/records?user.name=carol").await;
    assert_eq!(shown["records"].as_array().unwrap().len(), 1, "{shown}");
    let admin =
        service.app.store().create_token("a", Scope::Admin, secmon_http::clock::now()).unwrap();
    let erase = async |token: &str, body: Value| {
        let request = service.request(Method::POST, "/api/v1/erasures").bearer_auth(token);
        request.json(&body).send().await.unwrap()
    };
    let asked = serde_json::json!({"kind": "user", "value": "carol"});
    assert_eq!(erase(&service.ingest, asked.clone()).await.status(), StatusCode::FORBIDDEN);
    let answer = erase(admin.expose(), asked).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!((answer["values"].as_u64(), answer["in_clear"].as_u64()), (Some(2), Some(0)));
    for wrong in
        [serde_json::json!({"kind": "user"}), serde_json::json!({"kind": "", "value": "x"})]
    {
        assert_eq!(erase(admin.expose(), wrong).await.status(), StatusCode::BAD_REQUEST);
    }
    let shown = service.json("/api/v1/records?user.name=carol").await;
    assert!(shown["records"].as_array().unwrap().is_empty());
    // Without the privacy mode the answer says so, and the service goes on.
    let plain = Service::start().await;
    let admin =
        plain.app.store().create_token("a", Scope::Admin, secmon_http::clock::now()).unwrap();
    let request = plain.request(Method::POST, "/api/v1/erasures").bearer_auth(admin.expose());
    let answer =
        request.json(&serde_json::json!({"kind": "user", "value": "x"})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await.unwrap().contains("[privacy] erasable"));
    assert_eq!(plain.post("one\n").await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn evidence_is_held_by_an_admin_and_nobody_else() {
    let service = Service::start().await;
    let lines: String = (0..6).map(|line| format!(
        "2026-11-20T12:00:0{line}Z web-1 sshd[9]: Failed password for root from 203.0.113.7 port 22 ssh2\n"
    )).collect();
    let answer: Value = service.post(lines).await.json().await.unwrap();
    let stream = text(&answer, "stream").to_owned();
    let page = service.json("/api/v1/incidents").await;
    let incident = text(&page["incidents"][0], "id").to_owned();
    let store = service.app.store();
    let admin = store.create_token("ann", Scope::Admin, secmon_http::clock::now()).unwrap();
    let hold = async |token: &str, body: Value| {
        let request = service.request(Method::POST, "/api/v1/holds").bearer_auth(token);
        request.json(&body).send().await.unwrap()
    };
    let asked = serde_json::json!({"incident": incident});
    assert_eq!(hold(&service.ingest, asked.clone()).await.status(), StatusCode::FORBIDDEN);
    let answer = hold(admin.expose(), asked).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let held = answer.json::<Value>().await.unwrap()["held"].as_u64().unwrap();
    assert!(held >= 5, "{held}");
    let evidence = page["incidents"][0]["evidence"][0]["seq"].as_u64().unwrap();
    let record = store.record(&stream, evidence).unwrap();
    assert_eq!(record.expires.to_string(), "9999-12-31");
    let said = service.json("/api/v1/records?event.action=evidence_held").await;
    assert!(said["records"].as_array().unwrap().len() == 1, "{said}");
    let seqs = serde_json::json!({"records": [evidence], "until": "2040-01-01"});
    assert_eq!(hold(admin.expose(), seqs).await.status(), StatusCode::OK);
    for (wrong, status) in [
        (serde_json::json!({}), StatusCode::BAD_REQUEST),
        (serde_json::json!({"records": []}), StatusCode::BAD_REQUEST),
        (serde_json::json!({"records": [0], "incident": "x"}), StatusCode::BAD_REQUEST),
        (serde_json::json!({"records": [0], "until": "soon"}), StatusCode::BAD_REQUEST),
        (serde_json::json!({"records": [99_999_999]}), StatusCode::NOT_FOUND),
        (serde_json::json!({"incident": "' OR 1=1"}), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(hold(admin.expose(), wrong.clone()).await.status(), status, "{wrong}");
    }
    assert_eq!(service.post("one\n").await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn the_directory_lists_the_streams_of_the_service() {
    let integrity = IntegrityConfig { directory: true, ..IntegrityConfig::default() };
    let service = Service::with(Config { integrity, ..Config::default() }).await;
    service.app.start_jobs();
    service.post("one\n").await;
    let store = service.app.store().clone();
    let lists = async || {
        let verdicts = store.verify(&secmon_store::VerifyOptions::default()).unwrap();
        let wrong = verdicts.iter().flat_map(|verdict| &verdict.findings);
        assert_eq!(wrong.map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
        let of = |label: &str| store.stream(label).unwrap().origin;
        verdicts
            .iter()
            .any(|verdict| verdict.origin == of("directory") && verdict.lists.contains(&of("main")))
    };
    until("the directory", async || store.stream("directory").is_ok()).await;
    until("a listing", async || lists().await).await;
}

#[tokio::test]
async fn what_a_witness_cosigned_must_still_be_there() {
    let witness = WitnessKey::new("w.example", &[5; 32]).unwrap();
    // Nobody answers there: the cosignatures are put by hand.
    let url = "http://127.0.0.1:9/witness".to_owned();
    let of = WitnessOf { url: url.clone(), vkey: witness.vkey().to_string() };
    let integrity = IntegrityConfig { witnesses: vec![of], ..IntegrityConfig::default() };
    let service = Service::with(Config { integrity, ..Config::default() }).await;
    service.post("one\n").await;
    let store = service.app.store();
    let stream = store.stream("main").unwrap();
    until("a checkpoint", async || store.checkpoint("main").unwrap().is_some()).await;
    let note = Note::parse(&store.checkpoint("main").unwrap().unwrap().note).unwrap();
    let admin = store.create_token("a", Scope::Admin, secmon_http::clock::now()).unwrap();
    let mut other = note.clone();
    other.root[0] ^= 1;
    for (note, ok) in [(&note, true), (&other, false)] {
        let anchor = secmon_store::Anchor {
            stream: stream.id(),
            size: note.size,
            kind: "witness".into(),
            place: url.clone(),
            at: secmon_http::clock::now(),
            evidence: witness.cosign(note, 1_800_000_000),
        };
        store.add_anchor(&stream, &anchor).unwrap();
        let request = service.request(Method::POST, "/api/v1/integrity/verify");
        request.bearer_auth(admin.expose()).send().await.unwrap();
        until("a verdict", async || {
            let state = service.json("/api/v1/integrity").await;
            let errors = state["integrity"]["verified"]["errors"].to_string();
            state["integrity"]["verified"]["ok"] == ok && errors.contains("cosigned") != ok
        })
        .await;
    }
}
