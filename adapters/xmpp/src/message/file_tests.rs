#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use drawbridge_adapter::{Content, Event, EventId, Message, Reference, Reply, Thumbnail, Was};
use proptest::prelude::*;

use super::*;
use crate::message::tests::{NOW, addresses, event, hear_after, message, stanza};
use crate::message::{Heard, Lately, Shared, Small, name_of, write};

const URL: &str = "https://files.p.test/up/a1/pier%20%281%29.JPG";

fn oob(url: &str) -> String {
    format!("<x xmlns='jabber:x:oob'><url>{url}</url></x>")
}

fn sfs(file: &str, sources: &str) -> String {
    format!(
        "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>{file}</file>\
         <sources>{sources}</sources></file-sharing>"
    )
}

fn source(url: &str) -> String {
    format!("<url-data xmlns='http://jabber.org/protocol/url-data' target='{url}'/>")
}

fn cut(what: &str, range: &str) -> String {
    format!("<fallback xmlns='urn:xmpp:fallback:0' for='{what}'><body {range}/></fallback>")
}

fn heard(inner: &str) -> Event {
    event("type='chat' id='m1'", inner)
}

fn file(inner: &str) -> Media {
    match heard(inner).content {
        Content::Media(media) => *media,
        other => panic!("{inner}: {other:?}"),
    }
}

fn caption(inner: &str) -> Option<String> {
    file(inner).caption.map(|text| text.body)
}

#[test]
fn a_bare_link_is_a_file() {
    let media = file(&format!("<body>{URL}</body>{}", oob(URL)));
    assert!(media.at == Locator::Link(URL.to_owned()));
    assert_eq!((media.kind, media.caption), (MediaKind::Image, None));
    assert_eq!(media.info.name.as_deref(), Some("pier (1).JPG"));
    assert_eq!(media.info.mime.as_deref(), Some("image/jpeg"));
    for (url, kind, name, mime) in [
        ("https://p.test/a/note.opus", MediaKind::Voice, Some("note.opus"), Some("audio/ogg")),
        ("https://p.test/a/song.ogg", MediaKind::Audio, Some("song.ogg"), Some("audio/ogg")),
        ("http://p.test:5280/a.webm?x=1", MediaKind::Video, Some("a.webm"), Some("video/webm")),
        ("https://p.test/Makefile", MediaKind::Document, Some("Makefile"), None),
        (
            "https://p.test/x%2F..%2Fb.pdf",
            MediaKind::Document,
            Some("b.pdf"),
            Some("application/pdf"),
        ),
        ("https://p.test/", MediaKind::Document, None, None),
        ("https://p.test", MediaKind::Document, None, None),
    ] {
        let media = file(&oob(url));
        assert_eq!(media.kind, kind, "{url}");
        assert_eq!(media.info.name.as_deref(), name, "{url}");
        assert_eq!(media.info.mime.as_deref(), mime, "{url}");
    }
}

#[test]
fn what_is_said_of_a_file_is_read() {
    let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let parts = format!(
        "<media-type>video/mp4</media-type><name>../waves.mp4</name><size>7</size>\
         <width>640</width><height>480</height><length>2500</length>\
         <hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>x</hash>\
         <hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>{hash}</hash>\
         <thumbnail xmlns='urn:xmpp:thumbs:1' uri='https://p.test/t' media-type='image/jpeg' \
         width='32' height='24'/>"
    );
    let media = file(&sfs(&parts, &source(URL)));
    assert_eq!(media.kind, MediaKind::Video);
    let info = &media.info;
    assert_eq!(info.name.as_deref(), Some("waves.mp4"));
    assert_eq!((info.size, info.width, info.height), (Some(7), Some(640), Some(480)));
    assert_eq!(info.duration, Some(Duration::from_millis(2500)));
    assert!(info.sha256.unwrap().to_string().starts_with("e3b0c44298fc1c14"));
    let thumbnail = media.thumbnail.unwrap();
    assert!(thumbnail.at == Locator::Link("https://p.test/t".to_owned()));
    assert_eq!(thumbnail.info.width, Some(32));

    let odd = "<media-type>??</media-type><size>-1</size><width>0</width><length>1e9</length>\
        <hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>AAAA</hash>\
        <thumbnail xmlns='urn:xmpp:thumbs:1' uri='cid:x'/>";
    let media = file(&sfs(odd, &source("https://p.test/")));
    assert!(media.info == FileInfo::default() && media.thumbnail.is_none());
}

