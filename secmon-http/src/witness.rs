//! The service as the witness of other logs.

use secmon_core::seal::{Note, Vkey, WitnessKey};
use secmon_store::Store;

use crate::config::WitnessConfig;

/// The file of its key, beside those of the streams.
const SECRET: &str = "witness";

/// Its key, and the keys of the logs that it looks at.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) key: WitnessKey,
    logs: Vec<Vkey>,
}

impl Witness {
    /// The witness of the configuration, if it names one.
    pub(crate) fn open(config: &WitnessConfig, store: &Store) -> Result<Option<Self>, String> {
        let Some(name) = &config.name else { return Ok(None) };
        let secret = store.secret(SECRET).map_err(|error| error.to_string())?;
        let key =
            WitnessKey::new(name, &secret).map_err(|error| format!("`witness.name`: {error}"))?;
        let logs = config.logs.iter().map(|vkey| vkey.parse());
        let logs =
            logs.collect::<Result<_, _>>().map_err(|error| format!("`witness.logs`: {error}"))?;
        tracing::info!("witness {}", key.vkey());
        Ok(Some(Self { key, logs }))
    }

    /// Whether a trusted key of the log signed the checkpoint; none if the log is not known.
    pub(crate) fn trusts(&self, note: &Note) -> Option<bool> {
        let keys: Vec<&Vkey> = self.logs.iter().filter(|vkey| vkey.name() == note.origin).collect();
        (!keys.is_empty()).then(|| keys.iter().any(|vkey| note.is_signed_by(vkey)))
    }
}
