//! What an adapter finds when it examines what it needs of the world: for `drawbridge doctor`.

use crate::Timestamp;

/// Under which circumstances an adapter is examined.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// A daemon runs on this configuration: it holds the connections and the listeners, and an
    /// examination must not take them from it.
    pub running: bool,
    /// The time, by the machine's clock.
    pub now: Timestamp,
    /// The domains whose users are local (`users.local`); empty where users have none.
    pub local_domains: &'a [String],
}

/// One thing that was tried. Without secrets, and without anything of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What was found, in words for the operator.
    pub found: String,
    /// What is to be done, if it does not work.
    pub advice: Option<String>,
    /// Nothing works without it; otherwise it is worth a look.
    pub grave: bool,
}

impl Diagnosis {
    /// It works.
    pub fn well(found: impl Into<String>) -> Self {
        Self { found: found.into(), advice: None, grave: false }
    }

    /// It may work, or could not be tried.
    pub fn doubt(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { found: found.into(), advice: Some(advice.into()), grave: false }
    }

    /// It does not work.
    pub fn trouble(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { found: found.into(), advice: Some(advice.into()), grave: true }
    }
}
