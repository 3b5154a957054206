//! Sees what users change on their lists, and tells it as gestures.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Gesture, Memo, Unavailable, log};
use ruma::UserId;
use ruma::api::client::filter::{Filter, FilterDefinition};
use ruma::api::client::sync::sync_events::v3::{self as sync, Filter as SyncFilter};
use ruma::presence::PresenceState;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::list::{self, Known, Written};
use super::rules::{self, Muted};
use super::{Access, Watched, mutes, seen_key, written_key};
use crate::connection::jittered;
use crate::core::Core;
use crate::homeserver::CallError;
use crate::log::{LIST_LEFT_ASIDE, LISTS_REFUSED, MAY_SPEAK_AS_ALL};

const IGNORED: &str = "m.ignored_user_list";
const RULES: &str = "m.push_rules";
/// How long the homeserver keeps a request while nothing happens.
const POLL: Duration = Duration::from_secs(20);
/// Between two requests that brought nothing.
const PAUSE: Duration = Duration::from_millis(500);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
const AT_ONCE: usize = 500;

/// Watches the lists of all who let the bridge see them, for ever.
pub(crate) async fn watch(core: &Arc<Core>) {
    if core.lists.puppets.is_some() {
        log!(MAY_SPEAK_AS_ALL);
    }
    while core.remembered().await.is_err() {
        tokio::time::sleep(jittered(&core.bridge, LONGEST)).await;
    }
    let mut arriving = core.lists.arriving.lock().await;
    // They end with it.
    let mut watchers = JoinSet::new();
    while let Some((user, watched)) = arriving.recv().await {
        let core = Arc::clone(core);
        watchers.spawn(async move { follow(&core, &user, &watched).await });
    }
}

/// Watches one user's lists, for ever. It begins with the whole of them, so that what was changed
/// while the bridge was away is found, and no token can be too old.
async fn follow(core: &Core, user: &UserId, watched: &Watched) {
    let mut since = None;
    let mut wait = FIRST;
    loop {
        let Some(access) = watched.access() else {
            watched.changed.notified().await;
            since = None;
            continue;
        };
        let of = (user, watched, &access);
        let began = Instant::now();
        let looked = tokio::select! {
            looked = look(core, of, since.clone()) => looked,
            () = watched.changed.notified() => {
                since = None;
                continue;
            }
        };
        match looked {
            Ok(looked) => {
                let changed = looked.ignored.is_some() || looked.muted.is_some();
                match tell(core, of, &looked).await {
                    Ok(Told::All) => {
                        (since, wait) = (Some(looked.next), FIRST);
                        if !changed && began.elapsed() < PAUSE {
                            tokio::time::sleep(PAUSE).await;
                        }
                        continue;
                    }
                    // The same request again would be answered from the homeserver's memory.
                    Ok(Told::Outdated) => {
                        since = None;
                        continue;
                    }
                    // The whole again: this change would not come a second time.
                    Ok(Told::ButNotWritten) | Err(_) => since = None,
                }
            }
            Err(error) => {
                if !error.is_temporary() && core.lists.rarely.may(&LISTS_REFUSED) {
                    log!(LISTS_REFUSED);
                }
                if !error.is_temporary() {
                    since = None;
                }
            }
        }
        let pause = jittered(&core.bridge, wait);
        wait = (wait * 2).min(LONGEST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = watched.changed.notified() => since = None,
        }
    }
}

#[derive(Deserialize)]
struct AccountData {
    #[serde(rename = "type")]
    kind: String,
    content: Value,
}

/// How far what is new was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// All is told and written.
    All,
    /// Something could not be written for now.
    ButNotWritten,
    /// A command came meanwhile: it is to be looked at again.
    Outdated,
}

/// What one request brought.
pub(super) struct Looked {
    /// See [`Watched::commands`]: before the request.
    pub(super) commands: u64,
    /// Where to go on.
    next: String,
    /// Who is ignored, if that has changed, or at first.
    ignored: Option<BTreeSet<String>>,
    /// Which rooms are muted, if the rules have changed, or at first.
    pub(super) muted: Option<Muted>,
}

/// One request.
pub(super) async fn look(
    core: &Core,
    (user, watched, access): (&UserId, &Watched, &Access),
    since: Option<String>,
) -> Result<Looked, CallError> {
    let commands = watched.commands();
    let whole = since.is_none();
    let _turn = if whole { core.lists.first.acquire().await.ok() } else { None };
    let mut filter = FilterDefinition::ignore_all();
    filter.account_data = Filter::empty();
    filter.account_data.types = Some(vec![IGNORED.to_owned(), RULES.to_owned()]);
    if whole {
        // Another request than any before: Synapse answers the same one from memory for two
        // minutes, with rules of then.
        let another = format!("dev.drawbridge.{:016x}", core.bridge.random());
        filter.account_data.not_types = vec![another];
    }
    let mut request = sync::Request::new();
    request.filter = Some(SyncFilter::FilterDefinition(filter));
    // The user is not online because the bridge looks.
    request.set_presence = PresenceState::Offline;
    request.timeout = Some(if whole { Duration::ZERO } else { POLL });
    request.since = since;
    let answer = core.call_as(user, watched, access, request).await?;
    let events = answer.account_data.events.iter();
    let events = events.filter_map(|raw| raw.deserialize_as_unchecked::<AccountData>().ok());
    let mut looked = Looked {
        commands,
        next: answer.next_batch,
        ignored: whole.then(BTreeSet::new),
        muted: None,
    };
    for event in events {
        let read = match event.kind.as_str() {
            IGNORED => {
                looked.ignored = list::read(&event.content);
                looked.ignored.is_some()
            }
            RULES => {
                looked.muted = rules::read(&event.content);
                looked.muted.is_some()
            }
            _ => true,
        };
        if !read && core.lists.rarely.may(&LIST_LEFT_ASIDE) {
            log!(LIST_LEFT_ASIDE);
        }
    }
    Ok(looked)
}

