//! A table of cases for each rule; in [`laws`] what holds over all of them.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod files;
mod laws;
mod things;

use super::*;
use drawbridge_adapter::{
    Code, Content, Destination, Emojis, Event, EventId, Level, Marks, Party, Reference, Repeats,
    ReplyPath, Text, TextLimits, Timestamp, Was,
};

fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::new(TextLimits { max_bytes: 100, controls: false })
        .with(Kind::Text, Level::Full)
        .with(Kind::Edit, Level::Full)
        .with(Kind::Retraction, Level::Full)
        .with(Kind::Reaction, Level::Full);
    capabilities.edit_within = Some(Duration::from_mins(15));
    capabilities.retract_within = Some(Duration::from_hours(48));
    capabilities
}

/// The two have switched each other's networks on, and know each other.
fn friends() -> Between {
    Between { sender_enabled: true, recipient_enabled: true, contact: true, ..Between::default() }
}

fn event(content: Content) -> Event {
    Event {
        id: EventId::new("$1").unwrap(),
        repeats: Repeats::Always,
        sender: Party { user: "matrix:@alice:hs.test".parse().unwrap(), name: None },
        to: Destination::Direct("birdychat:carol".parse().unwrap()),
        sent_at: Timestamp(0),
        content,
        reply: None,
        marks: Marks::default(),
        reply_path: ReplyPath::default(),
    }
}

fn of() -> Reference {
    Reference { id: EventId::new("$1").unwrap(), was: Was::Sent, sent_at: None }
}

/// What the gate says, with a home source and a third-party target, after `change`.
fn verdict(event: &Event, change: impl FnOnce(&mut Facts<'_>)) -> Verdict {
    let (policy, capabilities) = (Policy::default(), capabilities());
    let side = Side {
        role: Role::Home,
        standing: Standing::Local,
        policy: &policy,
        capabilities: &capabilities,
    };
    let mut facts = Facts {
        source: side,
        target: Some(Side { role: Role::ThirdParty, ..side }),
        between: friends(),
        about: None,
        file: FileFacts::default(),
    };
    change(&mut facts);
    decide(&facts, event)
}

fn refused(code: Code) -> Verdict {
    Verdict::Refuse(code.into())
}

/// What a sender sees of a verdict.
fn shown(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Swallow(As::Delivered) => Verdict::Deliver,
        Verdict::Swallow(As::Held) => Verdict::Hold,
        other => other,
    }
}

#[test]
fn text_crosses() {
    assert_eq!(verdict(&event(Content::text("hi")), |_| ()), Verdict::Deliver);
}

#[test]
fn bans_hold_wherever_they_stand() {
    let sticker = refused(Code::UnsupportedKind(Kind::Sticker));
    let disappearing = refused(Code::UnsupportedKind(Kind::Disappearing));
    let edit = Content::Edit { of: of(), text: Text::plain("gone soon") };
    for (content, marks, expected) in [
        (Content::Unsupported { kind: Kind::Sticker }, Marks::default(), sticker),
        (Content::text("a text beside"), Marks { sticker: true, disappearing: false }, sticker),
        (edit.clone(), Marks { sticker: true, disappearing: false }, sticker),
        (Content::Unsupported { kind: Kind::Disappearing }, Marks::default(), disappearing),
        (Content::text("gone soon"), Marks { sticker: false, disappearing: true }, disappearing),
        (edit, Marks { sticker: false, disappearing: true }, disappearing),
    ] {
        let event = Event { marks, ..event(content) };
        assert_eq!(verdict(&event, |_| ()), expected);
        assert_eq!(verdict(&event, |facts| facts.target = None), expected);
    }
}

#[test]
fn stickers_need_two_home_networks_that_both_allow_them() {
    let allowing = Policy { allowed: BTreeSet::from([Kind::Sticker]), ..Policy::default() };
    let declaring = capabilities().with(Kind::Sticker, Level::Full);
    let ban = refused(Code::UnsupportedKind(Kind::Sticker));
    // A text with a sticker beside it shows the ban alone: its kind is carried.
    let event =
        Event { marks: Marks { sticker: true, ..Marks::default() }, ..event(Content::text("hi")) };
    let home = Side {
        role: Role::Home,
        standing: Standing::Local,
        policy: &allowing,
        capabilities: &declaring,
    };
    let silent = Policy::default();
    let third = Side { role: Role::ThirdParty, ..home };
    let strict = Side { policy: &silent, ..home };
    for (source, target, expected) in [
        (home, home, Verdict::Deliver),
        (home, strict, ban),
        (strict, home, ban),
        (home, third, ban),
        (third, home, ban),
        (third, third, ban),
    ] {
        assert_eq!(
            decide(
                &Facts {
                    source,
                    target: Some(target),
                    between: friends(),
                    about: None,
                    file: FileFacts::default()
                },
                &event
            ),
            expected
        );
    }
}