#[test]
fn a_file_of_the_older_standard_is_one_too() {
    let sims = |source: &str| {
        format!(
            "<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing \
             xmlns='urn:xmpp:sims:1'><file xmlns='urn:xmpp:jingle:apps:file-transfer:5'>\
             <media-type>audio/mpeg</media-type><name>song.mp3</name></file><sources>\
             <reference xmlns='urn:xmpp:reference:0' type='data' uri='{source}'/></sources>\
             </media-sharing></reference>"
        )
    };
    let jingle = "xmpp:bob@p.test/phone?jingle;id=1";
    for inner in [
        sims(URL),
        format!("<body>{URL}</body>{}{}", sims(URL), oob(URL)),
        format!("<body>{URL}</body>{}{}", sims(jingle), oob(URL)),
    ] {
        let media = file(&inner);
        assert!(media.at == Locator::Link(URL.to_owned()), "{inner}");
        assert_eq!((media.kind, media.caption), (MediaKind::Audio, None), "{inner}");
        assert_eq!(media.info.name.as_deref(), Some("song.mp3"));
    }
    let closed = heard(&sims(jingle)).content;
    assert!(closed == Content::Unsupported { kind: Kind::Audio });
}

const HASH: &str = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";

fn thumbnail(uri: &str) -> String {
    format!("<thumbnail xmlns='urn:xmpp:thumbs:1' uri='{uri}' media-type='image/png'/>")
}

fn looks(media: &Media) -> (Option<&str>, Option<&str>) {
    let link = media.thumbnail.as_ref().map(|thumbnail| match &thumbnail.at {
        Locator::Link(link) => link.as_str(),
        other => panic!("{other:?}"),
    });
    (link, media.info.blurhash.as_deref())
}

#[test]
fn a_file_says_how_it_looks() {
    let (one, other) = ("https://p.test/t", "http://p.test:5280/u");
    let hash = format!("data:image/blurhash,{HASH}");
    let cid = "cid:sha1+8f35fef110ffc5df08d579a50083ff9308fb6242@bob.xmpp.org";
    let inline = "data:image/png;base64,iVBORw0KGgo=";
    let longest = format!("data:image/blurhash,{}", "%41".repeat(FileInfo::MAX_BLURHASH));
    let long = format!("{longest}A");
    let (long_link, ftp) =
        (format!("https://p.test/{}", "x".repeat(Locator::MAX)), "ftp://p.test/");
    let filled: Vec<_> = (0..8).map(|_| inline).chain([one, &hash]).collect();
    let full = "A".repeat(FileInfo::MAX_BLURHASH);
    for (uris, expected) in [
        (vec![one, hash.as_str()], (Some(one), Some(HASH))),
        (vec![&hash, other, one], (Some(other), Some(HASH))),
        (vec![cid, inline, &long_link, ftp, "", " ", one], (Some(one), None)),
        (vec![cid, inline, ftp], (None, None)),
        (vec!["DATA:Image/BlurHash,LEHV6nWB2yk8pyo0adR%2A.7kCMdnj"], (None, Some(HASH))),
        (
            vec!["data:image/blurhash;base64,TEVIVjZuV0IyeWs4cHlvMGFkUiouN2tDTWRuag=="],
            (None, Some(HASH)),
        ),
        (
            vec!["data:image/blurhash;base64,TEVIVjZuV0IyeWs4cHlvMGFkUiouN2tDTWRuag%3D%3d"],
            (None, Some(HASH)),
        ),
        (vec!["data:image/blurhash;base64,?", &hash], (None, Some(HASH))),
        (vec!["data:image/blurhash,%ff%fe%fd%fc%fb%fa", &hash], (None, Some(HASH))),
        (
            vec!["data:image/blurhash,", "data:image/blurhash", "data:image/blurhash;x,a"],
            (None, None),
        ),
        (vec!["data:image/blurhash,no hash at all"], (None, None)),
        (vec!["data:image/blurhé"], (None, None)),
        (vec![&longest], (None, Some(&full))),
        (vec![&long], (None, None)),
        // Of many not all are looked at.
        (filled, (None, None)),
    ] {
        let parts: String = uris.iter().map(|uri| thumbnail(uri)).collect();
        assert_eq!(looks(&file(&sfs(&parts, &source(URL)))), expected, "{parts}");
    }
}

