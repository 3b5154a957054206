//! The environment: `DRAWBRIDGE_NETWORKS__XMPP__SERVER` is `networks.xmpp.server`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use ::config::Map;

use super::origin::{KeyPath, Origin, Origins};
use super::{Environment, Finding};

const PREFIX: &str = "DRAWBRIDGE_";
const SEPARATOR: &str = "__";

/// Variables of the prefix that are no keys: the path of the configuration itself, and the
/// switch by which the tests write generated files anew.
const NOT_KEYS: [&str; 2] = ["DRAWBRIDGE_CONFIG", "DRAWBRIDGE_REGENERATE"];

/// Where systemd puts credentials (`systemd.exec(5)`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The variables that set keys.
pub(super) struct Variables {
    keys: Map<String, String>,
    /// systemd's folder of credentials, if there is one.
    pub(super) credentials_dir: Option<PathBuf>,
}

impl Variables {
    /// Picks the variables that set keys, and notes which key each sets.
    pub(super) fn take(
        environment: Environment,
        origins: &mut Origins,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut taken = Self { keys: Map::new(), credentials_dir: None };
        for (name, value) in environment {
            if name == CREDENTIALS {
                taken.credentials_dir = Some(PathBuf::from(value));
            } else if let Some(name) = name_of_key(&name)
                && let Err(what) = taken.add(&name, value, origins)
            {
                findings.push(Finding::error(Some(Origin::Variable(name)), String::new(), what));
            }
        }
        taken
    }

    fn add(
        &mut self,
        name: &str,
        value: OsString,
        origins: &mut Origins,
    ) -> Result<(), &'static str> {
        let key = name[PREFIX.len()..].to_lowercase();
        let names: Vec<_> = key.split(SEPARATOR).map(str::to_owned).collect();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !names.iter().all(|name| !name.is_empty() && name.chars().all(plain)) {
            return Err("not the name of a key; expected names joined by two underscores, as in \
                        DRAWBRIDGE_NETWORKS__XMPP__SERVER");
        }
        let value = value.into_string().map_err(|_| "not UTF-8")?;
        origins.note(KeyPath::of(names), Origin::Variable(name.to_owned()));
        self.keys.insert(name.to_owned(), value);
        Ok(())
    }

    /// The source for the merge.
    pub(super) fn into_source(self) -> ::config::Environment {
        ::config::Environment::default()
            .prefix(PREFIX.trim_end_matches('_'))
            .prefix_separator("_")
            .separator(SEPARATOR)
            .source(Some(self.keys))
    }
}

fn name_of_key(name: &OsStr) -> Option<String> {
    // A name that is not UTF-8 cannot name a key: at worst it sets nothing.
    let name = name.to_string_lossy().into_owned();
    (name.starts_with(PREFIX) && !NOT_KEYS.contains(&name.as_str())).then_some(name)
}
