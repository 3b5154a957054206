//! What becomes of messages and outcomes when the homeserver fails, refuses, or is slow.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it goes wrong")]

mod acts;
mod files;
mod profiles;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drawbridge_adapter::{
    Code, Command, Content, ConversationId, Delivered, Delivery, DeliveryError, EventId, Kind,
    Memo, Message, Party, Refusal, State, Status, Timestamp,
};
use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use super::{deliver, deliver_since, note_accepted, send_receipts};
use crate::core::WayBack;
use crate::portals::Company;
use crate::stub::{ALICE, Call, GHOST, ROOM, Stub, any_json, members};

fn delivery(stub: &Stub, key: &str, command: Command) -> Delivery {
    let bridge = stub.bridge.handle();
    Delivery {
        key: key.to_owned(),
        tag: bridge.tag_event(&EventId::new(key).unwrap()),
        conversation: ConversationId::direct(
            &format!("matrix:{ALICE}").parse().unwrap(),
            &"elsewhere:carol".parse().unwrap(),
        ),
        accepted_at: bridge.now(),
        attempt: 1,
        command,
        attached: None,
    }
}

fn message(stub: &Stub, key: &str) -> Delivery {
    let message = Message {
        from: Party { user: "elsewhere:carol".parse().unwrap(), name: Some("Carol".to_owned()) },
        to: format!("matrix:{ALICE}").parse().unwrap(),
        content: Content::text(key),
        reply: None,
        sent_at: stub.bridge.handle().now(),
        words: None,
        silent: false,
    };
    delivery(stub, key, Command::Message(message))
}

fn status(state: State) -> Status {
    let way = WayBack { room: ROOM.try_into().unwrap(), ghost: GHOST.try_into().unwrap() };
    Status {
        event: EventId::new("$event").unwrap(),
        sender: format!("matrix:{ALICE}").parse().unwrap(),
        recipient: Some("elsewhere:carol".parse().unwrap()),
        kind: Kind::Text,
        reply_path: way.to_reply_path(),
        state,
    }
}

fn failure(stub: &Stub, key: &str) -> Delivery {
    let state = State::FailedRetriable(Refusal::from(Code::Expired));
    delivery(stub, key, Command::Status(status(state)))
}

/// The transactions of the notices that were sent, with their bodies.
fn notices(stub: &Stub) -> Vec<(String, String)> {
    let notices = stub.calls("-notice").into_iter().map(|call| {
        let txn = call.path.split(['/', '?']).find(|part| part.ends_with("-notice"));
        let body = call.body["body"].as_str().unwrap_or_default();
        (txn.unwrap_or_default().to_owned(), body.to_owned())
    });
    notices.collect()
}

#[tokio::test]
async fn a_refused_name_refuses_no_message() {
    let stub = Stub::start(|call| {
        let named = call.method == "PUT" && call.path.contains("/profile/");
        named.then(|| (403, json!({ "errcode": "M_FORBIDDEN" })))
    })
    .await;
    let batch = [message(&stub, "1"), message(&stub, "2")];
    assert!(deliver(&stub.core, &batch).await.iter().all(Result::is_ok));
    assert_eq!(stub.calls("/send/m.room.message/").len(), 2);
    let named = stub.calls("/profile/");
    assert_eq!(named.iter().filter(|call| call.method == "PUT").count(), 1);
}

#[tokio::test]
async fn a_slow_homeserver_costs_no_results() {
    let stub = Stub::well().await;
    let batch = [message(&stub, "1"), message(&stub, "2")];
    let since = |secs| Instant::now().checked_sub(Duration::from_secs(secs)).unwrap();
    let results = deliver_since(&stub.core, &batch, since(61)).await;
    assert!(matches!(results[..], [Ok(_)]), "{results:?}");
    let results = deliver_since(&stub.core, &batch, since(91)).await;
    assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
}

#[tokio::test]
async fn every_failure_is_said_in_words_and_all_again_when_words_failed() {
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let stub = Stub::start(move |call| {
        let fails = call.path.contains("-notice") && breaks.load(Ordering::Relaxed);
        fails.then(|| (500, json!({})))
    })
    .await;
    let batch =
        [message(&stub, "1"), failure(&stub, "2"), message(&stub, "3"), failure(&stub, "4")];
    let results = deliver(&stub.core, &batch).await;
    assert!(matches!(results[..], [Ok(_), Err(DeliveryError::Unknown { .. })]), "{results:?}");
    broken.store(false, Ordering::Relaxed);
    assert!(deliver(&stub.core, &batch[1..]).await.iter().all(Result::is_ok));
    let told = notices(&stub);
    assert!(told[1].1.starts_with("Not delivered (2 messages): "), "{told:?}");
    assert_eq!(told[0], told[1], "under one transaction");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_told_with_what_would_do() {
    let stub = Stub::well().await;
    let too_large = |key: &str, limit: u64| {
        let state = State::FailedPermanent(Refusal::too_large(limit));
        delivery(&stub, key, Command::Status(status(state)))
    };
    let batch = [too_large("1", 10 << 20), too_large("2", 10 << 20), too_large("3", 20 << 20)];
    assert!(deliver(&stub.core, &batch).await.iter().all(Result::is_ok));
    let [(_, told)] = &notices(&stub)[..] else { panic!("not one notice") };
    let expected = "Not delivered (2 messages): The file is too large: at most 10 MiB can cross here. \
                    [media_too_large]\n\
                    Not delivered: The file is too large: at most 20 MiB can cross here. \
                    [media_too_large]";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_crash_doubles_no_notice() {
    let stub = Stub::well().await;
    let batch = [failure(&stub, "1"), failure(&stub, "2"), failure(&stub, "3")];
    assert!(deliver(&stub.core, &batch[..2]).await.iter().all(Result::is_ok));
    // The results were lost, and another failure has come.
    assert_eq!(deliver(&stub.core, &batch).await.len(), 3);
    let told = notices(&stub);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], told[1], "the homeserver knows it again");
    assert_eq!(told[2].0, "3-notice");
    assert!(!told[2].1.contains("messages"), "{told:?}");
}

