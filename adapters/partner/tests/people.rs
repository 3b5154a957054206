//! How an app's users speak with the bridge itself, and decide who may reach them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::sync::Arc;

use common::{App, Home, PATIENCE, text};
use drawbridge_adapter::{
    Adapter, BlockEntry, Code, Command, ConversationId, Delivered, Delivery, DeliveryError,
    Destination, EventId, Gesture, Kind, Notice, Party, ReplyPath, Request, RequestOver, State,
    Status, Tag, Timestamp, Unavailable, UserId,
};
use serde_json::{Value, json};

fn alice() -> UserId {
    "elsewhere:alice".parse().unwrap()
}

fn carol() -> UserId {
    "birdychat:carol".parse().unwrap()
}

fn delivery(key: &str, command: Command) -> Delivery {
    Delivery {
        key: key.to_owned(),
        tag: Tag::of(b"salt", &[key]),
        conversation: ConversationId::direct(&alice(), &carol()),
        accepted_at: Timestamp(0),
        attempt: 1,
        command,
    }
}

fn notice(reply_path: Option<&str>) -> Command {
    let reply_path = reply_path.map(|path| ReplyPath(path.to_owned()));
    Command::Notice(Notice { to: carol(), text: "All is\nwell.".to_owned(), reply_path })
}

fn request(text: &str) -> Command {
    Command::Request(Request {
        from: Party { user: alice(), name: Some("Alice".to_owned()) },
        to: carol(),
        text: Some(text.to_owned()),
        words: "Alice wants to write to you.".to_owned(),
    })
}

fn over(accepted: bool) -> Command {
    Command::RequestOver(RequestOver { from: alice(), to: carol(), accepted })
}

fn block(blocked: bool) -> Command {
    Command::Block(BlockEntry { owner: carol(), other: alice(), blocked })
}

/// What must stand in `hello` of an app that shows requests and keeps block lists.
fn capable() -> Value {
    json!({"capabilities": {"kinds": {"text": "full"}, "text": {"max_bytes": 20},
                            "requests": true, "block_lists": true}})
}

async fn capable_app(home: &Home) -> App {
    let mut app = home.silent().await;
    app.says(&common::hello(&capable())).await;
    let welcome = app.hears().await;
    assert_eq!(welcome["capabilities"]["requests"], true);
    assert_eq!(welcome["capabilities"]["block_lists"], true);
    app.enlists("carol").await;
    app
}

/// Lets the adapter carry out one command, which the app gets and acknowledges.
async fn shown(home: &Home, app: &mut App, key: &str, command: Command) -> Value {
    let partner = Arc::clone(&home.partner);
    let batch = [delivery(key, command)];
    let delivering = tokio::spawn(async move { partner.deliver(&batch).await });
    let frame = app.hears().await;
    app.acks(&frame["id"]).await;
    let results = delivering.await.unwrap();
    assert_eq!(results, [Ok(Delivered { id: Some(EventId::new(key).unwrap()) })]);
    frame
}

async fn carried_out(home: &Home, command: Command) -> Result<Delivered, DeliveryError> {
    let mut results = home.partner.deliver(&[delivery("0", command)]).await;
    assert_eq!(results.len(), 1);
    results.remove(0)
}

#[tokio::test]
async fn a_command_comes_as_a_text_to_the_bridge_and_its_answer_names_it() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let command = json!({"type": "command", "id": "c1", "from": "carol", "text": "help"});
    for _ in 0..2 {
        app.says(&command).await;
        app.hears_ack(&["c1"]).await;
    }
    assert_eq!(home.bridge.journal().texts(), ["help"]);
    let event = home.crosses("help").await;
    assert_eq!((event.to, event.sender.user), (Destination::Bridge, carol()));
    let answer = shown(&home, &mut app, "1", notice(Some(&event.reply_path.0))).await;
    assert_eq!(
        answer,
        json!({"type": "notice", "id": "1", "to": "carol", "text": "All is\nwell.",
               "in_reply_to": "c1"})
    );
    let unasked = shown(&home, &mut app, "2", notice(None)).await;
    assert_eq!(
        unasked,
        json!({"type": "notice", "id": "2", "to": "carol", "text": "All is\nwell."})
    );
    home.stops().await;
}

#[tokio::test]
async fn gestures_are_acknowledged_when_they_are_durable() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let gestures = [
        ("accept", Gesture::Accept(alice())),
        ("decline", Gesture::Decline(alice())),
        ("block", Gesture::Block(alice())),
        ("unblock", Gesture::Unblock(alice())),
    ];
    for (kind, gesture) in gestures {
        app.says(&json!({"type": kind, "id": kind, "from": "carol", "other": "elsewhere:alice"}))
            .await;
        app.hears_ack(&[kind]).await;
        let last = home.bridge.journal().gestures.last().cloned();
        assert_eq!(last, Some((carol(), gesture)));
    }
    assert_eq!(home.bridge.journal().gestures.len(), 4);
    home.stops().await;
}

