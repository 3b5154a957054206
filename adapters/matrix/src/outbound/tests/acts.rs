//! What is done to earlier messages, and what passes without leaving a trace.

use std::time::Duration;

use drawbridge_adapter::{
    Block, Code, Command, ContactCard, Content, Delivered, Delivery, DeliveryError, Emojis,
    EventId, Inline, Location, Receipt, Reference, Reply, Rich, Signal, Text, Thread, Typing, Was,
};
use serde_json::{Value, json};

use super::super::{deliver, note_signal, send_signals};
use super::message;
use crate::portals::Company;
use crate::stub::{ALICE, Call, GHOST, ROOM, Stub};

fn sent(id: &str) -> Reference {
    Reference { id: EventId::new(id).unwrap(), was: Was::Sent, sent_at: None }
}

fn does(stub: &Stub, key: &str, content: Content) -> Delivery {
    answers(stub, key, content, None)
}

fn answers(stub: &Stub, key: &str, of: Content, to: Option<Reply>) -> Delivery {
    let mut delivery = message(stub, key);
    if let Command::Message(message) = &mut delivery.command {
        message.content = of;
        message.reply = to;
    }
    delivery
}

/// The event that was asked for is there, in this room.
fn event(call: &Call) -> Option<(u16, Value)> {
    let id = call.path.split(['/', '?']).find(|part| part.starts_with('$'))?;
    let of = |id: &str| {
        json!({ "event_id": id, "room_id": ROOM, "sender": ALICE, "type": "m.room.message",
                "content": { "body": "x" } })
    };
    match () {
        () if !call.path.contains("/event/") => None,
        () if id.starts_with("$lost") => Some((404, json!({ "errcode": "M_NOT_FOUND" }))),
        () => Some((200, of(id))),
    }
}

async fn in_portal(answer: impl Fn(&Call) -> Option<(u16, Value)> + Send + Sync + 'static) -> Stub {
    let stub = Stub::start(move |call| answer(call).or_else(|| event(call))).await;
    stub.knows_room(Company::None).await;
    stub
}

/// The transactions of the calls to this, in order.
fn transactions(stub: &Stub, part: &str) -> Vec<String> {
    let of = |call: Call| {
        let path = call.path.split('?').next().unwrap_or_default().to_owned();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    };
    stub.calls(part).into_iter().map(of).collect()
}

fn is_gone(result: &Result<Delivered, DeliveryError>) -> bool {
    matches!(result, Err(DeliveryError::Refused { refusal, .. })
        if refusal.code == Code::TargetNotFound)
}

#[tokio::test]
async fn a_repeat_is_the_same_transaction() {
    let stub = in_portal(|_| None).await;
    let text = Text::plain("new");
    let emojis = Emojis::Now {
        all: vec!["👍".to_owned(), "🎉".to_owned()],
        new: vec!["👍".to_owned(), "🎉".to_owned()],
        gone: vec![("🏊".to_owned(), EventId::new("$swim").ok())],
    };
    let batch = [
        does(&stub, "1", Content::Edit { of: sent("$x"), text }),
        does(&stub, "2", Content::Retraction { of: sent("$x") }),
        does(&stub, "3", Content::Reaction { to: sent("$x"), emojis }),
    ];
    for _ in 0..2 {
        let results = deliver(&stub.core, &batch).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let ids: Vec<_> = results[2].as_ref().unwrap().reactions.iter().collect();
        assert_eq!(ids.len(), 2);
    }
    assert_eq!(transactions(&stub, "/send/m.room.message/"), ["1", "1"]);
    assert_eq!(transactions(&stub, "/redact/$x/"), ["2", "2"]);
    assert_eq!(transactions(&stub, "/redact/$swim/"), ["3-gone-0", "3-gone-0"]);
    assert_eq!(transactions(&stub, "/send/m.reaction/"), ["3-0", "3-1", "3-0", "3-1"]);
    let edit = &stub.calls("/send/m.room.message/")[0].body;
    assert_eq!(edit["body"], "* new");
    assert_eq!(edit["m.new_content"], json!({ "msgtype": "m.text", "body": "new" }));
    let relation = json!({ "rel_type": "m.replace", "event_id": "$x" });
    assert_eq!(edit["m.relates_to"], relation);
}

