//! Which users the bridge has seen: who wrote through it, or got something. A message that comes back
//! from one of them was perhaps blocked; one from somebody never seen says that nobody is there.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Bridge, Memo, UserId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// What a memo of a user begins with. The rest is the JID.
pub(crate) const PREFIX: &str = "seen/";
/// So long a delivery may still come back: until then it shows nothing.
const SETTLING: Duration = Duration::from_secs(3);
/// How many users are known without a look into the store.
const REMEMBERED: usize = 16 * 1024;
/// How many may wait to be written down. Beyond, they are left to their next message.
const WAITING: usize = 1024;
/// How many are written down together.
const TOGETHER: usize = 64;

/// Who was seen.
pub(crate) struct Seen {
    state: Mutex<State>,
    notes: mpsc::Sender<Note>,
}

#[derive(Default)]
struct State {
    known: HashSet<String>,
    /// Who got something just now.
    settling: HashMap<String, Instant>,
}

/// Somebody to be written down.
pub(crate) struct Note {
    jid: String,
    due: Instant,
}

impl Seen {
    /// Nobody yet; what is to be written down comes out of the receiver.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Note>) {
        let (notes, receiver) = mpsc::channel(WAITING);
        (Self { state: Mutex::default(), notes }, receiver)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user wrote.
    pub(crate) fn wrote(&self, user: &UserId) {
        let mut state = self.lock();
        if state.known.contains(user.id()) {
            return;
        }
        let note = Note { jid: user.id().to_owned(), due: Instant::now() };
        if self.notes.try_send(note).is_ok() {
            state.know(user.id());
        }
    }

    /// A user's server took a message.
    pub(crate) fn got(&self, user: &UserId) {
        let mut state = self.lock();
        if state.known.contains(user.id()) || state.settling.contains_key(user.id()) {
            return;
        }
        let due = Instant::now() + SETTLING;
        if self.notes.try_send(Note { jid: user.id().to_owned(), due }).is_ok() {
            state.settling.insert(user.id().to_owned(), due);
        }
    }

    /// A message to a user came back: so what the server took of late shows nothing.
    pub(crate) fn came_back(&self, user: &UserId) {
        self.lock().settling.remove(user.id());
    }

    /// Whether a user was ever seen; also if that cannot be found out now.
    pub(crate) async fn has(&self, user: &UserId, bridge: &Bridge) -> bool {
        if self.lock().known.contains(user.id()) {
            return true;
        }
        !matches!(bridge.recall(&format!("{PREFIX}{}", user.id())).await, Ok(None))
    }

    /// Writes down who was seen, until nobody can be any more.
    pub(crate) async fn keep(&self, noted: &mut mpsc::Receiver<Note>, bridge: &Bridge) {
        let mut batch = Vec::with_capacity(TOGETHER);
        while noted.recv_many(&mut batch, TOGETHER).await > 0 {
            if let Some(last) = batch.iter().map(|note| note.due).max() {
                sleep_until(last).await;
            }
            let memos: Vec<_> = batch
                .drain(..)
                .filter(|note| self.lock().settle(&note.jid))
                .map(|note| Memo::set(format!("{PREFIX}{}", note.jid), ""))
                .collect();
            // Whoever could not be written down is seen again.
            if !memos.is_empty() && bridge.remember(memos).await.is_err() {
                self.lock().known.clear();
            }
        }
    }
}

impl State {
    fn know(&mut self, jid: &str) {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(jid.to_owned());
    }

    /// Whether it is sure that the user is there.
    fn settle(&mut self, jid: &str) -> bool {
        if self.settling.remove(jid).is_some() {
            self.know(jid);
        }
        self.known.contains(jid)
    }
}
