//! The program itself, against the real adapter: a scripted app, and a bridge that comes and goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod files;
mod profiles;
mod stage;
mod threads;

use std::time::Duration;

use drawbridge_adapter::{
    Adapter, Block, BlockEntry, Command as Order, Connection, ContactCard, Content, Destination,
    Emojis, EventId, Folder, Gesture, Inline, Location, MuteEntry, MuteFor, Notice, Party, Passing,
    Poll, Presence, Receipt, Reference, Report, ReportReason, Request, RequestOver, Rich, Signal,
    Text, There, Typing, UserId, Was,
};
use drawbridge_testkit::Journal;
use serde_json::{Value, json};

use stage::{App, PATIENCE, delivery, dialling, life, life_as, message, scene};

#[test]
fn it_talks_for_several_users() {
    let (dir, port, bridge) = scene();
    let mut app = App::start(dir.path(), port);
    // The bridge comes later: the app waits for it.
    let life = life(dir.path(), port, &bridge);
    assert_eq!(app.saw("enlisted")["user"], "carol");
    assert_eq!(app.saw("enlisted")["user"], "dave");
    app.says("elsewhere:alice", "hi");
    assert_eq!(app.saw("ack")["ids"], json!(["hi"]));
    let event = life.runtime.block_on(bridge.hears(PATIENCE, "hi")).unwrap();
    assert_eq!(event.sender.name.as_deref(), Some("Carol"));

    let both = [message("1", "birdychat:dave", "hi dave"), message("1", "birdychat:dave", "again")];
    for delivery in both {
        let results = life.runtime.block_on(life.partner.deliver(&[delivery]));
        assert!(results[0].is_ok(), "{results:?}");
    }
    let event = app.saw("event");
    assert_eq!((&event["to"], &event["content"]["body"]), (&json!("dave"), &json!("hi dave")));
    assert_eq!(app.saw("repeat")["id"], "1");

    app.does(&json!({"do": "sticker", "from": "carol", "to": "elsewhere:alice", "id": "s"}));
    assert_eq!(app.saw("ack")["ids"], json!(["s"]));
    app.does(&json!({"do": "disappearing", "from": "dave", "to": "elsewhere:alice", "body": "puff", "id": "d"}));
    assert_eq!(app.saw("ack")["ids"], json!(["d"]));
    let marks: Vec<_> = bridge.journal().handed.iter().map(|handed| handed.event.marks).collect();
    assert!(marks[1].sticker && marks[2].disappearing);

    app.does(&json!({"do": "send_raw", "frame": {"type": "event", "id": "raw"}}));
    assert_eq!(app.saw("error")["about"], "raw");
    app.does(&json!({"do": "delist", "user": "carol"}));
    assert_eq!(app.saw("delisted")["user"], "carol");
    app.says("elsewhere:alice", "once more");
    assert_eq!(app.saw("error")["code"], "forbidden");
    app.does(&json!({"do": "disconnect"}));
    app.saw("welcome");
    app.quits();
}

#[test]
fn its_users_decide_who_may_reach_them() {
    let (dir, port, bridge) = scene();
    let life = life(dir.path(), port, &bridge);
    let mut app = App::start(dir.path(), port);
    app.saw("enlisted");
    let alice: UserId = "elsewhere:alice".parse().unwrap();
    let carol: UserId = "birdychat:carol".parse().unwrap();

    app.does(&json!({"do": "ask", "from": "carol", "text": "help", "id": "c"}));
    assert_eq!(app.saw("ack")["ids"], json!(["c"]));
    let asked = life.runtime.block_on(bridge.hears(PATIENCE, "help")).unwrap();
    assert_eq!(asked.to, Destination::Bridge);
    for what in ["accept", "decline", "block", "unblock", "mute", "unmute"] {
        app.does(&json!({"do": what, "from": "carol", "other": "elsewhere:alice", "for": "1w",
                         "id": what}));
        assert_eq!(app.saw("ack")["ids"], json!([what]));
    }
    app.does(&json!({"do": "report", "from": "carol", "about": "elsewhere:alice",
                     "reason": "spam", "messages": ["1"], "id": "report"}));
    assert_eq!(app.saw("ack")["ids"], json!(["report"]));
    let gestures = [
        Gesture::Accept(alice.clone()),
        Gesture::Decline(alice.clone()),
        Gesture::Block(alice.clone()),
        Gesture::Unblock(alice.clone()),
        Gesture::Mute(alice.clone(), MuteFor::Week),
        Gesture::Unmute(alice.clone()),
        Gesture::Report {
            about: alice.clone(),
            reason: ReportReason::Spam,
            messages: vec!["1".to_owned()],
        },
    ];
    let by_carol = gestures.map(|gesture| (carol.clone(), gesture));
    assert_eq!(bridge.journal().gestures, by_carol);

    let shows = |key: &str, order: Order, kind: &str| {
        let results = life.runtime.block_on(life.partner.deliver(&[delivery(key, order)]));
        assert!(results[0].is_ok(), "{results:?}");
        assert_eq!(app.saw(kind)["id"], key);
    };
    let text = "All that can be said.".to_owned();
    let reply_path = Some(asked.reply_path);
    shows("1", Order::Notice(Notice { to: carol.clone(), text, reply_path }), "notice");
    let request = Request {
        from: Party { user: alice.clone(), name: None },
        to: carol.clone(),
        text: None,
        words: "Alice wants to write to you.".to_owned(),
    };
    shows("2", Order::Request(request), "request");
    let over = RequestOver { from: alice.clone(), to: carol.clone(), accepted: false };
    shows("3", Order::RequestOver(over), "request_over");
    let entry = |blocked| BlockEntry { owner: carol.clone(), other: alice.clone(), blocked };
    shows("4", Order::Block(entry(true)), "block");
    shows("5", Order::Block(entry(false)), "unblock");
    let entry = |muted| MuteEntry { owner: carol.clone(), other: alice.clone(), muted };
    shows("6", Order::Mute(entry(Some(MuteFor::EightHours))), "mute");
    shows("7", Order::Mute(entry(None)), "unmute");
    let folder =
        Folder { owner: carol.clone(), name: "Elsewhere".to_owned(), networks: Vec::new() };
    shows("8", Order::Folder(folder), "inbox");
    let report = Report {
        about: carol.clone(),
        by: alice.clone(),
        reason: ReportReason::Spam,
        messages: Vec::new(),
        words: "carol was reported.".to_owned(),
    };
    shows("9", Order::Report(report), "report");
    app.quits();
}

