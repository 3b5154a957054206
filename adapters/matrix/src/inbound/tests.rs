//! What becomes of a transaction when something fails in its middle.
#![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

use std::sync::atomic::{AtomicUsize, Ordering};

use drawbridge_adapter::{Destination, Unavailable};
use ruma::OwnedRoomId;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::members::WAITS;
use crate::core::Later;
use crate::portals::Company;
use crate::stub::{ALICE, ROOM, Stub};

fn event(id: &str, of_type: &str, state_key: Option<&str>, content: &Value) -> Box<RawValue> {
    let mut event = json!({
        "event_id": id, "room_id": ROOM, "sender": ALICE, "origin_server_ts": 1,
        "type": of_type, "content": content,
    });
    if let Some(key) = state_key {
        event["state_key"] = key.into();
    }
    to_raw_value(&event).unwrap()
}

fn says(id: &str, text: &str) -> Box<RawValue> {
    event(id, "m.room.message", None, &json!({ "msgtype": "m.text", "body": text }))
}

fn leaves() -> Box<RawValue> {
    event("$leave", "m.room.member", Some(ALICE), &json!({ "membership": "leave" }))
}

#[tokio::test]
async fn last_words_are_not_lost_when_their_transaction_comes_again() {
    let end = || event("$end", "m.room.tombstone", Some(""), &json!({ "body": "moved" }));
    for closed in [leaves(), end()] {
        let stub = Stub::well().await;
        stub.knows_room(Company::None).await;
        let transaction = [says("$1", "last words"), closed];
        stub.bridge.fail_next(1, Unavailable::Full);
        assert_eq!(stub.core.take(&transaction).await, Err(Later));
        assert_eq!(stub.core.take(&transaction).await, Ok(()));
        // As if the answer had not come through.
        assert_eq!(stub.core.take(&transaction).await, Ok(()));
        let handed = stub.bridge.journal().handed;
        let ids: Vec<_> = handed.iter().map(|handed| handed.event.id.as_str()).collect();
        assert_eq!(ids, ["$1"]);
        assert!(!stub.calls("/leave").is_empty(), "the ghost stayed");
    }
}

#[tokio::test]
async fn a_direct_chat_is_one_though_the_homeserver_stumbles() {
    let asked = AtomicUsize::new(0);
    let stub = Stub::start(move |call| {
        let members = call.path.contains("/joined_members");
        let stumbles = members && asked.fetch_add(1, Ordering::Relaxed) == 0;
        stumbles.then(|| (502, json!({})))
    })
    .await;
    stub.knows_room(Company::Unknown).await;
    assert_eq!(stub.core.take(&[says("$1", "hello")]).await, Ok(()));
    let to = stub.bridge.journal().handed[0].event.to.clone();
    assert_eq!(to, Destination::Direct("elsewhere:carol".parse().unwrap()));
}

#[tokio::test]
async fn what_nobody_can_place_waits_and_holds_up_others_for_a_while_only() {
    let stub =
        Stub::start(|call| call.path.contains("/joined_members").then(|| (500, json!({})))).await;
    stub.knows_room(Company::Unknown).await;
    let transaction = [says("$1", "hello")];
    assert_eq!(stub.core.take(&transaction).await, Err(Later));
    stub.core.unseen.put(OwnedRoomId::try_from(ROOM).unwrap(), WAITS);
    assert_eq!(stub.core.take(&transaction).await, Ok(()));
    assert_eq!(stub.bridge.journal().handed[0].event.to, Destination::Group);
}

#[tokio::test]
async fn what_was_said_in_a_group_is_refused_though_the_ghost_has_left() {
    let stub = Stub::start(|call| {
        let all = crate::stub::members(&[ALICE, crate::stub::GHOST, "@dave:hs.test"]);
        call.path.contains("/joined_members").then_some((200, all))
    })
    .await;
    stub.knows_room(Company::Unknown).await;
    assert_eq!(stub.core.take(&[says("$1", "hello, all")]).await, Ok(()));
    assert_eq!(stub.bridge.journal().handed[0].event.to, Destination::Group);
    assert_eq!(stub.calls("/leave").len(), 1);
}
