//! The frames by which people decide who may reach them, and speak with the bridge itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `command`: one of the app's users says something to the bridge itself.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AppCommand {
    /// Its id, as of an event: unique among all that this partner ever sends.
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub(crate) id: String,
    /// Who says it: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// The words: `help` asks for all that there are. Never empty.
    #[schemars(length(min = 1))]
    pub(crate) text: String,
}

/// `accept`, `decline`, `block` and `unblock`, from the app: what a user of its wants of another.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AppGesture {
    /// Its id, as of an event: unique among all that this partner ever sends.
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub(crate) id: String,
    /// Who wants it: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// Of whom: `network:id`.
    #[schemars(example = &"matrix:@alice:example.org")]
    pub(crate) other: String,
}

/// `notice`: what the bridge itself says to one of the app's users.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NoticeFrame {
    /// The id of this frame. A repeat bears the same, and must be shown once.
    pub(crate) id: String,
    /// Who gets it: an enlisted user.
    pub(crate) to: String,
    /// The words, in plain text of one or more lines.
    pub(crate) text: String,
    /// The id of the command that it answers, if it answers one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_reply_to: Option<String>,
}

/// `request`: a stranger wants to write to one of the app's users.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RequestFrame {
    /// The id of this frame. A repeat bears the same, and must be shown once.
    pub(crate) id: String,
    /// Who wants to: `network:id`.
    pub(crate) from: String,
    /// The stranger's display name, if there is one. It is not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_name: Option<String>,
    /// To whom: an enlisted user.
    pub(crate) to: String,
    /// The first text, if it was one, and one that the app can show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// All of it in words that tell the user what to do.
    pub(crate) words: String,
}

/// `request_over`: there is nothing to be accepted any more.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RequestOverFrame {
    /// The id of this frame, to be acknowledged.
    pub(crate) id: String,
    /// Who wanted to write: `network:id`.
    pub(crate) from: String,
    /// To whom: an enlisted user.
    pub(crate) to: String,
    /// Whether that user accepted, in whatever way.
    pub(crate) accepted: bool,
}

/// `block` and `unblock`, from the bridge: what belongs on a user's own list of blocked people.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BlockFrame {
    /// The id of this frame, to be acknowledged.
    pub(crate) id: String,
    /// Whose list it is: an enlisted user.
    pub(crate) of: String,
    /// Who is to be on it, or no longer: `network:id`.
    pub(crate) other: String,
}