/// Tells what is new, and then remembers that it was told.
async fn tell(
    core: &Core,
    of: (&UserId, &Watched, &Access),
    looked: &Looked,
) -> Result<Told, Unavailable> {
    let mut told = Told::All;
    if let Some(muted) = &looked.muted {
        told = mutes::tell(core, of, muted, looked.commands).await?;
    }
    if let Some(list) = &looked.ignored
        && !tell_ignored(core, of, list).await?
        && told == Told::All
    {
        told = Told::ButNotWritten;
    }
    Ok(told)
}

/// False if something could not be written for now.
async fn tell_ignored(
    core: &Core,
    (user, watched, access): (&UserId, &Watched, &Access),
    list: &BTreeSet<String>,
) -> Result<bool, Unavailable> {
    let Some(account) = core.names.user(user.as_str()) else { return Ok(true) };
    let mut state = watched.state.lock().await;
    let known = recalled(core, user, &mut state.ignored).await?;
    let bot = core.names.bot();
    let mut news = list::news(known, list, |mxid| mxid == bot || core.names.behind(mxid).is_some());
    let mut memos = Vec::new();
    // Whoever does not want to hear the bridge itself wants nothing of it.
    if news.blocked.iter().any(|mxid| mxid == bot) {
        core.bridge.gesture(&account, Gesture::Disable).await?;
    }
    for (of, changed) in [
        (Gesture::Block as fn(_) -> _, &news.blocked),
        (Gesture::Unblock as fn(_) -> _, &news.unblocked),
    ] {
        for other in changed.iter().filter_map(|mxid| core.names.behind(mxid)) {
            core.bridge.gesture(&account, of(other)).await?;
        }
    }
    let seen = |one: &&String| !known.seen.contains(*one);
    memos.extend(
        news.known.seen.iter().filter(seen).map(|o| Memo::set(seen_key(user.as_str(), o), "")),
    );
    let gone = |one: &&String| !news.known.seen.contains(*one);
    memos.extend(known.seen.iter().filter(gone).map(|o| Memo::forget(seen_key(user.as_str(), o))));
    memos.extend(news.settled.iter().map(|o| Memo::forget(written_key(user.as_str(), o))));
    if !memos.is_empty() {
        core.bridge.remember(memos).await?;
    }
    // Later than the gestures: a command that is older than they are is not carried out any more.
    let now = core.bridge.now();
    news.known.told.add(&news.blocked, true, now);
    news.known.told.add(&news.unblocked, false, now);
    *known = news.known;
    let mut all_done = true;
    for (other, listed) in &news.missing {
        let written = core.write_entry((user, watched, access), other, *listed).await;
        if written.is_err_and(|error| error.is_temporary()) {
            // It was not undone by anybody.
            if let Some(written) = known.written.get_mut(other) {
                written.missed = written.missed.saturating_sub(1);
            }
            all_done = false;
        }
    }
    Ok(all_done)
}

/// What is known of a list, looked up if need be.
pub(super) async fn recalled<'a>(
    core: &Core,
    user: &UserId,
    state: &'a mut Option<Known>,
) -> Result<&'a mut Known, Unavailable> {
    if let Some(known) = state.take() {
        return Ok(state.insert(known));
    }
    let seen = all(core, &seen_key(user.as_str(), "")).await?;
    let written = all(core, &written_key(user.as_str(), "")).await?;
    let written = written
        .into_iter()
        .map(|(other, memo)| (other, Written { listed: memo == LISTED, missed: 0 }));
    let known = Known {
        seen: seen.into_iter().map(|(other, _)| other).collect(),
        written: written.collect(),
        ..Known::default()
    };
    Ok(state.insert(known))
}

/// The memo of an entry that is to be on the list.
pub(super) const LISTED: &str = "listed";

/// All memos that start so, by the rest of their keys.
pub(super) async fn all(core: &Core, prefix: &str) -> Result<Vec<(String, String)>, Unavailable> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = core.bridge.recall_all(prefix, &after, AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        found.extend(page.into_iter().map(|(key, memo)| (key[prefix.len()..].to_owned(), memo)));
    }
}
