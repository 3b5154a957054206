//! The laws that hold over all rules: what is delivered may cross, and a block shows in nothing.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;

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
        1 => ".{0,80}".prop_map(|body| Content::Edit { of: of(), text: Text::plain(body) }),
        1 => Just(Content::Retraction { of: of() }),
        1 => ".{0,3}".prop_map(|emoji| Content::Reaction { to: of(), emojis: Emojis::One(emoji) }),
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

fn any_about() -> impl Strategy<Value = Option<About>> {
    let rarely = || proptest::bool::weighted(0.2);
    let about = (proptest::bool::weighted(0.8), 0..100_u64, rarely(), rarely());
    let about = about.prop_map(|(own, seconds, lost, swallowed)| About {
        own,
        age: Duration::from_secs(seconds),
        lost,
        swallowed,
    });
    proptest::option::weighted(0.9, about)
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
fn may_cross(
    source: &Side<'_>,
    target: &Side<'_>,
    (between, about): (&Between, Option<&About>),
    event: &Event,
) -> bool {
    let known = about.is_some_and(|about| !about.lost);
    let own = known && about.is_some_and(|about| about.own);
    let young = |limit: Option<Duration>| {
        limit.is_none_or(|limit| about.is_some_and(|about| about.age <= limit))
    };
    let (body, fits) = match &event.content {
        Content::Text(Text { body, .. }) => (body.as_str(), true),
        Content::Edit { text: Text { body, .. }, .. } => {
            (body.as_str(), own && young(target.capabilities.edit_within))
        }
        Content::Retraction { .. } => ("-", own && young(target.capabilities.retract_within)),
        Content::Reaction { emojis: Emojis::One(emoji), .. } => {
            let fits = !emoji.is_empty() && !emoji.contains(char::is_control);
            ("-", known && fits && !emoji.contains(['\u{fffe}', '\u{ffff}']))
        }
        _ => return false,
    };
    let kind = event.content.kind();
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
        && both(&|side| side.capabilities.level(kind) > Level::Rejected)
        && both(&|side| !side.policy.denied.contains(&kind))
        && fits
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
        about in any_about(),
        event in any_event(),
    ) {
        let side = |(role, standing, policy, capabilities)| Side { role, standing, policy, capabilities };
        let source = side((source.0, source.1, &source.2, &source.3));
        let target = side((target.0, target.1, &target.2, &target.3));
        let facts = Facts { source, target: Some(target), between, about, file: FileFacts::default() };
        let verdict = decide(&facts, &event);
        let nobody = decide(&Facts { target: None, ..facts }, &event);
        prop_assert!(matches!(nobody, Verdict::Refuse(_)));
        let strange = source.role == Role::ThirdParty
            || (source.standing == Standing::Remote
                && source.policy.remote_users == RemoteUsers::AsStrangers);
        let asks = strange && !between.contact;
        let room = between.held < 5 && (between.held > 0 || !between.crowded);
        let strict = asks && between.recipient_strict > Strictness::Off;
        let may = may_cross(&source, &target, (&between, about.as_ref()), &event)
            && (!asks || room)
            && (!strict || event.content.kind() == Kind::Text);
        let unseen = about.is_some_and(|about| about.swallowed);
        let hushed = between.blocked || (asks && between.declined) || unseen;
        prop_assert_eq!(verdict == Verdict::Deliver, may && !asks && !hushed);
        prop_assert_eq!(verdict == Verdict::Hold, may && asks && !hushed);
        prop_assert_eq!(matches!(verdict, Verdict::Swallow(_)), may && hushed);
        // To its sender, a block or being turned away changes nothing.
        let free = Between { blocked: false, declined: false, ..between };
        let about = about.map(|about| About { swallowed: false, ..about });
        let free = Facts { between: free, about, ..facts };
        prop_assert_eq!(shown(verdict), shown(decide(&free, &event)));
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
        may_cross(&a, &b, (&between, None), &event)
    });
    assert!(crossing.count() > 20);
}
