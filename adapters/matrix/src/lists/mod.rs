//! The lists of ignored users (`m.ignored_user_list`) of those who let the bridge see theirs.
//!
//! The homeserver shows nobody's list to an application service. The operator can let the bridge
//! speak as every local user, with a second registration; then it watches the lists of those whom
//! it knows, and writes to them whom its users have blocked elsewhere.

mod list;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Memo, Rarely, Unavailable, log};
use ruma::{OwnedUserId, UserId};
use tokio::sync::{Semaphore, mpsc};

use crate::core::Core;
use crate::homeserver::Homeserver;
use crate::log::TOO_MANY_LISTS;
use list::Known;

pub(crate) use watch::watch;

/// The most users whose lists are watched: each costs a request that waits at the homeserver.
const MOST_WATCHED: usize = 1_000;
/// How many lists are read at a time when the bridge starts.
const AT_ONCE: usize = 8;
const BETWEEN_COMPLAINTS: Duration = Duration::from_mins(1);

/// What is known of a list; none before it was looked up.
type State = Arc<tokio::sync::Mutex<Option<Known>>>;

/// The lists that the bridge may see.
pub(crate) struct Lists {
    /// The homeserver, spoken to as its users.
    homeserver: Homeserver,
    watched: Mutex<HashMap<OwnedUserId, State>>,
    newcomers: mpsc::UnboundedSender<OwnedUserId>,
    arriving: tokio::sync::Mutex<mpsc::UnboundedReceiver<OwnedUserId>>,
    first: Semaphore,
    rarely: Rarely,
}

impl Lists {
    /// `homeserver` takes the bridge for whichever user it names.
    pub(crate) fn new(homeserver: Homeserver) -> Self {
        let (newcomers, arriving) = mpsc::unbounded_channel();
        Self {
            homeserver,
            watched: Mutex::default(),
            newcomers,
            arriving: tokio::sync::Mutex::new(arriving),
            first: Semaphore::new(AT_ONCE),
            rarely: Rarely::each(BETWEEN_COMPLAINTS),
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<OwnedUserId, State>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_of(&self, user: &UserId) -> Option<State> {
        self.watched().get(user).cloned()
    }

    fn is_full(&self) -> bool {
        let full = self.watched().len() >= MOST_WATCHED;
        if full && self.rarely.may(&TOO_MANY_LISTS) {
            log!(TOO_MANY_LISTS);
        }
        full
    }

    fn add(&self, user: OwnedUserId) {
        if self.is_full() {
            return;
        }
        let known = self.watched().insert(user.clone(), State::default());
        if known.is_none() {
            // The other end lives as long as this one.
            let _ = self.newcomers.send(user);
        }
    }
}

impl Core {
    /// A user has to do with the bridge: from now on their list counts, if it can be seen.
    pub(crate) async fn meets(&self, user: &UserId) -> Result<(), Unavailable> {
        let Some(lists) = &self.lists else { return Ok(()) };
        let local = user.server_name() == self.names.server();
        if !local || lists.state_of(user).is_some() || lists.is_full() {
            return Ok(());
        }
        if self.names.user(user.as_str()).is_some() {
            self.bridge.remember(vec![Memo::set(watched_key(user.as_str()), "")]).await?;
            lists.add(user.to_owned());
        }
        Ok(())
    }
}

/// No MXID holds a line feed.
fn watched_key(user: &str) -> String {
    format!("watched/{user}")
}

fn seen_key(user: &str, ignored: &str) -> String {
    format!("ignored/{user}\n{ignored}")
}

fn written_key(user: &str, ignored: &str) -> String {
    format!("ignoring/{user}\n{ignored}")
}
