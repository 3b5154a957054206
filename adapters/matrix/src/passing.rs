//! What is remembered for a week, and then forgotten.

use std::time::Duration;

use drawbridge_adapter::{Bridge, Memo, Timestamp, Unavailable, log};
use serde::Deserialize;

use crate::log::SWEEP_PUT_OFF;

/// Keys of portals that their users have left. For so long their ghosts' last words may come back
/// from there: the homeserver may order them behind the ghost's own leaving, and send them after a
/// long outage.
pub(crate) const LEFT: &str = "left/";
/// Keys of reports that were made: for so long they may come again.
pub(crate) const REPORTED: &str = "report/";
/// Keys of where pictures of users were taken to; later they are taken there again.
pub(crate) const PICTURED: &str = "avatar/";

const REMEMBERED: Duration = Duration::from_hours(7 * 24);
const BETWEEN_SWEEPS: Duration = Duration::from_hours(24);
const SWEPT_AT_ONCE: usize = 500;

/// Each of these says since when it is remembered.
#[derive(Deserialize)]
struct Passing {
    at: Timestamp,
}

/// Forgets what is old, for ever.
pub(crate) async fn sweep(bridge: &Bridge) {
    loop {
        for keys in [LEFT, REPORTED, PICTURED] {
            if forget_old(bridge, keys, bridge.now()).await.is_err() {
                log!(SWEEP_PUT_OFF);
            }
        }
        tokio::time::sleep(BETWEEN_SWEEPS).await;
    }
}

async fn forget_old(bridge: &Bridge, keys: &str, now: Timestamp) -> Result<(), Unavailable> {
    let mut after = String::new();
    loop {
        let page = bridge.recall_all(keys, &after, SWEPT_AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        let old = |memo: &str| {
            let passing = serde_json::from_str::<Passing>(memo);
            passing.map_or(true, |passing| now.since(passing.at) > REMEMBERED)
        };
        let old = page.into_iter().filter(|(_, memo)| old(memo));
        let memos: Vec<_> = old.map(|(key, _)| Memo::forget(key)).collect();
        if !memos.is_empty() {
            bridge.remember(memos).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::portals::{Company, Room};
    use crate::stub::{ALICE, GHOST, Stub};
    use ruma::OwnedRoomId;

    #[tokio::test]
    async fn a_portal_that_was_left_is_forgotten_in_the_end() {
        let stub = Stub::well().await;
        let (portals, bridge) = (&stub.core.portals, stub.bridge.handle());
        let room = Room {
            ghost: GHOST.try_into().unwrap(),
            user: ALICE.try_into().unwrap(),
            company: Company::None,
        };
        let rooms = (0..=SWEPT_AT_ONCE).map(|n| OwnedRoomId::try_from(format!("!r{n}:hs.test")));
        let rooms: Vec<_> = rooms.map(Result::unwrap).collect();
        for id in &rooms {
            portals.close_behind(id, &room, None).await.unwrap();
        }
        forget_old(&bridge, LEFT, bridge.now().plus(REMEMBERED / 2)).await.unwrap();
        assert!(portals.left(&rooms[0]).await.unwrap().is_some());
        forget_old(&bridge, LEFT, bridge.now().plus(REMEMBERED * 2)).await.unwrap();
        for id in &rooms {
            assert_eq!(portals.left(id).await.unwrap(), None);
        }
    }
}