#[tokio::test]
async fn a_reaction_that_is_there_is_done() {
    let stub = in_portal(|call| {
        let relation = json!({ "rel_type": "m.annotation", "event_id": "$x", "key": "👍" });
        let of = |id: &str, sender: &str| {
            json!({ "event_id": id, "sender": sender, "type": "m.reaction",
                    "content": { "m.relates_to": relation } })
        };
        match () {
            () if call.path.contains("/send/m.reaction/") => {
                Some((400, json!({ "errcode": "M_DUPLICATE_ANNOTATION" })))
            }
            () if call.path.contains("/relations/$x/m.annotation/m.reaction") => {
                Some((200, json!({ "chunk": [{}, of("$hers", ALICE), of("$his", GHOST)] })))
            }
            () => None,
        }
    })
    .await;
    let like = |new: Vec<String>, gone| {
        let emojis = Emojis::Now { all: new.clone(), new, gone };
        Content::Reaction { to: sent("$x"), emojis }
    };
    let batch = [
        does(&stub, "1", like(vec!["👍".to_owned()], Vec::new())),
        does(&stub, "2", like(Vec::new(), vec![("👍".to_owned(), None)])),
    ];
    let results = deliver(&stub.core, &batch).await;
    let reactions = vec![("👍".to_owned(), EventId::new("$his").unwrap())];
    assert_eq!(results, [Ok(Delivered { id: None, reactions }), Ok(Delivered::default())]);
    assert_eq!(transactions(&stub, "/redact/$his/"), ["2-gone-0"]);
}

#[tokio::test]
async fn with_a_message_goes_what_its_edits_say() {
    let stub = in_portal(|call| {
        let edit = |id: &str, sender: &str| {
            json!({ "event_id": id, "sender": sender, "type": "m.room.message", "content": {} })
        };
        let edits = json!({ "chunk": [edit("$2", GHOST), edit("$1", GHOST), edit("$hers", ALICE)] });
        call.path.contains("/relations/$x/m.replace/m.room.message").then_some((200, edits))
    })
    .await;
    let retraction = || Content::Retraction { of: sent("$x") };
    assert!(deliver(&stub.core, &[does(&stub, "1", retraction())]).await[0].is_ok());
    let redacted = stub.calls("/redact/").into_iter();
    let redacted = redacted.filter_map(|call| call.path.split('/').nth(7).map(str::to_owned));
    // The message last: of one that is gone the homeserver knows no edits any more.
    assert_eq!(redacted.collect::<Vec<_>>(), ["$2", "$1", "$x"]);
}

#[tokio::test]
async fn all_that_many_edits_say_is_taken_back() {
    let stub = in_portal(|call| {
        let edit = |id: String| {
            json!({ "event_id": id, "sender": GHOST, "type": "m.room.message", "content": {} })
        };
        let page = |at: u32| (0..100).map(|one| edit(format!("${at}-{one}"))).collect::<Vec<_>>();
        let page = match () {
            () if !call.path.contains("/relations/") => return None,
            () if call.path.contains("/relations/$endless/") => {
                json!({ "chunk": [], "next_batch": "more" })
            }
            () if call.path.contains("from=second") => json!({ "chunk": page(2) }),
            () => json!({ "chunk": page(1), "next_batch": "second" }),
        };
        Some((200, page))
    })
    .await;
    let retracts = |key: &str, of: &str| does(&stub, key, Content::Retraction { of: sent(of) });
    assert!(deliver(&stub.core, &[retracts("1", "$x")]).await[0].is_ok());
    assert_eq!(transactions(&stub, "/redact/").len(), 201);
    assert_eq!(transactions(&stub, "/redact/").last().map(String::as_str), Some("1"));
    // One that never ends is left after a while.
    assert!(deliver(&stub.core, &[retracts("2", "$endless")]).await[0].is_ok());
    assert_eq!(stub.calls("/relations/$endless/").len(), 20);
}