#[test]
fn its_users_do_and_see_more_than_plain_texts() {
    const KEY: &str = "0193f2a5c1e0123456789abcdef";
    let (dir, port, bridge) = scene();
    let life = life(dir.path(), port, &bridge);
    let mut app = App::start(dir.path(), port);
    app.saw("enlisted");
    let (mine, theirs) = (json!({"app": "m1"}), json!({"bridge": KEY}));
    for (id, command) in [
        ("m1", json!({"do": "send", "body": "hi", "markdown": "**hi**", "in_reply_to": theirs})),
        ("m2", json!({"do": "edit", "of": mine, "body": "hello"})),
        ("m3", json!({"do": "react", "of": theirs, "emojis": ["a", "b"]})),
        ("m4", json!({"do": "retract", "of": mine})),
    ] {
        let mut command = command;
        (command["id"], command["from"]) = (json!(id), json!("carol"));
        command["to"] = json!("elsewhere:alice");
        app.does(&command);
        assert_eq!(app.saw("ack")["ids"], json!([id]));
    }
    app.does(&json!({"do": "read", "from": "carol", "to": "elsewhere:alice", "of": theirs}));
    app.does(&json!({"do": "typing", "from": "carol", "to": "elsewhere:alice", "typing": true}));
    let both = |journal: &Journal| (journal.passing.len() == 2).then(|| journal.passing.clone());
    let passed = bridge.wait_for(PATIENCE, "a receipt, and that carol writes", both);
    let passed = life.runtime.block_on(passed).unwrap();
    let of = |was, id: &str| Reference { id: EventId::new(id).unwrap(), was, sent_at: None };
    let carol: UserId = "birdychat:carol".parse().unwrap();
    let alice: UserId = "elsewhere:alice".parse().unwrap();
    let (by, to) = (carol.clone(), alice.clone());
    let receipt = Receipt { by, to, of: of(Was::Delivered, KEY), read: true };
    let typing = Typing { by: carol.clone(), to: alice.clone(), typing: true };
    assert_eq!(passed, [Passing::Receipt(receipt), Passing::Typing(typing)]);
    let journal = bridge.journal();
    let [hi, edit, reaction, retraction] = &journal.handed[..] else { panic!("not four") };
    let bold = vec![Inline::Bold(vec![Inline::Text("hi".to_owned())])];
    let rich = Some(Rich(vec![Block::Paragraph(bold)]));
    assert!(hi.event.content == Content::Text(Text { body: "hi".to_owned(), rich }));
    let answered = hi.event.reply.as_ref().and_then(|reply| reply.to.clone());
    assert_eq!(answered, Some(of(Was::Delivered, KEY)));
    let sent = || of(Was::Sent, "m1");
    assert!(edit.event.content == Content::Edit { of: sent(), text: Text::plain("hello") });
    let emojis = Emojis::All(vec!["a".to_owned(), "b".to_owned()]);
    let to = of(Was::Delivered, KEY);
    assert!(reaction.event.content == Content::Reaction { to, emojis });
    assert!(retraction.event.content == Content::Retraction { of: sent() });
    assert!(journal.breaches.is_empty(), "{:?}", journal.breaches);

    for (key, content) in [
        ("1", Content::Edit { of: of(Was::Delivered, KEY), text: Text::plain("hello") }),
        ("2", Content::Retraction { of: of(Was::Delivered, KEY) }),
    ] {
        let mut delivery = message(key, "birdychat:carol", "");
        if let Order::Message(message) = &mut delivery.command {
            message.content = content;
        }
        let results = life.runtime.block_on(life.partner.deliver(&[delivery]));
        assert!(results[0].is_ok(), "{results:?}");
        assert_eq!(app.saw("event")["content"]["of"], theirs);
    }
    let (by, to) = (alice.clone(), carol.clone());
    let receipt = Receipt { by, to, of: sent(), read: true };
    life.partner.signal(Signal::Receipt(receipt));
    let frame = json!({"type": "receipt", "of": mine, "from": "elsewhere:alice", "to": "carol",
                       "state": "read"});
    assert_eq!(app.saw("receipt"), frame);
    app.quits();
}

