//! How an app's users speak with the bridge itself, and decide who may reach them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::sync::Arc;

use common::{App, Home, PATIENCE, text};
use drawbridge_adapter::{
    Adapter, BlockEntry, Code, Command, Content, ConversationId, Delivered, Delivery,
    DeliveryError, Destination, EventId, Folder, Gesture, Kind, Message, MuteEntry, MuteFor,
    NetworkId, Notice, Party, ReplyPath, Report, ReportReason, Request, RequestOver, State, Status,
    Tag, Timestamp, Unavailable, UserId,
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
        attached: None,
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

fn mute(muted: Option<MuteFor>) -> Command {
    Command::Mute(MuteEntry { owner: carol(), other: alice(), muted })
}

fn folder(networks: &[&str]) -> Command {
    let networks = networks.iter().map(|id| NetworkId::new(id).unwrap()).collect();
    Command::Folder(Folder { owner: carol(), name: "Elsewhere".to_owned(), networks })
}

fn report() -> Command {
    Command::Report(Report {
        about: carol(),
        by: alice(),
        reason: ReportReason::Abuse,
        messages: ["m2", "m7"].map(|id| EventId::new(id).unwrap()).to_vec(),
        words: "carol was reported: abuse.".to_owned(),
    })
}

/// What must stand in `hello` of an app that has everything.
fn capable() -> Value {
    json!({"capabilities": {"kinds": {"text": "full"}, "text": {"max_bytes": 20},
                            "requests": true, "block_lists": true, "mutes": true,
                            "folders": true, "reports": true}})
}

async fn capable_app(home: &Home) -> App {
    let mut app = home.silent().await;
    app.says(&common::hello(&capable())).await;
    let welcome = app.hears().await;
    for what in ["requests", "block_lists", "mutes", "folders", "reports"] {
        assert_eq!(welcome["capabilities"][what], true, "{what}");
    }
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
    assert_eq!(results, [Ok(Delivered::under(Some(EventId::new(key).unwrap())))]);
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
async fn mutes_and_reports_are_gestures_too() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let mute = |length: &str| {
        json!({"type": "mute", "id": length, "from": "carol", "other": "elsewhere:alice",
               "for": length})
    };
    let report = json!({"type": "report", "id": "r", "from": "carol", "about": "elsewhere:alice",
                        "reason": "spam", "messages": ["01", "02"]});
    let unmute = json!({"type": "unmute", "id": "u", "from": "carol", "other": "elsewhere:alice"});
    let reported = Gesture::Report {
        about: alice(),
        reason: ReportReason::Spam,
        messages: vec!["01".to_owned(), "02".to_owned()],
    };
    for (frame, gesture) in [
        (mute("8h"), Gesture::Mute(alice(), MuteFor::EightHours)),
        (mute("1w"), Gesture::Mute(alice(), MuteFor::Week)),
        (mute("1y"), Gesture::Mute(alice(), MuteFor::Year)),
        (mute("always"), Gesture::Mute(alice(), MuteFor::Always)),
        (unmute, Gesture::Unmute(alice())),
        (report.clone(), reported),
    ] {
        app.says(&frame).await;
        app.hears_ack(&[frame["id"].as_str().unwrap()]).await;
        let last = home.bridge.journal().gestures.last().cloned();
        assert_eq!(last, Some((carol(), gesture)));
    }

    app.says(&mute("9h")).await;
    let error = app.hears_error("malformed", Some("9h")).await;
    assert_eq!(
        (&error["where"], &error["message"]),
        (&json!("for"), &json!("is not 8h, 1w, 1y or always"))
    );
    let mut six = report;
    six["messages"] = json!(["1", "2", "3", "4", "5", "6"]);
    app.says(&six).await;
    let error = app.hears_error("malformed", Some("r")).await;
    assert_eq!(error["where"], "messages");
    assert_eq!(home.bridge.journal().gestures.len(), 6);
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
        json!({"type": "mute", "id": "5", "from": "dave", "other": "elsewhere:alice",
               "for": "8h"}),
        json!({"type": "unmute", "id": "6", "from": "dave", "other": "elsewhere:alice"}),
        json!({"type": "report", "id": "7", "from": "dave", "about": "elsewhere:alice",
               "reason": "abuse"}),
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
async fn mutes_folders_and_reports_reach_an_app_that_has_them() {
    let home = Home::open();
    let mut app = capable_app(&home).await;
    for (key, length) in [("1", MuteFor::EightHours), ("2", MuteFor::Always)] {
        assert_eq!(
            shown(&home, &mut app, key, mute(Some(length))).await,
            json!({"type": "mute", "id": key, "of": "carol", "other": "elsewhere:alice",
                   "for": length.as_str()})
        );
    }
    assert_eq!(
        shown(&home, &mut app, "3", mute(None)).await,
        json!({"type": "unmute", "id": "3", "of": "carol", "other": "elsewhere:alice"})
    );
    for (key, networks) in [("4", &["elsewhere", "xmpp"][..]), ("5", &[])] {
        assert_eq!(
            shown(&home, &mut app, key, folder(networks)).await,
            json!({"type": "inbox", "id": key, "of": "carol", "name": "Elsewhere",
                   "networks": networks})
        );
    }
    assert_eq!(
        shown(&home, &mut app, "6", report()).await,
        json!({"type": "report", "id": "6", "about": "carol", "reason": "abuse",
               "messages": ["m2", "m7"], "words": "carol was reported: abuse."})
    );
    app.says(&json!({"type": "delist", "user": "carol"})).await;
    app.hears().await;
    let after = shown(&home, &mut app, "7", report()).await;
    assert_eq!(after["about"], "carol", "whoever leaves is reported no more");
    home.stops().await;
}

#[tokio::test]
async fn a_message_of_a_muted_chat_says_that_it_is_silent() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    for (key, silent) in [("1", true), ("2", false)] {
        let message = Command::Message(Message {
            from: Party { user: alice(), name: None },
            to: carol(),
            content: Content::text("shh"),
            reply: None,
            sent_at: Timestamp(7),
            words: None,
            silent,
        });
        let mut expected = json!({"type": "event", "id": key, "from": "elsewhere:alice", "to": "carol",
                   "sent_at": 7, "content": {"type": "text", "body": "shh"}});
        if silent {
            expected["silent"] = json!(true);
        }
        assert_eq!(shown(&home, &mut app, key, message).await, expected);
    }
    home.stops().await;
}

#[tokio::test]
async fn who_reports_to_an_app_without_reports_learns_it() {
    let home = Home::open();
    let _app = home.carols_app().await;
    let result = carried_out(&home, report()).await;
    assert!(
        matches!(&result, Err(DeliveryError::Refused { refusal, .. })
            if refusal.code == Code::NotReachable),
        "{result:?}"
    );
    home.stops().await;
}

#[tokio::test]
async fn an_app_without_them_gets_the_words_of_a_request_and_nothing_of_a_block() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let mutes = [mute(Some(MuteFor::Week)), mute(None), folder(&["elsewhere"]), folder(&[])];
    for needless in [over(false), block(true), block(false)].into_iter().chain(mutes) {
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
    let mute = mute(Some(MuteFor::Week));
    for command in
        [notice(None), request("may I?"), over(true), block(true), mute, folder(&["elsewhere"])]
    {
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
