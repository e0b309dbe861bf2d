//! The command `secmon`.

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // A .env file is optional; one that is there but wrong must be said.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return fail(&format!("cannot read `.env`: {error}"));
    }
    let arguments = cli::Arguments::parse();
    match arguments.run() {
        Ok(code) => ExitCode::from(code),
        Err(cli::Failure(message)) if message.is_empty() => ExitCode::SUCCESS,
        Err(cli::Failure(message)) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    // Nobody reads a message that cannot be written.
    let _ = writeln!(std::io::stderr(), "secmon: {message}");
    ExitCode::from(2)
}
