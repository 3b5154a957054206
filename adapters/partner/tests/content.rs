//! What an app is sent, by what it says that it shows; and what passes without an answer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use common::{Home, delivery, text};
use drawbridge_adapter::{
    Adapter, Block, Command, ContactCard, Content, DeliveryError, Emojis, EventId, Inline,
    Location, Passing, Poll, Presence, Reference, Reply, Rich, Signal, Text, There, Thread, Typing,
    UserId, Was,
};
use serde_json::json;

/// What an app of these kinds and features is sent for it.
async fn sent(capabilities: serde_json::Value, content: Content, reply: Option<Reply>) -> String {
    let home = Home::open();
    let mut app = home.app_saying(&json!({"capabilities": capabilities})).await;
    app.enlists("carol").await;
    let mut delivery = delivery(KEY, "");
    if let Command::Message(message) = &mut delivery.command {
        let is_thing =
            matches!(content, Content::Location(_) | Content::Contact(_) | Content::Poll(_));
        message.words = is_thing.then(|| WORDS.to_owned());
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
            let mut reply = serde_json::Map::new();
            for key in ["in_reply_to", "quote", "thread"] {
                reply.extend(frame.get(key).map(|value| (key.to_owned(), value.clone())));
            }
            let mut content = frame["content"].to_string();
            if let Some(words) = frame["words"].as_str() {
                content = format!("{content} ({words})");
            }
            let reply = serde_json::Value::Object(reply);
            if reply == json!({}) { content } else { format!("{content} {reply}") }
        }
    };
    // The bridge need not wait for its goodbye.
    drop(app);
    home.stops().await;
    sent
}

const KEY: &str = "0193f2a5c1e0123456789abcdef";

