//! What users hear, and are told.

use std::time::Duration;

use drawbridge_adapter::{Content, There};

use crate::SampleFile;

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
    /// The same in words.
    pub words: String,
}

/// Something that a client does besides saying a plain text. Ids are those of messages on the
/// user's own network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed<'a> {
    /// Says this, all of it in bold.
    SaysBold(&'a str),
    /// Says this in answer to a message.
    Replies(&'a str, &'a str),
    /// Says this in the thread that begins with a message.
    Threads(&'a str, &'a str),
    /// Gives a message of its own a new text.
    Edits(&'a str, &'a str),
    /// Takes back a message of its own.
    Retracts(&'a str),
    /// Has these reactions to a message, and no others.
    Reacts(&'a str, &'a [&'a str]),
    /// Tells that a message was shown on the screen.
    Reads(&'a str),
    /// Begins to write, or stops.
    Types(bool),
    /// Sends a place, a contact card or a poll.
    Sends(Content),
    /// Lets the other see that it is there, not at the device, or gone.
    Is(There),
    /// Sends a file.
    SendsFile(&'a SampleFile),
    /// Calls itself so from now on, for everybody who may see it.
    CallsItself(&'a str),
    /// Takes this PNG as its picture, for everybody who may see it; or has none any more.
    Wears(Option<&'a [u8]>),
}

/// Something that a client shows besides a plain text. Ids are those of messages on the user's own
/// network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight<'a> {
    /// A message with this text, all of it in bold.
    Bold(&'a str),
    /// A message in answer to the one with this id, with this text and nothing before it.
    Reply(&'a str, &'a str),
    /// A message in the thread that begins with the one with this id, with this text and nothing before
    /// it.
    Thread(&'a str, &'a str),
    /// The message with this id has this text now.
    Edited(&'a str, &'a str),
    /// The message with this id is gone.
    Retracted(&'a str),
    /// The message with this id has these reactions of the other, in any order, and no others.
    Reactions(&'a str, &'a [&'a str]),
    /// The other has read the message with this id.
    Read(&'a str),
    /// The other writes, or has stopped.
    Typing(bool),
    /// This place, contact card or poll, and no mere words.
    Shows(Content),
    /// The other is there, not at the device, or gone.
    Presence(There),
    /// A message which is this file: the same bytes, of the same kind and type, and all that is said of
    /// it, with the same small picture; but for what [`SampleFile::between`] the two networks is lost.
    /// Such a message is nothing to [`crate::User::hears`].
    ShowsFile(&'a SampleFile),
    /// The other is called exactly so; on Matrix with the network's label behind it.
    Name(&'a str),
    /// The other's picture has these bytes, or there is none. A client fetches it when its network tells
    /// it of it, as it does for a person.
    Face(Option<&'a [u8]>),
}
