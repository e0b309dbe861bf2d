//! `secmon demo`: logs of several hosts, normal and with anomalies on request.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use secmon_http::{clock::now, demo};

use super::output::{say, stdout};
use super::{Failure, Run};

/// Lines of one request.
const MOST_LINES: usize = 5_000;

/// Write logs of several hosts, normal and with anomalies on request
///
/// Each anomaly yields exactly its incident, the normal part none. With --server the lines go into a
/// running service; the token is read from `SECMON_TOKEN`.
/// Example: secmon demo --anomaly brute_force,port_scan | secmon scan -
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Anomalies, by the ids of the rules that find them; `address` and `profile` are found only with the
    /// configuration that --config-out writes
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    anomaly: Vec<String>,
    /// How many normal events
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    events: usize,
    /// Of how many hosts
    #[arg(long, value_name = "N", default_value_t = 5)]
    hosts: usize,
    /// The same seed gives the same logs up to the same end
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The end of the day that is made up [default: now]
    #[arg(long, value_name = "T", value_parser = super::lines::time)]
    end: Option<DateTime<Utc>>,
    /// Send the lines to this service instead of printing them
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Write the configuration that the anomalies need
    #[arg(long, value_name = "FILE")]
    config_out: Option<PathBuf>,
}

impl Run for Demo {
    fn run(self) -> Result<u8, Failure> {
        let options = demo::Options {
            events: self.events,
            hosts: self.hosts,
            seed: self.seed,
            anomalies: self.anomaly,
            end: self.end.unwrap_or_else(now),
        };
        let lines = demo::lines(&options)?;
        let wants = |id: &&&str| options.anomalies.iter().any(|anomaly| anomaly == **id);
        for id in demo::CONFIGURED.iter().filter(wants).filter(|_| self.config_out.is_none()) {
            say(format_args!("warning: `{id}` is found only with the configuration that --config-out writes"));
        }
        if let Some(path) = &self.config_out {
            std::fs::write(path, demo::config())
                .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
        }
        if let Some(server) = &self.server {
            let mut stored = 0;
            for part in lines.chunks(MOST_LINES) {
                stored += send(server, part.join("\n"), "text/plain")?;
            }
            say(format_args!("stored {stored} event(s)"));
            return Ok(0);
        }
        let mut out = stdout();
        for line in lines {
            out.line(line)?;
        }
        out.flush()?;
        Ok(0)
    }
}

/// Posts events to a service; says how many it took.
pub(super) fn send(server: &str, body: String, kind: &str) -> Result<u64, Failure> {
    let token = std::env::var("SECMON_TOKEN")
        .map_err(|_| "set SECMON_TOKEN to a token of `secmon token create --scope ingest`")?;
    let url = format!("{}/api/v1/events", server.trim_end_matches('/'));
    let client = reqwest::blocking::Client::new();
    let request = client.post(&url).bearer_auth(token).header("content-type", kind).body(body);
    let answer = request.send().map_err(|error| format!("cannot send to {url}: {error}"))?;
    let status = answer.status();
    let body: serde_json::Value = answer.json().unwrap_or_default();
    if !status.is_success() {
        let detail = body.get("detail").and_then(|detail| detail.as_str()).unwrap_or_default();
        return Err(Failure(format!("{url} answered {status}: {detail}")));
    }
    Ok(body.get("accepted").and_then(serde_json::Value::as_u64).unwrap_or(0))
}
