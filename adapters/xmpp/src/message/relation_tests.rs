#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use drawbridge_adapter::{
    Content, Emojis, EventId, Inline, Kind, Location, Message, Reference, Reply, Rich, Text,
    Thread, Was,
};

use super::tests::{NOW, PUPPET, addresses, event, hear, message, stanza};
use super::*;

/// The key of a delivery.
const KEY: &str = "01a2b3c4d5e0123456789abcdef";

fn sent(event: &Event) -> Reference {
    let id = EventId::new(name_of(&event.id)).unwrap();
    Reference { id, was: Was::Sent, sent_at: None }
}

fn delivered() -> Reference {
    Reference { id: EventId::new(KEY).unwrap(), was: Was::Delivered, sent_at: None }
}

fn body(id: &str, body: &str) -> Event {
    event(&format!("type='chat' id='{id}'"), &format!("<body>{body}</body>"))
}

#[test]
fn the_name_of_a_message_is_what_refers_to_it() {
    let (one, other) = (body("m1", "x"), body("m1", "y"));
    assert_ne!(one.id, other.id);
    assert_eq!(name_of(&one.id), name_of(&other.id));
    assert_ne!(name_of(&one.id), name_of(&body("m2", "x").id));
    assert_eq!(given_id(&one.id), Some("m1"));
    assert_eq!(given_id(&body("m/1/2", "x").id), Some("m/1/2"));

    let without = event("type='chat'", "<body>x</body>").id;
    assert_eq!((name_of(&without), given_id(&without)), (without.as_str(), None));
    let long = body(&"i".repeat(600), "x").id;
    assert!(long.as_str().len() < 100 && given_id(&long).is_none());
    assert_eq!(name_of(&long), name_of(&body(&"i".repeat(600), "y").id));
}

#[test]
fn an_edit_a_retraction_and_a_reaction_say_of_which_message() {
    let original = sent(&body("m1", "x"));
    let text = |body: &str| Text::plain(body);
    for (inner, content) in [
        (
            "<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>".to_owned(),
            Content::Edit { of: original.clone(), text: text("y") },
        ),
        (
            "<body>They retracted.</body><retract xmlns='urn:xmpp:message-retract:1' id='m1'/>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>"
                .to_owned(),
            Content::Retraction { of: original.clone() },
        ),
        (
            "<apply-to xmlns='urn:xmpp:fasten:0' id='m1'>\
             <retract xmlns='urn:xmpp:message-retract:0'/></apply-to>"
                .to_owned(),
            Content::Retraction { of: original.clone() },
        ),
        (
            format!(
                "<reactions xmlns='urn:xmpp:reactions:0' id='{KEY}'><reaction>👍</reaction>\
                 <reaction> 🌍 </reaction><reaction>👍</reaction><reaction/></reactions>"
            ),
            Content::Reaction {
                to: delivered(),
                emojis: Emojis::All(vec!["👍".to_owned(), "🌍".to_owned()]),
            },
        ),
        (
            "<reactions xmlns='urn:xmpp:reactions:0' id='m1'/>".to_owned(),
            Content::Reaction { to: original.clone(), emojis: Emojis::All(Vec::new()) },
        ),
        // Nothing but a message of one's own can be changed: the daemon refuses it.
        (
            format!("<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='{KEY}'/>"),
            Content::Edit { of: delivered(), text: text("y") },
        ),
    ] {
        let heard = event("type='chat' id='m2'", &inner);
        assert!(heard.content == content, "{inner}: {:?}", heard.content);
    }
}

#[test]
fn what_refers_to_nothing_or_holds_too_much_is_malformed() {
    let emoji = |emoji: &str| format!("<reaction>{emoji}</reaction>");
    let many: String = (0..=Emojis::MOST).map(|n| emoji(&n.to_string())).collect();
    let long = emoji(&"x".repeat(Emojis::MAX_BYTES + 1));
    for inner in [
        "<body>y</body><replace xmlns='urn:xmpp:message-correct:0'/>".to_owned(),
        "<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id=''/>".to_owned(),
        "<retract xmlns='urn:xmpp:message-retract:1'/>".to_owned(),
        "<reactions xmlns='urn:xmpp:reactions:0'><reaction>a</reaction></reactions>".to_owned(),
        format!("<reactions xmlns='urn:xmpp:reactions:0' id='m1'>{many}</reactions>"),
        format!("<reactions xmlns='urn:xmpp:reactions:0' id='m1'>{long}</reactions>"),
    ] {
        let heard = hear(stanza("type='chat' id='m2'", &inner));
        assert!(matches!(heard, Heard::Refused(_, Code::Malformed)), "{inner}: {heard:?}");
    }
}