#[test]
fn a_file_of_the_older_standard_says_how_it_looks() {
    // As slidge sends it: the newer one beside it says nothing.
    let parts = thumbnail("https://p.test/t") + &thumbnail(&format!("data:image/blurhash,{HASH}"));
    let sims = |source: &str| {
        format!(
            "<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing \
             xmlns='urn:xmpp:sims:1'><sources><reference xmlns='urn:xmpp:reference:0' \
             type='data' uri='{source}'/></sources><file \
             xmlns='urn:xmpp:jingle:apps:file-transfer:5'><media-type>image/png</media-type>\
             {parts}</file></media-sharing></reference>"
        )
    };
    let newer = sfs("<media-type>image/png</media-type>", &source(URL));
    let jingle = "xmpp:bob@p.test/phone?jingle;id=1";
    let all = (Some("https://p.test/t"), Some(HASH));
    for (inner, expected) in [
        (sims(URL), all),
        (sims(URL) + &newer, all),
        (newer.clone() + &sims(URL) + &oob(URL), all),
        (sims(jingle) + &oob(URL), all),
        (newer + &sims("https://p.test/b.png"), (None, None)),
    ] {
        assert_eq!(looks(&file(&inner)), expected, "{inner}");
    }
}

#[test]
fn a_voice_note_is_one_by_its_type() {
    for (mime, kind) in [
        ("audio/ogg; codecs=opus", MediaKind::Voice),
        ("audio/ogg;x=y; Codecs=\"opus\"", MediaKind::Voice),
        ("Audio/Opus", MediaKind::Voice),
        ("audio/ogg", MediaKind::Audio),
        ("audio/ogg; codecs=vorbis", MediaKind::Audio),
        ("audio/mp4; codecs=opus", MediaKind::Audio),
        ("application/ogg; codecs=opus", MediaKind::Document),
    ] {
        let media = format!("<media-type>{mime}</media-type>");
        assert_eq!(file(&sfs(&media, &source(URL))).kind, kind, "{mime}");
    }
}

