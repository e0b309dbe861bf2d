//! The whole service inside somebody's own axum application, under a path of its own.

use axum::Router;
use axum::routing::get;
use secmon_http::{App, Config};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = format!("sqlite://{}/secmon.db", folder.path().display());
    let secmon = App::open(Config { store, ..Config::default() })?;
    secmon.start_jobs();
    let service = Router::new()
        .route("/", get(|| async { "my own application" }))
        .nest_service("/security", secmon.router());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("open http://{address}/security/{} for half a minute", secmon.setup_fragment());
    let stop = async { tokio::time::sleep(std::time::Duration::from_secs(30)).await };
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    secmon.close().await;
    Ok(())
}
