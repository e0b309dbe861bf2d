//! The subcommands: one a file, one line here.

#![expect(
    clippy::doc_markdown,
    reason = "the docs of commands are their help, which is plain text"
)]

mod lines;
mod output;

use std::fmt::Display;

use clap::{Parser, Subcommand};

commands! {
    backup::Backup,
    checkpoint::Checkpoint,
    demo::Demo,
    erase::Erase,
    export::Export,
    hold::Hold,
    ingest::Ingest,
    r#move::Move,
    parse::Parse,
    probe::Probe,
    proof::Proof,
    prune::Prune,
    restore::Restore,
    rules::Rules,
    scan::Scan,
    serve::Serve,
    token::Token,
    verify::Verify,
}

/// An embeddable security monitor: log lines and events in, sealed records and incidents out, and
/// anybody can prove later that nothing was changed.
#[derive(Debug, Parser)]
#[command(name = "secmon", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<u8, Failure> {
        self.command.run()
    }
}

/// Why a command failed: a sentence for stderr; empty when the reader of stdout went away.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// The store that a command opens.
#[derive(clap::Args, Debug)]
pub(crate) struct StoreArgs {
    /// The store
    #[arg(long, value_name = "URL", env = "SECMON_STORE", default_value = "sqlite://secmon.db")]
    store: String,
    /// The folder of key files [default: beside the store]
    #[arg(long, value_name = "DIR", env = "SECMON_KEYS")]
    keys: Option<std::path::PathBuf>,
}

impl StoreArgs {
    fn open(&self, create: bool) -> Result<secmon_store::Store, Failure> {
        Ok(secmon_store::Store::open_with(&self.store, self.keys.as_deref(), create)?)
    }
}

/// Of a command that writes to a store on which no service runs.
#[derive(Debug, clap::Args)]
struct WriterArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The writer whose stream is written to
    #[arg(long, value_name = "LABEL", default_value = "main")]
    label: String,
    /// A configuration with the rules of the writer
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

impl WriterArgs {
    /// Opens the writer as the configuration says, if there is one of the label.
    fn open(&self) -> Result<secmon_store::Writer, Failure> {
        let store = self.store.open(false)?;
        if !store.streams()?.iter().any(|stream| stream.label == self.label) {
            return Err(format!("there is no writer `{}` in this store", self.label).into());
        }
        let config = secmon_http::Config::load(self.config.as_deref())?;
        config.prepare(&store)?;
        let now = secmon_http::clock::now();
        let mut writer =
            store.writer_in(&config.cluster, &self.label, rule_builder(&config)?.build()?, now)?;
        writer.set_retention(config.retention.retention());
        Ok(writer)
    }
}

/// The rules that a configuration names; what is wrong with Sigma rules is said.
fn rule_builder(config: &secmon_http::Config) -> Result<secmon_core::Builder, Failure> {
    Ok(config.rule_builder(&mut |problem| output::say(problem))?)
}

/// Ends the writer of a command, and says what the operator should know.
fn finish(mut writer: secmon_store::Writer) -> Result<(), Failure> {
    for warning in writer.take_warnings() {
        output::say(format_args!("warning: {warning}"));
    }
    Ok(writer.close(secmon_http::clock::now())?)
}

/// A subcommand: reads its arguments, calls the library, prints; gives the exit code.
trait Run {
    fn run(self) -> Result<u8, Failure>;
}

macro_rules! commands {
    ($($module:ident::$command:ident),* $(,)?) => {
        $( mod $module; )*
        #[derive(Debug, Subcommand)]
        enum Command { $( $command($module::$command) ),* }
        impl Command {
            fn run(self) -> Result<u8, Failure> {
                match self { $( Self::$command(command) => Run::run(command) ),* }
            }
        }
    };
}
use commands;