#[test]
fn what_is_left_of_the_body_is_the_caption() {
    let (link, other) = (oob(URL), "https://p.test/b.png");
    let (one, two) = (sfs("", &source(URL)), sfs("", &source(other)));
    let end = 8 + URL.len();
    let range = format!("start='8' end='{end}'");
    let said = |body: &str| format!("<body>{body}</body>");
    for (inner, expected) in [
        (said(URL) + &link, None),
        (said(&format!(" {URL}\n")) + &link, None),
        (said("look") + &link, Some("look")),
        (said(&format!("a\nlook\n{URL}")) + &link, Some("a\nlook")),
        (said(&format!("{URL}\nlook ")) + &link, Some("look ")),
        (said(&format!("the\npier{URL}")) + &one + &cut(ns::SFS, &range), Some("the\npier")),
        (
            said(&format!("the pie {URL} here")) + &one + &link,
            Some(&*format!("the pie {URL} here")),
        ),
        (said(&format!("fetch {URL}")) + &one + &cut(ns::SFS, ""), None),
        (said(&format!("fetch {URL}")) + &link + &cut(ns::OOB, ""), None),
        (said(&format!("𝄞 quay\n{URL}")) + &one + &cut(ns::SFS, "start='6'"), Some("𝄞 quay")),
        (one.clone(), None),
        (sfs("<desc> the pier </desc>", &source(URL)), Some("the pier")),
        (sfs("<desc>p</desc><name>p</name>", &source(URL)), None),
        // Nothing of several is lost.
        (said("two") + &one + &two, Some(&*format!("two\n{other}"))),
        (said(URL) + &link + &oob(other), Some(other)),
        (said(&format!("{URL}\n{other}")) + &link + &oob(other), Some(other)),
        (said(URL) + &one + &link, None),
    ] {
        assert_eq!(caption(&inner).as_deref(), expected, "{inner}");
        let media = file(&inner);
        assert!(media.at == Locator::Link(URL.to_owned()), "{inner}");
    }
    let bold = file(&(said(&format!("*look*\n{URL}")) + &link)).caption.unwrap();
    assert!(bold.body == "*look*" && bold.rich.is_some());
}

#[test]
fn a_file_can_answer_a_message() {
    let reply = "<reply xmlns='urn:xmpp:reply:0' id='01a2b3c4d5e0123456789abcdef'/>";
    let inner = format!(
        "<body>&gt; where?\nhere\n{URL}</body>{reply}{}{}{}",
        cut(ns::REPLY, "start='0' end='9'"),
        oob(URL),
        cut(ns::SFS, "start='13'")
    );
    let event = heard(&inner);
    assert_eq!(event.reply.and_then(|reply| reply.quote).as_deref(), Some("where?"));
    assert_eq!(caption(&inner).as_deref(), Some("here"));
}

#[test]
fn what_cannot_be_fetched_is_said_or_refused() {
    let long = format!("https://p.test/{}", "x".repeat(Locator::MAX));
    let image = "<media-type>image/png</media-type>";
    let sealed = format!(
        "<encrypted xmlns='urn:xmpp:esfs:0'><sources xmlns='urn:xmpp:sfs:0'>{}</sources></encrypted>",
        source(URL)
    );
    for (inner, kind) in [
        (
            format!("<body>aesgcm://p.test/a#00</body>{}", oob("aesgcm://p.test/a#00")),
            Kind::Encrypted,
        ),
        (sfs(image, &sealed) + &oob(URL), Kind::Encrypted),
        (sfs(image, &source("AESGCM://p.test/a#00")), Kind::Encrypted),
        (sfs(image, ""), Kind::Image),
        (sfs(image, &source("ftp://p.test/a")), Kind::Image),
        (sfs(image, &source(&long)), Kind::Image),
        (oob("xmpp:bob@p.test"), Kind::Document),
        (oob("https:///"), Kind::Document),
        (
            format!("<sources xmlns='urn:xmpp:sfs:0' id='1'>{}</sources>", source(URL)),
            Kind::Document,
        ),
        (
            format!(
                "<body>x</body>{}<retract xmlns='urn:xmpp:message-retract:1' id='1'/>",
                oob(URL)
            ),
            Kind::Image,
        ),
        (format!("{}<geoloc xmlns='http://jabber.org/protocol/geoloc'/>", oob(URL)), Kind::Image),
        (
            format!("{}<sticker xmlns='urn:xmpp:stickers:0' pack='p'/>", sfs(image, &source(URL))),
            Kind::Sticker,
        ),
    ] {
        assert!(heard(&inner).content == Content::Unsupported { kind }, "{inner}");
    }
    for body in ["xmpp:bob@p.test", "see xmpp:bob@p.test", &long] {
        let link = body.strip_prefix("see ").unwrap_or(body);
        let content = heard(&format!("<body>{body}</body>{}", oob(link))).content;
        assert!(content == Content::text(body), "{body}");
    }
    let among = format!("see {URL} there");
    assert!(heard(&format!("<body>{among}</body>{}", oob(URL))).content == Content::text(&*among));
    assert!(heard(&format!("<body>{URL}</body>")).content == Content::text(URL));
    let second = "https://p.test/b.png";
    let media = file(&format!("<body>{among}</body>{}{}", oob(URL), oob(second)));
    assert!(media.at == Locator::Link(second.to_owned()));
    assert!(media.caption.is_some_and(|text| text.body == among));
    // The plain source of a file that is also there encrypted.
    assert_eq!(file(&sfs(image, &(sealed + &source(URL)))).kind, MediaKind::Image);
}

