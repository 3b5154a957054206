//! What is found in a configuration.

use std::cmp::Ordering;
use std::fmt;

use super::Origin;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The daemon does not start so.
    Error,
    /// The daemon starts, but the operator should know.
    Warning,
}

/// Something found in a configuration: where, and what was expected. Never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where the key stands, if it stands anywhere.
    pub origin: Option<Origin>,
    /// The key, from the root: `networks.xmpp.server`. Empty if it is about the file as a whole.
    pub key: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl Finding {
    /// Something that keeps the daemon from starting.
    pub fn error(origin: Option<Origin>, key: String, what: impl Into<String>) -> Self {
        Self { severity: Severity::Error, origin, key, what: what.into() }
    }

    /// Something that the operator should know.
    pub fn warning(origin: Option<Origin>, key: String, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, origin, key, what: what.into() }
    }

    /// The order in which findings are shown: as in the file, then the environment.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let rank = |finding: &Self| (finding.origin.is_none(), finding.origin.clone());
        rank(self).cmp(&rank(other)).then_with(|| self.key.cmp(&other.key))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
        })?;
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}
