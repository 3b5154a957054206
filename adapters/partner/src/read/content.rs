//! What an event says, and what passes beside events.

use drawbridge_adapter::{
    Content, Emojis, Kind, MediaKind, Passing, Receipt, Reference, Reply, Text, Thread, Typing, Was,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Flaw, Frame, file, flaw, foreign, things, typed, user};
use crate::frame::{
    AppEdit, AppReaction, AppReceipt, AppRetraction, AppText, AppTyping, MAX_QUOTE, ReceiptState,
    Ref,
};
use crate::{PartnerAddressing, markdown};

/// The content of an event.
pub(super) fn content(
    content: Map<String, Value>,
    addressing: &PartnerAddressing,
) -> Result<Content, Flaw> {
    let kind = match content.get("type") {
        None => return Err(flaw("content.type", "is missing")),
        Some(Value::String(kind)) if (1..=64).contains(&kind.len()) => kind,
        Some(_) => return Err(flaw("content.type", "is not 1 to 64 bytes")),
    };
    Ok(match kind.parse().unwrap_or(Kind::Other) {
        Kind::Text => Content::Text(text(within(content)?, addressing)?),
        Kind::Edit => {
            let AppEdit { of, text: new } = within(content)?;
            Content::Edit { of: message("content.of", &of)?, text: text(new, addressing)? }
        }
        Kind::Retraction => {
            let AppRetraction { of } = within(content)?;
            Content::Retraction { of: message("content.of", &of)? }
        }
        Kind::Reaction => {
            let AppReaction { to, emojis } = within(content)?;
            let to = message("content.to", &to)?;
            Content::Reaction { to, emojis: Emojis::All(reactions(emojis)?) }
        }
        Kind::Location => Content::Location(things::location(within(content)?)?),
        Kind::Contact => Content::Contact(things::contact(within(content)?)?),
        Kind::Poll => Content::Poll(things::poll(within(content)?)?),
        kind => match MediaKind::ALL.into_iter().find(|media| media.kind() == kind) {
            Some(media) if file::is_one(&content) => {
                Content::Media(Box::new(file::file(media, within(content)?, addressing)?))
            }
            _ => Content::Unsupported { kind },
        },
    })
}

/// Reads the fields of a content.
fn within<T: DeserializeOwned>(content: Map<String, Value>) -> Result<T, Flaw> {
    typed(content).map_err(|(place, message)| {
        let place = place.filter(|place| !place.is_empty());
        let place = place.map_or_else(|| "content".to_owned(), |place| format!("content.{place}"));
        (Some(place), message)
    })
}

pub(super) fn text(text: AppText, addressing: &PartnerAddressing) -> Result<Text, Flaw> {
    let AppText { body, markdown } = text;
    if body.is_empty() {
        return Err(flaw("content.body", "is empty"));
    }
    let rich = markdown.and_then(|markdown| markdown::read(&markdown, addressing));
    Ok(Text { body, rich })
}

/// Each once, in the order in which the app names them.
fn reactions(emojis: Vec<String>) -> Result<Vec<String>, Flaw> {
    let fits = |emoji: &String| {
        (1..=Emojis::MAX_BYTES).contains(&emoji.len()) && !emoji.chars().any(char::is_control)
    };
    if emojis.len() > Emojis::MOST || !emojis.iter().all(fits) {
        let what = "is not at most 20 texts of 1 to 64 bytes without control characters";
        return Err(flaw("content.emojis", what));
    }
    let mut once: Vec<String> = Vec::with_capacity(emojis.len());
    for emoji in emojis {
        if !once.contains(&emoji) {
            once.push(emoji);
        }
    }
    Ok(once)
}

/// What an event answers, and in which thread. Only what is a message of its own answers anything.
pub(super) fn reply(
    to: Option<&Ref>,
    quote: Option<String>,
    thread: Option<&Ref>,
    content: &Content,
) -> Result<Option<Reply>, Flaw> {
    let to = to.map(|to| message("in_reply_to", to)).transpose()?;
    let root = thread.map(|root| message("thread", root)).transpose()?;
    let quotes = |quote: &String| to.is_some() && (1..=MAX_QUOTE).contains(&quote.len());
    let quote = quote.filter(quotes);
    let thread = root.map(|root| Thread { root, follows: to.is_none() });
    let to = to.or_else(|| thread.as_ref().map(|thread| thread.root.clone()));
    let is_thing = matches!(
        content,
        Content::Location(_) | Content::Contact(_) | Content::Poll(_) | Content::Media(_)
    );
    let answers = (is_thing || content.written().is_some()) && to.is_some();
    Ok(answers.then_some(Reply { to, quote, thread }))
}

fn message(place: &str, named: &Ref) -> Result<Reference, Flaw> {
    named.reference().ok_or_else(|| flaw(place, "is not an id of the side that it names"))
}