#[tokio::test]
async fn a_place_is_shown_on_the_map_and_in_words() {
    let stub = in_portal(|_| None).await;
    let place = Location::new(52.5, -4.25).unwrap().within(Some(35));
    let quote = Some("where?".to_owned());
    let shows = |key: &str, place: Location, words: Option<&str>, to: Option<&str>| {
        let reply = to.map(|to| Reply::answering(Some(sent(to)), quote.clone()));
        let mut delivery = answers(&stub, key, Content::Location(place), reply);
        if let Command::Message(message) = &mut delivery.command {
            message.words = words.map(str::to_owned);
            message.sent_at = drawbridge_adapter::Timestamp(7);
        }
        delivery
    };
    let pier = place.clone().named(Some("the <pier>"));
    let batch = [
        shows("1", pier.clone(), Some("Here: the <pier>"), Some("$x")),
        shows("2", place, None, None),
        shows("3", pier, Some("Here: the <pier>"), Some("$lost")),
    ];
    assert!(deliver(&stub.core, &batch).await.iter().all(Result::is_ok));
    let said = stub.calls("/send/m.room.message/");
    let uri = "geo:52.5,-4.25;u=35";
    assert_eq!(
        said[0].body,
        json!({
            "msgtype": "m.location", "body": "Here: the <pier>", "geo_uri": uri,
            "org.matrix.msc3488.location": { "uri": uri, "description": "the <pier>" },
            "org.matrix.msc3488.ts": 7, "org.matrix.msc3488.asset": { "type": "m.pin" },
            "m.relates_to": { "m.in_reply_to": { "event_id": "$x" } },
            "dev.drawbridge.delivery": "1",
        })
    );
    assert_eq!(said[1].body["body"], uri);
    assert_eq!(said[1].body["org.matrix.msc3488.location"], json!({ "uri": uri }));
    assert_eq!(said[2].body["body"], "> where?\n\nHere: the <pier>");
    assert_eq!(said[2].body["formatted_body"], Value::Null);
}

#[tokio::test]
async fn what_was_not_declared_in_full_is_not_shown_as_itself() {
    let stub = in_portal(|_| None).await;
    let name = "Zoë".to_owned();
    let card = ContactCard { name, phones: vec![], emails: vec![], addresses: vec![] };
    let results = deliver(&stub.core, &[does(&stub, "1", Content::Contact(card))]).await;
    assert!(
        matches!(&results[..], [Err(DeliveryError::Refused { refusal, .. })]
            if refusal.code == Code::UnsupportedKind(drawbridge_adapter::Kind::Contact)),
        "{results:?}"
    );
    assert_eq!(stub.calls("/send/").len(), 0);
}

#[tokio::test]
async fn what_is_not_in_the_portal_is_said_to_be_unknown() {
    let edit = || Content::Edit { of: sent("$lost"), text: Text::plain("new") };
    let stub = in_portal(|_| None).await;
    let results = deliver(&stub.core, &[does(&stub, "1", edit()), message(&stub, "2")]).await;
    assert!(is_gone(&results[0]) && results[1].is_ok(), "{results:?}");
    // No room is made for it.
    let stub = Stub::well().await;
    let results = deliver(&stub.core, &[does(&stub, "1", edit())]).await;
    assert!(is_gone(&results[0]), "{results:?}");
    assert_eq!(stub.calls("/createRoom").len(), 0);
    // The ghost was thrown out.
    let stub = in_portal(|call| call.path.contains("/redact/").then(|| (403, json!({})))).await;
    let retraction = Content::Retraction { of: sent("$x") };
    let results = deliver(&stub.core, &[does(&stub, "1", retraction)]).await;
    assert!(is_gone(&results[0]), "{results:?}");
}