#[test]
fn its_users_send_and_see_places_cards_polls_and_who_is_there() {
    const KEY: &str = "0193f2a5c1e0123456789abcdef";
    let (dir, port, bridge) = scene();
    let life = life(dir.path(), port, &bridge);
    let mut app = App::start(dir.path(), port);
    app.saw("enlisted");
    let spot = Location::new(52.5, 4.25).unwrap().named(Some("The pier"));
    let card = ContactCard {
        name: "Zoë".to_owned(),
        phones: vec!["112".to_owned()],
        emails: Vec::new(),
        addresses: Vec::new(),
    };
    let answers = vec!["yes".to_owned(), "no".to_owned()];
    let poll = Poll { question: "Tea?".to_owned(), answers, most: 2 };
    let things = [
        (
            Content::Location(spot),
            json!({"do": "location", "latitude": 52.5, "longitude": 4.25, "name": "The pier"}),
        ),
        (Content::Contact(card), json!({"do": "contact", "name": "Zoë", "phones": ["112"]})),
        (
            Content::Poll(poll),
            json!({"do": "poll", "question": "Tea?", "answers": ["yes", "no"],
                   "max_selections": 2, "in_reply_to": {"bridge": KEY}}),
        ),
    ];
    for (thing, command) in &things {
        let kind = thing.kind().as_str();
        let mut command = command.clone();
        (command["id"], command["from"]) = (json!(kind), json!("carol"));
        command["to"] = json!("elsewhere:alice");
        app.does(&command);
        assert_eq!(app.saw("ack")["ids"], json!([kind]));
        let handed = bridge.journal().handed.pop().unwrap().event;
        assert!(handed.content == *thing, "{kind}");
        assert_eq!(handed.reply.is_some(), kind == "poll");

        let mut delivery = message(kind, "birdychat:carol", "");
        if let Order::Message(message) = &mut delivery.command {
            (message.content, message.words) = (thing.clone(), Some("in words".to_owned()));
        }
        let results = life.runtime.block_on(life.partner.deliver(&[delivery]));
        assert!(results[0].is_ok(), "{results:?}");
        let event = app.saw("event");
        assert_eq!(
            (&event["content"]["type"], &event["words"]),
            (&json!(kind), &json!("in words"))
        );
    }

    app.does(&json!({"do": "presence", "from": "carol", "to": "elsewhere:alice", "state": "away"}));
    let one = |journal: &Journal| journal.passing.first().cloned();
    let passed = bridge.wait_for(PATIENCE, "that carol is away", one);
    let carol: UserId = "birdychat:carol".parse().unwrap();
    let alice: UserId = "elsewhere:alice".parse().unwrap();
    let away = Presence { by: carol.clone(), to: alice.clone(), is: There::Away };
    assert_eq!(life.runtime.block_on(passed).unwrap(), Passing::Presence(away));
    life.partner.signal(Signal::Presence(Presence { by: alice, to: carol, is: There::Online }));
    assert_eq!(app.saw("presence")["state"], "online");
    app.quits();
}

#[test]
fn nothing_is_lost_reordered_or_doubled_when_the_bridge_dies_again_and_again() {
    let (dir, port, bridge) = scene();
    bridge.slow_down(Duration::from_millis(3));
    let mut app = App::start(dir.path(), port);
    let texts: Vec<_> = (0..500).map(|n| format!("{n} of 500")).collect();
    for text in &texts {
        app.says("elsewhere:alice", text);
    }
    for round in 1..=8 {
        let life = life(dir.path(), port, &bridge);
        let what = "a part of the messages arrives";
        let arrived = bridge.wait_for(PATIENCE, what, |journal| {
            (journal.texts().len() >= round * 50).then_some(())
        });
        life.runtime.block_on(arrived).unwrap();
    }
    let life = life(dir.path(), port, &bridge);
    let last = texts.last().unwrap();
    life.runtime.block_on(bridge.hears(PATIENCE, last)).unwrap();
    assert_eq!(bridge.journal().texts(), texts);
    assert!(bridge.journal().breaches.is_empty(), "{:?}", bridge.journal().breaches);
    let lives = bridge.journal().connections.iter().filter(|one| **one == Connection::Up).count();
    assert!(lives >= 3, "only {lives} lives took part");
    app.quits();
}

