//! What users keep on the homeserver for themselves, of those who let the bridge see it: whom they
//! ignore (`m.ignored_user_list`), and which chats make no noise (`m.push_rules`).
//!
//! The homeserver shows it to nobody else, no application service either. A user can give the
//! bridge a login of their own; or the operator lets the bridge speak as every local user, with a
//! second registration. The user's own login goes first. What the bridge is to write where it has
//! no access is kept in memos until it has.

mod access;
mod list;
mod mutes;
mod rules;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Memo, Rarely, Secret, Unavailable, log};
use ruma::{OwnedUserId, UserId};
use tokio::sync::{Notify, OnceCell, Semaphore, mpsc};

use crate::core::Core;
use crate::homeserver::Homeserver;
use crate::log::TOO_MANY_LISTS;

pub(crate) use access::{take_back, token_in};
pub(crate) use watch::watch;

/// The most users whose lists are watched: each costs a request that waits at the homeserver.
const MOST_WATCHED: usize = 1_000;
/// How many lists are read at a time when the bridge starts.
const AT_ONCE: usize = 8;
const BETWEEN_COMPLAINTS: Duration = Duration::from_mins(1);
const WATCHED: &str = "watched/";
const ACCESS: &str = "access/";

/// By what the bridge sees what a user keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// The user's own login.
    Own(Secret),
    /// The operator's second registration.
    Puppets,
}

/// What is known of what a user keeps; none before it was looked up.
#[derive(Default)]
struct State {
    ignored: Option<list::Known>,
    mutes: Option<mutes::Known>,
}

/// A user who lets the bridge see their lists, or did since the start.
#[derive(Default)]
struct Watched {
    state: tokio::sync::Mutex<State>,
    access: Mutex<Option<Access>>,
    /// Held by whoever changes the access, on disk and in memory.
    changing: tokio::sync::Mutex<()>,
    /// The whole is to be looked at again.
    changed: Notify,
    /// How many commands about mutes there were: what was looked at before the last is no news.
    commands: AtomicU64,
}

impl Watched {
    fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    fn access(&self) -> Option<Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_access(&self, access: Option<Access>) {
        *self.access.lock().unwrap_or_else(PoisonError::into_inner) = access;
        self.changed.notify_one();
    }
}

type Newcomer = (OwnedUserId, Arc<Watched>);

/// The lists that the bridge may see.
pub(crate) struct Lists {
    /// The homeserver, spoken to as whichever user is named.
    puppets: Option<Homeserver>,
    /// Whether all whom the bridge knew when it ran last are among the watched.
    remembered: OnceCell<()>,
    watched: Mutex<HashMap<OwnedUserId, Arc<Watched>>>,
    newcomers: mpsc::UnboundedSender<Newcomer>,
    arriving: tokio::sync::Mutex<mpsc::UnboundedReceiver<Newcomer>>,
    first: Semaphore,
    rarely: Rarely,
}

impl Lists {
    /// `puppets` takes the bridge for whichever user it names, if the operator lets it.
    pub(crate) fn new(puppets: Option<Homeserver>) -> Self {
        let (newcomers, arriving) = mpsc::unbounded_channel();
        Self {
            puppets,
            remembered: OnceCell::new(),
            watched: Mutex::default(),
            newcomers,
            arriving: tokio::sync::Mutex::new(arriving),
            first: Semaphore::new(AT_ONCE),
            rarely: Rarely::each(BETWEEN_COMPLAINTS),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<OwnedUserId, Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, user: &UserId) -> Option<Arc<Watched>> {
        self.all().get(user).cloned()
    }

    /// What is known of a user, and by what the bridge sees more, if it does.
    fn open(&self, user: &UserId) -> Option<(Arc<Watched>, Access)> {
        let watched = self.of(user)?;
        let access = watched.access()?;
        Some((watched, access))
    }

    /// Whether no more users can be watched.
    fn is_full(&self) -> bool {
        let open = self.all().values().filter(|watched| watched.access().is_some()).count();
        let full = open >= MOST_WATCHED;
        if full && self.rarely.may(&TOO_MANY_LISTS) {
            log!(TOO_MANY_LISTS);
        }
        full
    }

    /// The one place of what is known of a user, who is watched from now on if there is access.
    fn add(&self, user: &UserId, access: Option<Access>) -> Arc<Watched> {
        let mut all = self.all();
        if let Some(known) = all.get(user) {
            return Arc::clone(known);
        }
        let watched = Arc::new(Watched { access: Mutex::new(access), ..Watched::default() });
        all.insert(user.to_owned(), Arc::clone(&watched));
        // The other end lives as long as this one.
        let _ = self.newcomers.send((user.to_owned(), Arc::clone(&watched)));
        watched
    }
}

impl Core {
    /// A user has to do with the bridge: from now on their lists count, if the operator lets the
    /// bridge see all.
    pub(crate) async fn meets(&self, user: &UserId) -> Result<(), Unavailable> {
        if self.lists.puppets.is_none() || !self.is_local(user) {
            return Ok(());
        }
        self.remembered().await?;
        if self.lists.open(user).is_some() || self.lists.is_full() {
            return Ok(());
        }
        let memo = Memo::set(format!("{WATCHED}{user}"), "");
        self.bridge.remember(vec![memo]).await?;
        self.lists.add(user, Some(Access::Puppets));
        Ok(())
    }

    /// Whether this is somebody of the homeserver's who is not the bridge itself.
    fn is_local(&self, user: &UserId) -> bool {
        user.server_name() == self.names.server() && self.names.user(user.as_str()).is_some()
    }

    /// Makes sure that all are watched whom the bridge knew when it ran last.
    async fn remembered(&self) -> Result<(), Unavailable> {
        let recall = async {
            let own = self.users_under(ACCESS).await?;
            for (user, token) in own {
                self.lists.add(&user, Some(Access::Own(Secret::new(token))));
            }
            if self.lists.puppets.is_some() {
                for (user, _) in self.users_under(WATCHED).await? {
                    self.lists.add(&user, Some(Access::Puppets));
                }
            }
            Ok(())
        };
        self.lists.remembered.get_or_try_init(|| recall).await.copied()
    }

    async fn users_under(&self, prefix: &str) -> Result<Vec<(OwnedUserId, String)>, Unavailable> {
        let page = self.bridge.recall_all(prefix, "", MOST_WATCHED).await?;
        let users = page.into_iter().filter_map(|(key, memo)| {
            Some((OwnedUserId::try_from(key.get(prefix.len()..)?).ok()?, memo))
        });
        Ok(users.collect())
    }
}

/// No MXID holds a line feed.
fn seen_key(user: &str, ignored: &str) -> String {
    format!("ignored/{user}\n{ignored}")
}

fn written_key(user: &str, ignored: &str) -> String {
    format!("ignoring/{user}\n{ignored}")
}
