//! What stands beside a transaction's events: typing and receipts (application service API,
//! `ephemeral`).

use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The most that is read of one transaction: all else is lost, as it may be.
const MOST: usize = 1000;

/// Something that leaves no trace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fleeting {
    /// These write now, and nobody else.
    Typing { room: OwnedRoomId, users: Vec<OwnedUserId> },
    /// A user has read what is there up to this event, and lets others know it.
    Read { room: OwnedRoomId, user: OwnedUserId, event: OwnedEventId },
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    room_id: OwnedRoomId,
    content: Value,
}

/// Reads what it can.
pub(crate) fn fleeting(raw: &RawValue) -> Vec<Fleeting> {
    let all: Vec<Box<RawValue>> = serde_json::from_str(raw.get()).unwrap_or_default();
    let mut read = Vec::new();
    for raw in all.iter().take(MOST) {
        let Ok(Head { kind, room_id: room, content }) = serde_json::from_str(raw.get()) else {
            continue;
        };
        match kind.as_str() {
            "m.typing" => {
                let users = content.get("user_ids").and_then(Value::as_array);
                let users = users.into_iter().flatten().filter_map(|user| user.as_str());
                let users = users.filter_map(|user| OwnedUserId::try_from(user).ok());
                read.push(Fleeting::Typing { room, users: users.take(MOST).collect() });
            }
            "m.receipt" => read.extend(receipts(&room, &content)),
            _ => {}
        }
    }
    read.truncate(MOST);
    read
}

fn receipts(room: &OwnedRoomId, content: &Value) -> Vec<Fleeting> {
    let mut read = Vec::new();
    for (event, receipts) in content.as_object().into_iter().flatten() {
        let Ok(event) = OwnedEventId::try_from(event.as_str()) else { continue };
        // `m.read.private` is for the user's own clients.
        let by = receipts.get("m.read").and_then(Value::as_object);
        for (user, _) in by.into_iter().flatten() {
            if let Ok(user) = OwnedUserId::try_from(user.as_str())
                && read.len() < MOST
            {
                read.push(Fleeting::Read { room: room.clone(), user, event: event.clone() });
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
    use proptest::prelude::*;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    fn of(value: &Value) -> Vec<Fleeting> {
        fleeting(&to_raw_value(value).unwrap())
    }

    #[test]
    fn it_is_read_as_synapse_sends_it() {
        let (room, user): (OwnedRoomId, OwnedUserId) =
            ("!r:hs.test".try_into().unwrap(), "@a:hs.test".try_into().unwrap());
        let all = json!([
            {"type": "m.typing", "room_id": "!r:hs.test", "content": {"user_ids": ["@a:hs.test", 1]}},
            {"type": "m.presence", "sender": "@a:hs.test", "content": {}},
            {"type": "m.receipt", "room_id": "!r:hs.test", "content": {
                "$e": {"m.read": {"@a:hs.test": {"ts": 1}}, "m.read.private": {"@b:hs.test": {}}},
                "$in_a_thread": {"m.read": {"@a:hs.test": {"ts": 1, "thread_id": "$e"}}},
                "odd": {"m.read": {"@a:hs.test": {}}},
            }},
            7,
        ]);
        let typing = Fleeting::Typing { room: room.clone(), users: vec![user.clone()] };
        let read = |event: &str| {
            let (room, user) = (room.clone(), user.clone());
            Fleeting::Read { room, user, event: event.try_into().unwrap() }
        };
        assert_eq!(of(&all), [typing, read("$e"), read("$in_a_thread")]);
    }

    #[test]
    fn a_flood_is_cut_off() {
        let by: serde_json::Map<_, _> =
            (0..5000).map(|n| (format!("@u{n}:hs.test"), json!({}))).collect();
        let many = json!([{"type": "m.receipt", "room_id": "!r:hs.test",
            "content": {"$a": {"m.read": by}, "$b": {"m.read": by}}}]);
        assert_eq!(of(&many).len(), MOST);
    }

    proptest! {
        #[test]
        fn anything_is_read_or_left(mut event in any_json(), content in any_json(), of_type in "m.typing|m.receipt") {
            let _ = of(&event);
            if let Some(event) = event.as_object_mut() {
                event.insert("type".to_owned(), of_type.into());
                event.insert("room_id".to_owned(), "!r".into());
                event.insert("content".to_owned(), content);
            }
            let _ = of(&json!([event]));
        }
    }
}
