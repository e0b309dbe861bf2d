//! The API, over HTTP against a running service.

#[path = "support/mod.rs"]
mod support;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::Service;

const FAILED: &str =
    "<38>Nov 20 11:59:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2";

#[tokio::test]
async fn an_event_is_visible_sealed_and_verified_once_it_is_acknowledged() {
    let service = Service::start().await;
    let body = r#"{"timestamp":"2026-11-20T12:00:00Z","ip":"203.0.113.7","user":"bob","action":"login","status":"failed"}"#;
    let answer = service.post(body).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["accepted"], 1);
    assert_eq!(answer["first_seq"], answer["last_seq"]);

    let page = service.json("/api/v1/records?source.ip=203.0.113.7").await;
    let record = &page["records"][0];
    assert_eq!(record["seq"], answer["first_seq"]);
    assert_eq!(record["stream"], answer["stream"]);
    assert_eq!(record["event"]["event.outcome"], "failure");
    assert_eq!(record["event"]["@timestamp"], "2026-11-20T12:00:00Z");
    let path = format!("/api/v1/records/{}/{}", record["stream"].as_str().unwrap(), record["seq"]);
    assert_eq!(service.json(&path).await["record"], *record);

    let store = service.stop().await;
    assert!(store.verify(&Default::default()).unwrap()[0].is_ok());
}