#[test]
fn an_edit_of_another_kind_is_that_kind() {
    let replace = "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>";
    for (inner, kind) in [
        ("<body>sent you OMEMO</body><encryption xmlns='urn:xmpp:eme:0'/>", Kind::Encrypted),
        (
            "<body>https://x.test/u</body><x xmlns='jabber:x:oob'><url>https://x.test/u</url></x>",
            Kind::Document,
        ),
        ("", Kind::Edit),
    ] {
        let heard = event("type='chat' id='m2'", &format!("{replace}{inner}"));
        assert_eq!(heard.content, Content::Unsupported { kind }, "{inner}");
    }
}

fn answer(inner: &str) -> Event {
    event("type='chat' id='m2'", inner)
}

#[test]
fn an_answer_says_to_which_message_and_the_quotation_is_no_part_of_it() {
    let reply = |id: &str| format!("<reply xmlns='urn:xmpp:reply:0' to='{PUPPET}' id='{id}'/>");
    let cut = |range: &str| {
        format!(
            "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body {range}/></fallback>"
        )
    };
    let own = sent(&body("m1", "x"));
    for (inner, said, to, quote) in [
        (format!("<body>yes</body>{}", reply("m1")), "yes", Some(own.clone()), None),
        (
            format!(
                "<body>&gt; 𝄞 is\n&gt; it?\nyes</body>{}{}",
                reply(KEY),
                cut("start='0' end='13'")
            ),
            "yes",
            Some(delivered()),
            Some("𝄞 is\nit?"),
        ),
        // What is cut is cut by characters, wherever it stands; what is not marked stays.
        (
            format!("<body>a b c</body>{}{}", reply(KEY), cut("start='2' end='4'")),
            "a c",
            Some(delivered()),
            Some("b "),
        ),
        (format!("<body>&gt; q\nyes</body>{}", reply(KEY)), "> q\nyes", Some(delivered()), None),
        (
            format!("<body>yes</body>{}{}", reply(KEY), cut("start='9' end='3'")),
            "yes",
            Some(delivered()),
            None,
        ),
        (
            format!("<body>yes</body>{}{}", reply(KEY), cut("start='-1' end='x'")),
            "yes",
            Some(delivered()),
            None,
        ),
        (
            format!("<body>yes</body>{}{}", reply(KEY), cut("start='99'")),
            "yes",
            Some(delivered()),
            None,
        ),
        // Of another extension, or of none that is there, nothing is cut.
        (
            "<body>&gt; q\nyes</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:x'/>"
                .to_owned(),
            "> q\nyes",
            None,
            None,
        ),
        (format!("<body>yes</body>{}", cut("start='0' end='1'")), "yes", None, None),
        ("<body>yes</body><reply xmlns='urn:xmpp:reply:0'/>".to_owned(), "yes", None, None),
    ] {
        let heard = answer(&inner);
        let text = heard.content.written().unwrap();
        assert_eq!(text.body, said, "{inner}");
        let shown = heard.reply.map(|reply| (reply.to, reply.quote));
        let expected = (to.is_some() || quote.is_some()).then(|| (to, quote.map(str::to_owned)));
        assert_eq!(shown, expected, "{inner}");
    }
}

#[test]
fn what_stands_in_a_thread_says_with_which_message_that_begins() {
    let own = sent(&body("m1", "x"));
    let reply = |id: &str| format!("<reply xmlns='urn:xmpp:reply:0' to='{PUPPET}' id='{id}'/>");
    let begins = |root: &Reference, follows| Some(Thread { root: root.clone(), follows });
    let quote = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>\
        <body start='0' end='4'/></fallback>";
    let follows = |root: &Reference| Reply {
        thread: begins(root, true),
        ..Reply::answering(Some(root.clone()), None)
    };
    let answers = |to, quote: Option<&str>, root: &Reference| Reply {
        thread: begins(root, false),
        ..Reply::answering(to, quote.map(str::to_owned))
    };
    for (inner, expected) in [
        (format!("<body>yes</body><thread>{KEY}</thread>"), follows(&delivered())),
        ("<body>yes</body><thread parent='m0'>m1</thread>".to_owned(), follows(&own)),
        ("<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>1</lat><lon>2</lon></geoloc>\
          <thread>m1</thread>".to_owned(), follows(&own)),
        ("<body>https://x.test/u.png</body><x xmlns='jabber:x:oob'><url>https://x.test/u.png</url></x>\
          <thread>m1</thread>".to_owned(), follows(&own)),
        (
            format!("<body>yes</body>{}<thread>m1</thread>", reply(KEY)),
            answers(Some(delivered()), None, &own),
        ),
        (
            format!("<body>yes</body>{}<thread>m1</thread>", reply("m1")),
            answers(Some(own.clone()), None, &own),
        ),
        (
            format!("<body>&gt; q\nyes</body>{}{quote}<thread>m1</thread>", reply("")),
            answers(None, Some("q"), &own),
        ),
    ] {
        let heard = answer(&inner);
        assert!(heard.reply == Some(expected), "{inner}: {:?}", heard.reply);
    }
}

