//! What an app is sent, by what it says that it shows; and what passes without an answer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use common::{Home, delivery, text};
use drawbridge_adapter::{
    Adapter, Block, Command, Content, DeliveryError, Emojis, EventId, Inline, Passing, Reference,
    Reply, Rich, Signal, Text, Typing, Was,
};
use serde_json::json;

/// What an app of these kinds and features is sent for it.
async fn sent(capabilities: serde_json::Value, content: Content, reply: Option<Reply>) -> String {
    let home = Home::open();
    let mut app = home.app_saying(&json!({"capabilities": capabilities})).await;
    app.enlists("carol").await;
    let mut delivery = delivery(KEY, "");
    if let Command::Message(message) = &mut delivery.command {
        (message.content, message.reply) = (content, reply);
    }
    let delivering = async { home.partner.deliver(std::slice::from_ref(&delivery)).await };
    let answering = async {
        let frame = app.hears().await;
        app.acks(&frame["id"]).await;
        frame
    };
    let sent = tokio::select! {
        results = delivering => match &results[..] {
            [Err(DeliveryError::Refused { refusal, .. })] => refusal.code.to_string(),
            other => panic!("{other:?}"),
        },
        frame = answering => {
            let reply = json!({"in_reply_to": frame["in_reply_to"], "quote": frame["quote"]});
            let content = frame["content"].to_string();
            if reply["quote"].is_null() { content } else { format!("{content} {reply}") }
        }
    };
    home.stops().await;
    sent
}

const KEY: &str = "0193f2a5c1e0123456789abcdef";

fn reference(was: Was, id: &str) -> Reference {
    Reference { id: EventId::new(id).unwrap(), was, sent_at: None }
}

fn bold(body: &str) -> Text {
    let held = vec![Inline::Text(body.to_owned())];
    let mention =
        Inline::Mention { user: "xmpp:bob@p.test".parse().unwrap(), name: "Bob".to_owned() };
    let line = vec![Inline::Bold(held), Inline::Text(" ".to_owned()), mention];
    Text { body: format!("{body} Bob"), rich: Some(Rich(vec![Block::Paragraph(line)])) }
}

