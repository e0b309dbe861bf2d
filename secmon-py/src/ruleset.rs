//! `secmon.Ruleset`.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use secmon_core::Builder;
use secmon_core::sigma::SigmaRules;

use crate::convert::from_python;
use crate::error::Error;

/// Rules: the built-in ones with `Ruleset.builtin()`, and those that are added by the name of their kind.
#[pyclass(frozen, module = "secmon")]
#[derive(Debug)]
pub(crate) struct Ruleset(pub(crate) secmon_core::Ruleset);

#[pymethods]
impl Ruleset {
    #[new]
    fn new() -> Self {
        Self(secmon_core::Ruleset::empty())
    }

    /// All built-in kinds with their default settings.
    #[staticmethod]
    fn builtin() -> Self {
        Self(secmon_core::Ruleset::builtin())
    }

    /// The same rules and one more; its id is its kind unless given.
    #[pyo3(signature = (kind, *, id = None, **settings))]
    fn add(
        &self,
        kind: &str,
        id: Option<&str>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let settings = settings
            .map_or(Ok(serde_json::json!({})), |settings| from_python(settings.as_any()))?;
        let builder = Builder::of(&self.0).settings(id.unwrap_or(kind), kind, settings);
        Ok(Self(builder.and_then(Builder::build).map_err(Error::from)?))
    }

    /// The same rules and those of a text in Sigma, which may hold several documents: rules, correlations,
    /// filters. `name` is what messages call it; `SecmonError` names the line of what is wrong.
    #[pyo3(signature = (text, *, name = "rules.yml"))]
    fn sigma(&self, text: &str, name: &str) -> PyResult<Self> {
        let mut rules = SigmaRules::default();
        rules.load(name, text);
        self.with_sigma(&rules)
    }

    /// The same rules and those in Sigma that come with secmon.
    fn shipped(&self) -> PyResult<Self> {
        let mut rules = SigmaRules::default();
        rules.load_shipped();
        self.with_sigma(&rules)
    }

    /// The ids of the rules.
    fn ids(&self) -> Vec<String> {
        self.0.rules().map(|rule| rule.id().to_owned()).collect()
    }
}

impl Ruleset {
    fn with_sigma(&self, rules: &SigmaRules) -> PyResult<Self> {
        if let Some(problem) = rules.problems().iter().find(|problem| !problem.is_warning) {
            return Err(Error::new(problem.to_string()).into());
        }
        let ruleset = Builder::of(&self.0).sigma(rules).build().map_err(Error::from)?;
        // A filter filters the rules of the text that it stands in.
        if Builder::default().sigma(rules).build().map_err(Error::from)?.rules().count() == 0 {
            return Err(Error::new("there is no rule in it").into());
        }
        Ok(Self(ruleset))
    }
}