#[tokio::test]
async fn nothing_private_is_shown_in_a_room_with_others() {
    let dave = "@dave:hs.test";
    let answers = move |call: &Call| match () {
        () if call.path.contains("/joined_rooms") => {
            Some((200, json!({ "joined_rooms": ["!group:hs.test"] })))
        }
        () if call.path.contains("/joined_members") => Some((200, members(&[ALICE, GHOST, dave]))),
        () => None,
    };
    // A room that nobody wrote down.
    let stub = Stub::start(answers).await;
    let opening = Memo::set(format!("opening/{ALICE}\n{GHOST}"), "");
    stub.bridge.handle().remember(vec![opening]).await.unwrap();
    assert!(deliver(&stub.core, &[message(&stub, "1")]).await[0].is_ok());
    assert_eq!(stub.calls("!new:hs.test/send/").len(), 1);
    assert_eq!(stub.calls("!group:hs.test/send/").len(), 0);

    // A portal that somebody joined while the bridge was away.
    let stub = Stub::start(answers).await;
    let portal = Memo::set(format!("portal/{ALICE}\n{GHOST}"), ROOM);
    stub.bridge.handle().remember(vec![portal]).await.unwrap();
    assert!(deliver(&stub.core, &[message(&stub, "1")]).await[0].is_ok());
    assert_eq!(stub.calls("!new:hs.test/send/").len(), 1);
    assert_eq!(stub.calls(&format!("{ROOM}/send/")).len(), 0);
}

#[tokio::test]
async fn an_earlier_try_is_found_behind_much_that_was_said_since() {
    let stub = Stub::start(|call| {
        let event = |key: &str| {
            json!({ "type": "m.room.message", "event_id": format!("${key}"),
                    "content": { "dev.drawbridge.delivery": key } })
        };
        let page = match () {
            () if !call.path.contains("/messages") => return None,
            () if call.path.contains("from=p2") => json!({ "start": "p2", "chunk": [event("1")] }),
            () => json!({ "start": "p1", "end": "p2", "chunk": [event("other"), {}] }),
        };
        Some((200, page))
    })
    .await;
    stub.knows_room(Company::None).await;
    let mut again = message(&stub, "1");
    again.attempt = 2;
    again.accepted_at = Timestamp(again.accepted_at.0 - 25 * 3_600_000);
    let id = EventId::new("$1").ok();
    assert_eq!(deliver(&stub.core, &[again]).await, [Ok(Delivered::under(id))]);
    assert_eq!(stub.calls("/send/").len(), 0);
}

#[tokio::test]
async fn many_accepted_events_are_few_receipts_and_the_last_is_among_them() {
    let stub = Stub::well().await;
    let receipts = async {
        let mut status = status(State::Accepted);
        // A ghost's would say that somebody has read it.
        note_accepted(&stub.core, &status);
        let bot = stub.core.names.bot_user().unwrap();
        let way = WayBack { room: ROOM.try_into().unwrap(), ghost: bot };
        status.reply_path = way.to_reply_path();
        for at in 0..400 {
            status.event = EventId::new(format!("$event{at}")).unwrap();
            note_accepted(&stub.core, &status);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        while stub.calls("/receipt/m.read/$event399").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let started = Instant::now();
    tokio::select! {
        () = receipts => {}
        () = send_receipts(&stub.core) => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("the last was not told"),
    }
    let most = usize::try_from(started.elapsed().as_secs()).unwrap() + 2;
    assert_eq!(stub.calls("/receipt/m.read/$event?").len(), 0);
    let sent = stub.calls("/receipt/").len();
    assert!((1..=most).contains(&sent), "{sent} receipts");
}

/// Which of the homeserver's answers is odd.
const PARTS: &[&str] = &[
    "/register",
    "/devices",
    "/profile",
    "/joined_rooms",
    "/joined_members",
    "/state/",
    "/messages",
    "/send/",
    "/createRoom",
    "/",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_answer_of_the_homeserver_ends_in_a_result(
        part in prop::sample::select(PARTS),
        status in prop::sample::select(&[200_u16, 302, 400, 401, 403, 404, 413, 429, 500][..]),
        body in any_json(),
        known in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let odd = move |call: &Call| call.path.contains(part).then(|| (status, body.clone()));
            let stub = Stub::start(odd).await;
            let memo = if known {
                Memo::set(format!("portal/{ALICE}\n{GHOST}"), ROOM)
            } else {
                Memo::set(format!("opening/{ALICE}\n{GHOST}"), "")
            };
            stub.bridge.handle().remember(vec![memo]).await.unwrap();
            let mut again = message(&stub, "1");
            again.attempt = 2;
            again.accepted_at = Timestamp(again.accepted_at.0 - 25 * 3_600_000);
            let results = deliver(&stub.core, &[again, failure(&stub, "2")]).await;
            prop_assert!(!results.is_empty());
            let ended = results.iter().position(|result| {
                !matches!(result, Ok(_) | Err(DeliveryError::Refused { .. }))
            });
            prop_assert_eq!(ended.unwrap_or(1) + 1, results.len(), "what follows was not tried");
            Ok(())
        })?;
    }
}