#[tokio::test]
async fn a_message_is_known_by_the_key_of_its_delivery() {
    let stub = in_portal(|call| {
        let earlier = json!({ "type": "m.room.message", "event_id": "$old",
            "content": { "dev.drawbridge.delivery": "0" } });
        call.path.contains("/messages").then(|| (200, json!({ "start": "s", "chunk": [earlier] })))
    })
    .await;
    let retracts = |key: &str, of: &str| {
        let of = Reference { was: Was::Delivered, ..sent(of) };
        does(&stub, key, Content::Retraction { of })
    };
    let batch = [message(&stub, "1"), retracts("2", "1"), retracts("3", "0"), retracts("4", "?")];
    let results = deliver(&stub.core, &batch).await;
    assert!(results[..3].iter().all(Result::is_ok) && is_gone(&results[3]), "{results:?}");
    assert_eq!(transactions(&stub, "/redact/$sent/"), ["2"]);
    assert_eq!(transactions(&stub, "/redact/$old/"), ["3"]);
}

#[tokio::test]
async fn an_answer_quotes_only_what_cannot_be_shown() {
    let stub = in_portal(|_| None).await;
    let quote = Some("one\n<b>".to_owned());
    let reply = |to: Option<&str>| Reply::answering(to.map(sent), quote.clone());
    let yes = || Content::text("yes");
    let batch = [
        answers(&stub, "1", yes(), Some(reply(Some("$x")))),
        answers(&stub, "2", yes(), Some(reply(Some("$lost")))),
        answers(&stub, "3", yes(), Some(reply(None))),
    ];
    assert!(deliver(&stub.core, &batch).await.iter().all(Result::is_ok));
    let said = stub.calls("/send/m.room.message/");
    let answered = json!({ "m.in_reply_to": { "event_id": "$x" } });
    assert_eq!((&said[0].body["body"], &said[0].body["m.relates_to"]), (&json!("yes"), &answered));
    for lost in &said[1..] {
        assert_eq!(lost.body["body"], "> one\n> <b>\n\nyes");
        let html = "<blockquote>one<br>&lt;b&gt;</blockquote>yes";
        assert_eq!(lost.body["formatted_body"], html);
        assert_eq!(lost.body["m.relates_to"], Value::Null);
    }
}

/// What stands in the thread that begins with this.
fn in_thread(root: &str, to: Option<&str>, follows: bool) -> Reply {
    let thread = Some(Thread { root: sent(root), follows });
    Reply { to: to.map(sent), quote: Some("so".to_owned()), thread }
}

#[tokio::test]
async fn what_stands_in_a_thread_is_shown_there() {
    let stub = in_portal(|_| None).await;
    let (yes, place) = (|| Content::text("yes"), Location::new(1.5, -2.0).unwrap());
    let batch = [
        answers(&stub, "1", yes(), Some(in_thread("$root", Some("$x"), true))),
        answers(&stub, "2", yes(), Some(in_thread("$root", Some("$x"), false))),
        answers(&stub, "3", yes(), Some(in_thread("$root", Some("$root"), true))),
        // What came before was taken back, or is not there.
        answers(&stub, "4", yes(), Some(in_thread("$root", None, true))),
        answers(&stub, "5", yes(), Some(in_thread("$root", Some("$lost"), false))),
        answers(&stub, "6", Content::Location(place), Some(in_thread("$root", Some("$x"), true))),
    ];
    assert!(deliver(&stub.core, &batch).await.iter().all(Result::is_ok));
    let said = stub.calls("/send/m.room.message/");
    let stands = |to: &str, follows: bool| {
        json!({
            "rel_type": "m.thread", "event_id": "$root", "is_falling_back": follows,
            "m.in_reply_to": { "event_id": to },
        })
    };
    let relations: Vec<_> = said.iter().map(|said| said.body["m.relates_to"].clone()).collect();
    assert_eq!(
        relations,
        [
            stands("$x", true),
            stands("$x", false),
            stands("$root", true),
            stands("$root", true),
            stands("$root", true),
            stands("$x", true),
        ]
    );
    let bodies: Vec<_> = said[..5].iter().map(|said| said.body["body"].clone()).collect();
    assert_eq!(bodies, ["yes", "yes", "yes", "yes", "> so\n\nyes"], "what follows quotes nothing");
}