#[test]
fn groups_and_unknown_targets() {
    let group = Event { to: Destination::Group, ..event(Content::text("hi")) };
    assert_eq!(verdict(&group, |_| ()), refused(Code::GroupUnsupported));
    let lost = event(Content::text("hi"));
    assert_eq!(verdict(&lost, |facts| facts.target = None), refused(Code::NotReachable));
}

#[test]
fn remote_users_need_the_operators_word() {
    let event = event(Content::text("hi"));
    let letting_in = Policy { remote_users: RemoteUsers::Allowed, ..Policy::default() };
    let remote_sender = verdict(&event, |facts| facts.source.standing = Standing::Remote);
    assert_eq!(remote_sender, refused(Code::Forbidden));
    let (policy, capabilities) = (Policy::default(), capabilities());
    let remote = |policy| Side {
        role: Role::Home,
        standing: Standing::Remote,
        policy,
        capabilities: &capabilities,
    };
    let local = Side { standing: Standing::Local, ..remote(&policy) };
    for (source, target, expected) in [
        (local, remote(&policy), refused(Code::NotReachable)),
        (local, remote(&letting_in), Verdict::Deliver),
        (remote(&letting_in), local, Verdict::Deliver),
    ] {
        assert_eq!(
            decide(
                &Facts {
                    source,
                    target: Some(target),
                    between: friends(),
                    about: None,
                    file: FileFacts::default()
                },
                &event
            ),
            expected
        );
    }
}

/// A home side and a third-party one, to which only the two users' own words matter.
fn sides<'a>(policy: &'a Policy, capabilities: &'a Capabilities) -> (Side<'a>, Side<'a>) {
    let home = Side { role: Role::Home, standing: Standing::Local, policy, capabilities };
    (home, Side { role: Role::ThirdParty, ..home })
}

#[test]
fn a_third_party_that_is_off_looks_like_nobody() {
    let (policy, capabilities) = (Policy::default(), capabilities());
    let (home, third) = sides(&policy, &capabilities);
    let event = event(Content::text("hi"));
    let off_for_sender = Between { sender_enabled: false, ..friends() };
    let off_for_recipient = Between { recipient_enabled: false, ..friends() };
    let nobody = refused(Code::NotReachable);
    for (source, target, between, expected) in [
        (home, third, friends(), Verdict::Deliver),
        (home, third, off_for_sender, nobody),
        // Whom a home user writes to there did not have to switch anything on.
        (home, third, off_for_recipient, Verdict::Deliver),
        (third, home, off_for_recipient, nobody),
        (third, home, off_for_sender, Verdict::Deliver),
        (third, third, off_for_sender, nobody),
        (third, third, off_for_recipient, nobody),
        (third, third, friends(), Verdict::Deliver),
        (home, home, Between::default(), Verdict::Deliver),
    ] {
        let facts = Facts {
            source,
            target: Some(target),
            between,
            about: None,
            file: FileFacts::default(),
        };
        assert_eq!(decide(&facts, &event), expected, "{source:?} {target:?} {between:?}");
        // It hides whatever else there is to say of the two.
        if expected == nobody {
            let known =
                Between { blocked: true, declined: true, held: 5, contact: false, ..between };
            assert_eq!(decide(&Facts { between: known, ..facts }, &event), nobody);
        }
    }
}

#[test]
fn strangers_wait_for_a_word() {
    let strangers = Policy { remote_users: RemoteUsers::AsStrangers, ..Policy::default() };
    let (policy, capabilities) = (Policy::default(), capabilities());
    let (home, third) = sides(&policy, &capabilities);
    let remote = Side { standing: Standing::Remote, policy: &strangers, ..home };
    let event = event(Content::text("hi"));
    let unknown = Between { contact: false, ..friends() };
    let held = |held| Between { held, ..unknown };
    let (limit, as_held) = (refused(Code::RequestLimit), Verdict::Swallow(As::Held));
    for (source, target, between, expected) in [
        (third, home, unknown, Verdict::Hold),
        (third, third, unknown, Verdict::Hold),
        (remote, home, unknown, Verdict::Hold),
        (remote, home, friends(), Verdict::Deliver),
        (home, third, unknown, Verdict::Deliver),
        (home, remote, unknown, Verdict::Deliver),
        (third, home, held(4), Verdict::Hold),
        (third, home, held(5), limit),
        // Among too many only those go on who are there already.
        (third, home, Between { crowded: true, ..held(0) }, limit),
        (third, home, Between { crowded: true, ..held(1) }, Verdict::Hold),
        (third, home, Between { crowded: true, held: 9, ..friends() }, Verdict::Deliver),
        // Who was turned away or blocked sees what anybody sees who waits.
        (third, home, Between { declined: true, ..held(4) }, as_held),
        (third, home, Between { blocked: true, ..held(4) }, as_held),
        (third, home, Between { declined: true, ..held(5) }, limit),
        (third, home, Between { blocked: true, ..held(5) }, limit),
        (third, home, Between { blocked: true, ..friends() }, Verdict::Swallow(As::Delivered)),
    ] {
        let facts = Facts {
            source,
            target: Some(target),
            between,
            about: None,
            file: FileFacts::default(),
        };
        assert_eq!(decide(&facts, &event), expected, "{source:?} {target:?} {between:?}");
    }
}