/// What the daemon says of each thing that is neither text nor file.
const WORDS: &str = "something in words";

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
        Some(Reply::answering(to, Some("tea?\ncoffee?".to_owned())))
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
async fn what_stands_in_a_thread_is_shown_there_or_as_a_reply() {
    let sent = async |features: &[&str], to: Option<&str>, quote: Option<&str>, follows| {
        let features: serde_json::Map<_, _> =
            features.iter().map(|one| ((*one).to_owned(), json!("full"))).collect();
        let can = json!({"kinds": {"text": "full"}, "features": features,
                         "text": {"max_bytes": 100}});
        let to = to.map(|id| reference(Was::Sent, id));
        let thread = Some(Thread { root: reference(Was::Delivered, KEY), follows });
        let reply = Reply { thread, ..Reply::answering(to, quote.map(str::to_owned)) };
        let sent = sent(can, Content::text("yes"), Some(reply)).await;
        sent.strip_prefix(r#"{"body":"yes","type":"text"}"#).map(str::to_owned).unwrap_or(sent)
    };
    let there = format!(r#" {{"thread":{{"bridge":"{KEY}"}}}}"#);
    let answers = r#" {"in_reply_to":{"app":"m1"},"quote":"tea?"}"#;
    let both = format!(
        r#" {{"in_reply_to":{{"app":"m1"}},"quote":"tea?","thread":{{"bridge":"{KEY}"}}}}"#
    );
    let (m1, quote) = (Some("m1"), Some("tea?"));
    let all = ["reply", "thread"];
    assert_eq!(sent(&all, m1, quote, true).await, there);
    assert_eq!(sent(&all, m1, quote, false).await, both);
    // What was answered is gone, or was never known.
    assert_eq!(sent(&all, None, None, false).await, there);
    let unknown = sent(&all, None, quote, false).await;
    assert_eq!(unknown, format!(r#"{{"body":"> tea?\n\nyes","type":"text"}}{there}"#));
    for follows in [true, false] {
        assert_eq!(sent(&all[..1], m1, quote, follows).await, answers);
        assert_eq!(sent(&all[..1], None, None, follows).await, "");
        // An app that shows threads shows replies.
        let quoted = r#"{"body":"> tea?\n\nyes","type":"text"}"#;
        assert_eq!(sent(&all[1..], m1, quote, follows).await, quoted);
    }
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

fn things() -> [(&'static str, Content, &'static str); 3] {
    let place = Location::new(52.373_056, -4.0).unwrap();
    let place = place.within(Some(35)).named(Some("the pier"));
    let card = ContactCard {
        name: "Zoë".to_owned(),
        phones: Vec::new(),
        emails: vec!["zoe@p.test".to_owned()],
        addresses: Vec::new(),
    };
    let answers = vec!["yes".to_owned(), "no".to_owned()];
    let poll = Poll { question: "Tea?".to_owned(), answers, most: 1 };
    [
        (
            "location",
            Content::Location(place),
            r#"{"latitude":52.373056,"longitude":-4.0,"name":"the pier","type":"location","uncertainty":35}"#,
        ),
        (
            "contact",
            Content::Contact(card),
            r#"{"emails":["zoe@p.test"],"name":"Zoë","type":"contact"}"#,
        ),
        (
            "poll",
            Content::Poll(poll),
            r#"{"answers":["yes","no"],"max_selections":1,"question":"Tea?","type":"poll"}"#,
        ),
    ]
}

#[tokio::test]
async fn a_place_a_card_and_a_poll_come_as_such_or_in_words() {
    let can = |kinds: serde_json::Value, features: serde_json::Value, most: usize| json!({"kinds": kinds, "features": features, "text": {"max_bytes": most}});
    let reply = || {
        let to = Some(reference(Was::Sent, "m1"));
        Some(Reply::answering(to, Some("where?".to_owned())))
    };
    let in_words = format!(r#"{{"body":"{WORDS}","type":"text"}}"#);
    for (name, thing, as_such) in things() {
        let both = json!({"text": "full", name: "partial"});
        let shown = sent(can(both, json!({"reply": "full"}), 100), thing.clone(), reply()).await;
        let named = r#"{"in_reply_to":{"app":"m1"},"quote":"where?"}"#;
        assert_eq!(shown, format!("{as_such} ({WORDS}) {named}"));
        for level in ["fallback", "rejected", "unnamed"] {
            let mut kinds = json!({"text": "full"});
            if level != "unnamed" {
                kinds[name] = json!(level);
            }
            assert_eq!(sent(can(kinds, json!({}), 100), thing.clone(), None).await, in_words);
        }
    }
    let place = || things()[0].1.clone();
    let text = || json!({"text": "full"});
    let shown = sent(can(text(), json!({}), 100), place(), reply()).await;
    assert_eq!(shown, format!(r#"{{"body":"> where?\n\n{WORDS}","type":"text"}}"#));
    let shown = sent(can(text(), json!({"reply": "full"}), 100), place(), reply()).await;
    let named = r#"{"in_reply_to":{"app":"m1"},"quote":"where?"}"#;
    assert_eq!(shown, format!("{in_words} {named}"));
    // The limit on texts is one on words, and on nothing else.
    assert_eq!(sent(can(text(), json!({}), 5), place(), None).await, "text_too_long");
    let alone = can(json!({"location": "full"}), json!({}), 5);
    assert!(sent(alone, place(), None).await.ends_with(&format!("({WORDS})")));
    let neither = can(json!({"reaction": "full"}), json!({}), 100);
    assert_eq!(sent(neither, place(), None).await, "unsupported_kind:location");
}

#[tokio::test]
async fn who_is_there_is_told_to_an_app_that_shows_it() {
    let home = Home::open();
    let signal = |to: &str, is: There| {
        let (by, to) = ("elsewhere:alice".parse().unwrap(), to.parse().unwrap());
        home.partner.signal(Signal::Presence(Presence { by, to, is }));
    };
    let kinds = |kinds: serde_json::Value| json!({"capabilities": {"kinds": kinds, "text": {"max_bytes": 100}}});
    let mut app = home.app_saying(&kinds(json!({"text": "full", "typing": "full"}))).await;
    app.enlists("carol").await;
    signal("birdychat:carol", There::Online);
    app.says(&text("e1", "hi")).await;
    app.hears_ack(&["e1"]).await;
    let mut app = home.app_saying(&kinds(json!({"text": "full", "presence": "full"}))).await;
    signal("birdychat:dave", There::Online);
    for (is, state) in
        [(There::Away, "away"), (There::Offline, "offline"), (There::Online, "online")]
    {
        signal("birdychat:carol", is);
        let frame =
            json!({"type": "presence", "from": "elsewhere:alice", "to": "carol", "state": state});
        assert_eq!(app.hears().await, frame);
    }
    for from in ["dave", "carol"] {
        let frame =
            json!({"type": "presence", "from": from, "to": "elsewhere:alice", "state": "away"});
        app.says(&frame).await;
    }
    app.says(&text("e2", "hi")).await;
    app.hears_ack(&["e2"]).await;
    let (by, to) = ("birdychat:carol".parse().unwrap(), "elsewhere:alice".parse().unwrap());
    let away = Passing::Presence(Presence { by, to, is: There::Away });
    assert_eq!(home.bridge.journal().passing, [away], "dave is not enlisted");
    home.stops().await;
}

#[tokio::test]
async fn whoever_is_delisted_is_there_no_more() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    app.says(&json!({"type": "presence", "from": "carol", "to": "elsewhere:alice",
                     "state": "online"}))
        .await;
    app.says(&json!({"type": "delist", "user": "carol"})).await;
    assert_eq!(app.hears().await, json!({"type": "delisted", "user": "carol"}));
    let (by, to): (UserId, UserId) =
        ("birdychat:carol".parse().unwrap(), "elsewhere:alice".parse().unwrap());
    let online = Presence { by: by.clone(), to, is: There::Online };
    let passed = [Passing::Presence(online), Passing::Left(by)];
    assert_eq!(home.bridge.journal().passing, passed);
    app.enlists("carol").await;
    assert_eq!(home.bridge.journal().passing, passed);
    home.stops().await;
}

#[tokio::test]
async fn a_thing_that_is_none_is_answered_with_its_place() {
    let home = Home::open();
    let mut app = home.carols_app().await;
    for (content, place) in [
        (json!({"type": "location", "latitude": 91, "longitude": 0}), "content.latitude"),
        (json!({"type": "contact", "name": ""}), "content.name"),
        (json!({"type": "poll", "question": "Tea?", "answers": ["yes"]}), "content.answers"),
    ] {
        let mut event = text("e1", "");
        event["content"] = content;
        app.says(&event).await;
        let error = app.hears().await;
        assert_eq!((&error["code"], &error["where"]), (&json!("malformed"), &json!(place)));
        assert_eq!(error["about"], "e1");
    }
    assert!(home.bridge.journal().handed.is_empty());
    home.stops().await;
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