#[tokio::test]
async fn what_can_stand_in_no_thread_is_an_answer() {
    let stub = in_portal(|call| {
        let refused = call.body["m.relates_to"]["event_id"] == "$in_a_thread";
        refused.then(|| (400, json!({ "errcode": "M_UNKNOWN" })))
    })
    .await;
    let yes = || Content::text("yes");
    let batch = [
        answers(&stub, "1", yes(), Some(in_thread("$in_a_thread", Some("$x"), true))),
        answers(&stub, "2", yes(), Some(in_thread("$lost", Some("$x"), true))),
        answers(&stub, "3", yes(), Some(in_thread("$lost", None, true))),
    ];
    assert!(deliver(&stub.core, &batch).await.iter().all(Result::is_ok));
    assert_eq!(transactions(&stub, "/send/m.room.message/"), ["1", "1", "2", "3"]);
    let said = stub.calls("/send/m.room.message/");
    let answered = json!({ "m.in_reply_to": { "event_id": "$x" } });
    for said in &said[1..3] {
        assert_eq!((&said.body["body"], &said.body["m.relates_to"]), (&json!("yes"), &answered));
    }
    assert_eq!(said[3].body["body"], "> so\n\nyes");
}

#[tokio::test]
async fn a_text_that_fills_an_event_goes_without_what_is_told_twice() {
    let stub = in_portal(|_| None).await;
    let body = "x".repeat(crate::adapter::MAX_TEXT);
    let bold = Block::Paragraph(vec![Inline::Bold(vec![Inline::Text(body.clone())])]);
    let text = Text { body: body.clone(), rich: Some(Rich(vec![bold])) };
    let small = Rich(vec![Block::Paragraph(vec![Inline::Mention {
        user: "elsewhere:carol".parse().unwrap(),
        name: "Carol".to_owned(),
    }])]);
    let batch = [
        does(&stub, "1", Content::Text(text.clone())),
        does(&stub, "2", Content::Edit { of: sent("$x"), text }),
        does(&stub, "3", Content::Text(Text { body: "Carol".to_owned(), rich: Some(small) })),
        answers(
            &stub,
            "4",
            Content::text(body.clone()),
            Some(Reply::answering(None, Some("y".repeat(500)))),
        ),
    ];
    assert!(deliver(&stub.core, &batch).await.iter().all(Result::is_ok));
    let said = stub.calls("/send/m.room.message/");
    for said in &said {
        assert!(said.body.to_string().len() < 62_700, "{}", said.body.to_string().len());
    }
    assert_eq!(said[0].body["body"], body);
    assert_eq!(said[1].body["m.new_content"]["body"], body);
    assert_eq!(said[3].body["body"], body);
    assert_eq!(said[2].body["m.mentions"], json!({ "user_ids": [GHOST] }));
    let html = format!("<a href=\"https://matrix.to/#/{GHOST}\">Carol</a>");
    assert_eq!(said[2].body["formatted_body"], html);
}

#[tokio::test]
async fn only_the_last_of_what_passes_is_shown() {
    let stub = in_portal(|_| None).await;
    let by = || "elsewhere:carol".parse().unwrap();
    let to = || format!("matrix:{ALICE}").parse().unwrap();
    let typing = |typing| Signal::Typing(Typing { by: by(), to: to(), typing });
    let receipt =
        |of: &str, read| Signal::Receipt(Receipt { by: by(), to: to(), of: sent(of), read });
    for signal in [
        typing(true),
        receipt("$1", true),
        receipt("$2", true),
        receipt("$3", false),
        typing(false),
    ] {
        note_signal(&stub.core, signal);
    }
    let shown = async {
        while stub.calls("/typing/").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = shown => {}
        () = send_signals(&stub.core) => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("nothing was shown"),
    }
    let read = stub.calls("/receipt/");
    assert_eq!(read.len(), 1);
    assert!(read[0].path.contains("/receipt/m.read/$2"), "{}", read[0].path);
    assert!(read[0].path.contains(&format!("user_id={GHOST}")), "{}", read[0].path);
    let typing = stub.calls("/typing/");
    assert_eq!(typing.len(), 1);
    assert_eq!(typing[0].body, json!({ "typing": false }));
}