#[test]
fn each_side_and_the_operator_narrow_the_kinds() {
    let nothing = Capabilities::new(TextLimits { max_bytes: 100, controls: true });
    let denying = Policy { denied: BTreeSet::from([Kind::Text]), ..Policy::default() };
    let event = event(Content::text("hi"));
    let expected = refused(Code::UnsupportedKind(Kind::Text));
    let (policy, able) = (Policy::default(), capabilities());
    let side =
        Side { role: Role::Home, standing: Standing::Local, policy: &policy, capabilities: &able };
    for narrow in [Side { capabilities: &nothing, ..side }, Side { policy: &denying, ..side }] {
        assert_eq!(
            decide(
                &Facts {
                    source: narrow,
                    target: Some(side),
                    between: friends(),
                    about: None,
                    file: FileFacts::default()
                },
                &event
            ),
            expected
        );
        assert_eq!(
            decide(
                &Facts {
                    source: side,
                    target: Some(narrow),
                    between: friends(),
                    about: None,
                    file: FileFacts::default()
                },
                &event
            ),
            expected
        );
    }
}

#[test]
fn who_wants_nothing_that_the_bridge_could_read_gets_and_sends_nothing() {
    use Strictness::{Off, On, Sealed};
    let sealed = refused(Code::E2eeRequired);
    for (sender_strict, recipient_strict, expected) in [
        (Off, Off, Verdict::Deliver),
        (On, On, Verdict::Deliver),
        (Sealed, Off, sealed),
        (Off, Sealed, sealed),
    ] {
        for blocked in [false, true] {
            let verdict = verdict(&event(Content::text("hi")), |facts| {
                facts.between =
                    Between { blocked, sender_strict, recipient_strict, ..facts.between };
            });
            assert_eq!(shown(verdict), expected);
        }
    }
    // Who has not switched the network on is nobody there, however strict.
    let off = Between { recipient_strict: Sealed, sender_enabled: false, ..friends() };
    let verdict = verdict(&event(Content::text("hi")), |facts| facts.between = off);
    assert_eq!(verdict, refused(Code::NotReachable));
}

#[test]
fn a_network_is_dead_until_it_is_admitted_and_held_to_its_minimum() {
    let inactive = Policy { inactive: true, ..Policy::default() };
    let bridged = Policy { minimum: Posture::Bridged, ..Policy::default() };
    let (fine, able) = (Policy::default(), capabilities());
    let home =
        Side { role: Role::Home, standing: Standing::Local, policy: &fine, capabilities: &able };
    let third = |policy| Side { role: Role::ThirdParty, policy, ..home };
    for (source, target, expected) in [
        (third(&inactive), home, refused(Code::Forbidden)),
        (home, third(&inactive), refused(Code::NotReachable)),
        (third(&bridged), home, refused(Code::E2eeRequired)),
        (home, third(&bridged), refused(Code::E2eeRequired)),
        (home, third(&fine), Verdict::Deliver),
    ] {
        let facts = Facts {
            source,
            target: Some(target),
            between: friends(),
            about: None,
            file: FileFacts::default(),
        };
        assert_eq!(decide(&facts, &event(Content::text("hi"))), expected);
    }
}

#[test]
fn a_network_is_offered_in_stages() {
    let users = BTreeSet::from(["matrix:@alice:hs.test".parse().unwrap()]);
    let domains = BTreeSet::from(["staff.test".to_owned()]);
    let offer = Offer { users, domains, share_percent: 10 };
    let user = |id: &str| id.parse::<UserId>().unwrap();
    for (id, domain, lot, expected) in [
        ("matrix:@alice:hs.test", Some("hs.test"), 99, true),
        ("matrix:@eve:hs.test", Some("hs.test"), 99, false),
        ("matrix:@eve:hs.test", Some("hs.test"), 109, true),
        ("xmpp:eve@staff.test", Some("staff.test"), 99, true),
        ("haiket:eve", None, 99, false),
    ] {
        assert_eq!(offer.covers(&user(id), domain, lot), expected, "{id} {lot}");
        assert!(Offer::to_all().covers(&user(id), domain, lot));
    }
}

