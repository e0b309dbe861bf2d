//! Text search: what has all the words is found, whatever is indexed by then, and nothing else.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use secmon_core::Ruleset;
use secmon_core::parse::LineFormat;
use secmon_http::Config;
use secmon_store::{Error, RecordQuery, Store, Writer};
use support::Service;
use support::stores::{Sql, folder, noon, open};

/// Records of a block.
const BLOCK: usize = 4_096;

fn writer(store: &Store, label: &str) -> Writer {
    store.writer(label, Ruleset::empty(), noon(0)).unwrap()
}

fn write(writer: &mut Writer, lines: &[String], now: DateTime<Utc>) {
    let ruleset = Ruleset::empty();
    let cx = secmon_core::parse::Context::new(now);
    let events = lines.iter().map(|line| ruleset.prepare(line, LineFormat::Detect, &cx));
    writer.write(events.collect(), now).unwrap();
}

fn index(store: &Store, now: DateTime<Utc>) -> usize {
    (0..).take_while(|_| store.index_text(now).unwrap()).count()
}

/// The messages of all pages, each once, and how many pages those were.
fn found(store: &Store, query: RecordQuery) -> (Vec<String>, usize) {
    let (mut messages, mut pages) = (Vec::new(), 0);
    let mut query = query;
    loop {
        let page = store.records(&query).unwrap();
        pages += 1;
        messages.extend(page.rows.iter().map(|row| row.event.message().to_owned()));
        let Some(next) = page.next else { break };
        query = query.page(&next);
    }
    let distinct: BTreeSet<&String> = messages.iter().collect();
    assert_eq!(distinct.len(), messages.len(), "twice");
    (messages, pages)
}

#[test]
fn words_are_found_in_all_blocks_the_newest_first() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, "web-1");
    let line = |number: usize| match number {
        7 => "number 7 Needle-Case of 203.0.113.7".to_owned(),
        5_000 => "number 5000 needle\u{dc}BER case".to_owned(),
        9_999 => "number 9999 a needle, a case".to_owned(),
        other => format!("number {other} hay"),
    };
    let lines: Vec<String> = (0..10_000).map(line).collect();
    for (second, part) in (0..).zip(lines.chunks(1_000)) {
        write(&mut writer, part, noon(second));
    }
    let query = || RecordQuery::default().text("needle CASE");
    let expected = vec![lines[9_999].clone(), lines[7].clone()];
    assert_eq!(found(&store, query()).0, expected);
    // Two blocks are full; the third is made when the stream is quiet, and again when it has grown.
    assert_eq!(index(&store, noon(20)), 2);
    assert_eq!(found(&store, query()).0, expected);
    assert_eq!(index(&store, noon(200)), 1);
    assert_eq!(found(&store, query()).0, expected);
    write(&mut writer, &["one more needle in a case".to_owned()], noon(300));
    assert_eq!(found(&store, query()).0.len(), 3);
    assert_eq!((index(&store, noon(400)), index(&store, noon(401))), (1, 0));
    assert_eq!(found(&store, query()).0.len(), 3);
    // Page by page.
    let (messages, pages) = found(&store, query().limit(1));
    assert_eq!((messages.len(), pages), (3, 4));
    // With other filters, and in values.
    let field = |query: RecordQuery| found(&store, query).0.len();
    assert_eq!(field(query().until(noon(5))), 1);
    assert_eq!(field(query().since(noon(5)).until(noon(100))), 1);
    assert_eq!(field(query().level_min(secmon_core::Level::Critical)), 0);
    assert_eq!(field(RecordQuery::default().text("\u{fc}ber")), 0, "a part of a word is none");
    assert_eq!(field(RecordQuery::default().text("NEEDLE\u{fc}ber")), 1);
    assert_eq!(field(RecordQuery::default().text("203.0.113.7 number")), 1);
    assert_eq!(field(RecordQuery::default().text("nobody says this")), 0);
    for wrong in ["", " .,; ", &"many words ".repeat(200), &"a ".repeat(600)] {
        let refused = store.records(&RecordQuery::default().text(wrong));
        assert!(matches!(refused, Err(Error::Query { .. })), "{wrong}: {refused:?}");
    }
    let refused = store.records(&query().page("5b5d"));
    assert!(matches!(refused, Err(Error::Query { .. })), "{refused:?}");
}

#[test]
fn a_filter_saves_looking_at_what_has_not_the_words() {
    let folder = folder();
    let store = open(&folder);
    let mut writer = writer(&store, "web-1");
    let lines: Vec<String> = (0..3 * BLOCK).map(|number| format!("number {number} hay")).collect();
    for part in lines.chunks(1_000) {
        write(&mut writer, part, noon(1));
    }
    index(&store, noon(300));
    // Whoever empties all filters but one finds no more than what that one lets him look at.
    let sql = Sql::of(&folder);
    sql.run("UPDATE search_blocks SET words = CAST(zeroblob(8) AS BLOB) WHERE block <> 1")
        .unwrap_or_else(|_| {
            sql.run("UPDATE search_blocks SET words = REPEAT(CHAR(0), 8) WHERE block <> 1")
                .unwrap();
        });
    let (messages, _) = found(&store, RecordQuery::default().text("hay").limit(1_000));
    assert!(messages.len() <= BLOCK && messages.len() > BLOCK - 20, "{}", messages.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_reading_everything_finds(
        lines in proptest::collection::vec("[a-d]{1,2}( [a-dA-D]{1,2}){0,4}", 1..60),
        streams in 1..4_usize,
        indexed in 0..4_usize,
        text in "[a-d]{1,2}( [a-d]{1,2})?",
        limit in 1..20_usize,
    ) {
        let folder = folder();
        let store = open(&folder);
        let mut writers: Vec<Writer> = (0..streams).map(|at| writer(&store, &format!("web-{at}"))).collect();
        for (number, line) in lines.iter().enumerate() {
            let at = number % streams;
            write(&mut writers[at], &[format!("{line} x{number}")], noon(i64::try_from(number).unwrap()));
        }
        // Some streams are quiet, and indexed; the others are not.
        for _ in 0..indexed {
            store.index_text(noon(0) + TimeDelta::hours(1)).unwrap();
        }
        let (messages, _) = found(&store, RecordQuery::default().text(&text).limit(limit));
        let words: Vec<&str> = text.split(' ').collect();
        let has = |line: &String| {
            let said: Vec<String> = line.split(' ').map(str::to_lowercase).collect();
            words.iter().all(|word| said.iter().any(|one| one == word))
        };
        let expected: BTreeSet<String> = lines.iter().enumerate().filter(|(_, line)| has(line))
            .map(|(number, line)| format!("{line} x{number}")).collect();
        prop_assert_eq!(messages.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[tokio::test]
async fn the_service_searches_and_makes_its_filters_by_itself() {
    let service = Service::with(Config::default()).await;
    let lines: String = (0..5_000).map(|number| format!("number {number} hay\n")).collect();
    assert_eq!(service.post(format!("a needle\n{lines}")).await.status(), 201);
    let page = service.json("/api/v1/records?text=NEEDLE").await;
    assert_eq!(page["records"][0]["event"]["message"], "a needle");
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
    let sql = Sql::of(service.folder());
    for _ in 0..200 {
        if sql.number("SELECT COUNT(*) FROM search_blocks") > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(sql.number("SELECT COUNT(*) FROM search_blocks WHERE size = 4096"), 1);
    let page = service.json("/api/v1/records?text=needle&level=informational").await;
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
    let refused = service.get("/api/v1/records?text=...").await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("`text`"));
}
