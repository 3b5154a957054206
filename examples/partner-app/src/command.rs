//! What the script, or the person at the terminal, wants.

use std::io::BufRead;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::profile::Looks;

/// One line of the standard input.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Command {
    /// Sends a text: with `markdown`, if it is formatted, `in_reply_to`, if it answers a message, and
    /// `thread`, if it stands in the thread that begins with that message.
    Send(Text),
    /// Gives a message of one's own a new text. Messages are named `{"app":"…"}`, if they went to the
    /// bridge, or `{"bridge":"…"}`, if they came from there.
    Edit {
        #[serde(flatten)]
        text: Text,
        of: Value,
    },
    /// Takes a message of one's own back.
    Retract(About),
    /// Has these reactions to a message, and no others.
    React {
        #[serde(flatten)]
        about: About,
        emojis: Vec<String>,
    },
    /// Sends a place. What stands in the command besides is its content, as the protocol says.
    Location(Thing),
    /// Sends a contact card, in the same way.
    Contact(Thing),
    /// Sends a poll, in the same way.
    Poll(Thing),
    /// Sends a file, in a way that the bridge asks for it. What stands in the command besides is its
    /// content, as the protocol says.
    File(Sent),
    /// Tells that a message was shown on the screen.
    Read(About),
    /// Tells that somebody begins to write, or stops.
    Typing { from: String, to: String, typing: bool },
    /// Lets somebody see that one is `online`, `away` or `offline`.
    Presence { from: String, to: String, state: String },
    /// Sends a sticker, which the bridge refuses.
    Sticker {
        from: String,
        to: String,
        #[serde(default)]
        id: Option<String>,
    },
    /// Sends a text with a timer, which the bridge refuses.
    Disappearing {
        #[serde(flatten)]
        text: Text,
        #[serde(default = "a_minute")]
        expires_in: u64,
    },
    /// Says something to the bridge itself.
    Ask {
        from: String,
        text: String,
        #[serde(default)]
        id: Option<String>,
    },
    /// Wants to hear from somebody: grants their request.
    Accept(Wish),
    /// Turns a request away.
    Decline(Wish),
    /// Does not want to hear from somebody.
    Block(Wish),
    /// Hears somebody again.
    Unblock(Wish),
    /// Wants no noise from a chat: for `8h`, `1w`, `1y` or `always`.
    Mute {
        #[serde(flatten)]
        wish: Wish,
        #[serde(rename = "for")]
        duration: String,
    },
    /// Wants noise from it again.
    Unmute(Wish),
    /// Reports somebody, for `spam`, `abuse` or `other`, with at most five of their messages, by the
    /// ids under which they came.
    Report {
        from: String,
        about: String,
        reason: String,
        #[serde(default)]
        messages: Vec<String>,
        #[serde(default)]
        id: Option<String>,
    },
    /// Calls itself, or looks, otherwise.
    Profile(Looks),
    /// Sends a frame as it is, once: to try what the bridge makes of it.
    SendRaw { frame: Value },
    /// Enlists a user.
    Enlist {
        user: String,
        #[serde(default)]
        name: Option<String>,
    },
    /// Delists a user.
    Delist { user: String },
    /// Drops the connection without a word, as a bad network would.
    Disconnect,
    /// Closes the connection and ends.
    Quit,
}

/// A text from one of our users to somebody elsewhere.
#[derive(Debug, Deserialize)]
pub(crate) struct Text {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) markdown: Option<String>,
    #[serde(default)]
    pub(crate) in_reply_to: Option<Value>,
    #[serde(default)]
    pub(crate) thread: Option<Value>,
    #[serde(default)]
    pub(crate) id: Option<String>,
}

/// A place, a contact card or a poll from one of our users to somebody elsewhere.
#[derive(Debug, Deserialize)]
pub(crate) struct Thing {
    pub(crate) from: String,
    pub(crate) to: String,
    #[serde(default)]
    pub(crate) in_reply_to: Option<Value>,
    #[serde(default)]
    pub(crate) thread: Option<Value>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// What it says: `latitude` and `longitude`, or `name` and `phones`, or `question` and `answers`.
    #[serde(flatten)]
    pub(crate) content: Map<String, Value>,
}

/// A file from one of our users to somebody elsewhere.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) path: PathBuf,
    /// Whether we host it, instead of handing it over when the bridge asks.
    #[serde(default)]
    pub(crate) hosted: bool,
    #[serde(default)]
    pub(crate) thumbnail: Option<Small>,
    #[serde(flatten)]
    pub(crate) thing: Thing,
}

/// A small picture of a file, which goes the same way.
#[derive(Debug, Deserialize)]
pub(crate) struct Small {
    pub(crate) path: PathBuf,
    /// What is said of it, as the protocol says.
    #[serde(flatten)]
    pub(crate) said: Map<String, Value>,
}

/// A message in a chat, and one of our users there.
#[derive(Debug, Deserialize)]
pub(crate) struct About {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) of: Value,
    #[serde(default)]
    pub(crate) id: Option<String>,
}

/// What one of our users wants of somebody elsewhere.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    pub(crate) from: String,
    pub(crate) other: String,
    #[serde(default)]
    pub(crate) id: Option<String>,
}

fn a_minute() -> u64 {
    60
}

/// Reads commands from the standard input, on a thread of its own: a read cannot be interrupted.
pub(crate) fn from_stdin() -> mpsc::Receiver<Result<Command, String>> {
    let (sender, receiver) = mpsc::channel(1000);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if line.trim().is_empty() {
                continue;
            }
            let command = serde_json::from_str(&line).map_err(|error| error.to_string());
            if sender.blocking_send(command).is_err() {
                return;
            }
        }
    });
    receiver
}
