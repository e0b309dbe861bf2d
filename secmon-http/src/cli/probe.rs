//! `secmon probe`: one round of probes, printed or stored.

use clap::Args;
use secmon_core::probe::{round, select};
use secmon_http::clock::now;
use secmon_http::{Config, host_name};

use super::output::{Format, Table, say, stdout};
use super::{Failure, Run};

/// Read this host once: processor, memory, disks, users
///
/// Example: secmon probe cpu memory
#[derive(Args, Debug)]
pub(crate) struct Probe {
    /// Which probes; all if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write the round into this store instead of printing it
    #[arg(long, value_name = "URL", conflicts_with = "server")]
    store: Option<String>,
    /// Send the round to this service; the token is read from `SECMON_TOKEN`
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// How to print [default: table on a terminal, else jsonl]
    #[arg(long, value_enum)]
    output: Option<Format>,
}

impl Run for Probe {
    fn run(self) -> Result<u8, Failure> {
        let mut probes = select(&self.names)?;
        let event = round(&mut probes, &host_name(), now());
        if let Some(url) = &self.store {
            let config = Config::load(None)?;
            let ruleset = super::rule_builder(&config)?.build()?;
            let store = secmon_store::Store::open(url)?;
            let mut writer = store.writer_in(&config.cluster, "probe", ruleset.clone(), now())?;
            writer.write(vec![ruleset.prepare_event(event)], now())?;
            writer.close(now())?;
            return Ok(0);
        }
        if let Some(server) = &self.server {
            let answer = super::demo::send(server, event.to_json(), "application/json")?;
            say(format_args!("stored {answer} event(s)"));
            return Ok(0);
        }
        let mut out = stdout();
        if Format::or_default(self.output) == Format::Jsonl {
            out.line(event.to_json())?;
        } else {
            let mut table = Table::new(["METRIC", "VALUE"]);
            for (name, value) in event.fields() {
                table.row(anstyle::Style::new(), [name.into(), value.to_string()]);
            }
            table.print(&mut out)?;
        }
        out.flush()?;
        Ok(0)
    }
}
