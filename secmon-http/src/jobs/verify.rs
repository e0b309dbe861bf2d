//! Verifies the whole store from time to time.

use crate::app::App;
use crate::verification::begin;

pub(super) async fn run(app: App) {
    loop {
        tokio::time::sleep(app.0.config.integrity.verify_every).await;
        let Some(work) = begin(&app) else { continue };
        if tokio::task::spawn_blocking(work).await.is_err() {
            return;
        }
    }
}