#[tokio::test]
async fn a_gesture_waits_until_the_bridge_can_take_it_and_keeps_its_place() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    home.bridge.break_down(Unavailable::Failed);
    app.says(&json!({"type": "block", "id": "g1", "from": "carol", "other": "elsewhere:alice"}))
        .await;
    app.says(&text("e1", "after it")).await;
    let what = "the gesture was turned away twice";
    let tried = home
        .bridge
        .wait_for(PATIENCE, what, |journal| (journal.gestures_turned_away >= 2).then_some(()));
    tried.await.unwrap();
    // Frames keep their order: an ack would come before this complaint.
    app.says(&json!({"type": "nonsense"})).await;
    app.hears_error("malformed", None).await;
    assert!(home.bridge.journal().gestures.is_empty());
    assert!(home.bridge.journal().handed.is_empty());
    home.bridge.mend();
    app.hears_ack(&["g1", "e1"]).await;
    assert_eq!(home.bridge.journal().gestures, [(carol(), Gesture::Block(alice()))]);
    home.stops().await;
}

#[tokio::test]
async fn nobody_speaks_or_decides_for_a_user_who_is_not_enlisted() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let bad = [
        json!({"type": "command", "id": "1", "from": "dave", "text": "help"}),
        json!({"type": "block", "id": "2", "from": "dave", "other": "elsewhere:alice"}),
        json!({"type": "accept", "id": "3", "from": "dave", "other": "elsewhere:alice"}),
    ];
    for frame in bad {
        app.says(&frame).await;
        app.hears_error("forbidden", frame["id"].as_str()).await;
    }
    app.says(&json!({"type": "block", "id": "4", "from": "carol", "other": "birdychat:dave"}))
        .await;
    assert_eq!(app.hears_error("malformed", Some("4")).await["where"], "other");
    assert!(home.bridge.journal().handed.is_empty() && home.bridge.journal().gestures.is_empty());
    home.stops().await;
}

#[tokio::test]
async fn requests_and_block_lists_reach_an_app_that_has_them() {
    let home = Home::open();
    let mut app = capable_app(&home).await;
    assert_eq!(
        shown(&home, &mut app, "1", request("may I?")).await,
        json!({"type": "request", "id": "1", "from": "elsewhere:alice", "from_name": "Alice",
               "to": "carol", "text": "may I?", "words": "Alice wants to write to you."})
    );
    assert_eq!(
        shown(&home, &mut app, "2", over(true)).await,
        json!({"type": "request_over", "id": "2", "from": "elsewhere:alice", "to": "carol",
               "accepted": true})
    );
    let long = shown(&home, &mut app, "3", request("longer than this app can show")).await;
    assert!(long["text"].is_null(), "{long}");
    for (key, blocked, kind) in [("4", true, "block"), ("5", false, "unblock")] {
        assert_eq!(
            shown(&home, &mut app, key, block(blocked)).await,
            json!({"type": kind, "id": key, "of": "carol", "other": "elsewhere:alice"})
        );
    }
    home.stops().await;
}

#[tokio::test]
async fn an_app_without_them_gets_the_words_of_a_request_and_nothing_of_a_block() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    for needless in [over(false), block(true), block(false)] {
        assert_eq!(carried_out(&home, needless).await, Ok(Delivered::default()));
    }
    let words = shown(&home, &mut app, "1", request("may I?")).await;
    assert_eq!(
        words,
        json!({"type": "notice", "id": "1", "to": "carol", "text": "Alice wants to write to you."})
    );
    home.stops().await;
}

#[tokio::test]
async fn nothing_is_told_of_a_user_who_is_not_enlisted() {
    let home = Home::open();
    let _app = home.app_saying(&capable()).await;
    for command in [notice(None), request("may I?"), over(true), block(true)] {
        let result = carried_out(&home, command).await;
        assert!(
            matches!(&result, Err(DeliveryError::Refused { refusal, .. })
            if refusal.code == Code::NotReachable),
            "{result:?}"
        );
    }
    home.stops().await;
}

#[tokio::test]
async fn what_is_held_is_pending_and_says_why() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let held = Command::Status(Status {
        event: EventId::new("e1").unwrap(),
        sender: carol(),
        recipient: Some(alice()),
        kind: Kind::Text,
        reply_path: ReplyPath::default(),
        state: State::Held,
    });
    let status = shown(&home, &mut app, "1", held).await;
    assert_eq!((&status["state"], &status["code"]), (&json!("pending"), &json!("request_pending")));
    home.stops().await;
}

#[tokio::test]
async fn a_notice_without_an_ack_comes_again_under_its_id() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let batch = [delivery("1", notice(None))];
    let (partner, again) = (Arc::clone(&home.partner), batch.clone());
    let delivering = tokio::spawn(async move { partner.deliver(&batch).await });
    assert_eq!(app.hears().await["id"], "1");
    drop(app);
    let results = delivering.await.unwrap();
    assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
    let mut app = home.app().await;
    let partner = Arc::clone(&home.partner);
    let delivering = tokio::spawn(async move { partner.deliver(&again).await });
    let repeat = app.hears().await;
    assert_eq!((&repeat["type"], &repeat["id"]), (&json!("notice"), &json!("1")));
    app.acks(&repeat["id"]).await;
    assert!(delivering.await.unwrap()[0].is_ok());
    home.stops().await;
}