#[test]
fn of_two_instances_the_older_one_ends() {
    let (dir, port, bridge) = scene();
    let _life = life(dir.path(), port, &bridge);
    let mut old = App::start(dir.path(), port);
    old.saw("enlisted");
    let new = App::start(dir.path(), port);
    new.saw("enlisted");
    assert!(!old.child.wait().unwrap().success());
    new.quits();
}

#[test]
fn a_bridge_dials_it() {
    let (dir, port, bridge) = scene();
    let way = dialling(dir.path(), port, &bridge);
    // The bridge comes before the app listens, and tries on.
    let first = life_as(dir.path(), &way, &bridge);
    let mut app = App::listening(dir.path(), port);
    assert_eq!(app.notes("listening"), format!("127.0.0.1:{port}"));
    assert_eq!(app.saw("enlisted")["user"], "carol");
    app.says("elsewhere:alice", "from a house of its own");
    first.runtime.block_on(bridge.hears(PATIENCE, "from a house of its own")).unwrap();

    // The next life dials while the app may still believe in the first.
    drop(first);
    app.says("elsewhere:alice", "while nobody is there");
    let second = life_as(dir.path(), &way, &bridge);
    second.runtime.block_on(bridge.hears(PATIENCE, "while nobody is there")).unwrap();
    app.saw("welcome");
    let delivery = message("1", "birdychat:dave", "hi dave");
    let results = second.runtime.block_on(second.partner.deliver(&[delivery]));
    assert!(results[0].is_ok(), "{results:?}");
    assert_eq!(app.saw("event")["content"]["body"], "hi dave");
    assert_eq!(bridge.journal().texts(), ["from a house of its own", "while nobody is there"]);
    app.quits();
}

#[test]
fn a_bridge_that_comes_again_is_taken_at_once() {
    let (dir, port, bridge) = scene();
    let way = dialling(dir.path(), port, &bridge);
    let app = App::listening(dir.path(), port);
    let first = life_as(dir.path(), &way, &bridge);
    app.saw("enlisted");
    // As if the first had died without a word: the app still holds its connection.
    let second = life_as(dir.path(), &way, &bridge);
    assert_eq!(app.notes("disconnected"), "the bridge came again");
    app.saw("welcome");
    drop(first);
    let delivery = message("1", "birdychat:dave", "hi dave");
    let twice = |journal: &Journal| {
        let ups = journal.connections.iter().filter(|report| **report == Connection::Up);
        (ups.count() >= 2).then_some(())
    };
    let delivered = second.runtime.block_on(async {
        bridge.wait_for(PATIENCE, "the second connection", twice).await.unwrap();
        second.partner.deliver(&[delivery]).await
    });
    assert!(delivered[0].is_ok(), "{delivered:?}");
    assert_eq!(app.saw("event")["content"]["body"], "hi dave");
    app.quits();
}

#[test]
fn who_is_not_the_bridge_does_not_get_in() {
    let (dir, port, bridge) = scene();
    let way = dialling(dir.path(), port, &bridge);
    let app = App::listening(dir.path(), port);
    app.notes("listening");
    let no = |change: &Value, why: &str, told: &'static str| {
        let mut way = way.clone();
        way.as_object_mut().unwrap().append(&mut change.as_object().unwrap().clone());
        let life = life_as(dir.path(), &way, &bridge);
        assert_eq!(app.notes("turned away"), why);
        let reported = bridge.wait_for(PATIENCE, told, |journal| {
            (journal.connections.last() == Some(&Connection::Down { why: told })).then_some(())
        });
        life.runtime.block_on(reported).unwrap();
    };
    let refused = "the partner does not take the bridge's proof";
    no(&json!({"audience": "another bridge"}), "the bridge's proof does not hold", refused);
    let elsewhere = format!("ws://127.0.0.1:{port}/elsewhere");
    no(&json!({"dial": elsewhere}), "another path", "the partner has nothing at this path");
    // A key that the operator did not hand over.
    let handed = std::fs::read(dir.path().join("bridge.jwks.json")).unwrap();
    dialling(dir.path(), port, &bridge);
    std::fs::write(dir.path().join("bridge.jwks.json"), handed).unwrap();
    no(&json!({}), "the bridge's key is unknown", refused);
}
