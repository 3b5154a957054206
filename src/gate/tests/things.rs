//! What is no text, and what is fleeting.

use drawbridge_adapter::{ContactCard, Location, Poll};

use super::*;

fn place(name: Option<&str>) -> Content {
    let mut place = Location::new(52.5, 4.25).unwrap();
    place.name = name.map(ToOwned::to_owned);
    Content::Location(place)
}

fn card(name: &str, phones: usize) -> Content {
    let phones = (0..phones).map(|n| n.to_string()).collect();
    let (name, emails, addresses) = (name.to_owned(), Vec::new(), Vec::new());
    Content::Contact(ContactCard { name, phones, emails, addresses })
}

fn poll(answers: &[&str], most: u32) -> Content {
    let answers = answers.iter().map(|&answer| answer.to_owned()).collect();
    Content::Poll(Poll { question: "Where?".to_owned(), answers, most })
}

fn showing(level: Level) -> Capabilities {
    let kinds = [Kind::Location, Kind::Contact, Kind::Poll];
    kinds.into_iter().fold(capabilities(), |some, kind| some.with(kind, level))
}

/// What the gate says between two friends whose networks can do this.
fn between(source: &Capabilities, target: &Capabilities, content: Content) -> Verdict {
    let policy = Policy::default();
    let side = |role, capabilities| Side {
        role,
        standing: Standing::Local,
        policy: &policy,
        capabilities,
    };
    let facts = Facts {
        source: side(Role::Home, source),
        target: Some(side(Role::ThirdParty, target)),
        between: friends(),
        about: None,
        file: FileFacts::default(),
    };
    decide(&facts, &event(content))
}

#[test]
fn things_keep_to_their_bounds() {
    let can = showing(Level::Full);
    let long = "x".repeat(Location::MAX_NAME + 1);
    for (content, fits) in [
        (place(None), true),
        (place(Some("the pier")), true),
        (place(Some("")), false),
        (place(Some("two\nlines")), false),
        (place(Some("\u{fffe}")), false),
        (place(Some(&long)), false),
        (card("Zoë", ContactCard::MOST), true),
        (card("Zoë", ContactCard::MOST + 1), false),
        (card("", 1), false),
        (card(&"x".repeat(ContactCard::MAX_LINE + 1), 0), false),
        (poll(&["here", "there"], 1), true),
        (poll(&["here", "there"], 0), false),
        (poll(&["here"], 1), false),
        (poll(&["here", ""], 1), false),
        (poll(&["x"; Poll::MOST], 1), true),
        (poll(&["x"; Poll::MOST + 1], 1), false),
    ] {
        let expected = if fits { Verdict::Deliver } else { refused(Code::Malformed) };
        assert_eq!(between(&can, &can, content.clone()), expected, "{content:?}");
    }
}

#[test]
fn what_goes_in_words_fits_as_a_text_does() {
    let source = showing(Level::Full);
    for (level, room, expected) in [
        (Level::Full, 10, Verdict::Deliver),
        (Level::Fallback, 10, refused(Code::TextTooLong)),
        (Level::Fallback, WORDS_AROUND + 16, Verdict::Deliver),
        (Level::Rejected, 1000, refused(Code::UnsupportedKind(Kind::Location))),
    ] {
        let mut target = showing(level);
        target.text.max_bytes = room;
        let verdict = between(&source, &target, place(Some("the pier")));
        assert_eq!(verdict, expected, "{level:?} {room}");
    }
}

#[test]
fn what_is_fleeting_passes_between_those_who_hear_each_other() {
    type Changed = fn(&mut Facts<'_>, &mut Between);
    let all: [(Changed, [bool; 2]); 9] = [
        (|_, _| {}, [true, true]),
        (|facts, _| facts.between.blocked = true, [false, false]),
        (|_, back| back.blocked = true, [false, false]),
        (|_, back| back.declined = true, [false, false]),
        (|facts, _| facts.between.sender_enabled = false, [false, false]),
        (|facts, _| facts.target = None, [false, false]),
        (|facts, _| facts.between.sender_strict = Strictness::Sealed, [false, false]),
        // Who is strict is seen by those alone whom they have accepted.
        (|facts, _| facts.between.sender_strict = Strictness::On, [true, true]),
        (
            |facts, back| {
                facts.target = facts.target.map(|side| Side { role: Role::Home, ..side });
                (facts.between.sender_strict, back.contact) = (Strictness::On, false);
            },
            [true, false],
        ),
    ];
    let (policy, can) = (Policy::default(), capabilities());
    let can = can.with(Kind::Typing, Level::Full).with(Kind::Presence, Level::Full);
    let can = can.with(Kind::Profile, Level::Full);
    for (number, (change, expected)) in all.into_iter().enumerate() {
        let side = Side {
            role: Role::Home,
            standing: Standing::Local,
            policy: &policy,
            capabilities: &can,
        };
        let mut facts = Facts {
            source: side,
            target: Some(Side { role: Role::ThirdParty, ..side }),
            between: friends(),
            about: None,
            file: FileFacts::default(),
        };
        let mut back = friends();
        change(&mut facts, &mut back);
        let passes = [Kind::Typing, Kind::Presence]
            .map(|kind| passage(&facts, &back, kind) == Passage::Open);
        assert_eq!(passes, expected, "case {number}");
        let profile = passage(&facts, &back, Kind::Profile);
        assert_eq!(profile == Passage::Open, expected[1], "a profile, case {number}");
        // Only what would be shown otherwise counts as kept back by a block.
        facts.between.blocked = false;
        back.blocked = false;
        let without = passage(&facts, &back, Kind::Profile);
        let by_block = without == Passage::Open && profile != Passage::Open;
        assert_eq!(profile == Passage::Blocked, by_block, "a block, case {number}");
        assert!(passage(&facts, &back, Kind::Receipt) == Passage::No, "it is not declared");
    }
}