fn edit(inner: &str) -> String {
    format!("{inner}<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>")
}

#[test]
fn an_edit_of_a_caption_is_one_and_another_file_is_not() {
    let lately = Lately::default();
    let says = |id: &str, inner: &str| {
        let element = stanza(&format!("type='chat' id='{id}'"), inner);
        match hear_after(&lately, element) {
            Heard::Event(event, ..) => *event,
            other => panic!("{inner}: {other:?}"),
        }
    };
    let with = |caption: &str, url: &str| {
        format!("<body>{caption}\n{url}</body>{}{}", sfs("", &source(url)), oob(url))
    };
    let first = says("m1", &with("the peer", URL));
    let of =
        Reference { id: EventId::new(name_of(&first.id)).unwrap(), was: Was::Sent, sent_at: None };
    let edited = |body: &str| Content::Edit { of: of.clone(), text: Text::plain(body) };
    let other = "https://p.test/other.png";
    for (inner, content) in [
        (with("the pier", URL), edited("the pier")),
        (format!("<body>the pier\n{URL}</body>"), edited("the pier")),
        ("<body>the pier</body>".to_owned(), edited("the pier")),
        (with("", URL), Content::Unsupported { kind: Kind::Edit }),
        (format!("<body>{URL}</body>"), Content::Unsupported { kind: Kind::Edit }),
        (format!("<body> \n{URL}\n</body>"), Content::Unsupported { kind: Kind::Edit }),
        (with("the pier", other), Content::Unsupported { kind: Kind::Image }),
    ] {
        assert!(says("m2", &edit(&inner)).content == content, "{inner}");
    }
    // Of a file that is not known any more nobody can tell whether it is another.
    let unknown = edit(&with("x", URL)).replace("id='m1'", "id='m0'");
    assert!(says("m3", &unknown).content == Content::Unsupported { kind: Kind::Image });
}

fn shared() -> Shared {
    let info = FileInfo {
        name: Some("pier & co.ogg".to_owned()),
        mime: Some("audio/ogg".to_owned()),
        size: Some(7),
        sha256: Some(Sha256([0; 32])),
        width: None,
        height: Some(2),
        duration: Some(Duration::from_millis(1500)),
        ..FileInfo::default()
    };
    let link = "https://p.test/a?b&c".to_owned();
    Shared { link, kind: MediaKind::Voice, info, small: None }
}

fn message_with(caption: Option<&str>, reply: Option<Reply>) -> Message {
    let Shared { kind, info, .. } = shared();
    let caption = caption.map(Text::plain);
    let media = Media { kind, at: Locator::Attached, info, thumbnail: None, caption };
    Message { content: Content::Media(Box::new(media)), reply, ..message("", None) }
}

fn wire(message: &Message) -> String {
    write(message, "k1", &addresses(), Some(&shared()), NOW).unwrap().to_wire()
}

