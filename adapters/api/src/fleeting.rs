//! What is fleeting: who has read what, who writes, who is there.

use crate::{Reference, Status, UserId};

/// Something fleeting: never on disk, never in a message's way, dropped when there is no room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// An event was taken by its target's server, and the source wants no durable status of it.
    Accepted(Status),
    /// A message of a user of the adapter's network has reached its recipient. Only where
    /// [`crate::Kind::Receipt`] is declared.
    Receipt(Receipt),
    /// A user of another network writes to one of the adapter's network, or has stopped. Only where
    /// [`crate::Kind::Typing`] is declared.
    Typing(Typing),
    /// A user of another network, who lets others see it, has come, gone away or left. Only where
    /// [`crate::Kind::Presence`] is declared.
    Presence(Presence),
}

/// A message has reached its recipient. Told by the recipient's own device, never made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The recipient, who has got it.
    pub by: UserId,
    /// Its sender.
    pub to: UserId,
    /// Which message: for the network of `by` one that was [`crate::Was::Delivered`], for that of
    /// `to` one that was [`crate::Was::Sent`].
    pub of: Reference,
    /// Whether it was shown on the screen, and not only brought to the device.
    pub read: bool,
}

/// Somebody writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typing {
    /// Who.
    pub by: UserId,
    /// To whom.
    pub to: UserId,
    /// Whether they began or stopped.
    pub typing: bool,
}

/// Whether somebody is there. Never why, and in no words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Who.
    pub by: UserId,
    /// To whom it is shown: to nobody else.
    pub to: UserId,
    /// Whether they are.
    pub is: There,
}

/// How somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// At the device.
    Online,
    /// Not at the device now.
    Away,
    /// Not there.
    Offline,
}

/// Something fleeting that a user of the adapter's network did. See [`crate::Bridge::pass`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passing {
    /// The user's device has got a message, or has shown it.
    Receipt(Receipt),
    /// The user writes, or has stopped.
    Typing(Typing),
    /// The user has come, gone away or left, as one of those may see to whom the user's own network
    /// shows it.
    Presence(Presence),
    /// The user is no user of the adapter's any more: nobody sees them there.
    Left(UserId),
}
