//! `secmon serve`: the service.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use secmon_http::{App, Config};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::output::say;
use super::{Failure, Run};

/// Run the monitor: REST API, dashboard, probes of this host
///
/// Prints `secmon listening on http://ADDR` once it is ready. SIGHUP lets it read its rules again. Example: secmon serve --listen 127.0.0.1:8686
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The configuration [default: ./secmon.toml, else /etc/secmon/secmon.toml, if there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 picks one [default: 127.0.0.1:8686]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The store [default: sqlite://secmon.db]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The folder of key files [default: beside the store]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

impl Run for Serve {
    fn run(self) -> Result<u8, Failure> {
        let filter = EnvFilter::try_from_env("SECMON_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_target(false)
            .init();
        let mut config = Config::load(self.config.as_deref())?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.store = self.store.unwrap_or(config.store);
        config.keys = self.keys.or(config.keys);
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
    }
}

async fn serve(config: Config) -> Result<u8, Failure> {
    // From the first moment on: without it the signal ends the process.
    #[cfg(unix)]
    let hangup = signal(SignalKind::hangup())?;
    let listen = loopback(&config.listen)?;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let app = App::open(config)?;
    let address = listener.local_addr()?;
    app.start_jobs();
    #[cfg(unix)]
    tokio::spawn(reload_on_hangup(app.clone(), hangup));
    say(format_args!(
        "setup link, valid for an hour and once: http://{address}/{}",
        app.setup_fragment()
    ));
    let mut stdout = std::io::stdout();
    writeln!(stdout, "secmon listening on http://{address}").and_then(|()| stdout.flush())?;
    app.serve(listener, stop()).await?;
    Ok(0)
}

/// The address; another one than loopback is refused until accounts exist.
fn loopback(listen: &str) -> Result<SocketAddr, Failure> {
    let listen = listen.replace("localhost", "127.0.0.1");
    let address: SocketAddr = listen.parse().map_err(|_| {
        format!("`{listen}` is no address to listen on; write for instance 127.0.0.1:8686")
    })?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    let loopback = if address.is_ipv4() {
        SocketAddr::from(([127, 0, 0, 1], address.port()))
    } else {
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], address.port()))
    };
    say(format_args!(
        "without accounts and TLS secmon listens on loopback only: {loopback} instead of {address}"
    ));
    Ok(loopback)
}

/// Reads the rules again on SIGHUP, as services do.
#[cfg(unix)]
async fn reload_on_hangup(app: App, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        app.reload_or_warn().await;
    }
}

/// Until SIGTERM or Ctrl-C.
async fn stop() {
    let interrupt = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! { () = interrupt => {}, () = terminate => {} }
}