#[test]
fn a_file_is_written_in_one_message() {
    let wire_of = |caption| wire(&message_with(caption, None));
    let sharing = "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>\
        <file xmlns='urn:xmpp:file:metadata:0'><media-type>audio/ogg; codecs=opus</media-type>\
        <name>pier &amp; co.ogg</name><size>7</size><height>2</height><length>1500</length>\
        <hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</hash></file><sources>\
        <url-data xmlns='http://jabber.org/protocol/url-data' target='https://p.test/a?b&amp;c'/>\
        </sources></file-sharing><x xmlns='jabber:x:oob'><url>https://p.test/a?b&amp;c</url></x>";
    let range = |start, end| {
        format!(
            "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'>\
             <body start='{start}' end='{end}'/></fallback>"
        )
    };
    let alone = wire_of(None);
    let expected = "<body>https://p.test/a?b&amp;c</body>".to_owned() + sharing + &range(0, 20);
    assert!(alone.contains(&expected), "{alone}");
    let with = wire_of(Some("𝄞 é"));
    assert!(with.contains("<body>𝄞 é\nhttps://p.test/a?b&amp;c</body>"), "{with}");
    assert!(with.contains(&(sharing.to_owned() + &range(3, 24))), "{with}");
}

#[test]
fn how_a_file_looks_is_written_and_again_with_an_edit() {
    let small = Small {
        link: "https://p.test/t?a&b".to_owned(),
        mime: "image/jpeg".to_owned(),
        width: Some(32),
        height: None,
    };
    let Shared { link, kind, info, .. } = shared();
    let info = FileInfo { blurhash: Some(HASH.to_owned()), width: Some(640), ..info };
    let shared = Shared { link, kind, info, small: Some(small) };
    let expected = "</hash><thumbnail xmlns='urn:xmpp:thumbs:1' uri='https://p.test/t?a&amp;b' \
        media-type='image/jpeg' width='32'/><thumbnail xmlns='urn:xmpp:thumbs:1' \
        uri='data:image/blurhash,LEHV6nWB2yk8pyo0adR%2A.7kCMdnj' media-type='image/blurhash' \
        width='640' height='2'/></file>";
    let id = EventId::new("01a2b3c4d5e0123456789abcdef").unwrap();
    let of = Reference { id, was: Was::Delivered, sent_at: None };
    let edit = Content::Edit { of, text: Text::plain("new") };
    let edit = Message { content: edit, ..message("", None) };
    for said in [message_with(Some("the pier"), None), edit] {
        let wire = write(&said, "k1", &addresses(), Some(&shared), NOW).unwrap().to_wire();
        assert!(wire.contains(expected), "{wire}");
    }
}

#[test]
fn a_link_stands_alone_even_in_an_answer() {
    let id = EventId::new("01a2b3c4d5e0123456789abcdef").unwrap();
    let to = Some(Reference { id, was: Was::Delivered, sent_at: None });
    let reply = || Some(Reply::answering(to.clone(), Some("where?".to_owned())));
    let alone = wire(&message_with(None, reply()));
    assert!(alone.contains("<body>https://p.test/a?b&amp;c</body><reply "), "{alone}");
    let with = wire(&message_with(Some("here"), reply()));
    assert!(with.contains("<body>&gt; where?\nhere\nhttps://p.test/"), "{with}");
    assert!(with.contains("for='urn:xmpp:sfs:0'><body start='13' end='34'/>"), "{with}");
}

