//! Sees what users change on their lists, and tells it as gestures.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Gesture, Memo, Unavailable, log};
use ruma::api::client::filter::{Filter, FilterDefinition};
use ruma::api::client::sync::sync_events::v3::{self as sync, Filter as SyncFilter};
use ruma::presence::PresenceState;
use ruma::{OwnedUserId, UserId};
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::list::{self, Known, Written};
use super::{Lists, MOST_WATCHED, State, seen_key, written_key};
use crate::connection::jittered;
use crate::core::Core;
use crate::homeserver::{As, CallError};
use crate::log::{LIST_LEFT_ASIDE, LISTS_REFUSED, MAY_SPEAK_AS_ALL};

const TYPE: &str = "m.ignored_user_list";
/// How long the homeserver keeps a request while nothing happens.
const POLL: Duration = Duration::from_secs(20);
/// Between two requests that brought nothing.
const PAUSE: Duration = Duration::from_millis(500);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
const AT_ONCE: usize = 500;

/// Watches the lists of all whom the bridge knows, for ever.
pub(crate) async fn watch(core: &Arc<Core>) {
    let Some(lists) = &core.lists else { return std::future::pending().await };
    log!(MAY_SPEAK_AS_ALL);
    while remembered(core, lists).await.is_err() {
        tokio::time::sleep(jittered(&core.bridge, LONGEST)).await;
    }
    let mut arriving = lists.arriving.lock().await;
    // They end with it.
    let mut watchers = JoinSet::new();
    while let Some(user) = arriving.recv().await {
        let core = Arc::clone(core);
        watchers.spawn(async move {
            if let Some(lists) = &core.lists {
                follow(&core, lists, &user).await;
            }
        });
    }
}

/// All whom the bridge knew when it ran last.
async fn remembered(core: &Core, lists: &Lists) -> Result<(), Unavailable> {
    const PREFIX: &str = "watched/";
    let page = core.bridge.recall_all(PREFIX, "", MOST_WATCHED).await?;
    let users = page.into_iter().filter_map(|(key, _)| key.get(PREFIX.len()..).map(str::to_owned));
    users.filter_map(|user| OwnedUserId::try_from(user).ok()).for_each(|user| lists.add(user));
    Ok(())
}

/// Watches one user's list, for ever. It begins with the whole list, so that what was changed
/// while the bridge was away is found, and no token can be too old.
async fn follow(core: &Core, lists: &Lists, user: &UserId) {
    let Some(state) = lists.state_of(user) else { return };
    let mut since = None;
    let mut wait = FIRST;
    loop {
        let began = Instant::now();
        match look(lists, user, since.clone()).await {
            Ok((next, list)) => {
                let changed = list.is_some();
                let told = match list {
                    Some(list) => tell(core, lists, user, &state, &list).await,
                    None => Ok(()),
                };
                if told.is_ok() {
                    (since, wait) = (Some(next), FIRST);
                    if !changed && began.elapsed() < PAUSE {
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
                // The whole list again: this change would not come a second time.
                since = None;
            }
            Err(error) => {
                if !error.is_temporary() && lists.rarely.may(&LISTS_REFUSED) {
                    log!(LISTS_REFUSED);
                }
                if !error.is_temporary() {
                    since = None;
                }
            }
        }
        tokio::time::sleep(jittered(&core.bridge, wait)).await;
        wait = (wait * 2).min(LONGEST);
    }
}

#[derive(Deserialize)]
struct AccountData {
    #[serde(rename = "type")]
    kind: String,
    content: Value,
}

/// One request: where to go on, and the list if it has changed, or at first.
async fn look(
    lists: &Lists,
    user: &UserId,
    since: Option<String>,
) -> Result<(String, Option<BTreeSet<String>>), CallError> {
    let whole = since.is_none();
    let _turn = if whole { lists.first.acquire().await.ok() } else { None };
    let mut filter = FilterDefinition::ignore_all();
    filter.account_data = Filter::empty();
    filter.account_data.types = Some(vec![TYPE.to_owned()]);
    let mut request = sync::Request::new();
    request.filter = Some(SyncFilter::FilterDefinition(filter));
    // The user is not online because the bridge looks.
    request.set_presence = PresenceState::Offline;
    request.timeout = Some(if whole { Duration::ZERO } else { POLL });
    request.since = since;
    let answer = lists.homeserver.call(As::Ghost(user), request).await?;
    let events = answer.account_data.events.iter();
    let events = events.filter_map(|raw| raw.deserialize_as_unchecked::<AccountData>().ok());
    let mut contents = events.filter(|event| event.kind == TYPE).map(|event| event.content);
    let list = match contents.next_back() {
        Some(content) => {
            let list = list::read(&content);
            if list.is_none() && lists.rarely.may(&LIST_LEFT_ASIDE) {
                log!(LIST_LEFT_ASIDE);
            }
            list
        }
        None => whole.then(BTreeSet::new),
    };
    Ok((answer.next_batch, list))
}

/// Tells what is new on a list, and then remembers that it was told.
async fn tell(
    core: &Core,
    lists: &Lists,
    user: &UserId,
    state: &State,
    list: &BTreeSet<String>,
) -> Result<(), Unavailable> {
    let Some(account) = core.names.user(user.as_str()) else { return Ok(()) };
    let mut state = state.lock().await;
    let known = recalled(core, user, &mut state).await?;
    let mut news = list::news(known, list, |mxid| core.names.behind(mxid).is_some());
    let mut memos = Vec::new();
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
    news.known.told(&news.blocked, true, now);
    news.known.told(&news.unblocked, false, now);
    *state = Some(news.known);
    for (other, listed) in &news.missing {
        // If it fails, the next look finds it missing still, or the daemon's command comes again.
        let _ = lists.write(user, other, *listed).await;
    }
    Ok(())
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
async fn all(core: &Core, prefix: &str) -> Result<Vec<(String, String)>, Unavailable> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = core.bridge.recall_all(prefix, &after, AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        found.extend(page.into_iter().map(|(key, memo)| (key[prefix.len()..].to_owned(), memo)));
    }
}
