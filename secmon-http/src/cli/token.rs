//! `secmon token`: API tokens.

use clap::{Args, Subcommand, ValueEnum};
use secmon_http::clock::now;
use secmon_store::Scope;

use super::output::{say, stdout};
use super::{Failure, Run, StoreArgs};

/// Make API tokens
///
/// Example: secmon token create --scope ingest --name web-1
#[derive(Args, Debug)]
pub(crate) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, once; it is valid at once
    Create {
        /// What it may do
        #[arg(long, value_enum)]
        scope: ScopeName,
        /// Whose it is
        #[arg(long, value_name = "NAME")]
        name: String,
        #[command(flatten)]
        store: StoreArgs,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeName {
    /// Send events, and nothing else
    Ingest,
    /// Read, and nothing else
    Read,
    /// Everything
    Admin,
}

impl Run for Token {
    fn run(self) -> Result<u8, Failure> {
        let Action::Create { scope, name, store } = self.action;
        if name.trim().is_empty() || name.len() > 200 {
            return Err(Failure("--name must be 1 to 200 characters".into()));
        }
        let scope = match scope {
            ScopeName::Ingest => Scope::Ingest,
            ScopeName::Read => Scope::Read,
            ScopeName::Admin => Scope::Admin,
        };
        let token = store.open(true)?.create_token(&name, scope, now())?;
        say("this token is shown only now:");
        let mut out = stdout();
        out.line(token.expose())?;
        out.flush()?;
        Ok(0)
    }
}