#[test]
fn a_thread_that_a_client_made_up_changes_nothing_of_a_text() {
    // Which message such an id names the daemon finds with one look: none.
    let made_up = "<thread>Ab0-3f8e2c1d-7a66-4a2b-9d1e-6c0f54d2b7aa</thread>";
    let heard = answer(&format!("<body>&gt; a\n*b*</body>{made_up}"));
    let without = answer("<body>&gt; a\n*b*</body>");
    assert!(heard.content == without.content && heard.marks == without.marks);
    let Some(Reply { to: Some(to), quote: None, thread: Some(Thread { root, follows: true }) }) =
        heard.reply
    else {
        panic!("it answers something")
    };
    assert_eq!(to, root);

    for nothing in [
        "<thread/>".to_owned(),
        "<thread xmlns='urn:x'>m1</thread>".to_owned(),
        "<thread>m2</thread>".to_owned(),
        format!("<thread>{}</thread>", "x".repeat(EventId::MAX + 1)),
    ] {
        let heard = answer(&format!("<body>x</body>{nothing}"));
        assert!(heard.reply.is_none(), "{nothing}: {:?}", heard.reply);
        assert_eq!(heard.id, answer("<body>x</body>").id);
    }
}

#[test]
fn only_what_is_said_stands_in_a_thread() {
    for inner in [
        "<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>",
        "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>a</reaction></reactions>",
        "<body>x</body><encrypted xmlns='urn:xmpp:omemo:2'/>",
    ] {
        let heard = answer(&format!("{inner}<thread>m1</thread>"));
        assert!(heard.reply.is_none(), "{inner}: {:?}", heard.reply);
    }
    let typing = "<composing xmlns='http://jabber.org/protocol/chatstates'/><thread>m1</thread>";
    assert!(matches!(hear(stanza("type='chat'", typing)), Heard::Passing(_)));
    let to_bridge = "<message xmlns='jabber:component:accept' from='bob@p.test/phone' \
        to='bridge.p.test' type='chat' id='m2'><body>help</body><thread>m1</thread></message>";
    let Heard::Event(command, ..) = hear(to_bridge.parse().unwrap()) else { panic!("no command") };
    assert!(command.to == Destination::Bridge && command.reply.is_none());
}

#[test]
fn a_range_over_everything_eats_nothing() {
    let inner = format!(
        "<body>&gt; q\n</body><reply xmlns='urn:xmpp:reply:0' id='{KEY}'/>\
         <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'/>"
    );
    let Heard::Event(heard, ..) = hear(stanza("type='chat' id='m2'", &inner)) else {
        panic!("no text")
    };
    assert_eq!(heard.content.written().map(|text| text.body.as_str()), Some("> q\n"));
    assert_eq!(heard.reply.and_then(|reply| reply.quote), None);
}

#[test]
fn what_a_text_means_comes_beside_it() {
    let heard = body("m1", "a *b*");
    let Content::Text(Text { body, rich }) = &heard.content else { panic!("no text") };
    assert_eq!(body, "a *b*");
    let Some(Rich(blocks)) = rich else { panic!("not formatted") };
    let bold = Inline::Bold(vec![Inline::Text("b".to_owned())]);
    assert!(
        *blocks
            == [drawbridge_adapter::Block::Paragraph(vec![Inline::Text("a ".to_owned()), bold])]
    );
}

fn wire(content: Content, reply: Option<Reply>) -> Result<String, Code> {
    let message = Message { content, reply, ..message("", None) };
    write(&message, "k1", &addresses(), None, NOW).map(|stanza| stanza.to_wire())
}

/// What a stanza holds, without what every one has.
fn inside(content: Content, reply: Option<Reply>) -> String {
    let wire = wire(content, reply).unwrap();
    let start = format!("<message type='chat' from='{PUPPET}' to='bob@p.test' id='k1'>");
    let end = "<origin-id xmlns='urn:xmpp:sid:0' id='k1'/></message>";
    let asks = "<active xmlns='http://jabber.org/protocol/chatstates'/>\
                <request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>";
    let inner = wire.strip_prefix(&start).and_then(|rest| rest.strip_suffix(end));
    inner.unwrap_or_else(|| panic!("{wire}")).replace(asks, "")
}

fn was_sent(id: &str) -> Reference {
    Reference { id: EventId::new(id).unwrap(), was: Was::Sent, sent_at: None }
}