#[tokio::test]
async fn lines_objects_arrays_and_gzip_are_taken() {
    let service = Service::start().await;
    let object = r#"{"message":"hi","host":"web-1"}"#;
    let pretty = "{\n  \"message\": \"hi\",\n  \"host\": \"web-1\"\n}";
    let gzip = {
        use std::io::Write as _;
        let mut encoder = std::process::Command::new("gzip")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        encoder.stdin.take().unwrap().write_all(FAILED.as_bytes()).unwrap();
        encoder.wait_with_output().unwrap().stdout
    };
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, u64);
    let cases: [Case<'_>; 7] = [
        ("/api/v1/events", &[], object.into(), 1),
        ("/api/v1/events", &[], pretty.into(), 1),
        ("/api/v1/events", &[], format!("\u{feff}{object}\r\n\r\n{object}\n").into(), 2),
        ("/api/v1/events", &[], format!("[{object},{object}]").into(), 2),
        (
            "/api/v1/events",
            &[("content-type", "application/x-www-form-urlencoded")],
            FAILED.into(),
            1,
        ),
        (
            "/api/v1/events?format=sshd",
            &[],
            "Accepted password for a from 203.0.113.7 port 1 ssh2".into(),
            1,
        ),
        ("/api/v1/events", &[("content-encoding", "gzip")], gzip, 1),
    ];
    for (path, headers, body, accepted) in cases {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = service.post_to(path, headers, body).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{shown}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["accepted"], accepted, "{shown}");
        assert_eq!(answer["rejected"], json!([]), "{shown}");
    }
    let logins = service.json("/api/v1/records?event.action=ssh_login").await;
    assert_eq!(logins["records"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn bad_lines_are_named_and_kept_and_good_ones_stored() {
    let service = Service::start().await;
    let mut lines: Vec<String> =
        (0..10_000).map(|number| format!(r#"{{"number":{number}}}"#)).collect();
    for bad in [1, 4_000, 9_999] {
        lines[bad] = "{broken".into();
    }
    let answer: Value = service.post(lines.join("\n")).await.json().await.unwrap();
    assert_eq!(answer["accepted"], 9_997);
    let rejected: Vec<_> =
        answer["rejected"].as_array().unwrap().iter().map(|bad| &bad["line"]).collect();
    assert_eq!(rejected, [2, 4_001, 10_000]);
    let kept = service.json("/api/v1/records?event.kind=pipeline_error&limit=1000").await;
    assert_eq!(kept["records"].as_array().unwrap().len(), 3);
    assert_eq!(kept["records"][0]["event"]["message"], "{broken");

    let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    for (body, status) in [
        ("{broken".to_owned(), 422),
        (String::new(), 422),
        ("[{\"a\":1},{]".to_owned(), 422),
        (deep, 422),
        ("x".repeat(10 << 20), 422),
        ("nul \0 \u{1b}[1m".to_owned(), 201),
        (r#"{"a":1e400,"a":2,"ip":7,"user":null}"#.to_owned(), 201),
    ] {
        let answer = service.post(body).await;
        assert_eq!(answer.status(), status);
        if status == 422 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
        }
    }
    let large = service.post(vec![b'x'; 40 << 20]).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let problem: Value = large.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("32 MiB"), "{problem}");
    for (method, path, status) in [
        (Method::POST, "/api/v1/session", StatusCode::BAD_REQUEST),
        (Method::PUT, "/api/v1/records", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/api/v1/nothing", StatusCode::NOT_FOUND),
    ] {
        let request = service.request(method, path).header("content-type", "application/json");
        let answer = request.header("x-secmon-request", "1").body("{").send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    for path in [
        "records/s/-1",
        "records/s/99999999999999999999/proof",
        "records/%FF/1",
        "incidents?state=bogus",
        "detections?state=open",
        "incidents?stat=open",
        "incidents?limitt=5",
    ] {
        let answer = service.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    for coding in ["deflate", "br", "gzip, gzip"] {
        let answer =
            service.post_to("/api/v1/events", &[("content-encoding", coding)], FAILED).await;
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{coding}");
    }
    let answer =
        service.post_to("/api/v1/events", &[("content-encoding", "gzip")], "no gzip").await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_same_request_is_stored_once() {
    let service = Service::start().await;
    let body: String = (0..2_500).map(|number| format!("{{\"number\":{number}}}\n")).collect();
    let key = [("idempotency-key", "one")];
    let first: Value =
        service.post_to("/api/v1/events", &key, body.clone()).await.json().await.unwrap();
    let again: Value = service.post_to("/api/v1/events", &key, body).await.json().await.unwrap();
    assert_eq!(first, again);
    assert_eq!(first["accepted"], 2_500);
    let other = service.post_to("/api/v1/events", &key, r#"{"a":1}"#).await;
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let count: usize = service.json("/api/v1/stats/hours").await["hours"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hour| usize::try_from(hour["count"].as_u64().unwrap()).unwrap())
        .sum();
    assert_eq!(count, 2_500);
}

#[tokio::test]
async fn five_failures_are_an_incident_and_charts_count_them() {
    let service = Service::start().await;
    service.post([FAILED; 5].join("\n")).await;
    service.post([FAILED; 3].join("\n")).await;
    let incidents = service.json("/api/v1/incidents?state=open").await;
    let incident = &incidents["incidents"][0];
    assert_eq!(incident["rule"], "brute_force");
    assert_eq!(incident["count"], 8);
    assert_eq!(incident["group"], json!({"source.ip": "203.0.113.7"}));
    assert_eq!(incident["evidence"].as_array().unwrap().len(), 8);
    let detections = service.json("/api/v1/detections").await;
    assert_eq!(detections["detections"].as_array().unwrap().len(), 4);
    let outcomes = service.json("/api/v1/stats/outcomes").await;
    assert_eq!(outcomes["outcomes"], json!([{"value": "failure", "count": 8}]));
    let top = service.json("/api/v1/stats/top?field=source.ip&event.outcome=failure").await;
    assert_eq!(top["top"], json!([{"value": "203.0.113.7", "count": 8}]));
    let hosts = service.json("/api/v1/hosts").await;
    assert_eq!(
        (&hosts["hosts"][0]["name"], &hosts["hosts"][0]["events"]),
        (&json!("web-1"), &json!(8))
    );
    let totals = service.json("/api/v1/stats/totals").await;
    assert_eq!(totals["totals"]["open_incidents"], json!({"high": 1}));
    let checkpoints = service.json("/api/v1/checkpoints?limit=1").await;
    let note = checkpoints["checkpoints"][0]["note"].as_str().unwrap();
    assert!(note.starts_with(checkpoints["checkpoints"][0]["origin"].as_str().unwrap()));
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("secmon_events_ingested_total{source=\"http\"} 8"), "{metrics}");
    assert!(metrics.contains("secmon_incidents_open{level=\"high\"} 1"), "{metrics}");
}

#[tokio::test]
async fn incidents_and_detections_are_filtered_by_time_level_and_group() {
    let service = Service::start().await;
    let from = |address: &str, day: u32| {
        let failed = format!("Failed password for root from {address} port 1 ssh2");
        [format!("2026-11-{day}T10:00:00Z web-1 sshd[42]: {failed}").as_str(); 5].join("\n")
    };
    service.post(from("203.0.113.7", 10)).await;
    service.post(from("2001:db8::7", 12)).await;
    let sudo = "user NOT in sudoers ; TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/sh";
    service.post(format!("2026-11-14T10:00:00Z web-1 sudo: o\"k%_e : {sudo}")).await;
    for (filter, count) in [
        ("", 3),
        ("source.ip=203.0.113.7", 1),
        ("source.ip=::ffff:203.0.113.7", 1),
        ("source.ip=2001:DB8:0:0::7", 1),
        ("source.ip=203.0.113.70", 0),
        ("user.name=o%22k%25_e&host.name=web-1", 1),
        ("user.name=o%22k__e", 0),
        ("rule=brute_force", 2),
        ("level_min=high", 2),
        ("since=2026-11-12T10:00:00Z", 2),
        ("until=2026-11-12T10:00:00Z", 1),
        (
            "since=2026-11-11T00:00:00Z&until=2026-11-13T00:00:00Z&rule=brute_force&source.ip=2001:db8::7",
            1,
        ),
        ("tenant=x", 0),
    ] {
        for list in ["incidents", "detections"] {
            let found = service.json(&format!("/api/v1/{list}?{filter}")).await;
            assert_eq!(found[list].as_array().unwrap().len(), count, "{list} {filter}: {found}");
        }
    }
    let found = service.json("/api/v1/records?source.ip=2001:DB8::0:7").await;
    assert_eq!(found["records"].as_array().unwrap().len(), 6, "{found}");
    assert_eq!(service.json("/api/v1/incidents?state=closed").await["incidents"], json!([]));
}

#[tokio::test]
async fn pages_go_on_without_gaps_and_wrong_parameters_are_named() {
    let service = Service::start().await;
    let body: String = (0..250)
        .map(|number| format!("{{\"number\":{number},\"host\":\"h{}\"}}\n", number % 2))
        .collect();
    service.post(body).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/records?limit=40&host.name=h1".to_owned();
    loop {
        let page = service.json(&path).await;
        seen.extend(
            page["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|record| record["seq"].as_u64().unwrap()),
        );
        let Some(next) = page["meta"]["next_page"].as_str() else { break };
        path = format!("/api/v1/records?limit=40&host.name=h1&page={next}");
    }
    assert_eq!(seen.len(), 125);
    assert!(seen.is_sorted_by(|a, b| a > b));
    for wrong in ["limit=0", "limit=x", "page=zz", "since=soon", "level=loud", "limit=1&limit=2"] {
        let answer = service.get(&format!("/api/v1/records?{wrong}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], 400);
    }
    for missing in ["/api/v1/nothing", "/api/v1/records/00/1", "/assets/none.js"] {
        assert_eq!(service.get(missing).await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test]
async fn nothing_is_open_without_a_token_or_a_session() {
    let service = Service::start().await;
    let reading = [
        "/api/v1/records",
        "/api/v1/incidents",
        "/api/v1/detections",
        "/api/v1/hosts",
        "/api/v1/rules",
        "/api/v1/checkpoints",
        "/api/v1/stats/outcomes",
        "/api/v1/stats/hours",
        "/api/v1/stats/totals",
        "/api/v1/stats/top?field=rule",
        "/api/v1/metrics-history?host.name=x&metric=y",
        "/metrics",
        "/api/v1/records/00/1",
    ];
    for path in reading {
        let open = service.request(Method::GET, path).send().await.unwrap();
        assert_eq!(open.status(), StatusCode::UNAUTHORIZED, "{path}");
        let wrong =
            service.request(Method::GET, path).bearer_auth("secmon_wrong").send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{path}");
        let ingest =
            service.request(Method::GET, path).bearer_auth(&service.ingest).send().await.unwrap();
        assert_eq!(ingest.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let events = service.request(Method::POST, "/api/v1/events").body("{}");
    assert_eq!(events.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let events =
        service.request(Method::POST, "/api/v1/events").bearer_auth(&service.read).body("{}");
    assert_eq!(events.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    for open in ["/", "/healthz", "/readyz", "/assets/app.js"] {
        let answer = service.request(Method::GET, open).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{open}");
        let headers = answer.headers();
        assert!(
            headers["content-security-policy"].to_str().unwrap().contains("default-src 'self'")
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn the_setup_link_lets_one_visitor_in_once() {
    let service = Service::start().await;
    let fragment = service.app.setup_fragment();
    let token = fragment.strip_prefix("#setup=").unwrap();
    assert_eq!(service.set_up("wrong").await.0.status(), StatusCode::FORBIDDEN);
    let (answer, cookie) = service.set_up(token).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let setup: Value = answer.json().await.unwrap();
    assert!(setup["setup"]["genesis_vkey"].as_str().unwrap().starts_with("test/"));
    assert_eq!(setup["setup"]["k0"].as_str().unwrap().len(), 44);
    let cookie = cookie.unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(service.set_up(token).await.0.status(), StatusCode::FORBIDDEN);

    let with = |method, path| service.request(method, path).header("cookie", &pair);
    assert_eq!(with(Method::GET, "/api/v1/records").send().await.unwrap().status(), StatusCode::OK);
    let forged = with(Method::POST, "/api/v1/events").body("{\"a\":1}").send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    let own =
        with(Method::POST, "/api/v1/events").header("x-secmon-request", "1").body("{\"a\":1}");
    assert_eq!(own.send().await.unwrap().status(), StatusCode::CREATED);
    let end = with(Method::DELETE, "/api/v1/session")
        .header("x-secmon-request", "1")
        .send()
        .await
        .unwrap();
    assert_eq!(end.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        with(Method::GET, "/api/v1/records").send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn followed_files_are_read_once_across_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("auth.log");
    let lines = |range: std::ops::Range<u32>| -> String {
        range.map(|number| FAILED.replace("51234", &(40_000 + number).to_string()) + "\n").collect()
    };
    std::fs::write(&log, lines(0..1_500)).unwrap();
    let config = secmon_http::Config {
        follow: secmon_http::FollowConfig { auto: false, files: vec![log.clone()] },
        ..Default::default()
    };
    let service = Service::with(config).await;
    let stored = async |wanted: u64| {
        for _ in 0..600 {
            let hosts = service.json("/api/v1/hosts").await;
            if hosts["hosts"][0]["events"] == wanted {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        false
    };
    assert!(stored(1_500).await);
    let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    std::io::Write::write_all(&mut file, (lines(1_500..1_600) + "half a line").as_bytes()).unwrap();
    assert!(stored(1_600).await);
    std::fs::rename(&log, folder.path().join("auth.log.1")).unwrap();
    std::fs::write(&log, lines(5_000..5_010)).unwrap();
    assert!(stored(1_610).await);
}
