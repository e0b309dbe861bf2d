//! secmon as a service: REST API, dashboard, probes of the own host, and the command `secmon`.
//!
//! [`App`] is the service; its router nests in any axum application.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use secmon_http::{App, Config};
//!
//! let folder = tempfile::tempdir()?;
//! let store = format!("sqlite://{}/secmon.db", folder.path().display());
//! let app = App::open(Config { store, ..Config::default() })?;
//! let service: axum::Router = axum::Router::new().nest_service("/security", app.router());
//! app.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod app;
mod auth;
mod backup;
mod blocking;
pub mod clock;
mod config;
mod dashboard;
pub mod demo;
mod error;
mod host;
pub mod input;
mod jobs;
mod metrics;
mod opening;
mod queue;
mod reload;
mod routes;
mod setup;
mod sigma;
mod verification;
mod witness;
mod writers;

pub use self::app::{App, OpenError};
pub use self::backup::{Backup, BackupConfig, BackupTarget, back_up, passphrase};
pub use self::config::{
    Config, FollowConfig, IntegrityConfig, ProbeConfig, RetentionConfig, RuleConfig, WitnessConfig,
    WitnessOf,
};
pub use self::host::host_name;
pub use self::metrics::Metrics;
pub use self::sigma::SigmaConfig;
