//! The rules of `docs/partner-protocol.md`, one by one, over a real WebSocket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::time::Duration;

use common::{App, Home, PATIENCE, delivery, hello, text};
use drawbridge_adapter::{Adapter, Connection, DeliveryError, EventId, Timestamp, Unavailable};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite;

#[tokio::test]
async fn a_welcome_says_what_holds() {
    let home = Home::with(|config| config["max_text_bytes"] = json!(5000));
    let mut app = home.silent().await;
    app.says(&hello(&json!({"versions": [7, 1], "credit": 3}))).await;
    let welcome = app.hears().await;
    assert_eq!(welcome["version"], 1);
    assert_eq!(welcome["network"], "birdychat");
    assert_eq!(
        welcome["capabilities"],
        json!({"kinds": {"text": "full"}, "features": {}, "text": {"max_bytes": 5000},
               "requests": false, "block_lists": false, "mutes": false, "folders": false,
               "reports": false})
    );
    assert_eq!(welcome["credit"], json!({"frames": 256, "bytes": 8_388_608}));
    assert_eq!(welcome["ping_seconds"], 20);
    home.stops().await;
}

#[tokio::test]
async fn an_app_that_shows_threads_shows_replies() {
    let home = Home::open();
    for (features, shown) in [
        (
            json!({"reply": "partial", "thread": "full"}),
            json!({"reply": "partial", "thread": "full"}),
        ),
        (json!({"mention": "full", "thread": "full"}), json!({"mention": "full"})),
        (json!({"reply": "rejected", "thread": "full"}), json!({})),
    ] {
        let mut app = home.silent().await;
        let capabilities = json!({"kinds": {"text": "full"}, "features": features,
                                  "text": {"max_bytes": 100}});
        app.says(&hello(&json!({"capabilities": capabilities}))).await;
        assert_eq!(app.hears().await["capabilities"]["features"], shown);
    }
    home.stops().await;
}

#[tokio::test]
async fn the_first_frame_is_a_hello_that_both_understand() {
    let home = Home::open();
    let bad = [
        (text("e1", "hi"), "hello_expected"),
        (hello(&json!({"versions": [2]})), "unsupported_version"),
        (hello(&json!({"versions": "1"})), "malformed"),
        (hello(&json!({"credit": 0})), "malformed"),
    ];
    for (frame, code) in bad {
        let mut app = home.silent().await;
        app.says(&frame).await;
        app.hears_error(code, frame["id"].as_str().filter(|_| code == "malformed")).await;
        assert_eq!(app.hears_close().await, (4000, "bad_hello".to_owned()));
    }
    assert!(home.bridge.journal().handed.is_empty());
    home.stops().await;
}

#[tokio::test]
async fn a_text_crosses_and_is_acknowledged_after_the_commit() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    home.bridge.break_down(Unavailable::Full);
    app.says(&text("e1", "hi")).await;
    let what = "the event was turned away twice";
    let tried = home
        .bridge
        .wait_for(PATIENCE, what, |journal| (journal.turned_away.len() >= 2).then_some(()));
    tried.await.unwrap();
    // Frames keep their order: an ack would come before this complaint.
    app.says(&json!({"type": "nonsense"})).await;
    app.hears_error("malformed", None).await;
    home.bridge.mend();
    app.hears_ack(&["e1"]).await;
    let event = home.crosses("hi").await;
    assert_eq!(event.sender.user.to_string(), "birdychat:carol");
    assert_eq!(event.sender.name.as_deref(), Some("Carol"));
    assert_eq!(event.sent_at, Timestamp(1_700_000_000_000));
    home.stops().await;
}

#[tokio::test]
async fn a_bridge_that_says_it_stops_and_does_not_is_asked_again() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    home.bridge.fail_next(2, Unavailable::Stopping);
    app.says(&text("e1", "hi")).await;
    app.hears_ack(&["e1"]).await;
    assert_eq!(home.bridge.journal().turned_away.len(), 2);
    home.stops().await;
}

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_time() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    for _ in 0..3 {
        app.says(&text("e1", "once")).await;
        app.hears_ack(&["e1"]).await;
    }
    assert_eq!(home.bridge.journal().texts(), ["once"]);
    home.stops().await;
}