#[tokio::test]
async fn an_app_gets_of_a_text_what_it_shows() {
    let can = |features: serde_json::Value| json!({"kinds": {"text": "full"}, "features": features, "text": {"max_bytes": 60}});
    let plain = r#"{"body":"go Bob","type":"text"}"#;
    let without = r#"{"body":"go Bob","markdown":"**go** Bob","type":"text"}"#;
    let with =
        r#"{"body":"go Bob","markdown":"**go** [Bob](mention:xmpp:bob@p.test)","type":"text"}"#;
    for (features, shown) in [
        (json!({}), plain),
        (json!({"formatting": "rejected"}), plain),
        (json!({"formatting": "full"}), without),
        (json!({"formatting": "partial", "mention": "full", "spelling": "full"}), with),
    ] {
        assert_eq!(sent(can(features), Content::Text(bold("go")), None).await, shown);
    }
    // Markdown that is far longer than the text stays away.
    let stars = Text { body: "a".to_owned(), ..bold(&"*".repeat(70)) };
    let shown = sent(can(json!({"formatting": "full"})), Content::Text(stars), None).await;
    assert_eq!(shown, r#"{"body":"a","type":"text"}"#);
    let reply = || {
        let to = Some(reference(Was::Sent, "m1"));
        Some(Reply { to, quote: Some("tea?\ncoffee?".to_owned()) })
    };
    let shown = sent(can(json!({"reply": "full"})), Content::text("yes"), reply()).await;
    let named =
        r#"{"body":"yes","type":"text"} {"in_reply_to":{"app":"m1"},"quote":"tea?\ncoffee?"}"#;
    assert_eq!(shown, named);
    let shown = sent(can(json!({})), Content::text("yes"), reply()).await;
    assert_eq!(shown, r#"{"body":"> tea?\n> coffee?\n\nyes","type":"text"}"#);
    let long = "y".repeat(50);
    let shown = sent(can(json!({})), Content::text(long.as_str()), reply()).await;
    assert_eq!(shown, format!(r#"{{"body":"{long}","type":"text"}}"#));
}

#[tokio::test]
async fn a_kind_that_the_app_lacks_is_refused_by_its_name() {
    let of = || reference(Was::Delivered, KEY);
    let now =
        Emojis::Now { all: vec!["a".to_owned()], new: vec!["a".to_owned()], gone: Vec::new() };
    for (name, content, shown) in [
        (
            "edit",
            Content::Edit { of: of(), text: Text::plain("new") },
            format!(r#"{{"body":"new","of":{{"bridge":"{KEY}"}},"type":"edit"}}"#),
        ),
        (
            "retraction",
            Content::Retraction { of: of() },
            format!(r#"{{"of":{{"bridge":"{KEY}"}},"type":"retraction"}}"#),
        ),
        (
            "reaction",
            Content::Reaction { to: reference(Was::Sent, "m1"), emojis: now },
            r#"{"emojis":["a"],"to":{"app":"m1"},"type":"reaction"}"#.to_owned(),
        ),
    ] {
        let can = json!({"kinds": {"text": "full", name: "full"}, "text": {"max_bytes": 100}});
        assert_eq!(sent(can, content.clone(), None).await, shown);
        let can = json!({"kinds": {"text": "full"}, "text": {"max_bytes": 100}});
        assert_eq!(sent(can, content, None).await, format!("unsupported_kind:{name}"));
    }
}

#[tokio::test]
async fn what_passes_is_never_answered_and_harms_nothing() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    let frame = |from: &str, n: usize| {
        json!({"type": "receipt", "of": {"bridge": format!("{n:027x}")}, "from": from,
               "to": "elsewhere:alice", "state": "read"})
    };
    app.says(&frame("dave", 0)).await;
    for n in 0..5000 {
        app.says(&frame("carol", n)).await;
    }
    app.says(&text("e1", "hi")).await;
    app.hears_ack(&["e1"]).await;
    let passing = home.bridge.journal().passing;
    assert!(passing.len() >= 1000, "{} passed", passing.len());
    let by = |passing: &Passing| match passing {
        Passing::Receipt(receipt) => receipt.by.id().to_owned(),
        other => panic!("{other:?}"),
    };
    assert!(passing.iter().all(|one| by(one) == "carol"), "dave is not enlisted");
    home.stops().await;
}

#[tokio::test]
async fn a_signal_reaches_only_an_app_and_a_user_that_want_it() {
    let home = Home::open();
    let signal = |to: &str| {
        let (by, to) = ("elsewhere:alice".parse().unwrap(), to.parse().unwrap());
        home.partner.signal(Signal::Typing(Typing { by, to, typing: true }));
    };
    // Nobody is there.
    signal("birdychat:carol");
    let mut app = home.carols_app().await;
    signal("birdychat:carol");
    app.says(&text("e1", "hi")).await;
    app.hears_ack(&["e1"]).await;
    let kinds = json!({"kinds": {"text": "full", "typing": "full"}, "text": {"max_bytes": 100}});
    let mut app = home.app_saying(&json!({"capabilities": kinds})).await;
    signal("birdychat:dave");
    signal("birdychat:carol");
    let typing =
        json!({"type": "typing", "from": "elsewhere:alice", "to": "carol", "typing": true});
    assert_eq!(app.hears().await, typing);
    // More than there is room for is dropped, and what comes later is not kept from its way.
    for _ in 0..10_000 {
        signal("birdychat:carol");
    }
    app.says(&text("e2", "hi")).await;
    let mut came = 0;
    loop {
        let frame = app.hears().await;
        if frame["type"] == "ack" {
            break;
        }
        came += 1;
    }
    assert!(came < 10_000, "{came}");
    home.stops().await;
}
