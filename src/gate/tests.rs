//! A table of cases for each rule, and the laws that hold over all of them.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use drawbridge_adapter::{
    Code, Content, Destination, Event, EventId, Level, Marks, Party, Repeats, ReplyPath,
    TextLimits, Timestamp,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;

fn capabilities() -> Capabilities {
    Capabilities::new(TextLimits { max_bytes: 100, controls: false }).with(Kind::Text, Level::Full)
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
        marks: Marks::default(),
        reply_path: ReplyPath::default(),
    }
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
    };
    change(&mut facts);
    decide(&facts, event)
}

fn refused(code: Code) -> Verdict {
    Verdict::Refuse(code.into())
}

#[test]
fn text_crosses() {
    assert_eq!(verdict(&event(Content::text("hi")), |_| ()), Verdict::Deliver);
}

#[test]
fn bans_hold_wherever_they_stand() {
    let sticker = refused(Code::UnsupportedKind(Kind::Sticker));
    let disappearing = refused(Code::UnsupportedKind(Kind::Disappearing));
    let edit = Content::Unsupported { kind: Kind::Edit };
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
            decide(&Facts { source, target: Some(target), between: friends() }, &event),
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
            decide(&Facts { source, target: Some(target), between: friends() }, &event),
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
        let facts = Facts { source, target: Some(target), between };
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
        let facts = Facts { source, target: Some(target), between };
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
            decide(&Facts { source: narrow, target: Some(side), between: friends() }, &event),
            expected
        );
        assert_eq!(
            decide(&Facts { source: side, target: Some(narrow), between: friends() }, &event),
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
        let facts = Facts { source, target: Some(target), between: friends() };
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
        assert_eq!(last_word(open, &between), expected);
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

fn any_kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL)
}

/// Mostly a policy that lets pass, so that deliveries are seen too.
fn any_policy() -> impl Strategy<Value = Policy> {
    let kinds = || proptest::collection::btree_set(any_kind(), 0..3);
    let remote = prop_oneof![
        6 => Just(RemoteUsers::Allowed),
        3 => Just(RemoteUsers::AsStrangers),
        1 => Just(RemoteUsers::Denied),
    ];
    let minimum = prop_oneof![15 => Just(Posture::Clear), 1 => Just(Posture::Bridged)];
    let inactive = proptest::bool::weighted(0.05);
    (remote, inactive, minimum, kinds(), kinds()).prop_map(
        |(remote_users, inactive, minimum, denied, allowed)| {
            let offer = Offer::to_all();
            Policy { remote_users, inactive, minimum, offer, denied, allowed }
        },
    )
}

