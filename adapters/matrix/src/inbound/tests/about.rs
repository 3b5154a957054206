//! What later events are about, and what passes without leaving a trace.

use std::time::Duration;

use drawbridge_adapter::{
    Content, Emojis, Event, EventId, Inline, Kind, Location, Passing, Poll, Receipt, Reference,
    Reply, Thread, Timestamp, Typing, Was,
};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::{WAITS, event, event_by, says};
use crate::core::Later;
use crate::inbound::pass;
use crate::portals::Company;
use crate::stub::{ALICE, Call, GHOST, ROOM, Stub};

const KEY: &str = "0192ab3c4d5e6f708192a3b4c5d";

fn sent(id: &str, at: i64) -> Reference {
    Reference { id: EventId::new(id).unwrap(), was: Was::Sent, sent_at: Some(Timestamp(at)) }
}

fn delivered() -> Reference {
    Reference { id: EventId::new(KEY).unwrap(), was: Was::Delivered, sent_at: None }
}

/// What carol's ghost said comes back.
fn echo(id: &str) -> Box<RawValue> {
    let content = json!({ "msgtype": "m.text", "body": "hi", "dev.drawbridge.delivery": KEY });
    event_by(GHOST, id, "m.room.message", None, &content)
}

fn message(id: &str, content: &Value) -> Box<RawValue> {
    event(id, "m.room.message", None, content)
}

fn reaction(id: &str, to: &str) -> Box<RawValue> {
    let relation = json!({ "rel_type": "m.annotation", "event_id": to, "key": "👍" });
    event(id, "m.reaction", None, &json!({ "m.relates_to": relation }))
}

fn redaction(id: &str, of: &str) -> Box<RawValue> {
    event(id, "m.room.redaction", None, &json!({ "redacts": of }))
}

fn reply(id: &str, to: &str) -> Box<RawValue> {
    let relation = json!({ "m.in_reply_to": { "event_id": to } });
    message(id, &json!({ "msgtype": "m.text", "body": "yes", "m.relates_to": relation }))
}

fn edit(id: &str, of: &str) -> Box<RawValue> {
    let new = json!({ "msgtype": "m.text", "body": "new" });
    let relation = json!({ "rel_type": "m.replace", "event_id": of });
    message(
        id,
        &json!({
            "msgtype": "m.text", "body": "* new", "m.new_content": new, "m.relates_to": relation,
        }),
    )
}

async fn in_portal(answer: impl Fn(&Call) -> Option<(u16, Value)> + Send + Sync + 'static) -> Stub {
    let stub = Stub::start(answer).await;
    stub.knows_room(Company::None).await;
    stub
}

fn handed(stub: &Stub) -> Vec<Event> {
    stub.bridge.journal().handed.into_iter().map(|handed| handed.event).collect()
}

/// What a homeserver without this event says.
fn none(call: &Call) -> Option<(u16, Value)> {
    call.path.contains("/event/").then(|| (404, json!({ "errcode": "M_NOT_FOUND" })))
}

#[tokio::test]
async fn what_passed_is_known_again() {
    let stub = in_portal(none).await;
    let all = [
        echo("$theirs"),
        says("$mine", "one"),
        edit("$edit", "$mine"),
        reaction("$like", "$theirs"),
        redaction("$unlike", "$like"),
        redaction("$gone", "$mine"),
        edit("$forged", "$theirs"),
    ];
    assert_eq!(stub.core.take(&all).await, Ok(()));
    let contents: Vec<_> = handed(&stub).into_iter().map(|event| event.content).collect();
    let text = drawbridge_adapter::Text::plain("new");
    assert_eq!(
        contents,
        [
            Content::text("one"),
            Content::Edit { of: sent("$mine", 1), text: text.clone() },
            Content::Reaction { to: delivered(), emojis: Emojis::One("👍".to_owned()) },
            Content::Retraction { of: sent("$like", 1) },
            Content::Retraction { of: sent("$mine", 1) },
            Content::Edit { of: delivered(), text },
        ]
    );
    assert_eq!(stub.calls("/event/").len(), 0, "nobody had to be asked");
}

