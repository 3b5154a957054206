//! The rules: who may reach whom, and what may cross.
//!
//! Pure: facts and an event in, a [`Verdict`] out. No I/O, no clock, no async, and nothing but the
//! chat model. Each rule is a small function of its own; their order is [`RULES`], and the first
//! that refuses is the answer. Invariant: no rule delivers what another refuses.

mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use drawbridge_adapter::{Capabilities, Event, Kind, Refusal};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the gate says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It crosses, as it is.
    Deliver,
    /// It does not, and the sender is told.
    Refuse(Refusal),
    /// It does not, and the sender sees what it would see if it did: a block.
    Swallow,
}

/// Whose a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The operator's own community.
    Home,
    /// Somebody else's app.
    ThirdParty,
}

/// Where a user stands towards the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// On the operator's own server, or on a network that has no other.
    Local,
    /// Reached by federation or server-to-server, from a domain that is not the operator's.
    Remote,
}

/// What the operator allows on a network, beyond or below what the network itself can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether remote users may take part.
    pub remote_users: bool,
    /// A third-party network: whether it is open to everybody without opt-in.
    pub open_without_consent: bool,
    /// Kinds that do not cross to or from here.
    pub denied: BTreeSet<Kind>,
    /// Kinds refused by default that may cross here: only stickers, only between home networks.
    pub allowed: BTreeSet<Kind>,
}

/// One side of a crossing.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Whose network it is.
    pub role: Role,
    /// How its user stands.
    pub standing: Standing,
    /// The operator's word on it.
    pub policy: &'a Policy,
    /// What the network carries.
    pub capabilities: &'a Capabilities,
}

/// All that the rules may know.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The sender's side.
    pub source: Side<'a>,
    /// The recipient's side; `None` if the address names no other configured network, or nobody
    /// that could exist there.
    pub target: Option<Side<'a>>,
    /// Whether the recipient has blocked the sender.
    pub blocked: bool,
}

type Rule = fn(&Facts<'_>, &Event) -> Result<(), Refusal>;

/// Every rule, in order. The bans stand first, because no fact softens them; then who, then what.
const RULES: &[Rule] = &[
    rules::no_disappearing,
    rules::no_stickers,
    rules::no_groups,
    rules::known_target,
    rules::sender_admitted,
    rules::recipient_admitted,
    rules::consent,
    rules::kind_carried,
    rules::text_fits,
];

/// Decides whether `event` may cross. No rule knows of blocks: what is refused is refused alike to
/// who is blocked and to who is not, and only what would be delivered is swallowed.
pub fn decide(facts: &Facts<'_>, event: &Event) -> Verdict {
    let refused = RULES.iter().find_map(|rule| rule(facts, event).err());
    refused.map_or_else(|| last_word(facts.blocked), Verdict::Refuse)
}

/// Decides again about what was to be delivered, just before it is: a block may have come since.
pub fn last_word(blocked: bool) -> Verdict {
    if blocked { Verdict::Swallow } else { Verdict::Deliver }
}