#[tokio::test]
async fn order_holds_across_a_lost_connection() {
    let home = Home::open();
    home.bridge.slow_down(Duration::from_millis(5));
    let ids: Vec<_> = (0..200).map(|n| format!("e{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut app = home.carols_app().await;
    for id in &ids {
        app.says(&text(id, id)).await;
    }
    home.crosses("e0").await;
    drop(app);
    let mut app = home.app().await;
    for id in &ids {
        app.says(&text(id, id)).await;
    }
    app.hears_ack(&ids).await;
    assert_eq!(home.bridge.journal().texts(), ids);
    assert!(home.bridge.journal().breaches.is_empty(), "{:?}", home.bridge.journal().breaches);
    home.stops().await;
}

#[tokio::test]
async fn the_partner_speaks_only_for_users_it_enlisted() {
    let home = Home::open();
    let mut app = home.app().await;
    app.says(&text("e1", "not yet")).await;
    app.hears_error("forbidden", Some("e1")).await;
    app.enlists("carol").await;
    app.says(&text("e1", "now")).await;
    app.hears_ack(&["e1"]).await;
    let mut daves = text("e2", "as another");
    daves["from"] = json!("dave");
    app.says(&daves).await;
    app.hears_error("forbidden", Some("e2")).await;
    app.says(&json!({"type": "delist", "user": "carol"})).await;
    assert_eq!(app.hears().await, json!({"type": "delisted", "user": "carol"}));
    app.says(&text("e3", "no more")).await;
    app.hears_error("forbidden", Some("e3")).await;
    assert_eq!(home.bridge.journal().texts(), ["now"]);
    assert_eq!(home.bridge.journal().handed.len(), 1);
    home.stops().await;
}

#[tokio::test]
async fn enlistment_outlives_the_connection_and_the_bridge() {
    let home = Home::open();
    home.carols_app().await;
    let mut app = home.app().await;
    app.says(&text("e1", "the connection")).await;
    app.hears_ack(&["e1"]).await;
    let home = home.crashes();
    let mut app = home.app().await;
    app.says(&text("e2", "the bridge")).await;
    app.hears_ack(&["e2"]).await;
    assert_eq!(home.crosses("the bridge").await.sender.name.as_deref(), Some("Carol"));
    home.stops().await;
}

#[tokio::test]
async fn only_so_many_users_can_be_enlisted() {
    let home = Home::with(|config| config["max_users"] = json!(1));
    let mut app = home.carols_app().await;
    let proof = common::key().sign(&common::claims(Some("dave")));
    app.says(&json!({"type": "enlist", "user": "dave", "proof": proof})).await;
    app.hears_error("too_many_users", Some("dave")).await;
    app.enlists("carol").await;
    home.stops().await;
}

#[tokio::test]
async fn bad_frames_harm_nobody_but_themselves() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let deep = format!("{{\"id\":\"x\",\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    for bad in ["", "null", "[]", "{", "{\"type\":7}", "{\"type\":\"spell\"}", deep.as_str()] {
        app.says_text(bad).await;
        app.hears_error("malformed", None).await;
    }
    let mut wrong = text("e0", "never crosses");
    wrong["to"] = json!("alice");
    app.says(&wrong).await;
    assert_eq!(app.hears_error("malformed", Some("e0")).await["where"], "to");
    app.says(&hello(&json!({}))).await;
    app.hears_error("malformed", None).await;
    app.says(&text("e1", "still here")).await;
    app.hears_ack(&["e1"]).await;
    assert_eq!(home.bridge.journal().texts(), ["still here"]);
    home.stops().await;
}

#[tokio::test]
async fn a_hundred_errors_end_the_connection() {
    let home = Home::open();
    let mut app = home.app().await;
    for _ in 0..100 {
        app.says_text("nonsense").await;
    }
    for _ in 0..100 {
        app.hears_error("malformed", None).await;
    }
    assert_eq!(app.hears_close().await, (4002, "too_many_errors".to_owned()));
    home.stops().await;
}

#[tokio::test]
async fn what_is_no_text_frame_ends_its_connection_and_no_other() {
    let home = Home::open();
    home.carols_app().await;
    let big = "x".repeat(1024 * 1024 + 1);
    let not_utf8 = tungstenite::protocol::frame::Frame::message(
        vec![0xff, 0xfe],
        tungstenite::protocol::frame::coding::OpCode::Data(
            tungstenite::protocol::frame::coding::Data::Text,
        ),
        true,
    );
    let bad = [
        (tungstenite::Message::text(big), (1009, "frame_too_large")),
        (tungstenite::Message::binary(vec![1, 2, 3]), (1003, "binary_frame")),
        (tungstenite::Message::Frame(not_utf8), (1007, "not_utf8")),
    ];
    for (message, (code, reason)) in bad {
        for greeted in [true, false] {
            let mut app = if greeted { home.app().await } else { home.silent().await };
            app.socket.send(message.clone()).await.unwrap();
            assert_eq!(app.hears_close().await, (code, reason.to_owned()), "greeted: {greeted}");
        }
        let mut app = home.app().await;
        app.says(&text(reason, reason)).await;
        app.hears_ack(&[reason]).await;
    }
    home.stops().await;
}

#[tokio::test]
async fn a_frame_of_nearly_a_megabyte_passes() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let body = "ä".repeat(500_000);
    app.says(&text("e1", &body)).await;
    app.hears_ack(&["e1"]).await;
    assert!(home.bridge.journal().texts() == [body.as_str()], "the text was changed");
    home.stops().await;
}

#[tokio::test]
async fn the_credit_is_kept_and_what_is_over_it_is_not_lost() {
    let home = Home::with(|config| config["credit"] = json!(4));
    let mut app = home.carols_app().await;
    home.bridge.break_down(Unavailable::Full);
    let ids = ["e1", "e2", "e3", "e4", "e5"];
    for id in ids {
        app.says(&text(id, id)).await;
    }
    app.hears_error("rate_limited", Some("e5")).await;
    assert_eq!(app.hears_close().await, (4003, "credit_exceeded".to_owned()));
    home.bridge.mend();
    let mut app = home.app().await;
    for id in ids {
        app.says(&text(id, id)).await;
        app.hears_ack(&[id]).await;
    }
    assert_eq!(home.bridge.journal().texts(), ids);
    home.stops().await;
}

#[tokio::test]
async fn the_apps_own_credit_is_kept() {
    let home = Home::open();
    let mut app = home.app_saying(&json!({"credit": 2})).await;
    app.enlists("carol").await;
    let batch = [delivery("1", "one"), delivery("2", "two"), delivery("3", "three")];
    let partner = std::sync::Arc::clone(&home.partner);
    let delivering = tokio::spawn(async move { partner.deliver(&batch).await });
    let one = app.hears().await;
    assert_eq!(one["content"], json!({"type": "text", "body": "one"}));
    assert_eq!((&one["from"], &one["from_name"]), (&json!("elsewhere:alice"), &json!("Alice")));
    assert_eq!((&one["to"], &one["sent_at"]), (&json!("carol"), &json!(7)));
    app.hears().await;
    // Frames keep their order: were the third on its way, it would come before this ack.
    app.says(&text("e1", "hi")).await;
    app.hears_ack(&["e1"]).await;
    app.acks(&one["id"]).await;
    assert_eq!(app.hears().await["content"]["body"], "three");
    app.says(&json!({"type": "ack", "ids": ["3", "2", "2", "unknown"]})).await;
    let results = delivering.await.unwrap();
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(results[0].as_ref().unwrap().id, Some(EventId::new("1").unwrap()));
    home.stops().await;
}

#[tokio::test]
async fn the_app_may_refuse() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let batch = [delivery("1", "one"), delivery("2", "two"), delivery("3", "three")];
    let partner = std::sync::Arc::clone(&home.partner);
    let delivering = tokio::spawn(async move { partner.deliver(&batch).await });
    for _ in 0..3 {
        app.hears().await;
    }
    app.says(&json!({"type": "refuse", "id": "1", "code": "text_too_long"})).await;
    let later =
        json!({"type": "refuse", "id": "2", "code": "rate_limited", "retry_after_seconds": 9});
    app.says(&later).await;
    app.acks(&json!("3")).await;
    let results = delivering.await.unwrap();
    assert!(matches!(&results[0], Err(DeliveryError::Refused { refusal, .. })
        if refusal.code == drawbridge_adapter::Code::TextTooLong));
    // Final, too: sent again it would come after the third.
    assert!(matches!(&results[1], Err(DeliveryError::Refused { refusal, .. })
        if refusal.code == drawbridge_adapter::Code::RateLimited
            && refusal.retry_after == Some(Duration::from_secs(9))));
    assert!(results[2].is_ok() && results.len() == 3);
    home.stops().await;
}

#[tokio::test]
async fn what_the_app_cannot_show_is_refused() {
    let home = Home::open();
    let mut app = home
        .app_saying(&json!({"capabilities": {"kinds": {"text": "full", "telepathy": "full"}, "text": {"max_bytes": 3}}}))
        .await;
    app.enlists("carol").await;
    let results = home.partner.deliver(&[delivery("1", "four")]).await;
    assert!(matches!(&results[0], Err(DeliveryError::Refused { refusal, .. })
        if refusal.code == drawbridge_adapter::Code::TextTooLong));
    let _silent =
        home.app_saying(&json!({"capabilities": {"kinds": {}, "text": {"max_bytes": 3}}})).await;
    let results = home.partner.deliver(&[delivery("2", "two")]).await;
    assert!(matches!(&results[0], Err(DeliveryError::Refused { refusal, .. })
        if refusal.code.to_string() == "unsupported_kind:text"));
    home.stops().await;
}

#[tokio::test]
async fn a_lost_ack_is_made_good_by_the_next_hello() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let batch = [delivery("1", "one"), delivery("2", "two")];
    let partner = std::sync::Arc::clone(&home.partner);
    let again = batch.clone();
    let delivering = tokio::spawn(async move { partner.deliver(&batch).await });
    assert_eq!(app.hears().await["id"], "1");
    assert_eq!(app.hears().await["id"], "2");
    drop(app);
    let results = delivering.await.unwrap();
    assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
    // The app has the first for sure; of the second it says nothing.
    let mut app = home.app_saying(&json!({"received": ["1"]})).await;
    let partner = std::sync::Arc::clone(&home.partner);
    let delivering = tokio::spawn(async move { partner.deliver(&again).await });
    let second = app.hears().await;
    assert_eq!((&second["id"], &second["content"]["body"]), (&json!("2"), &json!("two")));
    app.acks(&second["id"]).await;
    let results = delivering.await.unwrap();
    assert!(results.len() == 2 && results.iter().all(Result::is_ok), "{results:?}");
    home.stops().await;
}

