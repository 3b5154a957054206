//! What both directions share while the adapter runs.

use std::sync::Arc;

use drawbridge_adapter::{Bridge, ReplyPath, Unavailable};
use ruma::{OwnedRoomId, OwnedUserId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};

use crate::address::MatrixAddressing;
use crate::cache::Cache;
use crate::ghosts::Ghosts;
use crate::homeserver::{CallError, Homeserver};
use crate::inbound::{Passes, Profiles};
use crate::lists::Lists;
use crate::outbound::{Looks, Notices, Receipts, Signals, Uploads};
use crate::portals::Portals;
use crate::refs::Refs;
use crate::spaces::Spaces;

/// Matrix users whose existence is at hand.
const USERS_AT_HAND: usize = 10_000;
/// Rooms whose members could not be learned.
const ROOMS_UNSEEN: usize = 1_000;
/// Invites by users of other servers that are followed at a time.
const REMOTE_INVITES: usize = 16;

/// The adapter's parts.
pub(crate) struct Core {
    pub(crate) bridge: Bridge,
    pub(crate) names: MatrixAddressing,
    pub(crate) homeserver: Arc<Homeserver>,
    pub(crate) portals: Portals,
    pub(crate) spaces: Arc<Spaces>,
    pub(crate) ghosts: Ghosts,
    /// How Matrix users call themselves and look.
    pub(crate) profiles: Profiles,
    /// How ghosts look, each to one user.
    pub(crate) looks: Looks,
    /// Users of the homeserver who were seen to exist.
    pub(crate) existing: Cache<OwnedUserId, ()>,
    /// How often the members of a room could not be learned.
    pub(crate) unseen: Cache<OwnedRoomId, u32>,
    /// What later events may be about.
    pub(crate) refs: Refs,
    pub(crate) receipts: Receipts,
    /// What passes without leaving a trace, to the daemon.
    pub(crate) passes: Passes,
    /// The same, from the daemon.
    pub(crate) signals: Signals,
    pub(crate) notices: Notices,
    pub(crate) uploads: Uploads,
    /// The users' own lists, of those who let the bridge see them.
    pub(crate) lists: Lists,
    pub(crate) remote_invites: Arc<Semaphore>,
    /// A call found the homeserver gone.
    pub(crate) lost: Notify,
}

impl Core {
    pub(crate) fn new(
        bridge: Bridge,
        names: MatrixAddressing,
        hs: Arc<Homeserver>,
        lists: Lists,
    ) -> Self {
        let spaces = Arc::new(Spaces::new(bridge.clone(), names.clone()));
        Self {
            portals: Portals::new(bridge.clone(), Arc::clone(&spaces)),
            spaces,
            bridge,
            names,
            homeserver: hs,
            ghosts: Ghosts::new(),
            profiles: Profiles::new(),
            looks: Looks::new(),
            existing: Cache::new(USERS_AT_HAND),
            unseen: Cache::new(ROOMS_UNSEEN),
            refs: Refs::new(),
            receipts: Receipts::default(),
            passes: Passes::new(),
            signals: Signals::default(),
            notices: Notices::new(),
            uploads: Uploads::new(),
            lists,
            remote_invites: Arc::new(Semaphore::new(REMOTE_INVITES)),
            lost: Notify::new(),
        }
    }

    /// Makes sure that a ghost, or the bot, is there.
    pub(crate) async fn ensure(&self, ghost: &UserId) -> Result<(), CallError> {
        match self.names.behind(ghost.as_str()) {
            Some(account) => self.ghosts.ensure(&self.homeserver, ghost, &account).await,
            None => self.ghosts.ensure_bot(&self.homeserver, ghost).await,
        }
    }
}

/// What the homeserver sent can't be dealt with now: it is not acknowledged, and comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Later;

impl From<Unavailable> for Later {
    fn from(_: Unavailable) -> Self {
        Self
    }
}

impl Later {
    /// An unreachable homeserver sends its transaction again when it is back; other failures
    /// must not hold up everybody's events.
    pub(crate) fn if_gone(error: &CallError) -> Result<(), Self> {
        if *error == CallError::Unreachable { Err(Self) } else { Ok(()) }
    }
}

/// The way back to the sender of an event: kept by the daemon as a [`ReplyPath`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WayBack {
    /// Where it was said.
    pub(crate) room: OwnedRoomId,
    /// Which of the bridge's ghosts heard it, or the bot.
    pub(crate) ghost: OwnedUserId,
}

impl WayBack {
    pub(crate) fn to_reply_path(&self) -> ReplyPath {
        // Two ids of at most 255 bytes each.
        ReplyPath(serde_json::json!({ "room": self.room, "ghost": self.ghost }).to_string())
    }

    pub(crate) fn from_reply_path(path: &ReplyPath) -> Option<Self> {
        serde_json::from_str(&path.0).ok()
    }
}
