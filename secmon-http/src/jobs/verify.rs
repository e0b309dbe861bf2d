//! Verifies the whole store from time to time.

use crate::app::App;
use crate::verification::verify;

pub(super) async fn run(app: App) {
    loop {
        tokio::time::sleep(app.0.config.integrity.verify_every).await;
        let verified = app.clone();
        if tokio::task::spawn_blocking(move || verify(&verified)).await.is_err() {
            return;
        }
    }
}
