//! The rules that a configuration names.

use secmon_core::Ruleset;
use secmon_core::sigma::Problem;

use super::Config;

impl Config {
    /// The rules that it names.
    ///
    /// # Errors
    /// A sentence that names the rule and the field.
    pub fn ruleset(&self) -> Result<Ruleset, String> {
        self.timed_rules(&mut |problem| tracing::warn!("{problem}"))
    }

    /// As [`Config::ruleset`]; what is wrong with Sigma rules is shown to a visitor.
    pub(crate) fn timed_rules(&self, warn: &mut dyn FnMut(&Problem)) -> Result<Ruleset, String> {
        let builder = self.rule_builder(warn)?.clock(crate::clock::nanos);
        builder.build().map_err(|error| error.to_string())
    }

    /// As [`Config::ruleset`], to be changed further; what is wrong with Sigma rules is shown to a visitor.
    ///
    /// # Errors
    /// A sentence that names the rule and the field.
    pub fn rule_builder(
        &self,
        warn: &mut dyn FnMut(&Problem),
    ) -> Result<secmon_core::Builder, String> {
        let mut builder = Ruleset::builder();
        if self.builtin {
            builder = builder.builtin();
        }
        let sigma = self.sigma.load(self.builtin)?;
        sigma.problems().iter().for_each(warn);
        builder = builder.sigma(&sigma);
        for (id, rule) in &self.rules {
            let kind = rule.kind.as_deref().unwrap_or(id);
            if !rule.enabled {
                // Rules with other ids, as Sigma's, may come and go.
                let is_word = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let is_builtin = || Ruleset::builder().builtin().has(kind);
                if is_word && !builder.has(id) && !is_builtin() {
                    return Err(format!("`[rules.{id}]` is to be off, but there is no such rule"));
                }
                builder = builder.without(id);
                continue;
            }
            let settings = serde_json::Value::Object(rule.settings.clone());
            builder = builder
                .settings(id, kind, settings)
                .map_err(|error| format!("`[rules.{id}]`: {error}"))?;
        }
        Ok(builder)
    }
}