#[tokio::test]
async fn without_a_connection_nothing_is_tried() {
    let home = Home::open();
    home.reports(|all| all == [Connection::Waiting]).await;
    let results = home.partner.deliver(&[delivery("1", "one")]).await;
    assert_eq!(results, [Err(DeliveryError::Disconnected)]);
    home.stops().await;
}

#[tokio::test]
async fn the_newest_connection_takes_over() {
    let home = Home::open();
    let mut old = home.carols_app().await;
    old.says(&text("e1", "by the old one")).await;
    old.hears_ack(&["e1"]).await;
    let mut new = home.app().await;
    assert_eq!(old.hears_close().await, (4001, "replaced".to_owned()));
    new.says(&text("e2", "by the new one")).await;
    new.hears_ack(&["e2"]).await;
    let partner = std::sync::Arc::clone(&home.partner);
    let delivering = tokio::spawn(async move { partner.deliver(&[delivery("1", "one")]).await });
    let one = new.hears().await;
    new.acks(&one["id"]).await;
    assert!(delivering.await.unwrap()[0].is_ok());
    let down = |report: &Connection| matches!(report, Connection::Down { .. });
    assert!(!home.bridge.journal().connections.iter().any(down));
    home.stops().await;
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_dropped() {
    let home = Home::with(|config| config["ping_seconds"] = json!(1));
    // It does not read, so it does not answer.
    let mut app = home.app().await;
    home.reports(|all| all.iter().any(|one| matches!(one, Connection::Down { .. }))).await;
    assert_eq!(app.hears_close().await, (4004, "ping_timeout".to_owned()));
    home.stops().await;
}

#[tokio::test]
async fn pings_are_answered_and_keep_the_connection() {
    let home = Home::with(|config| config["ping_seconds"] = json!(1));
    let mut app = home.app().await;
    app.socket.send(tungstenite::Message::Ping(b"well?".to_vec().into())).await.unwrap();
    let (mut pings, mut answers) = (0, 0);
    // Five pings take longer than the silence that ends a connection.
    while pings < 5 || answers < 1 {
        match tokio::time::timeout(PATIENCE, app.socket.next()).await.unwrap().unwrap().unwrap() {
            tungstenite::Message::Ping(_) => pings += 1,
            tungstenite::Message::Pong(payload) => {
                assert_eq!(&payload[..], b"well?");
                answers += 1;
            }
            other => panic!("not a ping: {other:?}"),
        }
        app.socket.flush().await.unwrap();
    }
    app.enlists("carol").await;
    home.stops().await;
}

#[tokio::test]
async fn a_graceful_stop_answers_what_it_has_read() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    home.bridge.slow_down(Duration::from_millis(50));
    let ids: Vec<_> = (0..100).map(|n| format!("e{n}")).collect();
    for id in &ids {
        app.says(&text(id, id)).await;
    }
    home.crosses("e0").await;
    let bridge = home.bridge.clone();
    let stopping = tokio::spawn(home.stops());
    let mut acked = Vec::new();
    let close = loop {
        match tokio::time::timeout(PATIENCE, app.socket.next()).await.unwrap().unwrap().unwrap() {
            tungstenite::Message::Text(text) => {
                let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                let some = frame["ids"].as_array().unwrap().clone();
                acked.extend(some.iter().map(|id| id.as_str().unwrap().to_owned()));
            }
            tungstenite::Message::Close(close) => break close.unwrap(),
            other => panic!("unexpected: {other:?}"),
        }
    };
    assert_eq!(u16::from(close.code), 1001);
    let _ = app.socket.flush().await;
    drop(app);
    stopping.await.unwrap();
    assert_eq!(bridge.journal().texts(), acked);
}

