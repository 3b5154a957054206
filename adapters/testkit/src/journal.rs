//! What the reference bridge has seen, in order.

use drawbridge_adapter::{
    Acceptance, Answer, Connection, Content, Event, EventId, Gesture, NewPicture, Passing,
    ProfileChange, Refusal, Text, UserId,
};

/// Everything that an adapter told the reference bridge.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// Each event for which `accept` returned `Ok`, repeats included.
    pub handed: Vec<Handed>,
    /// Each event for which `accept` returned an error: nothing was written.
    pub turned_away: Vec<Event>,
    /// Each message that the adapter said came back, with who sent it back, and why.
    pub bounces: Vec<(EventId, UserId, Refusal)>,
    /// Each gesture, with who made it.
    pub gestures: Vec<(UserId, Gesture)>,
    /// How users call themselves and look, as told, in order: see
    /// [`drawbridge_adapter::Bridge::profile`].
    pub profiles: Vec<ProfileChange>,
    /// What passed, in order: see [`drawbridge_adapter::Bridge::pass`].
    pub passing: Vec<Passing>,
    /// How many gestures the bridge could not take.
    pub gestures_turned_away: usize,
    /// Each report of the connection.
    pub connections: Vec<Connection>,
    /// Each breach of the contract that the bridge could see by itself, in words.
    pub breaches: Vec<String>,
}

/// One event that was handed over, and the answer to it.
#[derive(Debug, Clone)]
pub struct Handed {
    /// The event.
    pub event: Event,
    /// What the adapter was answered.
    pub acceptance: Acceptance,
}

impl Handed {
    /// Whether this is a new event that crosses.
    pub fn is_fresh(&self) -> bool {
        self.acceptance.answer == Answer::Accepted && !self.acceptance.repeat
    }
}

impl Journal {
    /// The first event with this text that was answered, accepted or refused.
    pub fn find(&self, text: &str) -> Option<&Event> {
        self.handed.iter().map(|handed| &handed.event).find(|event| text_of(event) == Some(text))
    }

    /// The texts that crossed: accepted, without repeats, in order.
    pub fn texts(&self) -> Vec<&str> {
        let fresh = self.handed.iter().filter(|handed| handed.is_fresh());
        fresh.filter_map(|handed| text_of(&handed.event)).collect()
    }

    /// The texts of this sender that crossed: accepted, without repeats, in order.
    pub fn texts_of(&self, sender: &UserId) -> Vec<&str> {
        let fresh = self.handed.iter().filter(|handed| handed.is_fresh());
        let theirs = fresh.filter(|handed| handed.event.sender.user == *sender);
        theirs.filter_map(|handed| text_of(&handed.event)).collect()
    }

    /// What this user calls themselves by what was told so far, in order; empty if they have told that
    /// they have no name any more, `None` if nothing was told.
    pub fn name_of(&self, user: &UserId) -> Option<&str> {
        let mut theirs = self.profiles.iter().rev().filter(|change| change.user == *user);
        theirs.find_map(|change| change.name.as_deref())
    }

    /// How this user looks by what was told so far, in order; `None` if nothing was told.
    pub fn picture_of(&self, user: &UserId) -> Option<&NewPicture> {
        let mut theirs = self.profiles.iter().rev().filter(|change| change.user == *user);
        theirs.find_map(|change| change.picture.as_ref())
    }

    /// How many events of this sender were turned away.
    pub fn turned_away_of(&self, sender: &UserId) -> usize {
        self.turned_away.iter().filter(|event| event.sender.user == *sender).count()
    }

    /// How the connection stands by the last report.
    pub fn connection(&self) -> Option<Connection> {
        self.connections.last().copied()
    }
}

/// What an event says, if it is text.
pub fn text_of(event: &Event) -> Option<&str> {
    match &event.content {
        Content::Text(Text { body, .. }) => Some(body),
        _ => None,
    }
}