fn any_side() -> impl Strategy<Value = (Role, Standing, Policy, Capabilities)> {
    let role = proptest::sample::select(vec![Role::Home, Role::ThirdParty]);
    let standing = proptest::sample::select(vec![Standing::Local, Standing::Remote]);
    let level = || {
        proptest::sample::select(vec![
            Level::Rejected,
            Level::Fallback,
            Level::Partial,
            Level::Full,
        ])
    };
    let declared = proptest::collection::vec((any_kind(), level()), 0..10);
    let text = prop_oneof![4 => Just(Level::Full), 1 => level()];
    let limits = (0usize..300, any::<bool>())
        .prop_map(|(max_bytes, controls)| TextLimits { max_bytes, controls });
    (role, standing, any_policy(), declared, text, limits).prop_map(
        |(role, standing, policy, kinds, text, limits)| {
            let start = Capabilities::new(limits);
            let declare = |all: Capabilities, (kind, level)| all.with(kind, level);
            let capabilities = kinds.into_iter().fold(start, declare).with(Kind::Text, text);
            (role, standing, policy, capabilities)
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let content = prop_oneof![
        4 => ".{0,80}".prop_map(Content::text),
        1 => any_kind().prop_map(|kind| Content::Unsupported { kind }),
    ];
    let rarely = || proptest::bool::weighted(0.1);
    (content, rarely(), rarely(), rarely()).prop_map(|(content, sticker, disappearing, group)| {
        let mut event = event(content);
        event.marks = Marks { sticker, disappearing };
        if group {
            event.to = Destination::Group;
        }
        event
    })
}

/// Mostly two who may write to each other.
fn any_between() -> impl Strategy<Value = Between> {
    let mostly = || proptest::bool::weighted(0.9);
    let rarely = || proptest::bool::weighted(0.1);
    let strict = || {
        prop_oneof![
            8 => Just(Strictness::Off),
            2 => Just(Strictness::On),
            1 => Just(Strictness::Sealed),
        ]
    };
    let known = (mostly(), mostly(), mostly(), 0usize..8, rarely(), rarely(), rarely());
    (known, strict(), strict()).prop_map(|(known, sender_strict, recipient_strict)| {
        let (sender_enabled, recipient_enabled, contact, held, crowded, declined, blocked) = known;
        Between {
            sender_enabled,
            recipient_enabled,
            contact,
            held,
            crowded,
            declined,
            blocked,
            sender_strict,
            recipient_strict,
        }
    })
}

/// Every promise that a delivery keeps, in words of its own rather than the rules'.
fn may_cross(source: &Side<'_>, target: &Side<'_>, between: &Between, event: &Event) -> bool {
    let Content::Text { body } = &event.content else { return false };
    let both = |holds: &dyn Fn(&Side<'_>) -> bool| holds(source) && holds(target);
    let limits = &target.capabilities.text;
    let printable = |c: char| !c.is_ascii_control() || "\t\n\r\u{7f}".contains(c);
    !event.marks.disappearing
        && (!event.marks.sticker
            || both(&|side| {
                side.role == Role::Home
                    && side.policy.allowed.contains(&Kind::Sticker)
                    && !side.policy.denied.contains(&Kind::Sticker)
                    && side.capabilities.level(Kind::Sticker) > Level::Rejected
            }))
        && matches!(event.to, Destination::Direct(_))
        && both(&|side| {
            side.standing == Standing::Local || side.policy.remote_users != RemoteUsers::Denied
        })
        && (source.role == Role::Home || between.recipient_enabled)
        && (target.role == Role::Home || between.sender_enabled)
        && both(&|side| !side.policy.inactive && side.policy.minimum == Posture::Clear)
        && ![between.sender_strict, between.recipient_strict].contains(&Strictness::Sealed)
        && both(&|side| side.capabilities.level(Kind::Text) > Level::Rejected)
        && both(&|side| !side.policy.denied.contains(&Kind::Text))
        && !body.is_empty()
        && body.len() <= limits.max_bytes
        && (limits.controls
            || body.chars().all(|c| printable(c) && !"\u{fffe}\u{ffff}".contains(c)))
}

proptest! {
    /// What may cross is delivered to who knows the sender, and waits for who does not; nothing else.
    #[test]
    fn what_is_delivered_may_cross(
        source in any_side(),
        target in any_side(),
        between in any_between(),
        event in any_event(),
    ) {
        let side = |(role, standing, policy, capabilities)| Side { role, standing, policy, capabilities };
        let source = side((source.0, source.1, &source.2, &source.3));
        let target = side((target.0, target.1, &target.2, &target.3));
        let facts = Facts { source, target: Some(target), between };
        let verdict = decide(&facts, &event);
        let nobody = decide(&Facts { target: None, ..facts }, &event);
        prop_assert!(matches!(nobody, Verdict::Refuse(_)));
        let strange = source.role == Role::ThirdParty
            || (source.standing == Standing::Remote
                && source.policy.remote_users == RemoteUsers::AsStrangers);
        let asks = strange && !between.contact;
        let room = between.held < 5 && (between.held > 0 || !between.crowded);
        let may = may_cross(&source, &target, &between, &event) && (!asks || room);
        let hushed = between.blocked || (asks && between.declined);
        prop_assert_eq!(verdict == Verdict::Deliver, may && !asks && !hushed);
        prop_assert_eq!(verdict == Verdict::Hold, may && asks && !hushed);
        prop_assert_eq!(matches!(verdict, Verdict::Swallow(_)), may && hushed);
        // To its sender, a block or being turned away changes nothing.
        let free = Between { blocked: false, declined: false, ..between };
        prop_assert_eq!(shown(verdict), shown(decide(&Facts { between: free, ..facts }, &event)));
    }
}

/// What a sender sees of a verdict.
fn shown(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Swallow(As::Delivered) => Verdict::Deliver,
        Verdict::Swallow(As::Held) => Verdict::Hold,
        other => other,
    }
}

/// The property above would hold of a gate that refuses everything, if nothing ever might cross.
#[test]
fn the_property_sees_deliveries() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (any_side(), any_side(), any_between(), any_event());
    let crossing = (0..500).filter(|_| {
        let (a, b, between, event) = strategy.new_tree(&mut runner).unwrap().current();
        let side =
            |(role, standing, policy, capabilities)| Side { role, standing, policy, capabilities };
        let (a, b) = (side((a.0, a.1, &a.2, &a.3)), side((b.0, b.1, &b.2, &b.3)));
        may_cross(&a, &b, &between, &event)
    });
    assert!(crossing.count() > 20);
}
