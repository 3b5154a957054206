//! Places, contact cards and polls, as the partner protocol writes them.

use drawbridge_adapter::{ContactCard, Content, Location, Poll, There};
use serde_json::{Value, json};

/// A thing as an app sends it; nothing, if it is none of these.
pub(crate) fn to_wire(thing: &Content) -> Value {
    match thing {
        Content::Location(place) => json!({
            "type": "location", "latitude": place.latitude(), "longitude": place.longitude(),
            "uncertainty": place.uncertainty, "name": place.name,
        }),
        Content::Contact(card) => json!({
            "type": "contact", "name": card.name, "phones": card.phones, "emails": card.emails,
            "addresses": card.addresses,
        }),
        Content::Poll(poll) => json!({
            "type": "poll", "question": poll.question, "answers": poll.answers,
            "max_selections": poll.most,
        }),
        _ => Value::Null,
    }
}

/// A thing that came to an app.
pub(crate) fn from_wire(content: &Value) -> Option<Content> {
    let text = |key: &str| content[key].as_str().map(str::to_owned);
    let texts = |key: &str| {
        let list = content[key].as_array().into_iter().flatten();
        list.filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let number = |key: &str| content[key].as_u64().and_then(|number| u32::try_from(number).ok());
    Some(match content["type"].as_str()? {
        "location" => {
            let (latitude, longitude) = (&content["latitude"], &content["longitude"]);
            let place = Location::new(latitude.as_f64()?, longitude.as_f64()?)?;
            let place = place.within(number("uncertainty"));
            Content::Location(place.named(text("name").as_deref()))
        }
        "contact" => Content::Contact(ContactCard {
            name: text("name")?,
            phones: texts("phones"),
            emails: texts("emails"),
            addresses: texts("addresses"),
        }),
        "poll" => Content::Poll(Poll {
            question: text("question")?,
            answers: texts("answers"),
            most: number("max_selections")?,
        }),
        _ => return None,
    })
}

/// How the protocol says that somebody is there.
pub(crate) fn state_of(is: There) -> &'static str {
    match is {
        There::Online => "online",
        There::Away => "away",
        There::Offline => "offline",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_is_sent_reads_the_same() {
        let place = Location::new(52.373_056, -4.892_222).unwrap();
        let named = place.clone().within(Some(35)).named(Some("The pier"));
        let card = ContactCard {
            name: "Zoë".to_owned(),
            phones: vec!["112".to_owned()],
            emails: Vec::new(),
            addresses: vec!["xmpp:zoe@p.test".to_owned()],
        };
        let answers = vec!["yes".to_owned(), "no".to_owned()];
        let poll = Poll { question: "Tea?".to_owned(), answers, most: 2 };
        let places = [place, named].map(Content::Location);
        for thing in places.into_iter().chain([Content::Contact(card), Content::Poll(poll)]) {
            // As text, as it goes over the wire.
            let sent: Value = serde_json::from_str(&to_wire(&thing).to_string()).unwrap();
            assert!(from_wire(&sent).as_ref() == Some(&thing), "{}", thing.kind());
        }
    }
}