#[test]
fn of_strangers_the_strict_take_only_text() {
    let (image, text) = (event(Content::Unsupported { kind: Kind::Image }), Content::text("hi"));
    let text = event(text);
    let no = refused(Code::Forbidden);
    let unsupported = refused(Code::UnsupportedKind(Kind::Image));
    for (strict, contact, event, expected) in [
        (Strictness::On, false, &image, no),
        (Strictness::On, false, &text, Verdict::Hold),
        (Strictness::On, true, &image, unsupported),
        (Strictness::On, true, &text, Verdict::Deliver),
        (Strictness::Off, false, &image, unsupported),
    ] {
        let verdict = verdict(event, |facts| {
            facts.source = Side { role: Role::ThirdParty, ..facts.source };
            facts.target = facts.target.map(|target| Side { role: Role::Home, ..target });
            facts.between = Between { recipient_strict: strict, contact, ..friends() };
        });
        assert_eq!(verdict, expected);
    }
}

#[test]
fn the_last_word_follows_what_changed_meanwhile() {
    let sealed = Between { recipient_strict: Strictness::Sealed, blocked: true, ..friends() };
    let blocked = Between { blocked: true, ..friends() };
    for (open, between, expected) in [
        (true, friends(), Verdict::Deliver),
        (true, blocked, Verdict::Swallow(As::Delivered)),
        (true, sealed, refused(Code::E2eeRequired)),
        (false, sealed, refused(Code::NotReachable)),
        (false, blocked, refused(Code::NotReachable)),
    ] {
        assert_eq!(last_word(open, Posture::Clear, &between), expected);
        let raised = if open { refused(Code::E2eeRequired) } else { expected };
        assert_eq!(last_word(open, Posture::Bridged, &between), raised);
    }
}

#[test]
fn texts_fit_whole_or_not_at_all() {
    for (body, expected) in [
        ("é".repeat(50), Verdict::Deliver),
        ("é".repeat(51), refused(Code::TextTooLong)),
        (String::new(), refused(Code::Malformed)),
        ("tab\tand\nline".to_owned(), Verdict::Deliver),
        ("bell\u{7}".to_owned(), refused(Code::Malformed)),
        ("null\0".to_owned(), refused(Code::Malformed)),
        ("not\u{ffff}".to_owned(), refused(Code::Malformed)),
    ] {
        assert_eq!(verdict(&event(Content::text(body)), |_| ()), expected);
    }
}

#[test]
fn what_is_about_a_message_needs_it_and_its_author_and_to_be_in_time() {
    let edit = event(Content::Edit { of: of(), text: Text::plain("better") });
    let retraction = event(Content::Retraction { of: of() });
    let emojis = Emojis::One("👍".to_owned());
    let reaction = event(Content::Reaction { to: of(), emojis });
    let own = About { own: true, age: Duration::from_mins(15), ..About::default() };
    let theirs = About { own: false, ..own };
    let lost = About { lost: true, ..own };
    let unseen = About { swallowed: true, ..own };
    let later = About { age: Duration::from_mins(16), ..own };
    let too_late = About { age: Duration::from_hours(49), ..own };
    let (unknown, foreign, late) =
        (refused(Code::TargetNotFound), refused(Code::Forbidden), refused(Code::Expired));
    let swallowed = Verdict::Swallow(As::Delivered);
    for (about, expected) in [
        (Some(own), [Verdict::Deliver; 3]),
        (Some(theirs), [foreign, foreign, Verdict::Deliver]),
        (Some(lost), [unknown; 3]),
        (None, [unknown; 3]),
        (Some(unseen), [swallowed; 3]),
        (Some(later), [late, Verdict::Deliver, Verdict::Deliver]),
        (Some(too_late), [late, late, Verdict::Deliver]),
    ] {
        for (event, expected) in [&edit, &retraction, &reaction].into_iter().zip(expected) {
            let verdict = verdict(event, |facts| facts.about = about);
            assert_eq!(verdict, expected, "{about:?} {:?}", event.content);
        }
    }
}

#[test]
fn reactions_are_few_and_short() {
    let own = Some(About { own: true, ..About::default() });
    let many = |count: usize| Emojis::All((0..count).map(|n| n.to_string()).collect());
    for (emojis, fits) in [
        (many(0), true),
        (many(20), true),
        (many(21), false),
        (Emojis::One("👩\u{200d}👩\u{200d}👧\u{200d}👦".to_owned()), true),
        (Emojis::One("x".repeat(65)), false),
        (Emojis::One(String::new()), false),
        (Emojis::One("\n".to_owned()), false),
        (Emojis::One("\u{fffe}".to_owned()), false),
    ] {
        let event = event(Content::Reaction { to: of(), emojis });
        let expected = if fits { Verdict::Deliver } else { refused(Code::Malformed) };
        assert_eq!(verdict(&event, |facts| facts.about = own), expected);
    }
}
