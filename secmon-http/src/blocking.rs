//! The one way from async code to the store.

use secmon_store::Store;

use crate::error::Error;

/// Runs a query on a thread that may block.
pub(crate) async fn with_store<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&Store) -> secmon_store::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let store = store.clone();
    let answer = tokio::task::spawn_blocking(move || work(&store)).await;
    let answer = answer.map_err(|error| {
        tracing::error!(%error, "a query ended unexpectedly: {error}");
        Error::busy("the query ended unexpectedly")
    })?;
    Ok(answer?)
}