#[tokio::test]
async fn over_the_limit_newcomers_wait() {
    let home = Home::with(|config| config["max_connections"] = json!(2));
    let mut app = home.app().await;
    let silent = home.silent().await;
    let bearer = format!("Bearer {}", common::key().sign(&common::claims(None)));
    let partner = std::sync::Arc::clone(&home.partner);
    let third = tokio::spawn(async move {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Sec-WebSocket-Protocol", "drawbridge.partner.v1"),
        ];
        App::dial(&partner, "/partner/v1", &headers).await.map(|_| ())
    });
    app.enlists("carol").await;
    assert!(!third.is_finished(), "the third was let in");
    drop(silent);
    third.await.unwrap().unwrap();
    home.stops().await;
}

#[tokio::test]
async fn a_port_in_use_is_fatal() {
    let home = Home::open();
    let port = home.partner.listening().await.unwrap();
    let (second, _dir) = common::partner(|config| config["listen"] = json!(port.to_string()));
    let error = second.run(home.bridge.handle()).await.unwrap_err();
    assert!(error.to_string().contains("cannot listen"), "{error}");
    home.stops().await;
}

#[tokio::test]
async fn of_two_apps_at_once_one_stays() {
    let home = Home::open();
    let (mut one, mut two) = tokio::join!(home.silent(), home.silent());
    one.says(&hello(&json!({}))).await;
    two.says(&hello(&json!({}))).await;
    let (close, mut other) = tokio::select! {
        close = one.hears_close() => (close, two),
        close = two.hears_close() => (close, one),
    };
    assert_eq!(close, (4001, "replaced".to_owned()));
    let proof = common::key().sign(&common::claims(Some("carol")));
    other.says(&json!({"type": "enlist", "user": "carol", "proof": proof})).await;
    while other.hears().await["type"] != "enlisted" {}
    home.stops().await;
}
