//! Any value of each type of the model.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{
    Access, Block, Capabilities, Code, Command, ContactCard, Content, Destination, Emojis, Event,
    EventId, Folder, Inline, Kind, Level, Location, Marks, Message, MuteEntry, MuteFor, NetworkId,
    Party, Picture, Poll, Profile, Reference, Refusal, Repeats, Reply, ReplyPath, Report,
    ReportReason, Rich, Secret, Sha256, Shown, State, Status, Text, TextLimits, Thread, Timestamp,
    UserId, Was,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Any text at all, of any characters.
pub(crate) fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

/// Text such as ids are made of: any characters, but none that controls.
pub(crate) fn printable() -> impl Strategy<Value = String> {
    let chars = any::<char>().prop_filter("no control character", |c| !c.is_control());
    vec(chars, 1..40).prop_map(String::from_iter)
}

pub(crate) fn network() -> impl Strategy<Value = NetworkId> {
    "[a-z][a-z0-9-]{0,15}".prop_map(|id| NetworkId::new(&id).unwrap())
}

pub(crate) fn user() -> impl Strategy<Value = UserId> {
    (network(), printable()).prop_map(|(network, id)| UserId::new(network, id).unwrap())
}

pub(crate) fn event_id() -> impl Strategy<Value = EventId> {
    printable().prop_map(|id| EventId::new(id).unwrap())
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    select(Kind::ALL)
}

pub(crate) fn level() -> impl Strategy<Value = Level> {
    select(vec![Level::Rejected, Level::Fallback, Level::Partial, Level::Full])
}

/// Every code without a parameter.
pub(crate) const CODES: &[Code] = &[
    Code::TextTooLong,
    Code::MediaTooLarge,
    Code::MediaTypeMismatch,
    Code::Malformed,
    Code::NotReachable,
    Code::RequestPending,
    Code::RequestLimit,
    Code::E2eeRequired,
    Code::KindMismatch,
    Code::RateLimited,
    Code::TargetNotFound,
    Code::Forbidden,
    Code::GroupUnsupported,
    Code::HostDenied,
    Code::Expired,
    Code::NetworkUnreachable,
];

pub(crate) fn code() -> impl Strategy<Value = Code> {
    prop_oneof![select(CODES), kind().prop_map(Code::UnsupportedKind)]
}

pub(crate) fn refusal() -> impl Strategy<Value = Refusal> {
    (code(), option::of(duration()), option::of(any::<u64>()))
        .prop_map(|(code, retry_after, limit)| Refusal { code, retry_after, limit })
}

fn inline() -> impl Strategy<Value = Inline> {
    let leaf = prop_oneof![
        text().prop_map(Inline::Text),
        Just(Inline::Break),
        text().prop_map(Inline::Code),
        (user(), text()).prop_map(|(user, name)| Inline::Mention { user, name }),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let inner = vec(inner, 0..3);
        prop_oneof![
            inner.clone().prop_map(Inline::Bold),
            inner.clone().prop_map(Inline::Spoiler),
            (text(), inner).prop_map(|(url, text)| Inline::Link { url, text }),
        ]
    })
}

fn block() -> impl Strategy<Value = Block> {
    let leaf = prop_oneof![
        vec(inline(), 0..3).prop_map(Block::Paragraph),
        (1..7_u8, vec(inline(), 0..3)).prop_map(|(level, text)| Block::Heading(level, text)),
        (option::of(text()), text()).prop_map(|(language, text)| Block::Code { language, text }),
        Just(Block::Rule),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let items = vec(vec(inner.clone(), 0..3), 0..3);
        prop_oneof![
            vec(inner, 0..3).prop_map(Block::Quote),
            (option::of(any::<u32>()), items).prop_map(|(from, items)| Block::List { from, items }),
        ]
    })
}

fn written() -> impl Strategy<Value = Text> {
    let rich = option::of(vec(block(), 0..3).prop_map(Rich));
    (text(), rich).prop_map(|(body, rich)| Text { body, rich })
}

fn reference() -> impl Strategy<Value = Reference> {
    let was = select(&[Was::Sent, Was::Delivered][..]);
    (event_id(), was, option::of(timestamp())).prop_map(|(id, was, sent_at)| Reference {
        id,
        was,
        sent_at,
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let thread = (reference(), any::<bool>()).prop_map(|(root, follows)| Thread { root, follows });
    (option::of(reference()), option::of(text()), option::of(thread))
        .prop_map(|(to, quote, thread)| Reply { to, quote, thread })
}

fn emojis() -> impl Strategy<Value = Emojis> {
    let gone = vec((text(), option::of(event_id())), 0..3);
    prop_oneof![
        text().prop_map(Emojis::One),
        vec(text(), 0..3).prop_map(Emojis::All),
        (vec(text(), 0..3), vec(text(), 0..3), gone).prop_map(|(all, new, gone)| Emojis::Now {
            all,
            new,
            gone
        }),
    ]
}

fn location() -> impl Strategy<Value = Location> {
    let place = (-90.0..=90.0_f64, -180.0..=180.0_f64);
    let parts = (place, option::of(any::<u32>()), option::of(text()));
    parts.prop_map(|((latitude, longitude), uncertainty, name)| {
        let place = Location::new(latitude, longitude).unwrap().within(uncertainty);
        place.named(name.as_deref())
    })
}

fn card() -> impl Strategy<Value = ContactCard> {
    let lines = || vec(text(), 0..3);
    let parts = (text(), lines(), lines(), lines());
    parts.prop_map(|(name, phones, emails, addresses)| ContactCard {
        name,
        phones,
        emails,
        addresses,
    })
}

fn poll() -> impl Strategy<Value = Poll> {
    let parts = (text(), vec(text(), 0..5), any::<u32>());
    parts.prop_map(|(question, answers, most)| Poll { question, answers, most })
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        written().prop_map(Content::Text),
        (reference(), written()).prop_map(|(of, text)| Content::Edit { of, text }),
        reference().prop_map(|of| Content::Retraction { of }),
        (reference(), emojis()).prop_map(|(to, emojis)| Content::Reaction { to, emojis }),
        location().prop_map(Content::Location),
        card().prop_map(Content::Contact),
        poll().prop_map(Content::Poll),
        kind().prop_map(|kind| Content::Unsupported { kind }),
    ]
}

pub(crate) fn marks() -> impl Strategy<Value = Marks> {
    any::<(bool, bool)>().prop_map(|(sticker, disappearing)| Marks { sticker, disappearing })
}

pub(crate) fn party() -> impl Strategy<Value = Party> {
    (user(), option::of(text())).prop_map(|(user, name)| Party { user, name })
}

pub(crate) fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![user().prop_map(Destination::Direct), Just(Destination::Group)]
}