#[tokio::test]
async fn places_and_polls_are_answers_and_are_answered_as_texts_are() {
    let stub = in_portal(none).await;
    let answers = || json!({ "m.in_reply_to": { "event_id": "$theirs" } });
    let pier = json!({ "msgtype": "m.location", "body": "the pier", "geo_uri": "geo:1.5,-2", "m.relates_to": answers() });
    let line = |text: &str| json!({ "org.matrix.msc1767.text": text });
    let asked = json!({ "question": line("?"), "answers": [line("a"), line("b")] });
    let start = json!({ "org.matrix.msc3381.poll.start": asked });
    let vote = json!({ "m.relates_to": { "rel_type": "m.reference", "event_id": "$poll" } });
    let theirs = json!({ "msgtype": "m.location", "body": "the bank", "geo_uri": "geo:1,1",
        "dev.drawbridge.delivery": KEY });
    let all = [
        event_by(GHOST, "$theirs", "m.room.message", None, &theirs),
        message("$pier", &pier),
        event("$poll", "org.matrix.msc3381.poll.start", None, &start),
        event("$vote", "org.matrix.msc3381.poll.response", None, &vote),
        reaction("$like", "$theirs"),
        redaction("$gone", "$pier"),
        redaction("$over", "$poll"),
        edit("$edit", "$poll"),
    ];
    assert_eq!(stub.core.take(&all).await, Ok(()));
    let handed = handed(&stub);
    assert_eq!(handed[0].reply.as_ref().and_then(|reply| reply.to.clone()), Some(delivered()));
    let contents: Vec<_> = handed.into_iter().map(|event| event.content).collect();
    let answers = vec!["a".to_owned(), "b".to_owned()];
    let place = Location::new(1.5, -2.0).unwrap().named(Some("the pier"));
    assert_eq!(
        contents,
        [
            Content::Location(place),
            Content::Poll(Poll { question: "?".to_owned(), answers, most: 1 }),
            Content::Unsupported { kind: Kind::Poll },
            Content::Reaction { to: delivered(), emojis: Emojis::One("👍".to_owned()) },
            Content::Retraction { of: sent("$pier", 1) },
            Content::Retraction { of: sent("$poll", 1) },
            Content::Edit { of: sent("$poll", 1), text: drawbridge_adapter::Text::plain("new") },
        ]
    );
}

#[tokio::test]
async fn what_passed_long_ago_is_asked_for() {
    let stub = in_portal(|call| {
        let of = |sender: &str, content: Value| {
            let id = call.path.split(['/', '?']).find(|part| part.starts_with('$'))?;
            let event = json!({
                "event_id": id, "room_id": ROOM, "sender": sender, "origin_server_ts": 7,
                "type": "m.room.message", "content": content,
            });
            Some((200, event))
        };
        let text = json!({ "msgtype": "m.text", "body": "what was said" });
        let mut ours = text.clone();
        ours["dev.drawbridge.delivery"] = KEY.into();
        match () {
            () if call.path.contains("/event/$mine") => of(ALICE, text),
            // Nobody else's word counts.
            () if call.path.contains("/event/$forged") => of(ALICE, ours),
            () if call.path.contains("/event/$theirs") => of(GHOST, ours),
            () if call.path.contains("/event/$notice") => of(GHOST, text),
            () => none(call),
        }
    })
    .await;
    let all = [
        reply("$1", "$theirs"),
        reply("$2", "$mine"),
        reply("$3", "$lost"),
        reply("$4", "$notice"),
        edit("$5", "$lost"),
        redaction("$6", "$notice"),
        redaction("$7", "$forged"),
    ];
    assert_eq!(stub.core.take(&all).await, Ok(()));
    let handed = handed(&stub);
    let replies: Vec<_> = handed.iter().filter_map(|event| event.reply.clone()).collect();
    let quote = Some("what was said".to_owned());
    assert_eq!(replies[0], Reply::answering(Some(delivered()), quote.clone()));
    assert_eq!(replies[1], Reply::answering(Some(sent("$mine", 7)), quote.clone()));
    assert_eq!(replies[2], Reply::answering(None, None));
    assert_eq!(replies[3], Reply::answering(None, quote));
    let about: Vec<_> = handed.iter().filter_map(|event| event.content.about()).collect();
    assert_eq!(about, [&sent("$lost", 0), &sent("$forged", 7)], "a notice is nobody's business");
}

