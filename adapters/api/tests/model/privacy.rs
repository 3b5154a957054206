//! A `{:?}` in a log shows nobody's words, address or secret, wherever the value stands.

use drawbridge_adapter::{
    Access, Command, Content, ConversationId, Delivery, Destination, Event, EventId, Marks,
    Message, Party, Repeats, ReplyPath, Report, ReportReason, Secret, State, Status, Tag,
    Timestamp, UserId,
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
