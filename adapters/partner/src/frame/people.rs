//! The frames by which people decide who may reach them, and speak with the bridge itself.

use drawbridge_adapter::{MuteFor, ReportReason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `command`: one of the app's users says something to the bridge itself.
#[derive(Deserialize, JsonSchema)]
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

/// `accept`, `decline`, `block`, `unblock` and `unmute`, from the app: what a user of its wants of
/// another.
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

/// `mute`, from the app: a user of its wants no noise from a chat.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AppMute {
    /// Its id, as of an event: unique among all that this partner ever sends.
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub(crate) id: String,
    /// Who wants it: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// With whom the chat is: `network:id`.
    #[schemars(example = &"matrix:@alice:example.org")]
    pub(crate) other: String,
    /// For how long, from now on.
    #[serde(rename = "for")]
    #[schemars(with = "MuteFor")]
    pub(crate) duration: String,
}

/// `report`, from the app: a user of its reports somebody elsewhere.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct AppReport {
    /// Its id, as of an event: unique among all that this partner ever sends.
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub(crate) id: String,
    /// Who reports: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// Who is reported: `network:id`.
    #[schemars(example = &"matrix:@alice:example.org")]
    pub(crate) about: String,
    /// Why.
    #[schemars(with = "ReportReason")]
    pub(crate) reason: String,
    /// The messages of theirs that the user picked, by the ids of the bridge's events. No others
    /// leave the bridge.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub(crate) messages: Vec<String>,
}

/// `notice`: what the bridge itself says to one of the app's users.
#[derive(Serialize, JsonSchema)]
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
#[derive(Serialize, JsonSchema)]
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

/// `mute`, from the bridge: a chat of a user's makes no noise.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MuteFrame {
    /// The id of this frame, to be acknowledged.
    pub(crate) id: String,
    /// Whose chat it is: an enlisted user.
    pub(crate) of: String,
    /// With whom: `network:id`.
    pub(crate) other: String,
    /// For how long, from when the user said so. An `unmute` comes when it is over: the bridge's
    /// clock counts, and not the app's.
    #[serde(rename = "for")]
    pub(crate) duration: MuteFor,
}

/// `unmute`, from the bridge: a chat of a user's makes noise again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnmuteFrame {
    /// The id of this frame, to be acknowledged.
    pub(crate) id: String,
    /// Whose chat it is: an enlisted user.
    pub(crate) of: String,
    /// With whom: `network:id`.
    pub(crate) other: String,
}

/// `inbox`: which chats of a user's stand in a folder of their own.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InboxFrame {
    /// The id of this frame, to be acknowledged.
    pub(crate) id: String,
    /// Whose chats: an enlisted user.
    pub(crate) of: String,
    /// How the folder is called.
    pub(crate) name: String,
    /// The chats with users of these networks stand in it, and no others. None: there is no such
    /// folder.
    pub(crate) networks: Vec<String>,
}

/// `report`, from the bridge: somebody elsewhere has reported a user of the app's. It does not say
/// who.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReportFrame {
    /// The id of this frame. A repeat bears the same, and is one report.
    pub(crate) id: String,
    /// Who was reported: a user of the partner's, who may have been delisted since.
    pub(crate) about: String,
    /// Why.
    pub(crate) reason: ReportReason,
    /// The messages that the reporter picked, by the ids of the app's own events, oldest first.
    pub(crate) messages: Vec<String>,
    /// The same in words.
    pub(crate) words: String,
}