#[tokio::test]
async fn what_stands_in_a_thread_names_how_it_begins() {
    let stub = in_portal(|call| {
        let of = |id: &str, sender: &str| {
            let event = json!({
                "event_id": id, "room_id": ROOM, "sender": sender, "origin_server_ts": 7,
                "type": "m.room.message", "content": { "msgtype": "m.text", "body": "so" },
            });
            Some((200, event))
        };
        match () {
            () if call.path.contains("/event/$old") => of("$old", ALICE),
            () if call.path.contains("/event/$notice") => of("$notice", GHOST),
            () => none(call),
        }
    })
    .await;
    let stands = |id: &str, root: &str, to: Option<(&str, bool)>| {
        let mut relation = json!({ "rel_type": "m.thread", "event_id": root });
        if let Some((to, follows)) = to {
            relation["m.in_reply_to"] = json!({ "event_id": to });
            relation["is_falling_back"] = follows.into();
        }
        message(id, &json!({ "msgtype": "m.text", "body": "yes", "m.relates_to": relation }))
    };
    let all = [
        echo("$theirs"),
        stands("$1", "$old", None),
        stands("$2", "$old", Some(("$1", true))),
        stands("$3", "$theirs", Some(("$2", false))),
        stands("$4", "$notice", Some(("$1", true))),
        stands("$5", "$lost", Some(("$1", true))),
        stands("$6", "$theirs", Some(("$lost", true))),
    ];
    assert_eq!(stub.core.take(&all[..2]).await, Ok(()));
    assert_eq!(stub.calls("/event/$old").len(), 1, "it begins with what it follows");
    assert_eq!(stub.core.take(&all[2..]).await, Ok(()));
    let replies: Vec<_> = handed(&stub).into_iter().filter_map(|event| event.reply).collect();
    let thread = |root: Reference, follows| Some(Thread { root, follows });
    let told: Vec<_> = replies.into_iter().map(|reply| (reply.to, reply.thread)).collect();
    let old = || sent("$old", 7);
    assert_eq!(
        told,
        [
            (Some(old()), thread(old(), true)),
            (Some(sent("$1", 1)), thread(old(), true)),
            (Some(sent("$2", 1)), thread(delivered(), false)),
            (Some(sent("$1", 1)), None),
            (Some(sent("$1", 1)), None),
            (None, thread(delivered(), true)),
        ]
    );
}

#[tokio::test]
async fn an_event_of_another_room_is_not_found() {
    let stub = in_portal(none).await;
    let mut elsewhere: Value = serde_json::from_str(says("$there", "x").get()).unwrap();
    elsewhere["room_id"] = "!other:hs.test".into();
    let all = [to_raw_value(&elsewhere).unwrap(), reaction("$1", "$there")];
    assert_eq!(stub.core.take(&all).await, Ok(()));
    let handed = handed(&stub);
    assert_eq!(handed[0].content.about(), Some(&sent("$there", 0)));
}

#[tokio::test]
async fn nobody_waits_for_ever_for_what_nobody_can_look_up() {
    let stub = in_portal(|call| call.path.contains("/event/").then(|| (502, json!({})))).await;
    let all = [reaction("$1", "$lost")];
    stub.core.unseen.put(ROOM.try_into().unwrap(), WAITS - 1);
    assert_eq!(stub.core.take(&all).await, Err(Later));
    assert_eq!(stub.core.take(&all).await, Ok(()));
    assert_eq!(handed(&stub)[0].content.about(), Some(&sent("$lost", 0)));
}