pub(super) fn receipt(receipt: &AppReceipt, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    let by = user("from", &receipt.from, addressing)?;
    let to = foreign("to", &receipt.to, addressing)?;
    let of = message("of", &receipt.of)?;
    if of.was != Was::Delivered {
        return Err(flaw("of", "is not a message of the bridge's"));
    }
    let read = receipt.state == ReceiptState::Read;
    Ok(Frame::Passing(Passing::Receipt(Receipt { by, to, of, read })))
}

pub(super) fn typing(typing: &AppTyping, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    let by = user("from", &typing.from, addressing)?;
    let to = foreign("to", &typing.to, addressing)?;
    Ok(Frame::Passing(Passing::Typing(Typing { by, to, typing: typing.typing })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use drawbridge_adapter::{Block, EventId, Inline, Rich, UserId};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::tests::{event, place_of, read, submitted};
    use super::*;

    const KEY: &str = "0193f2a5c1e0123456789abcdef";

    fn named(was: Was, id: &str) -> Reference {
        Reference { id: EventId::new(id).unwrap(), was, sent_at: None }
    }

    fn said(content: &Value) -> Content {
        submitted(&event(content)).content
    }

    #[test]
    fn each_kind_says_what_it_is_about() {
        let (mine, theirs) = (named(Was::Sent, "m1"), named(Was::Delivered, KEY));
        let edit = json!({"type": "edit", "of": {"app": "m1"}, "body": "new", "markdown": "*new*"});
        let italic = Inline::Italic(vec![Inline::Text("new".to_owned())]);
        let rich = Some(Rich(vec![Block::Paragraph(vec![italic])]));
        let text = Text { body: "new".to_owned(), rich };
        assert!(said(&edit) == Content::Edit { of: mine.clone(), text });
        let gone = json!({"type": "retraction", "of": {"app": "m1"}});
        assert!(said(&gone) == Content::Retraction { of: mine });
        let liked = json!({"type": "reaction", "to": {"bridge": KEY}, "emojis": ["a", "b", "a"]});
        let emojis = Emojis::All(vec!["a".to_owned(), "b".to_owned()]);
        assert!(said(&liked) == Content::Reaction { to: theirs, emojis });
    }

    #[test]
    fn a_text_answers_a_message_and_quotes_it_and_a_reaction_answers_none() {
        let mut frame = event(&json!({"type": "text", "body": "yes"}));
        (frame["in_reply_to"], frame["quote"]) = (json!({"bridge": KEY}), json!("tea?"));
        let reply = submitted(&frame).reply.unwrap();
        assert_eq!(reply.to, Some(named(Was::Delivered, KEY)));
        assert_eq!(reply.quote.as_deref(), Some("tea?"));
        frame["quote"] = json!("x".repeat(MAX_QUOTE + 1));
        assert!(submitted(&frame).reply.is_some_and(|reply| reply.quote.is_none()));
        frame["content"] = json!({"type": "image", "file": "f1"});
        assert!(submitted(&frame).reply.is_some());
        frame["content"] = json!({"type": "reaction", "to": {"bridge": KEY}, "emojis": []});
        assert!(submitted(&frame).reply.is_none());
    }

    #[test]
    fn what_stands_in_a_thread_follows_there_or_answers_a_message() {
        let (root, answered) = (named(Was::Delivered, KEY), named(Was::Sent, "m1"));
        let thread = |follows| Some(Thread { root: root.clone(), follows });
        let mut frame = event(&json!({"type": "text", "body": "yes"}));
        (frame["thread"], frame["quote"]) = (json!({"bridge": KEY}), json!("tea?"));
        let follows = Reply { thread: thread(true), ..Reply::answering(Some(root.clone()), None) };
        assert!(submitted(&frame).reply == Some(follows.clone()));
        frame["in_reply_to"] = json!({"app": "m1"});
        let quote = Some("tea?".to_owned());
        let answers = Reply { to: Some(answered), quote, thread: thread(false) };
        assert!(submitted(&frame).reply == Some(answers));
        frame["in_reply_to"] = json!({"bridge": KEY});
        let answered = submitted(&frame).reply.unwrap();
        assert_eq!((answered.to, answered.thread), (Some(root.clone()), thread(false)));
        frame["in_reply_to"] = Value::Null;
        for content in [
            json!({"type": "location", "latitude": 1, "longitude": 2}),
            json!({"type": "image", "file": "f1"}),
        ] {
            frame["content"] = content;
            assert!(submitted(&frame).reply == Some(follows.clone()));
        }
        frame["content"] = json!({"type": "reaction", "to": {"bridge": KEY}, "emojis": []});
        assert!(submitted(&frame).reply.is_none());
    }

    #[test]
    fn what_passes_names_a_message_of_the_bridges() {
        let alice: UserId = "matrix:@alice:hs.test".parse().unwrap();
        let carol: UserId = "birdychat:carol".parse().unwrap();
        for (state, read_it) in [("delivered", false), ("read", true)] {
            let frame = json!({"type": "receipt", "of": {"bridge": KEY}, "from": "carol",
                               "to": alice, "state": state});
            let Ok(Frame::Passing(passing)) = read(&frame) else { panic!("no receipt") };
            let of = named(Was::Delivered, KEY);
            let receipt = Receipt { by: carol.clone(), to: alice.clone(), of, read: read_it };
            assert_eq!(passing, Passing::Receipt(receipt));
            for (key, value) in
                [("of", json!({"app": "m1"})), ("state", json!("seen")), ("from", json!("Carol"))]
            {
                let mut bad = frame.clone();
                bad[key] = value;
                assert_eq!(place_of(&bad), key);
            }
        }
        let frame = json!({"type": "typing", "from": "carol", "to": alice, "typing": true});
        let Ok(Frame::Passing(passing)) = read(&frame) else { panic!("no typing") };
        assert_eq!(passing, Passing::Typing(Typing { by: carol, to: alice, typing: true }));
    }

    #[test]
    fn errors_name_the_field() {
        let id = |id: &str| json!({"type": "retraction", "of": {"bridge": id}});
        let reaction =
            |emojis: Value| json!({"type": "reaction", "to": {"app": "m1"}, "emojis": emojis});
        for (content, place) in [
            (json!({"type": "edit", "body": "a"}), "content.of"),
            (json!({"type": "edit", "of": {"app": "m1"}}), "content.body"),
            (json!({"type": "edit", "of": {"app": "m1"}, "body": ""}), "content.body"),
            (json!({"type": "retraction", "of": "m1"}), "content.of"),
            (json!({"type": "retraction", "of": {}}), "content.of"),
            (json!({"type": "retraction", "of": {"app": "m 1"}}), "content.of"),
            (json!({"type": "retraction", "of": {"app": "m1", "bridge": KEY}}), "content.of"),
            (id("9b1d"), "content.of"),
            (id(&KEY.replace('0', "g")), "content.of"),
            (reaction(json!(["x".repeat(65)])), "content.emojis"),
            (reaction(json!([""])), "content.emojis"),
            (reaction(json!(["a\nb"])), "content.emojis"),
            (reaction(json!(vec!["x"; 21])), "content.emojis"),
            (json!({"type": "reaction", "to": {"app": "m1"}}), "content.emojis"),
            (json!({"type": 1}), "content.type"),
            (json!({"type": "x".repeat(65)}), "content.type"),
        ] {
            let found = place_of(&event(&content));
            assert!(found.starts_with(place), "{content}: {found}");
        }
        for bad in [json!({"bridge": "9b1d"}), json!({"app": ""}), json!({}), json!("m1")] {
            for place in ["in_reply_to", "thread"] {
                let mut frame = event(&json!({"type": "text", "body": "a"}));
                frame[place] = bad.clone();
                assert_eq!(place_of(&frame), place);
            }
        }
    }

    proptest! {
        #[test]
        fn no_content_panics(
            kind in "text|edit|retraction|reaction|other",
            key in "of|to|body|markdown|emojis",
            value in "(null|-1|\\[\\]|\\{\\}|\"x\"|\\[1,\"a\"\\]|\\{\"app\":(1|\"\"|\"a\")\\})",
        ) {
            let value: Value = serde_json::from_str(&value).unwrap();
            let _ = read(&event(&json!({"type": kind, "body": "a", "of": {"app": "m1"}, key: value})));
        }

        #[test]
        fn no_answer_panics(
            kind in "text|edit|location|image|sticker",
            parts in proptest::collection::vec(
                ("in_reply_to|thread|quote",
                 "(null|1|\\[\\]|\\{\\}|\"x\"|\\{\"(app|bridge)\":(1|\"\"|\"a\"|\"[0-9a-f]{27}\")\\})"),
                0..4,
            ),
        ) {
            let mut frame = event(&json!({"type": kind, "body": "a", "of": {"app": "m1"},
                                          "latitude": 1, "longitude": 2, "file": "f1"}));
            for (key, value) in parts {
                frame[key] = serde_json::from_str(&value).unwrap();
            }
            if let Ok(Frame::Event(read)) = read(&frame)
                && let Some(reply) = read.reply
            {
                prop_assert!(reply.to.is_some());
                let thread = reply.thread.filter(|thread| thread.follows);
                prop_assert!(thread.is_none_or(|it| reply.to == Some(it.root) && reply.quote.is_none()));
            }
        }
    }
}
