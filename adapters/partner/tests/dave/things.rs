//! Places, contact cards and polls, as the protocol writes them; and who is there.

use drawbridge_adapter::{ContactCard, Content, Location, Poll, There};
use serde_json::{Value, json};

use super::texts;

pub fn to_wire(thing: &Content) -> Value {
    match thing {
        Content::Location(place) => {
            json!({"type": "location", "latitude": place.latitude(),
                   "longitude": place.longitude(), "uncertainty": place.uncertainty,
                   "name": place.name})
        }
        Content::Contact(card) => {
            json!({"type": "contact", "name": card.name, "phones": card.phones,
                   "emails": card.emails, "addresses": card.addresses})
        }
        Content::Poll(poll) => {
            json!({"type": "poll", "question": poll.question, "answers": poll.answers,
                   "max_selections": poll.most})
        }
        _ => Value::Null,
    }
}

pub fn from_wire(content: &Value) -> Option<Content> {
    let text = |key: &str| content[key].as_str().map(str::to_owned);
    Some(match content["type"].as_str()? {
        "location" => {
            let (latitude, longitude) = (&content["latitude"], &content["longitude"]);
            let place = Location::new(latitude.as_f64()?, longitude.as_f64()?)?;
            let within = content["uncertainty"].as_u64().and_then(|far| u32::try_from(far).ok());
            Content::Location(place.within(within).named(text("name").as_deref()))
        }
        "contact" => Content::Contact(ContactCard {
            name: text("name")?,
            phones: texts(&content["phones"]),
            emails: texts(&content["emails"]),
            addresses: texts(&content["addresses"]),
        }),
        "poll" => Content::Poll(Poll {
            question: text("question")?,
            answers: texts(&content["answers"]),
            most: u32::try_from(content["max_selections"].as_u64()?).ok()?,
        }),
        _ => return None,
    })
}

pub fn state_of(is: There) -> &'static str {
    match is {
        There::Online => "online",
        There::Away => "away",
        There::Offline => "offline",
    }
}
