//! What becomes of a transaction when something fails in its middle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it goes wrong")]

mod about;
mod files;
mod profiles;

use std::sync::atomic::{AtomicUsize, Ordering};

use drawbridge_adapter::{Code, Destination, Gesture, Timestamp, Unavailable};
use ruma::OwnedRoomId;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::members::WAITS;
use crate::core::Later;
use crate::portals::{Company, Left};
use crate::stub::{ALICE, GHOST, ROOM, Stub};

fn event(id: &str, of_type: &str, state_key: Option<&str>, content: &Value) -> Box<RawValue> {
    event_by(ALICE, id, of_type, state_key, content)
}

fn event_by(
    sender: &str,
    id: &str,
    of_type: &str,
    state_key: Option<&str>,
    content: &Value,
) -> Box<RawValue> {
    let mut event = json!({
        "event_id": id, "room_id": ROOM, "sender": sender, "origin_server_ts": 1,
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

/// What carol's ghost said comes back.
fn echo(key: &str) -> Box<RawValue> {
    let content = json!({ "msgtype": "m.text", "body": key, "dev.drawbridge.delivery": key });
    event_by(GHOST, &format!("$echo-{key}"), "m.room.message", None, &content)
}

fn ghost_leaves() -> Box<RawValue> {
    let content = json!({ "membership": "leave" });
    event_by(GHOST, "$gone", "m.room.member", Some(GHOST), &content)
}

/// The rooms and keys of what was said again.
fn said_again(stub: &Stub) -> Vec<String> {
    let of = |call: crate::stub::Call| {
        let parts: Vec<_> = call.path.split(['/', '?']).collect();
        let at = parts.iter().position(|part| *part == "rooms").unwrap();
        format!("{} {}", parts[at + 1], parts[at + 4])
    };
    stub.calls("/send/m.room.message/").into_iter().map(of).collect()
}

#[tokio::test]
async fn what_was_said_behind_the_users_leaving_is_said_again() {
    let stub = Stub::well().await;
    stub.knows_room(Company::None).await;
    let transaction = [echo("1"), leaves(), echo("2"), echo("3")];
    assert_eq!(stub.core.take(&transaction).await, Ok(()));
    assert_eq!(said_again(&stub), ["!new:hs.test 2", "!new:hs.test 3"], "1 was seen");
    assert_eq!(stub.calls("/createRoom").len(), 1);
    // The homeserver knows these again by their keys.
    assert_eq!(stub.core.take(&transaction).await, Ok(()));
    assert_eq!(stub.calls("/createRoom").len(), 1);
    // Synapse was seen to order what the ghost said before it left behind its leaving.
    assert_eq!(stub.core.take(&[ghost_leaves(), echo("4")]).await, Ok(()));
    assert_eq!(said_again(&stub).last().map(String::as_str), Some("!new:hs.test 4"));
}

#[tokio::test]
async fn what_the_user_saw_before_leaving_is_said_once_though_a_delivery_found_it_first() {
    let stub = Stub::well().await;
    stub.knows_room(Company::None).await;
    let room = stub.core.portals.room(ROOM.try_into().unwrap()).await.unwrap().unwrap();
    stub.core.portals.close_behind(ROOM.try_into().unwrap(), &room, None).await.unwrap();
    assert_eq!(stub.core.take(&[echo("1"), leaves(), echo("2")]).await, Ok(()));
    assert_eq!(said_again(&stub), ["!new:hs.test 2"]);
}

#[tokio::test]
async fn an_answer_to_an_invite_is_heard_before_the_room_is_written_down() {
    let member = |by: &str, membership: &str| {
        let content = json!({ "membership": membership });
        event_by(by, &format!("$by-{by}-{membership}"), "m.room.member", Some(ALICE), &content)
    };
    let (alice, carol) = ("matrix:@alice:hs.test", "elsewhere:carol");
    for (answer, expected) in [
        (member(ALICE, "join"), Some(Gesture::Accept(carol.parse().unwrap()))),
        (member(ALICE, "leave"), Some(Gesture::Decline(carol.parse().unwrap()))),
        (member(GHOST, "leave"), None),
    ] {
        let stub = Stub::well().await;
        let (user, ghost) = (ALICE.try_into().unwrap(), GHOST.try_into().unwrap());
        let invite = member(GHOST, "invite");
        // Nobody makes a room for the two: this is one of long ago.
        assert_eq!(stub.core.take(std::slice::from_ref(&invite)).await, Ok(()));
        assert_eq!(stub.core.portals.of(user, ghost).await, Ok(None));
        stub.core.portals.opening(user, ghost).await.unwrap();
        assert_eq!(stub.core.take(&[invite, answer]).await, Ok(()));
        let expected = expected.map(|gesture| (alice.parse().unwrap(), gesture));
        assert_eq!(stub.bridge.journal().gestures, Vec::from_iter(expected));
    }
}

#[tokio::test]
async fn two_who_look_for_a_portal_at_once_make_one_room() {
    let stub = Stub::well().await;
    stub.knows_room(Company::None).await;
    assert_eq!(stub.core.take(&[leaves()]).await, Ok(()));
    let echoes = [echo("1")];
    let (user, ghost) = (ALICE.try_into().unwrap(), GHOST.try_into().unwrap());
    let left = Left { user, ghost, seen: None, at: Timestamp(0) };
    let content = json!({ "msgtype": "m.text", "body": "2" });
    let (one, other) = tokio::join!(
        stub.core.take(&echoes),
        crate::outbound::say_again(&stub.core, &left, "2", &content),
    );
    assert_eq!((one, other), (Ok(()), Ok(())));
    assert_eq!(stub.calls("/createRoom").len(), 1);
}

#[tokio::test]
async fn what_can_not_be_said_again_waits_for_a_while_and_comes_back_to_its_sender() {
    let stub =
        Stub::start(|call| call.path.contains("/createRoom").then(|| (500, json!({})))).await;
    stub.knows_room(Company::None).await;
    let transaction = [leaves(), echo("1")];
    for _ in 0..WAITS {
        assert_eq!(stub.core.take(&transaction).await, Err(Later));
    }
    assert_eq!(stub.core.take(&transaction).await, Ok(()));
    let bounced = stub.bridge.journal().bounces;
    let codes: Vec<_> = bounced.iter().map(|(_, _, refusal)| refusal.code).collect();
    assert_eq!(codes, [Code::NetworkUnreachable]);
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
