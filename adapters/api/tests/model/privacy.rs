//! A `{:?}` in a log shows nobody's words, address or secret, wherever the value stands.

use std::sync::Arc;

use drawbridge_adapter::{
    Access, Command, Content, ConversationId, Delivery, Destination, Event, EventId, Marks,
    Message, NewPicture, Party, Picture, Profile, ProfileChange, Repeats, ReplyPath, Report,
    ReportReason, Secret, Sha256, Shown, State, Status, Tag, Timestamp, UserId,
};
use drawbridge_adapter::{Kind, Signal};

const WORDS: &str = "meet me at the old mill";
const NAME: &str = "Alice Liddell";
const PATH: &str = "!room:example.org";

fn alice() -> Party {
    Party { user: "matrix:@alice:example.org".parse().unwrap(), name: Some(NAME.to_owned()) }
}

fn bob() -> UserId {
    "xmpp:bob@example.net".parse().unwrap()
}

fn is_silent(shown: &str) {
    for secret in [WORDS, NAME, PATH, "alice", "bob", "example", "Liddell", "mill"] {
        assert!(!shown.contains(secret), "{secret:?} stands in {shown}");
    }
}

#[test]
fn debug_is_silent() {
    let status = Status {
        event: EventId::new("$abc:example.org").unwrap(),
        sender: alice().user,
        recipient: Some(bob()),
        kind: Kind::Text,
        reply_path: ReplyPath(PATH.to_owned()),
        state: State::Accepted,
    };
    let event = Event {
        id: status.event.clone(),
        repeats: Repeats::Always,
        sender: alice(),
        to: Destination::Direct(bob()),
        sent_at: Timestamp(0),
        content: Content::text(WORDS),
        reply: None,
        marks: Marks::default(),
        reply_path: ReplyPath(PATH.to_owned()),
    };
    let (content, sent_at) = (Content::text(WORDS), Timestamp(0));
    let (from, to, reply) = (alice(), bob(), None);
    let message = Message { from, to, content, reply, words: None, sent_at, silent: false };
    let delivery = Delivery {
        key: "0123456789abcdef".to_owned(),
        tag: Tag::of(b"salt", &["x"]),
        conversation: ConversationId::direct(&alice().user, &bob()),
        accepted_at: Timestamp(0),
        attempt: 1,
        attached: None,
        command: Command::Message(message),
    };
    is_silent(&format!("{event:?}"));
    is_silent(&format!("{event:#?}"));
    is_silent(&format!("{delivery:?}"));
    is_silent(&format!("{:?}", Command::Status(status.clone())));
    is_silent(&format!("{:?}", Signal::Accepted(status)));
    is_silent(&format!("{:?}", Secret::new(WORDS)));
    let access = Access { owner: bob(), secret: Some(Secret::new(WORDS)) };
    is_silent(&format!("{:?}", Command::Access(access)));
    let (about, by, words) = (bob(), alice().user, WORDS.to_owned());
    let reason = ReportReason::Other;
    let report = Report { about, by, reason, messages: Vec::new(), words };
    is_silent(&format!("{:?}", Command::Report(report)));
}

#[test]
fn debug_does_not_show_how_somebody_looks() {
    let change = ProfileChange::of(alice().user).name(Some(NAME));
    for picture in [
        NewPicture::Gone,
        NewPicture::At("mxc://example.org/alice".to_owned()),
        NewPicture::Here(WORDS.as_bytes().to_vec()),
    ] {
        is_silent(&format!("{picture:?}"));
        is_silent(&format!("{:#?}", change.clone().picture(picture)));
    }
    // A number that stands nowhere else, as hash and as bytes.
    let picture = Picture {
        mime: "image/png".to_owned(),
        sha256: Sha256([171; 32]),
        bytes: [&[171; 5], WORDS.as_bytes()].concat(),
    };
    let shown = Shown { name: Some(NAME.to_owned()), picture: Some(Arc::new(picture.clone())) };
    let profile = Profile { of: alice().user, to: bob(), shown: shown.clone() };
    let all = [
        format!("{picture:?}"),
        format!("{shown:#?}"),
        format!("{profile:#?}"),
        format!("{:?}", Command::Profile(profile)),
    ];
    for debug in all {
        is_silent(&debug);
        assert!(!debug.contains("171") && !debug.contains("abab"), "{debug}");
    }
}
