//! Places, contact cards and polls in words, for networks and clients that do not show them.

use drawbridge_adapter::{ContactCard, Content, Poll};

use crate::words::Words;

/// What a place, a contact card or a poll says in words; `None` of all else. At most
/// [`crate::gate::WORDS_AROUND`] bytes longer than what is the sender's in it.
pub(super) fn in_words(words: &Words, content: &Content) -> Option<String> {
    let lines = match content {
        Content::Location(place) => {
            let name = place.name.clone().unwrap_or_else(|| words.say("place", &[]));
            vec![name, place.to_geo()]
        }
        Content::Contact(card) => {
            let ContactCard { name, phones, emails, addresses } = card;
            let head = words.say("contact-card", &[("name", name)]);
            let rest = phones.iter().chain(emails).chain(addresses).cloned();
            std::iter::once(head).chain(rest).collect()
        }
        Content::Poll(Poll { question, answers, most }) => {
            let most = (*most).clamp(1, 99).to_string();
            let answers = answers.iter().zip(1..);
            let mut lines = vec![words.say("poll", &[("question", question)])];
            lines.extend(answers.map(|(answer, number)| format!("{number}. {answer}")));
            lines.push(words.say("poll-answer", &[("count", &most)]));
            lines
        }
        _ => return None,
    };
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use drawbridge_adapter::Location;

    use super::*;
    use crate::gate::WORDS_AROUND;

    #[test]
    fn what_is_not_shown_is_said() {
        let words = Words::english();
        let say = |content: &Content| in_words(&words, content).unwrap();
        let place = Location::new(52.5, -4.25).unwrap().within(Some(20));
        assert_eq!(say(&Content::Location(place.clone())), "A place:\ngeo:52.5,-4.25;u=20");
        let named = place.within(None).named(Some("The old pier"));
        assert_eq!(say(&Content::Location(named)), "The old pier\ngeo:52.5,-4.25");
        let card = ContactCard {
            name: "Zoë".to_owned(),
            phones: vec!["112".to_owned()],
            emails: Vec::new(),
            addresses: vec!["xmpp:zoe@p.test".to_owned()],
        };
        assert_eq!(say(&Content::Contact(card)), "Contact: Zoë\n112\nxmpp:zoe@p.test");
        let answers = vec!["At home".to_owned(), "Out".to_owned()];
        let poll = Poll { question: "Where do we eat?".to_owned(), answers, most: 1 };
        let expected = "Poll: Where do we eat?\n1. At home\n2. Out\n\
                        (Votes do not cross: say which one you choose.)";
        assert_eq!(say(&Content::Poll(poll.clone())), expected);
        assert!(say(&Content::Poll(Poll { most: 2, ..poll })).contains("up to 2"));
        assert_eq!(in_words(&words, &Content::text("hi")), None);
    }

    #[test]
    fn the_words_around_it_are_few() {
        let words = Words::english();
        let line = |bytes: usize| "x".repeat(bytes);
        let lines = || vec![line(ContactCard::MAX_LINE); ContactCard::MOST];
        let card = ContactCard {
            name: line(ContactCard::MAX_LINE),
            phones: lines(),
            emails: lines(),
            addresses: lines(),
        };
        let answers = vec![line(Poll::MAX_LINE); Poll::MOST];
        let poll = Poll { question: line(Poll::MAX_LINE), answers, most: u32::MAX };
        let place = Location::new(-12.345_678_9, -123.456_789_1).unwrap();
        let place = place.within(Some(u32::MAX)).named(Some(&line(Location::MAX_NAME)));
        for thing in [Content::Contact(card), Content::Poll(poll), Content::Location(place)] {
            let said = in_words(&words, &thing).unwrap();
            assert!(said.len() <= thing.size() + WORDS_AROUND, "{}", thing.kind());
        }
    }
}
