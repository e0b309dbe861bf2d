//! `App`: the state of the service.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use secmon_core::Ruleset;
use secmon_core::parse::Zone;
use secmon_core::seal::WitnessVkey;
use secmon_store::Store;
use tokio::net::TcpListener;

use crate::clock::now;
use crate::config::Config;
use crate::host::host_name;
use crate::metrics::Metrics;
use crate::opening::Opening;
use crate::setup::Setup;
use crate::verification::Verification;
use crate::witness::Witness;
use crate::writers::Writers;
use crate::{jobs, routes};

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is wrong.
    #[error("{0}")]
    Config(String),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] secmon_store::Error),
    /// The system refused.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// The service: a store with its writer, and everything around it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    /// Held by whoever exchanges the rules.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pub(crate) writers: Writers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) setup: Setup,
    pub(crate) verification: Verification,
    pub(crate) witness: Option<Witness>,
}

/// The rules in use, which may be exchanged.
#[derive(Clone, Debug)]
pub(crate) struct Rules(Arc<RwLock<Ruleset>>);

impl Rules {
    fn new(ruleset: Ruleset) -> Self {
        Self(Arc::new(RwLock::new(ruleset)))
    }

    fn get(&self) -> Ruleset {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, ruleset: Ruleset) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ruleset;
    }
}

impl App {
    /// Opens the store and its writer.
    pub fn open(mut config: Config) -> Result<Self, OpenError> {
        if config.label.is_empty() {
            let is_file = config.store.starts_with("sqlite:");
            config.label = if is_file { "main".into() } else { host_name() };
        }
        Writers::check(&config).map_err(OpenError::Config)?;
        let ruleset = config.ruleset().map_err(OpenError::Config)?;
        let keys = config.keys.as_deref();
        let store = Store::open_with(&config.store, keys.map(Path::new), true)?;
        config.prepare(&store).map_err(OpenError::Config)?;
        let witness = Witness::open(&config.witness, &store).map_err(OpenError::Config)?;
        let metrics = Metrics::new().map_err(|error| OpenError::Config(error.to_string()))?;
        let metrics = Arc::new(metrics);
        let mut opening = Opening {
            store: store.clone(),
            cluster: config.cluster.clone(),
            label: config.label.clone(),
            ruleset: ruleset.clone(),
            retention: config.retention.retention(),
            anew: false,
            stands: true,
        };
        let mut writer = opening.open()?;
        let begun = writer.take_begun();
        let setup = Setup::new(writer.stream_row(), begun)?;
        let writers = Writers::start(writer, opening, &config, &metrics)?;
        let verification = Verification::default();
        let rules = Rules::new(ruleset);
        let reloading = tokio::sync::Mutex::default();
        let shared = Shared {
            config,
            store,
            rules,
            reloading,
            writers,
            metrics,
            setup,
            verification,
            witness,
        };
        Ok(Self(Arc::new(shared)))
    }

    /// The routes: `/api/v1`, the dashboard, health and metrics.
    pub fn router(&self) -> Router {
        routes::router(self)
    }

    /// The fragment of the setup link: the one-time secret with which the first visitor logs in. It is
    /// valid for an hour.
    pub fn setup_fragment(&self) -> String {
        self.0.setup.fragment()
    }

    /// The public key of the service as a witness, if it is one.
    pub fn witness_vkey(&self) -> Option<WitnessVkey> {
        self.0.witness.as_ref().map(|witness| witness.key.vkey())
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Starts what runs beside requests: probes of the own host, and followed files.
    pub fn start_jobs(&self) {
        jobs::start(self);
        let app = self.clone();
        tokio::spawn(async move { app.0.setup.expire().await });
    }

    /// Serves on a bound listener until `shutdown` is done; then commits what waits and checkpoints.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let service = self.router().into_make_service_with_connect_info::<SocketAddr>();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let signalled = async move {
            shutdown.await;
            let _ = stop.send(());
        };
        let server = axum::serve(listener, service).with_graceful_shutdown(signalled);
        tokio::select! {
            ended = std::future::IntoFuture::into_future(server) => ended?,
            // Connections that stay open must not keep the last checkpoint waiting.
            () = async { let _ = stopped.await; tokio::time::sleep(std::time::Duration::from_secs(5)).await } => {}
        }
        self.close().await;
        Ok(())
    }

    /// Commits what waits, checkpoints, and ends the writer.
    pub async fn close(&self) {
        let writers = self.0.writers.clone();
        // Joins threads, which may take as long as a commit.
        let _ = tokio::task::spawn_blocking(move || writers.stop()).await;
    }

    /// The rules in use.
    pub(crate) fn ruleset(&self) -> Ruleset {
        self.0.rules.get()
    }

    /// The zone of stamps that name none.
    pub(crate) fn zone(&self) -> Zone {
        self.0.config.timezone.unwrap_or_default()
    }

    /// What is needed to read a line now.
    pub(crate) fn context(&self) -> secmon_core::parse::Context {
        secmon_core::parse::Context { reference: now(), zone: self.zone() }
    }
}