#[test]
fn an_edit_names_the_file_again() {
    let id = EventId::new("01a2b3c4d5e0123456789abcdef").unwrap();
    let of = Reference { id, was: Was::Delivered, sent_at: None };
    let content = Content::Edit { of, text: Text::plain("new") };
    let edit = Message { content, ..message("", None) };
    let known = wire(&edit);
    assert!(known.contains("<body>new\nhttps://p.test/a?b&amp;c</body>"), "{known}");
    assert!(known.contains("<file-sharing ") && known.contains("<replace "), "{known}");
    let unknown = write(&edit, "k1", &addresses(), None, NOW).unwrap().to_wire();
    assert!(
        unknown.contains("<body>new</body>") && !unknown.contains("<file-sharing"),
        "{unknown}"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        name in "[a-zé ]{1,12}\\.png",
        size in any::<u64>(),
        hash in any::<[u8; 32]>(),
        width in prop::option::of(1..FileInfo::MAX_PIXELS),
        millis in prop::option::of(0..10_000_000_u64),
        blurhash in prop::option::of("[A-Za-z0-9#$%*+,.:;=?@^_{|}~-]{6,166}"),
        small in prop::option::of((prop::option::of(1..999_u32), prop::option::of(1..999_u32))),
        caption in prop::option::of("[^\n\r\\p{C}\u{fffe}\u{ffff}]{0,20}[a-z]"),
    ) {
        let info = FileInfo {
            name: Some(name),
            mime: Some("image/png".to_owned()),
            size: Some(size),
            sha256: Some(Sha256(hash)),
            width,
            duration: millis.map(Duration::from_millis),
            blurhash,
            ..FileInfo::default()
        };
        let info = info.clean();
        let small = small.map(|(width, height)| {
            let (link, mime) = ("https://p.test/small.jpg".to_owned(), "image/jpeg".to_owned());
            Small { link, mime, width, height }
        });
        let link = "https://p.test/a.png".to_owned();
        let shared = Shared { link, kind: MediaKind::Image, info: info.clone(), small };
        let media = Media {
            kind: MediaKind::Image,
            at: Locator::Attached,
            info: info.clone(),
            thumbnail: None,
            caption: caption.clone().map(Text::plain),
        };
        let message = Message { content: Content::Media(Box::new(media)), ..message("", None) };
        let wire = write(&message, "k1", &addresses(), Some(&shared), NOW).unwrap().to_wire();
        let wire = wire.replacen("<message ", "<message xmlns='jabber:component:accept' ", 1);
        let element: Element = wire.parse().unwrap();
        let body = element.get_child("body", "jabber:component:accept").unwrap().text();
        let Some(Found::File(media, link)) = read(&element, Some(&body)) else {
            return Err(TestCaseError::fail(wire));
        };
        prop_assert_eq!(&link, &shared.link);
        prop_assert!(media.info == info, "{}", wire);
        let small = media.thumbnail.map(|Thumbnail { at, info }| match at {
            Locator::Link(link) => Small {
                link,
                mime: info.mime.unwrap_or_default(),
                width: info.width,
                height: info.height,
            },
            _ => unreachable!("it is fetched"),
        });
        prop_assert!(small == shared.small, "{}", wire);
        prop_assert_eq!(media.caption.map(|text| text.body), caption);
    }

    #[test]
    fn no_look_makes_it_panic(
        uri in "(data:image/blurhash(;base64)?,|https://|cid:)?.{0,60}",
        mime in ".{0,20}",
        width in "[0-9-]{0,12}|.{0,6}",
    ) {
        let mut small = Element::bare("thumbnail", ns::THUMBS);
        for (name, value) in [("uri", uri), ("media-type", mime), ("width", width)] {
            small.set_attr(minidom::rxml::Namespace::NONE, name.try_into().unwrap(), value);
        }
        let mut file = Element::bare("file", ns::FILE_METADATA);
        file.append_child(small);
        let (thumbnail, blurhash) = thumbs::read(std::iter::once(&file));
        prop_assert!(blurhash.is_none_or(|hash| hash.len() <= FileInfo::MAX_BLURHASH * 3));
        prop_assert!(thumbnail.is_none_or(|small| small.info.clone().clean() == small.info));
    }

    #[test]
    fn no_link_makes_it_panic(url in ".{0,60}", body in ".{0,60}", start in any::<u64>()) {
        let mut message = Element::bare("message", "jabber:component:accept");
        let mut link = Element::bare("url", ns::OOB);
        link.append_text(url.as_str());
        let mut oob = Element::bare("x", ns::OOB);
        oob.append_child(link);
        message.append_child(oob);
        let range = format!("start='{start}'");
        message.append_child(cut(ns::OOB, &range).parse().unwrap());
        if let Some(Found::File(media, _)) = read(&message, Some(&body)) {
            prop_assert!(media.info.clone().clean() == media.info);
            prop_assert!(media.caption.is_none_or(|text| !text.body.is_empty()));
        }
    }
}
