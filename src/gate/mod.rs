//! The rules: who may reach whom, and what may cross.
//!
//! Pure: facts and an event in, a [`Verdict`] out. No I/O, no clock, no async, and nothing but the
//! chat model. Each rule is a small function of its own; their order is [`RULES`], and the first
//! that refuses is the answer. Invariant: no rule delivers what another refuses.

mod files;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use drawbridge_adapter::{Capabilities, Code, Event, Kind, Level, Refusal, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use files::{FileFacts, carried_as, may_turn_out, shown_as};

/// How strict the bridge is for a user, by that user's own word.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    /// Not more than the rules are for everybody.
    #[default]
    Off,
    /// Of strangers only text is taken.
    On,
    /// Besides, nothing is that the bridge could read.
    Sealed,
}

impl Strictness {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Off, Self::On, Self::Sealed];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Sealed => "sealed",
        }
    }
}

/// How a chat is kept from eyes that it is not meant for, from the least to the most.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Posture {
    /// Servers on the way can read it: all that is carried today.
    #[default]
    Clear,
    /// Each leg is encrypted, and opened only inside this daemon.
    Bridged,
    /// Nobody on the way can open it.
    Sealed,
}

/// To whom of the operator's users a third-party network is offered: who is named, who lives under a
/// named domain, and a share of all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The users.
    pub users: BTreeSet<UserId>,
    /// The domains.
    pub domains: BTreeSet<String>,
    /// Of the others so many in a hundred.
    pub share_percent: u8,
}

impl Offer {
    /// To everybody.
    pub fn to_all() -> Self {
        Self { users: BTreeSet::new(), domains: BTreeSet::new(), share_percent: 100 }
    }

    /// Whether it is for `user`, who lives under `domain` and has drawn the number `lot`.
    pub fn covers(&self, user: &UserId, domain: Option<&str>, lot: u64) -> bool {
        self.users.contains(user)
            || domain.is_some_and(|domain| self.domains.contains(domain))
            || lot % 100 < u64::from(self.share_percent)
    }
}

impl Default for Offer {
    fn default() -> Self {
        Self::to_all()
    }
}

/// What the gate says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It crosses, as it is.
    Deliver,
    /// It does not, and the sender is told.
    Refuse(Refusal),
    /// It waits until the recipient accepts its sender.
    Hold,
    /// It does not cross, and the sender sees what it would see if it did, or if it waited: a block,
    /// or a stranger who was turned away.
    Swallow(As),
}

/// What is shown of something that is swallowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// What [`Verdict::Deliver`] would show.
    Delivered,
    /// What [`Verdict::Hold`] would show.
    Held,
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
    pub remote_users: RemoteUsers,
    /// Whether the operator has not admitted it yet: a third-party network whose conformance report
    /// is not recorded.
    pub inactive: bool,
    /// What a chat with its users must be at least.
    pub minimum: Posture,
    /// To whom it is offered, if it is a third-party network.
    pub offer: Offer,
    /// Kinds that do not cross to or from here.
    pub denied: BTreeSet<Kind>,
    /// Kinds refused by default that may cross here: only stickers, only between home networks.
    pub allowed: BTreeSet<Kind>,
}

/// Whether remote users take part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoteUsers {
    /// They do not.
    #[default]
    Denied,
    /// They are strangers, as the users of a third-party network are.
    AsStrangers,
    /// They do.
    Allowed,
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
    /// What the two have said about each other.
    pub between: Between,
    /// The message that the event is about, if it is about one that is known.
    pub about: Option<About>,
    /// What must be known of its file, if it brings one.
    pub file: FileFacts,
}

/// A message of before that an event is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct About {
    /// Whether the event's sender wrote it; otherwise the recipient did.
    pub own: bool,
    /// How long ago that was.
    pub age: Duration,
    /// Whether it did not cross.
    pub lost: bool,
    /// Whether it was swallowed: then so is what is about it.
    pub swallowed: bool,
}

/// What two users have said about each other, and about each other's networks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
pub struct Between {
    /// Whether the sender has switched on the recipient's network.
    pub sender_enabled: bool,
    /// Whether the recipient has switched on the sender's network.
    pub recipient_enabled: bool,
    /// Whether the recipient has accepted the sender, or written to them.
    pub contact: bool,
    /// How many messages of the sender wait for the recipient's word.
    pub held: usize,
    /// Whether more strangers wait for the recipient's word than may.
    pub crowded: bool,
    /// Whether the recipient has turned the sender away lately.
    pub declined: bool,
    /// Whether the recipient has blocked the sender.
    pub blocked: bool,
    /// How strict the sender wants the bridge to be.
    pub sender_strict: Strictness,
    /// How strict the recipient wants the bridge to be.
    pub recipient_strict: Strictness,
}