pub(crate) fn reply_path() -> impl Strategy<Value = ReplyPath> {
    text().prop_map(ReplyPath)
}

fn repeats() -> impl Strategy<Value = Repeats> {
    prop_oneof![
        Just(Repeats::Always),
        Just(Repeats::AlwaysDated),
        duration().prop_map(Repeats::Within)
    ]
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let about = (event_id(), repeats(), timestamp());
    let who = (party(), destination(), reply_path());
    let what = (content(), option::of(reply()), marks());
    (about, who, what).prop_map(|(about, who, (content, reply, marks))| {
        let (id, repeats, sent_at) = about;
        let (sender, to, reply_path) = who;
        Event { id, repeats, sender, to, sent_at, content, reply, marks, reply_path }
    })
}

pub(crate) fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Accepted),
        Just(State::Pending),
        refusal().prop_map(State::FailedRetriable),
        refusal().prop_map(State::FailedPermanent),
    ]
}

pub(crate) fn status() -> impl Strategy<Value = Status> {
    let parts = (event_id(), user(), option::of(user()), kind(), reply_path(), state());
    parts.prop_map(|(event, sender, recipient, kind, reply_path, state)| Status {
        event,
        sender,
        recipient,
        kind,
        reply_path,
        state,
    })
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let what = (content(), option::of(text()), option::of(reply()));
    let parts = (party(), user(), what, timestamp(), any::<bool>());
    parts.prop_map(|(from, to, (content, words, reply), sent_at, silent)| Message {
        from,
        to,
        content,
        reply,
        words,
        sent_at,
        silent,
    })
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        message().prop_map(Command::Message),
        status().prop_map(Command::Status),
        wish().prop_map(Command::Mute),
        folder().prop_map(Command::Folder),
        report().prop_map(Command::Report),
        access().prop_map(Command::Access),
        profile().prop_map(Command::Profile),
    ]
}

fn wish() -> impl Strategy<Value = MuteEntry> {
    let parts = (user(), user(), option::of(select(&MuteFor::ALL[..])));
    parts.prop_map(|(owner, other, muted)| MuteEntry { owner, other, muted })
}

fn folder() -> impl Strategy<Value = Folder> {
    let parts = (user(), text(), vec(network(), 0..3));
    parts.prop_map(|(owner, name, networks)| Folder { owner, name, networks })
}

fn report() -> impl Strategy<Value = Report> {
    let parts = (user(), user(), select(&ReportReason::ALL[..]), vec(event_id(), 0..3), text());
    parts.prop_map(|(about, by, reason, messages, words)| Report {
        about,
        by,
        reason,
        messages,
        words,
    })
}

fn access() -> impl Strategy<Value = Access> {
    let parts = (user(), option::of(text().prop_map(Secret::new)));
    parts.prop_map(|(owner, secret)| Access { owner, secret })
}

fn picture() -> impl Strategy<Value = Picture> {
    let parts = (select(&Picture::TYPES[..]), any::<[u8; 32]>(), vec(any::<u8>(), 0..100));
    parts.prop_map(|(mime, hash, bytes)| Picture {
        mime: mime.to_owned(),
        sha256: Sha256(hash),
        bytes,
    })
}

pub(crate) fn shown() -> impl Strategy<Value = Shown> {
    let parts = (option::of(text()), option::of(picture().prop_map(Arc::new)));
    parts.prop_map(|(name, picture)| Shown { name, picture })
}

pub(crate) fn profile() -> impl Strategy<Value = Profile> {
    (user(), user(), shown()).prop_map(|(of, to, shown)| Profile { of, to, shown })
}

pub(crate) fn capabilities() -> impl Strategy<Value = Capabilities> {
    let limits = (any::<usize>(), any::<bool>());
    let limits = limits.prop_map(|(max_bytes, controls)| TextLimits { max_bytes, controls });
    (limits, vec((kind(), level()), 0..30)).prop_map(|(limits, levels)| {
        let none = Capabilities::new(limits);
        levels.into_iter().fold(none, |some, (kind, level)| some.with(kind, level))
    })
}
