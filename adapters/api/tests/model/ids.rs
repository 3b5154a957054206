//! Identifiers: what is taken, what is refused, and that none is mistaken for another.

use std::time::Duration;

use drawbridge_adapter::{ConversationId, EventId, IdError, NetworkId, Tag, Timestamp, UserId};
use proptest::prelude::*;

use crate::any;

#[test]
fn a_network_id_is_short_and_plain() {
    for id in ["x", "matrix", "birdychat", "a-1", "a--", "abcdefghijklmnop"] {
        assert_eq!(NetworkId::new(id).unwrap().as_str(), id);
    }
    for id in ["", "1a", "-a", "Matrix", "a_b", "a.b", "a b", "a:b", "é", "abcdefghijklmnopq"] {
        assert_eq!(NetworkId::new(id), Err(IdError::Network), "{id}");
    }
}

#[test]
fn a_user_is_a_network_and_an_id() {
    let alice: UserId = "matrix:@alice:example.org".parse().unwrap();
    assert_eq!(alice.network().as_str(), "matrix");
    assert_eq!(alice.id(), "@alice:example.org");
    for (text, error) in [
        ("", IdError::User),
        ("matrix", IdError::User),
        ("matrix:", IdError::User),
        (":alice", IdError::Network),
        ("Matrix:alice", IdError::Network),
        ("a b:alice", IdError::Network),
    ] {
        assert_eq!(text.parse::<UserId>(), Err(error), "{text}");
    }
}

#[test]
fn ids_have_an_end() {
    let network = NetworkId::new("x").unwrap();
    let user = |length| UserId::new(network.clone(), "u".repeat(length));
    assert!(user(UserId::MAX).is_ok());
    assert_eq!(user(UserId::MAX + 1), Err(IdError::TooLong(UserId::MAX)));
    let event = |length| EventId::new("e".repeat(length));
    assert!(event(1).is_ok() && event(EventId::MAX).is_ok());
    assert_eq!(event(0), Err(IdError::Event));
    assert_eq!(event(EventId::MAX + 1), Err(IdError::TooLong(EventId::MAX)));
}

#[test]
fn hostile_ids_are_refused_by_serde_too() {
    let long = format!("\"x:{}\"", "u".repeat(UserId::MAX + 1));
    for json in ["\"\"", "\"matrix\"", "\":x\"", "\"X:x\"", "1", "null", long.as_str()] {
        assert!(serde_json::from_str::<UserId>(json).is_err(), "{json}");
    }
    for json in ["\"\"", "\"A\"", "\"a/b\"", "7", "[]"] {
        assert!(serde_json::from_str::<NetworkId>(json).is_err(), "{json}");
    }
    let long = format!("\"{}\"", "e".repeat(EventId::MAX + 1));
    assert!(serde_json::from_str::<EventId>("\"\"").is_err());
    assert!(serde_json::from_str::<EventId>(&long).is_err());
}

#[test]
fn time_does_not_run_over() {
    let (start, end) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
    assert_eq!(end.plus(Duration::from_secs(1)), end);
    assert_eq!(Timestamp(0).plus(Duration::MAX), end);
    assert_eq!(start.since(end), Duration::ZERO);
    assert!(end.since(start) > Duration::ZERO);
    assert_eq!(Timestamp(1500).since(Timestamp(500)), Duration::from_secs(1));
}

proptest! {
    #[test]
    fn a_user_is_read_as_it_is_written(user in any::user()) {
        let back: UserId = user.to_string().parse().unwrap();
        prop_assert!(back == user, "{user}");
    }

    #[test]
    fn no_text_breaks_the_parsers(text in any::text()) {
        if let Ok(user) = text.parse::<UserId>() {
            prop_assert_eq!(user.to_string(), text.as_str());
        }
        if let Ok(network) = NetworkId::new(&text) {
            prop_assert_eq!(network.as_str(), text.as_str());
        }
    }

    #[test]
    fn a_conversation_is_the_same_from_both_sides(one in any::user(), other in any::user()) {
        let (there, back) =
            (ConversationId::direct(&one, &other), ConversationId::direct(&other, &one));
        prop_assert!(there == back);
    }

    /// Two pairs of users share a conversation only if they are the same pair.
    #[test]
    fn no_two_conversations_are_one(a in any::user(), b in any::user(), c in any::user()) {
        prop_assume!(b != c);
        prop_assert!(ConversationId::direct(&a, &b) != ConversationId::direct(&a, &c));
    }

    /// The parts of a tag have borders: no text moved from one to the next gives the same tag.
    #[test]
    fn tags_differ(parts in any::text(), at in any::<prop::sample::Index>()) {
        let borders: Vec<_> = parts.char_indices().map(|(at, _)| at).collect();
        prop_assume!(borders.len() > 1);
        let (one, other) = parts.split_at(borders[at.index(borders.len() - 1) + 1]);
        prop_assert!(Tag::of(b"salt", &[one, other]) != Tag::of(b"salt", &[&parts, ""]));
        prop_assert!(Tag::of(b"salt", &[&parts]) != Tag::of(b"other", &[&parts]));
        prop_assert_eq!(Tag::of(b"salt", &[&parts]).to_string().len(), 12);
    }
}
