//! `/hosts` and `/metrics-history`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use secmon_core::{Event, probe};
use secmon_store::{RecordQuery, Store};
use serde_json::{Map, Value, json};

use super::{Params, rfc3339};
use crate::app::App;
use crate::auth::Reader;
use crate::blocking::with_store;
use crate::clock::now;
use crate::error::Error;

/// Metrics older than this are not shown as a host's present ones.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// How many points a history has at most.
const MOST_POINTS: usize = 2_000;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/hosts", get(list)).route("/metrics-history", get(history))
}

async fn list(_: Reader, State(app): State<App>, mut params: Params) -> Result<Json<Value>, Error> {
    let (limit, page) = (params.limit(100)?, params.take("page"));
    params.done()?;
    let fresh = now() - FRESH;
    let answer = with_store(&app.0.store, move |store| {
        let page = store.hosts(limit, page.as_deref())?;
        let mut hosts = Vec::with_capacity(page.rows.len());
        for host in page.rows {
            let round = rounds(store, &host.name, fresh, 1)?;
            hosts.push(json!({
                "name": host.name,
                "first_seen": rfc3339(host.first_seen),
                "last_seen": rfc3339(host.last_seen),
                "events": host.events,
                "metrics": round.first().map(metrics),
            }));
        }
        Ok(json!({"hosts": hosts, "meta": {"next_page": page.next}}))
    });
    Ok(Json(answer.await?))
}

async fn history(
    _: Reader,
    State(app): State<App>,
    mut params: Params,
) -> Result<Json<Value>, Error> {
    let missing = |name: &str| Error::bad_request(format!("`{name}` is missing"));
    let host = params.take("host.name").ok_or_else(|| missing("host.name"))?;
    let metric = params.take("metric").ok_or_else(|| missing("metric"))?;
    let since = params.time("since")?.unwrap_or_else(|| now() - TimeDelta::hours(24));
    params.done()?;
    let rounds =
        with_store(&app.0.store, move |store| rounds(store, &host, since, MOST_POINTS)).await?;
    let point = |event: &Event| {
        let value = event.find(&metric)?.as_number().filter(|number| number.is_finite())?;
        Some(json!({"time": rfc3339(event.time), "value": value}))
    };
    let mut points: Vec<Value> = rounds.iter().filter_map(point).collect();
    points.reverse();
    Ok(Json(json!({"points": points, "meta": {"next_page": null}})))
}

/// The last metric events of a host, the newest first.
fn rounds(
    store: &Store,
    host: &str,
    since: DateTime<Utc>,
    limit: usize,
) -> secmon_store::Result<Vec<Event>> {
    let mut query = RecordQuery::default()
        .since(since)
        .field("host.name", host)
        .field("event.action", probe::ACTION)
        .limit(limit);
    let mut events = Vec::new();
    loop {
        let page = store.records(&query)?;
        events.extend(page.rows.into_iter().map(|row| row.event));
        match page.next.filter(|_| events.len() < limit) {
            Some(next) => query = query.page(&next),
            None => return Ok(events),
        }
    }
}

/// What a round measured; values of several file systems by mount point.
fn metrics(event: &Event) -> Value {
    let mounts = event.find("system.filesystem.mount_point").map(secmon_core::Value::each);
    let mut all = Map::new();
    for (name, value) in event.fields() {
        if !(name.starts_with("system.") || name.starts_with("host.cpu.")) {
            continue;
        }
        let value = match mounts.filter(|_| name.starts_with("system.filesystem.")) {
            Some(mounts) => {
                let pairs = mounts.iter().zip(value.each());
                pairs.map(|(mount, value)| (mount.to_string(), json!(value))).collect()
            }
            None => json!(value),
        };
        all.insert(name.into(), value);
    }
    Value::Object(all)
}
