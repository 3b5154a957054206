//! What becomes of lists when the homeserver refuses, repeats itself, or answers nonsense.
#![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

use std::time::Duration;

use drawbridge_adapter::{BlockEntry, Gesture, Timestamp};
use proptest::prelude::*;
use ruma::UserId;
use serde_json::{Value, json};

use super::{MOST_WATCHED, watch};
use crate::stub::{ALICE, GHOST, Stub, any_json};

/// Watches alice's list for as long.
async fn watches(stub: &Stub, time: Duration) {
    stub.core.meets(ALICE.try_into().unwrap()).await.unwrap();
    assert!(tokio::time::timeout(time, watch(&stub.core)).await.is_err(), "it watches for ever");
}

fn batch(next: &str, ignored: &[&str]) -> Value {
    let users: serde_json::Map<_, _> =
        ignored.iter().map(|user| ((*user).to_owned(), json!({}))).collect();
    let list = json!({ "type": "m.ignored_user_list", "content": { "ignored_users": users } });
    json!({ "next_batch": next, "account_data": { "events": [list] } })
}

#[tokio::test]
async fn a_homeserver_that_keeps_no_request_waiting_is_not_flooded() {
    for answer in [(200, json!({ "next_batch": "1" })), (403, json!({})), (500, json!({}))] {
        let stub =
            Stub::start(move |call| call.path.contains("/sync").then(|| answer.clone())).await;
        watches(&stub, Duration::from_secs(2)).await;
        let calls = stub.calls("/sync");
        assert!((2..=5).contains(&calls.len()), "{} requests in two seconds", calls.len());
        let offline = |path: &str| path.contains("set_presence=offline") && path.contains(ALICE);
        assert!(calls.iter().all(|call| offline(&call.path)));
    }
}

#[tokio::test]
async fn a_list_that_comes_again_is_told_once() {
    let stub = Stub::start(|call| {
        call.path.contains("/sync").then(|| (200, batch("1", &[GHOST, "@dave:hs.test"])))
    })
    .await;
    watches(&stub, Duration::from_secs(1)).await;
    assert!(stub.calls("since=1").len() > 1);
    let carol = "elsewhere:carol".parse().unwrap();
    let told = (format!("matrix:{ALICE}").parse().unwrap(), Gesture::Block(carol));
    assert_eq!(stub.bridge.journal().gestures, [told]);
}

#[tokio::test]
async fn what_is_no_list_is_replaced_and_all_beside_it_kept() {
    let stub = Stub::start(|call| {
        let list = call.path.contains("/account_data/") && call.method == "GET";
        list.then(|| (200, json!({ "ignored_users": ["?"], "x": [[1]] })))
    })
    .await;
    let entry = BlockEntry {
        owner: format!("matrix:{ALICE}").parse().unwrap(),
        other: "elsewhere:carol".parse().unwrap(),
        blocked: true,
    };
    stub.core.write_block(&entry, Timestamp(0)).await.unwrap();
    let written = stub.calls("/account_data/").into_iter().filter(|call| call.method == "PUT");
    let written: Vec<_> = written.map(|call| call.body).collect();
    assert_eq!(written, [json!({ "ignored_users": { GHOST: {} }, "x": [[1]] })]);
}

#[tokio::test]
async fn only_so_many_lists_are_watched() {
    let stub = Stub::well().await;
    for n in 0..=MOST_WATCHED {
        let user = format!("@user{n}:hs.test");
        stub.core.meets(<&UserId>::try_from(user.as_str()).unwrap()).await.unwrap();
    }
    for stranger in ["@zoe:elsewhere.test", GHOST, "@drawbridge:hs.test"] {
        stub.core.meets(stranger.try_into().unwrap()).await.unwrap();
    }
    let known = stub.bridge.handle().recall_all("watched/", "", 2 * MOST_WATCHED).await.unwrap();
    assert_eq!(known.len(), MOST_WATCHED);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_answer_to_a_look_is_survived(body in any_json(), content in any_json()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let list = json!({ "type": "m.ignored_user_list", "content": content });
            let rules = json!({ "type": "m.push_rules", "content": content });
            let events = json!([body, list, rules]);
            let synced = json!({ "next_batch": "1", "account_data": { "events": events } });
            let stub = Stub::start(move |call| {
                call.path.contains("/sync").then(|| (200, synced.clone()))
            })
            .await;
            watches(&stub, Duration::from_millis(30)).await;
        });
    }
}
