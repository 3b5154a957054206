//! Places, contact cards, polls, and who is there.

use drawbridge_adapter::{ContactCard, Location, Poll, There};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// `location`: a place on the earth (WGS 84).
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct LocationContent {
    /// Degrees north of the equator.
    #[schemars(range(min = -90, max = 90))]
    pub(crate) latitude: f64,
    /// Degrees east of Greenwich.
    #[schemars(range(min = -180, max = 180))]
    pub(crate) longitude: f64,
    /// How far off it may be, in metres; rounded up to whole ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20_000_000))]
    pub(crate) uncertainty: Option<Number>,
    /// What the sender calls it, at most 1024 bytes, without U+FFFE and U+FFFF; a blank one is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub(crate) name: Option<String>,
}

impl From<&Location> for LocationContent {
    fn from(place: &Location) -> Self {
        Self {
            latitude: place.latitude(),
            longitude: place.longitude(),
            uncertainty: place.uncertainty.map(Number::from),
            name: place.name.clone(),
        }
    }
}

/// `contact`: how somebody can be reached. Each line has 1 to 256 bytes, without U+FFFE and U+FFFF,
/// and is not blank.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct ContactContent {
    /// Who.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) name: String,
    /// Phone numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub(crate) phones: Option<Vec<String>>,
    /// E-mail addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub(crate) emails: Option<Vec<String>>,
    /// Addresses of chat networks: URIs (`xmpp:`, `matrix:`), or as the sender wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub(crate) addresses: Option<Vec<String>>,
}

impl From<&ContactCard> for ContactContent {
    fn from(card: &ContactCard) -> Self {
        let some = |lines: &Vec<String>| Some(lines.clone()).filter(|lines| !lines.is_empty());
        Self {
            name: card.name.clone(),
            phones: some(&card.phones),
            emails: some(&card.emails),
            addresses: some(&card.addresses),
        }
    }
}

/// `poll`: a question with answers to choose from. Votes do not cross.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct PollContent {
    /// The question, not blank, without U+FFFE and U+FFFF.
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) question: String,
    /// What there is to choose from: each of 1 to 1024 bytes, without U+FFFE and U+FFFF, and not
    /// blank.
    #[schemars(length(min = 2, max = 20))]
    pub(crate) answers: Vec<String>,
    /// How many of them one voter may choose; 1 if absent. More than there are is all of them. The
    /// bridge always tells it.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) max_selections: Option<u32>,
}

impl From<&Poll> for PollContent {
    fn from(poll: &Poll) -> Self {
        Self {
            question: poll.question.clone(),
            answers: poll.answers.clone(),
            max_selections: Some(poll.most),
        }
    }
}

/// How somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PresenceState {
    /// At the device.
    Online,
    /// Not at the device now.
    Away,
    /// Not there.
    Offline,
}

impl From<There> for PresenceState {
    fn from(is: There) -> Self {
        match is {
            There::Online => Self::Online,
            There::Away => Self::Away,
            There::Offline => Self::Offline,
        }
    }
}

impl From<PresenceState> for There {
    fn from(state: PresenceState) -> Self {
        match state {
            PresenceState::Online => Self::Online,
            PresenceState::Away => Self::Away,
            PresenceState::Offline => Self::Offline,
        }
    }
}

/// `presence`, from the app: one of its users lets somebody see how they are there.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppPresence {
    /// Who: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) from: String,
    /// Who may see it: `network:id`.
    #[schemars(example = &"matrix:@alice:example.org")]
    pub(crate) to: String,
    /// How they are there from now on.
    pub(crate) state: PresenceState,
}

/// `presence`, from the bridge: somebody lets one of the app's users see how they are there.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PresenceFrame {
    /// Who: `network:id`.
    pub(crate) from: String,
    /// Who may see it, and nobody else: an enlisted user.
    pub(crate) to: String,
    /// How they are there from now on.
    pub(crate) state: PresenceState,
}
