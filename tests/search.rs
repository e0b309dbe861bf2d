//! Text search: what has all the words is found, whatever is indexed by then, and nothing else.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
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

fn index(store: &Store) -> usize {
    (0..).take_while(|_| store.index_text().unwrap()).count()
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
    let line = |number: usize| {
        match number {
        7 => "number 7 Needle-Case of 203.0.113.7".to_owned(),
        5_000 => "number 5000 needle\u{dc}BER case".to_owned(),
        9_999 => "number 9999 a needle, a case".to_owned(),
        8 => r#"{"message":"escaped \"quoted\"\nnewline\u00e9","big":1e21,"small":1e-7,"list":["One","two"]}"#.to_owned(),
        9 => "2026-11-20T12:00:00Z web-1 app:glued to its tag".to_owned(),
        other => format!("number {other} hay"),
    }
    };
    let lines: Vec<String> = (0..10_000).map(line).collect();
    for (second, part) in (0..).zip(lines.chunks(1_000)) {
        write(&mut writer, part, noon(second));
    }
    let exotic =
        ["newline\u{e9}", "quoted escaped", "1e21", "1e-7", "one TWO", "glued", "web app glued"];
    let all_exotic = || exotic.map(|text| found(&store, RecordQuery::default().text(text)).0.len());
    assert_eq!(all_exotic(), [1; 7]);
    let query = || RecordQuery::default().text("needle CASE");
    let expected = vec![lines[9_999].clone(), lines[7].clone()];
    assert_eq!(found(&store, query()).0, expected);
    // Two blocks are full; the third is looked at, however it grows.
    assert_eq!((index(&store), index(&store)), (2, 0));
    assert_eq!(all_exotic(), [1; 7]);
    assert_eq!(found(&store, query()).0, expected);
    write(&mut writer, &["one more needle in a case".to_owned()], noon(300));
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
    assert_eq!(index(&store), 3);
    // Whoever empties all filters but one finds no more than what that one lets him look at.
    let sql = Sql::of(&folder);
    sql.run("UPDATE search_blocks SET words = CAST(zeroblob(8) AS BLOB) WHERE block <> 1")
        .unwrap_or_else(|_| {
            sql.run("UPDATE search_blocks SET words = REPEAT(CHAR(0), 8) WHERE block <> 1")
                .unwrap();
        });
    let (messages, _) = found(&store, RecordQuery::default().text("hay").limit(1_000));
    assert!(messages.len() <= BLOCK + 20 && messages.len() > BLOCK - 20, "{}", messages.len());
}

#[test]
fn whatever_comes_and_is_indexed_between_pages_each_record_is_met_once() {
    let folder = folder();
    let store = open(&folder);
    let mut writers = [writer(&store, "web-1"), writer(&store, "web-2")];
    let lines = |from: usize| -> Vec<String> {
        let line = |number: usize| {
            let words = if number.is_multiple_of(500) { "needle" } else { "hay" };
            format!("{words} number {number} from {from}")
        };
        (0..3_000).map(line).collect()
    };
    let mut second = 0;
    let mut grow = || {
        for (at, writer) in writers.iter_mut().enumerate() {
            second += 1;
            lines(10 * second + at).chunks(1_000).for_each(|part| {
                write(writer, part, noon(i64::try_from(second).unwrap()));
            });
        }
    };
    (0..4).for_each(|_| grow());
    // Some are indexed before, some while somebody turns the pages.
    (0..3).for_each(|_| assert!(store.index_text().unwrap()));
    let all = RecordQuery::default().text("needle").limit(1_000);
    let expected: BTreeSet<String> = found(&store, all).0.into_iter().collect();
    assert_eq!(expected.len(), 48);
    let mut met = Vec::new();
    let mut query = RecordQuery::default().text("needle").limit(3);
    for page in 0.. {
        let found = store.records(&query).unwrap();
        met.extend(found.rows.iter().map(|row| row.event.message().to_owned()));
        match page {
            1 => grow(),
            2 | 4 => drop(store.index_text().unwrap()),
            6 => drop(index(&store)),
            _ => {}
        }
        let Some(next) = found.next else { break };
        query = query.page(&next);
    }
    let distinct: BTreeSet<String> = met.iter().cloned().collect();
    assert_eq!(distinct.len(), met.len(), "twice");
    let missing: Vec<_> = expected.difference(&distinct).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_reading_everything_finds(
        lines in proptest::collection::vec("[a-d]{1,2}( [a-dA-D]{1,2}){0,4}", 1..60),
        streams in 1..4_usize,
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
    assert_eq!(sql.number("SELECT COUNT(*) FROM search_blocks"), 1);
    let page = service.json("/api/v1/records?text=needle&level=informational").await;
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
    let refused = service.get("/api/v1/records?text=...").await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("`text`"));
}