#[tokio::test]
async fn what_the_ghosts_do_is_no_news() {
    let stub = in_portal(none).await;
    let relation = json!({ "rel_type": "m.annotation", "event_id": "$mine", "key": "👍" });
    let content = json!({ "m.relates_to": relation, "dev.drawbridge.delivery": KEY });
    let all = [
        says("$mine", "one"),
        event_by(GHOST, "$like", "m.reaction", None, &content),
        event_by(GHOST, "$gone", "m.room.redaction", None, &json!({ "redacts": "$like" })),
    ];
    assert_eq!(stub.core.take(&all).await, Ok(()));
    assert_eq!(handed(&stub).len(), 1);
}

#[tokio::test]
async fn mentions_are_of_those_behind_the_ghosts() {
    let stub = in_portal(none).await;
    let content = json!({
        "msgtype": "m.text", "body": "Carol?", "format": "org.matrix.custom.html",
        "formatted_body": format!("<a href='https://matrix.to/#/{GHOST}'>Carol</a>?"),
    });
    assert_eq!(stub.core.take(&[message("$1", &content)]).await, Ok(()));
    let handed = handed(&stub);
    let rich = handed[0].content.written().unwrap().rich.as_ref().unwrap();
    assert_eq!(rich.mentions(), [&"elsewhere:carol".parse().unwrap()]);
    assert!(matches!(&rich.0[0], drawbridge_adapter::Block::Paragraph(all)
        if matches!(&all[0], Inline::Mention { name, .. } if name == "Carol")));
}

#[tokio::test]
async fn what_passes_is_told_of_the_portals_user_alone() {
    let stub = in_portal(none).await;
    let typing = |users: &[&str]| json!([{ "type": "m.typing", "room_id": ROOM, "content": { "user_ids": users } }]);
    let read = |event: &str, by: &str| {
        let receipts = json!({ event: { "m.read": { by: { "ts": 1 } } } });
        json!([{ "type": "m.receipt", "room_id": ROOM, "content": receipts }])
    };
    let tell = |what: Value| stub.core.take_fleeting(Some(&to_raw_value(&what).unwrap()));
    // A reaction of the ghost's stands behind its message.
    let like =
        json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": "$x", "key": "x" } });
    let all = [echo("$theirs"), event_by(GHOST, "$like", "m.reaction", None, &like)];
    assert_eq!(stub.core.take(&all).await, Ok(()));
    for what in [
        typing(&[GHOST]),
        typing(&[GHOST, ALICE]),
        typing(&[ALICE]),
        typing(&["@dave:hs.test"]),
        read("$theirs", GHOST),
        read("$theirs", "@dave:hs.test"),
        read("$unknown", ALICE),
        read("$theirs", ALICE),
        read("$like", ALICE),
        typing(&[ALICE]),
    ] {
        tell(what);
    }
    let by = || "matrix:@alice:hs.test".parse().unwrap();
    let to = || "elsewhere:carol".parse().unwrap();
    let types = |typing| Passing::Typing(Typing { by: by(), to: to(), typing });
    let (begins, stops) = (types(true), types(false));
    let has_read = Passing::Receipt(Receipt { by: by(), to: to(), of: delivered(), read: true });
    let expected = [begins.clone(), stops, has_read.clone(), has_read, begins];
    let enough = |journal: &drawbridge_testkit::Journal| {
        (journal.passing.len() >= expected.len()).then(|| journal.passing.clone())
    };
    let told = stub.bridge.wait_for(Duration::from_secs(10), "what passes", enough);
    tokio::select! {
        () = pass(&stub.core) => {}
        told = told => assert_eq!(told.unwrap(), expected),
    }
}

#[tokio::test]
async fn a_flood_of_what_passes_is_dropped() {
    let stub = in_portal(none).await;
    let one = |at: usize| {
        let users = if at.is_multiple_of(2) { json!([ALICE]) } else { json!([]) };
        json!({ "type": "m.typing", "room_id": ROOM, "content": { "user_ids": users } })
    };
    for _ in 0..3 {
        let flood: Vec<_> = (0..900).map(one).collect();
        stub.core.take_fleeting(Some(&to_raw_value(&flood).unwrap()));
    }
    let _ = tokio::time::timeout(Duration::from_secs(2), pass(&stub.core)).await;
    let told = stub.bridge.journal().passing.len();
    assert!((1..=1000).contains(&told), "{told}");
}