impl Between {
    /// Whether one of the two wants nothing to cross that the bridge could read.
    pub fn only_sealed(&self) -> bool {
        self.sender_strict.max(self.recipient_strict) == Strictness::Sealed
    }
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
    rules::sealed_enough,
    rules::strangers_only_write,
    rules::kind_carried,
    rules::message_known,
    rules::author_alone,
    rules::in_time,
    rules::text_fits,
    rules::reactions_fit,
    rules::things_fit,
    files::file_fits,
    rules::request_has_room,
];

/// By how many bytes a place, a contact card or a poll in words is longer, at most, than what is the
/// sender's in it.
pub const WORDS_AROUND: usize = 256;

/// The most messages of one sender that wait for a recipient's word.
pub const MOST_HELD: usize = 5;

/// Decides whether `event` may cross. No rule knows of blocks, nor of who was turned away: what is
/// refused is refused alike to them and to others, and only what would be delivered or held is
/// swallowed.
pub fn decide(facts: &Facts<'_>, event: &Event) -> Verdict {
    let refused = RULES.iter().find_map(|rule| rule(facts, event).err());
    if let Some(refusal) = refused {
        return Verdict::Refuse(refusal);
    }
    let between = &facts.between;
    let swallowed = facts.about.is_some_and(|about| about.swallowed);
    if !must_be_accepted(facts) {
        return match last_word(true, Posture::Clear, between) {
            Verdict::Deliver if swallowed => Verdict::Swallow(As::Delivered),
            verdict => verdict,
        };
    }
    let unheard = between.blocked || between.declined || swallowed;
    if unheard { Verdict::Swallow(As::Held) } else { Verdict::Hold }
}

/// Whether something passes of which nobody is told if it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It does.
    Open,
    /// A block alone keeps it back.
    Blocked,
    /// It does not.
    No,
}

/// Whether something fleeting of `kind`, or how somebody calls themselves and looks, may pass. `facts`
/// are as of a message from whom it comes, `back` what holds in the other direction: neither of the two
/// may be a stranger to the other, or have blocked the other.
pub fn passage(facts: &Facts<'_>, back: &Between, kind: Kind) -> Passage {
    let Some(target) = &facts.target else { return Passage::No };
    let carries = |side: &Side<'_>| {
        admitted(side)
            && side.capabilities.level(kind) > Level::Rejected
            && !side.policy.denied.contains(&kind)
            && side.policy.minimum == Posture::Clear
    };
    let third = |side: &Side<'_>| side.role == Role::ThirdParty;
    let open = (!third(&facts.source) || facts.between.recipient_enabled)
        && (!third(target) || facts.between.sender_enabled);
    let known = (!is_stranger(&facts.source) || facts.between.contact)
        && (!is_stranger(target) || back.contact);
    let heard = |between: &Between| !between.declined && !between.only_sealed();
    // Who is strict is seen by those alone whom they have accepted.
    let shows = matches!(kind, Kind::Presence | Kind::Profile);
    let seen = !shows || facts.between.sender_strict == Strictness::Off || back.contact;
    let passes = carries(&facts.source)
        && carries(target)
        && open
        && known
        && seen
        && heard(&facts.between)
        && heard(back);
    match passes {
        false => Passage::No,
        true if facts.between.blocked || back.blocked => Passage::Blocked,
        true => Passage::Open,
    }
}

/// Whether the sender is one of those whom the recipient has to accept first, and has not.
fn must_be_accepted(facts: &Facts<'_>) -> bool {
    is_stranger(&facts.source) && !facts.between.contact
}

/// Whether users on this side are strangers until they are accepted.
pub fn is_stranger(side: &Side<'_>) -> bool {
    let remote = side.standing == Standing::Remote;
    side.role == Role::ThirdParty
        || (remote && side.policy.remote_users == RemoteUsers::AsStrangers)
}

/// Whether the operator lets users on this side take part.
pub fn admitted(side: &Side<'_>) -> bool {
    let welcome =
        side.standing == Standing::Local || side.policy.remote_users != RemoteUsers::Denied;
    welcome && !side.policy.inactive
}

/// Decides again about what was to be delivered, just before it is: a network may have been switched
/// off since, the operator or a user have become stricter, or a block have come. `minimum` is the
/// higher one of the two networks'.
pub fn last_word(open: bool, minimum: Posture, between: &Between) -> Verdict {
    match () {
        () if !open => Verdict::Refuse(Code::NotReachable.into()),
        () if minimum > Posture::Clear => Verdict::Refuse(Code::E2eeRequired.into()),
        () if between.only_sealed() => Verdict::Refuse(Code::E2eeRequired.into()),
        () if between.blocked => Verdict::Swallow(As::Delivered),
        () => Verdict::Deliver,
    }
}
