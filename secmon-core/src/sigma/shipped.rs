//! The rules that come with secmon: one a file, one line here.

use super::SigmaRules;

const SHIPPED: &[(&str, &str)] = &shipped![
    "account_created",
    "admin_group_joined",
    "download_and_run",
    "firewall_off",
    "logging_stopped",
    "logs_removed",
    "new_account_login",
    "privileged_file_changed",
    "web_probing",
    "web_traversal_answered",
];

impl SigmaRules {
    /// Loads the rules that come with secmon: few, for events that its parsers give, each with its ATT&CK
    /// technique and what to do. A rule with the name of one that was loaded before is left out.
    ///
    /// ```
    /// use secmon_core::{Ruleset, sigma::SigmaRules};
    /// let mut rules = SigmaRules::default();
    /// rules.load_shipped();
    /// let ruleset = Ruleset::builder().sigma(&rules).build()?;
    /// let rule = ruleset.rules().find(|rule| rule.id() == "logs_removed").ok_or("not there")?;
    /// assert_eq!(rule.about().technique, "T1070.002");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load_shipped(&mut self) {
        for (name, text) in SHIPPED {
            self.read(name, text, true);
        }
    }
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$((
            concat!("secmon/", $name, ".yml"),
            include_str!(concat!("../../rules/", $name, ".yml")),
        )),*]
    };
}
use shipped;
