//! What users hear, and are told.

use std::time::Duration;

/// How long a user waits for something that should come.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A message, as its receiver's client showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The address it came from, on the receiver's own network; without an XMPP resource.
    pub from: String,
    /// What it says.
    pub body: String,
    /// Its id on the receiver's network.
    pub id: String,
}

/// A failure, as the sender's client showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The id of the message that failed, on the sender's network.
    pub of: String,
    /// The stable code; empty if the sender's own server spoke, not the bridge.
    pub code: String,
}
