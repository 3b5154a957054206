//! Files that come, what is done to them later, and files that come back.

use drawbridge_adapter::{Content, Event, Kind, Locator, Marks, MediaKind, Text};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{GHOST, event, event_by, leaves, said_again};
use crate::portals::Company;
use crate::stub::{ALICE, Call, ROOM, Stub};

const PIER: &str = "mxc://hs.test/pier";

fn image(url: &str, caption: Option<&str>) -> Value {
    json!({ "msgtype": "m.image", "url": url, "filename": "pier.png",
        "body": caption.unwrap_or("pier.png") })
}

fn message(id: &str, content: &Value) -> Box<RawValue> {
    event(id, "m.room.message", None, content)
}

fn edit(id: &str, of: &str, new: &Value) -> Box<RawValue> {
    let relation = json!({ "rel_type": "m.replace", "event_id": of });
    let mut content = new.clone();
    content["m.new_content"] = new.clone();
    content["m.relates_to"] = relation;
    message(id, &content)
}

/// A homeserver with a picture, a text, and a message that is gone.
fn remembers(call: &Call) -> Option<(u16, Value)> {
    let there = |content: Value| {
        let event = json!({ "event_id": "$x", "room_id": ROOM, "sender": ALICE,
            "origin_server_ts": 7, "type": "m.room.message", "content": content });
        Some((200, event))
    };
    match () {
        () if call.path.contains("/event/$pier") => there(image(PIER, Some("the pier"))),
        () if call.path.contains("/event/$named") => there(image(PIER, None)),
        () if call.path.contains("/event/$text") => {
            there(json!({"msgtype": "m.text", "body": "b"}))
        }
        () if call.path.contains("/event/$cat") => {
            let mut cat = image(PIER, None);
            cat["org.example.sticker"] = json!({});
            there(cat)
        }
        () if call.path.contains("/event/$gone") => there(json!({})),
        () => call.path.contains("/event/").then(|| (404, json!({ "errcode": "M_NOT_FOUND" }))),
    }
}

async fn handed(all: &[Box<RawValue>]) -> Vec<Event> {
    let stub = Stub::start(remembers).await;
    stub.knows_room(Company::None).await;
    assert_eq!(stub.core.take(all).await, Ok(()));
    assert_eq!(stub.calls("/media/").len(), 0, "nothing is fetched before it is asked for");
    stub.bridge.journal().handed.into_iter().map(|handed| handed.event).collect()
}

#[tokio::test]
async fn a_file_is_handed_over_by_its_address() {
    let encrypted = json!({ "msgtype": "m.image", "body": "b", "file": { "url": PIER } });
    let odd = json!({ "msgtype": "m.image", "body": "b", "url": "mxc://hs.test/../x" });
    let mut sticker = image(PIER, None);
    sticker["info"] = json!({ "org.example.sticker": true });
    let all = [
        message("$1", &image(PIER, Some("the pier"))),
        message("$2", &encrypted),
        message("$3", &odd),
        message("$4", &sticker),
    ];
    let handed = handed(&all).await;
    let Content::Media(media) = &handed[0].content else { panic!("{handed:?}") };
    assert!(media.kind == MediaKind::Image && media.at == Locator::Own(PIER.to_owned()));
    assert_eq!(media.caption, Some(Text::plain("the pier")));
    assert_eq!(handed[0].marks, Marks::default());
    assert_eq!(handed[1].content, Content::Unsupported { kind: Kind::Encrypted });
    assert_eq!(handed[2].content, Content::Unsupported { kind: Kind::Image });
    assert!(handed[3].marks.sticker);
}

#[tokio::test]
async fn a_new_caption_is_an_edit_and_another_file_is_not() {
    let new = |caption| image(PIER, caption);
    let other = image("mxc://hs.test/other", Some("new"));
    let all = [
        edit("$1", "$pier", &new(Some("new"))),
        edit("$2", "$pier", &new(None)),
        edit("$3", "$pier", &other),
        edit("$4", "$text", &new(Some("new"))),
        edit("$5", "$gone", &new(Some("new"))),
        edit("$6", "$lost", &new(Some("new"))),
    ];
    let handed = handed(&all).await;
    let Content::Edit { of, text } = &handed[0].content else { panic!("{handed:?}") };
    assert_eq!((of.id.as_str(), text), ("$pier", &Text::plain("new")));
    assert_eq!(handed[1].content, Content::Unsupported { kind: Kind::Edit });
    for event in &handed[2..] {
        assert_eq!(event.content, Content::Unsupported { kind: Kind::Image });
    }
    assert_eq!(handed.len(), 6);
}

#[tokio::test]
async fn files_answer_and_are_answered() {
    let to = |id: &str| json!({ "m.in_reply_to": { "event_id": id } });
    let answers = |id: &str, to: Value| {
        message(id, &json!({ "msgtype": "m.text", "body": "yes", "m.relates_to": to }))
    };
    let mut file = image(PIER, None);
    file["m.relates_to"] = to("$text");
    let all = [
        message("$1", &file),
        answers("$2", to("$pier")),
        answers("$3", to("$named")),
        answers("$4", to("$cat")),
    ];
    let handed = handed(&all).await;
    assert!(matches!(handed[0].content, Content::Media(_)));
    let quotes: Vec<_> = handed.into_iter().map(|event| event.reply.unwrap().quote).collect();
    let quote = |text: &str| Some(text.to_owned());
    assert_eq!(quotes, [quote("b"), quote("the pier"), quote("pier.png"), None]);
}

#[tokio::test]
async fn a_file_that_nobody_saw_is_shown_again_without_being_taken_up_again() {
    let stub = Stub::well().await;
    stub.knows_room(Company::None).await;
    let mut content = image(PIER, Some("the pier"));
    content["dev.drawbridge.delivery"] = "1".into();
    let echo = event_by(GHOST, "$echo", "m.room.message", None, &content);
    let mut new = image(PIER, Some("the old pier"));
    new["m.new_content"] = image(PIER, Some("the old pier"));
    new["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": "$echo" });
    new["dev.drawbridge.delivery"] = "2".into();
    new["body"] = "* the old pier".into();
    let edit = event_by(GHOST, "$edit", "m.room.message", None, &new);
    assert_eq!(stub.core.take(&[leaves(), echo, edit]).await, Ok(()));
    assert_eq!(said_again(&stub), ["!new:hs.test 1", "!new:hs.test 2"]);
    let said = stub.calls("/send/m.room.message/");
    assert_eq!(said[0].body, content);
    let mut again = image(PIER, Some("the old pier"));
    again["dev.drawbridge.delivery"] = "2".into();
    assert_eq!(said[1].body, again);
    assert_eq!(stub.calls("/media/").len(), 0);
}