#[test]
fn each_is_written_as_its_standard_wants() {
    let text = Text::plain("x");
    let emojis = |all: &[&str]| {
        let all = all.iter().map(|&emoji| emoji.to_owned()).collect();
        Emojis::Now { all, new: Vec::new(), gone: vec![("a".to_owned(), None)] }
    };
    let reply = |to: Option<Reference>, quote: Option<&str>| {
        Some(Reply::answering(to, quote.map(str::to_owned)))
    };
    let said = || Content::text("yes");
    let edit = format!("<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='{KEY}'/>");
    let retraction = format!(
        "<body>This person attempted to retract a previous message, but it is unsupported by your \
         client.</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>\
         <retract xmlns='urn:xmpp:message-retract:1' id='{KEY}'/><store xmlns='urn:xmpp:hints'/>"
    );
    let to_ghost =
        format!("<body>yes</body><reply xmlns='urn:xmpp:reply:0' to='{PUPPET}' id='{KEY}'/>");
    let rows: Vec<(Content, Option<Reply>, &str)> = vec![
        (Content::Edit { of: delivered(), text }, None, &edit),
        (Content::Retraction { of: delivered() }, None, &retraction),
        (
            Content::Reaction { to: was_sent("aa/bb/m/1"), emojis: emojis(&["👍", "<"]) },
            None,
            "<reactions xmlns='urn:xmpp:reactions:0' id='m/1'><reaction>👍</reaction>\
             <reaction>&lt;</reaction></reactions><store xmlns='urn:xmpp:hints'/>",
        ),
        (
            Content::Reaction { to: was_sent("aa/bb/m1"), emojis: emojis(&[]) },
            None,
            "<reactions xmlns='urn:xmpp:reactions:0' id='m1'/><store xmlns='urn:xmpp:hints'/>",
        ),
        (said(), reply(Some(delivered()), None), &to_ghost),
        (
            said(),
            reply(Some(was_sent("aa/bb/m1")), Some("𝄞\nq")),
            "<body>&gt; 𝄞\n&gt; q\nyes</body>\
             <reply xmlns='urn:xmpp:reply:0' to='bob@p.test' id='m1'/>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>\
             <body start='0' end='8'/></fallback>",
        ),
        // Where it cannot be shown which message is meant, the quotation is all there is.
        (said(), reply(None, Some("q")), "<body>&gt; q\nyes</body>"),
        (said(), reply(Some(was_sent("aabb")), Some("q")), "<body>&gt; q\nyes</body>"),
        (said(), reply(None, None), "<body>yes</body>"),
        (Content::text("*yes*"), None, "<body>*yes*</body><unstyled xmlns='urn:xmpp:styling:0'/>"),
    ];
    for (content, reply, expected) in rows {
        assert_eq!(inside(content, reply), expected);
    }
}

#[test]
fn a_thread_bears_the_id_of_the_message_with_which_it_begins() {
    let within = |root: Reference, to: Option<Reference>, follows| {
        let thread = Some(Thread { root, follows });
        Some(Reply { thread, ..Reply::answering(to, None) })
    };
    let yes = |reply| inside(Content::text("yes"), reply);
    let reply = format!("<reply xmlns='urn:xmpp:reply:0' to='{PUPPET}' id='{KEY}'/>");
    let (root, other) = (|| was_sent("aa/bb/m/<1"), "<thread>m/&lt;1</thread>");
    for follows in [true, false] {
        let answered = format!("<body>yes</body>{reply}{other}");
        assert_eq!(yes(within(root(), Some(delivered()), follows)), answered);
        assert_eq!(yes(within(root(), None, follows)), format!("<body>yes</body>{other}"));
    }
    let own = format!("<body>yes</body>{reply}<thread>{KEY}</thread>");
    assert_eq!(yes(within(delivered(), Some(delivered()), true)), own);
    // What has no id begins no thread here.
    let answered = format!("<body>yes</body>{reply}");
    assert_eq!(yes(within(was_sent("aabb"), Some(delivered()), true)), answered);

    let place = Content::Location(Location::new(1.0, 2.0).unwrap());
    assert!(inside(place, within(root(), None, true)).ends_with(other));
    let edit = Content::Edit { of: delivered(), text: Text::plain("x") };
    assert!(!inside(edit, within(root(), None, true)).contains("thread"));
}

#[test]
fn a_long_quotation_is_cut_short() {
    let quote = Some("x\n".repeat(50_000));
    let wire =
        wire(Content::text("yes"), Some(Reply::answering(Some(delivered()), quote))).unwrap();
    assert!(wire.len() < 4000 && wire.contains("…\nyes</body>"), "{wire}");
}

#[test]
fn what_has_no_id_cannot_be_spoken_of() {
    let content = Content::Reaction { to: was_sent("aabb"), emojis: Emojis::All(Vec::new()) };
    assert_eq!(wire(content, None), Err(Code::TargetNotFound));
    let content = Content::Unsupported { kind: Kind::Image };
    assert_eq!(wire(content, None), Err(Code::Malformed));
}
