//! What the bridge has not answered yet, in order. A real app keeps this in its database.

use std::collections::{HashSet, VecDeque};

use anyhow::Result;
use serde_json::{Value, json};

use crate::keys::Key;

/// How many ids of the bridge's frames are remembered, and told to it in `hello`.
const REMEMBERED: usize = 1024;

/// How many commands wait for the bridge, before no more are taken.
const ROOM: usize = 100_000;

/// What an item is. A frame and a user may be called the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Frame,
    Enlist,
    Delist,
}

/// Something that the bridge must answer.
enum Item {
    /// A frame with an id: an event, a command, or what a user wants of another.
    Frame {
        id: String,
        frame: Value,
    },
    Enlist {
        user: String,
        name: Option<String>,
    },
    Delist {
        user: String,
    },
}

impl Item {
    fn what(&self) -> What {
        match self {
            Self::Frame { .. } => What::Frame,
            Self::Enlist { .. } => What::Enlist,
            Self::Delist { .. } => What::Delist,
        }
    }

    /// What the bridge calls it in `about`.
    fn key(&self) -> &str {
        match self {
            Self::Frame { id, .. } => id,
            Self::Enlist { user, .. } | Self::Delist { user } => user,
        }
    }

    fn text(&self, key: &Key) -> Result<String> {
        Ok(match self {
            Self::Frame { frame, .. } => frame.to_string(),
            // The proof is made when it is sent: it holds for minutes only.
            Self::Enlist { user, name } => {
                let proof = key.user_proof(user)?;
                json!({"type": "enlist", "user": user, "name": name, "proof": proof}).to_string()
            }
            Self::Delist { user } => json!({"type": "delist", "user": user}).to_string(),
        })
    }
}

/// What the bridge has not answered yet.
#[derive(Default)]
pub(crate) struct Outbox {
    items: VecDeque<Item>,
    /// How many of them, from the first on, are on the way; and how many bytes each.
    on_the_way: VecDeque<usize>,
}

impl Outbox {
    pub(crate) fn frame(&mut self, id: String, frame: Value) {
        self.items.push_back(Item::Frame { id, frame });
    }

    pub(crate) fn enlist(&mut self, user: String, name: Option<String>) {
        self.items.push_back(Item::Enlist { user, name });
    }

    pub(crate) fn delist(&mut self, user: String) {
        self.items.push_back(Item::Delist { user });
    }

    pub(crate) fn has_room(&self) -> bool {
        self.items.len() < ROOM
    }

    /// The connection is new: nothing is on the way.
    pub(crate) fn restart(&mut self) {
        self.on_the_way.clear();
    }

    /// The next one to send, if the bridge's credit allows it.
    pub(crate) fn next(
        &mut self,
        key: &Key,
        frames: usize,
        bytes: usize,
    ) -> Result<Option<String>> {
        let Some(item) = self.items.get(self.on_the_way.len()) else { return Ok(None) };
        if self.on_the_way.len() >= frames {
            return Ok(None);
        }
        let text = item.text(key)?;
        if self.on_the_way.iter().sum::<usize>() + text.len() > bytes {
            return Ok(None);
        }
        self.on_the_way.push_back(text.len());
        Ok(Some(text))
    }

    /// The bridge has taken this.
    pub(crate) fn taken(&mut self, what: What, key: &str) {
        self.answered(|item| item.what() == what && item.key() == key);
    }

    /// The bridge has refused this. An error does not say what it is about; answers come in the
    /// order of what they answer, so it is the first of this name.
    pub(crate) fn refused(&mut self, key: &str) {
        self.answered(|item| item.key() == key);
    }

    fn answered(&mut self, is_it: impl Fn(&Item) -> bool) {
        let mut sent = self.items.iter().take(self.on_the_way.len());
        if let Some(index) = sent.position(is_it) {
            self.items.remove(index);
            self.on_the_way.remove(index);
        }
    }
}

/// Which frames of the bridge's were taken. A real app keeps these ids with the messages.
#[derive(Default)]
pub(crate) struct Received {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Received {
    /// Takes note of a frame; false if it was here before.
    pub(crate) fn is_new(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        // Repeats come soon after a reconnection: far more than that is never needed.
        if self.order.len() > 100 * REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }

    /// Whether this frame was taken before.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The latest, for `hello`.
    pub(crate) fn latest(&self) -> Vec<&str> {
        self.order.iter().rev().take(REMEMBERED).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_answer_takes_out_what_it_answers_and_nothing_else_of_that_name() {
        let dir = tempfile::tempdir().unwrap();
        let (_, private) = crate::keys::make(dir.path(), "birdychat").unwrap();
        let key = Key::read(&private, "birdychat".to_owned(), "drawbridge".to_owned()).unwrap();
        let mut outbox = Outbox::default();
        let event = json!({"type": "event", "id": "dave"});
        outbox.frame("dave".to_owned(), event);
        outbox.enlist("dave".to_owned(), None);
        outbox.delist("dave".to_owned());
        while outbox.next(&key, 10, 10_000).unwrap().is_some() {}
        let left = |outbox: &Outbox| outbox.items.iter().map(Item::what).collect::<Vec<_>>();
        outbox.taken(What::Enlist, "dave");
        assert_eq!(left(&outbox), [What::Frame, What::Delist]);
        outbox.taken(What::Delist, "carol");
        outbox.taken(What::Delist, "dave");
        assert_eq!(left(&outbox), [What::Frame]);
        outbox.refused("dave");
        assert!(left(&outbox).is_empty() && outbox.on_the_way.is_empty());
    }
}
