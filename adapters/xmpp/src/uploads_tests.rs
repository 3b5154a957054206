#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::net::SocketAddr;

use drawbridge_adapter::{Locator, NetworkId, Text};
use drawbridge_testkit::{ReferenceBridge, spooled};
use minidom::Element;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::stream::Stanza;

pub(super) const GHOST: &str = "elsewhere_carol@bridge.p.test";

/// A server with an upload service, as its component sees it.
pub(super) struct Server {
    pub(super) outward: Arc<Outward>,
    pub(super) written: mpsc::Receiver<String>,
    listener: TcpListener,
    pub(super) http: SocketAddr,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let http = listener.local_addr().unwrap();
        let outward = Arc::new(Outward::new("bridge.p.test".to_owned()));
        let written = outward.open(1);
        Self { outward, written, listener, http }
    }

    /// The way there.
    pub(super) fn uploads(&self) -> Uploads {
        let network = NetworkId::new("xmpp").unwrap();
        let addresses = Arc::new(Addresses::new(network, "bridge.p.test".to_owned()));
        let plain = vec![PlainHost::parse(&self.http.to_string()).unwrap()];
        Uploads::new(addresses, Arc::clone(&self.outward), Chosen { service: None, plain })
    }

    /// Answers the next query, which must hold this, from this address.
    pub(super) async fn answers(&mut self, asked: &str, kind: &str, inner: &str) {
        let wire = self.written.recv().await.unwrap();
        assert!(wire.contains(asked), "{wire}");
        let wire = wire.replacen("<iq ", "<iq xmlns='jabber:component:accept' ", 1);
        let query: Element = wire.parse().unwrap();
        let (id, to) = (query.attr("id").unwrap(), query.attr("to").unwrap());
        let answer = format!(
            "<iq xmlns='jabber:component:accept' type='{kind}' id='{id}' from='{to}'>{inner}</iq>"
        );
        let stanza = Stanza { element: answer.parse().unwrap(), whole: true };
        assert!(self.outward.informed(stanza).is_none());
    }

    pub(super) async fn is_found(&mut self, max: u64) {
        let items = "<query xmlns='http://jabber.org/protocol/disco#items'>\
            <item jid='bridge.p.test'/><item jid='rooms.p.test'/><item jid='upload.p.test'/></query>";
        let nothing = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
        let info = format!(
            "<query xmlns='http://jabber.org/protocol/disco#info'>\
             <feature var='urn:xmpp:http:upload:0'/><x xmlns='jabber:x:data' type='result'>\
             <field var='FORM_TYPE'><value>urn:xmpp:http:upload:0</value></field>\
             <field var='max-file-size'><value>{max}</value></field></x></query>"
        );
        self.answers("disco#items", "result", items).await;
        self.answers("to='p.test'", "result", nothing).await;
        self.answers("to='rooms.p.test'", "error", "").await;
        self.answers("to='upload.p.test'", "result", &info).await;
    }

    pub(super) async fn gives_slot(&mut self) {
        self.gives_slot_for("<request ", "pier.png").await;
    }

    /// Gives a place with this name to a request that holds this.
    pub(super) async fn gives_slot_for(&mut self, asked: &str, name: &str) {
        let url = format!("http://{}/up/{name}", self.http);
        let slot = format!(
            "<slot xmlns='urn:xmpp:http:upload:0'><put url='{url}'>\
             <header name='Authorization'>Bearer x</header></put><get url='{url}'/></slot>"
        );
        self.answers(asked, "result", &slot).await;
    }

    /// Takes one request, and answers it with this.
    pub(super) async fn takes(&self, answer: &str) -> (String, Vec<u8>) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut read = Vec::new();
        let (head, start) = loop {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
                break (head, end + 4);
            }
        };
        let length = head.split_once("content-length: ").unwrap().1;
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        while read.len() < start + length {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        (head, read.split_off(start))
    }
}

pub(super) fn bridge() -> Bridge {
    ReferenceBridge::new(NetworkId::new("xmpp").unwrap()).handle()
}

pub(super) fn picture() -> Media {
    let info = FileInfo {
        name: Some("pier".to_owned()),
        mime: Some("image/png".to_owned()),
        ..FileInfo::default()
    };
    let caption = Some(Text::plain("the pier"));
    Media { kind: MediaKind::Image, at: Locator::Attached, info, thumbnail: None, caption }
}

fn alone(bytes: &[u8]) -> Attached {
    Attached { file: spooled(bytes).unwrap(), thumbnail: None }
}

pub(super) const TAKEN: &str =
    "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_file_goes_to_the_service_that_the_server_names_and_only_once() {
    let mut server = Server::start().await;
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    let file = alone(&bytes);
    let (uploads, picture, bridge) = (server.uploads(), picture(), bridge());
    let share = || uploads.share("k1", &picture, &file, GHOST, &bridge);
    assert_eq!(uploads.max(), u64::MAX);
    let serving = async {
        server.is_found(300_000).await;
        let asked = "<request xmlns='urn:xmpp:http:upload:0' filename='pier.png' size='300000' \
            content-type='image/png'/>";
        let url = format!("http://{}/up/pier.png", server.http);
        let slot = format!(
            "<slot xmlns='urn:xmpp:http:upload:0'><put url='{url}?t=1'>\
             <header name='Authorization'>Bearer x</header><header name='X-Evil'>y</header></put>\
             <get url='{url}'/></slot>"
        );
        server.answers(asked, "result", &slot).await;
        server.takes(TAKEN).await
    };
    let (shared, (head, body)) = tokio::join!(share(), serving);
    assert_eq!(shared, Ok(()));
    assert!(head.starts_with("put /up/pier.png?t=1 http/1.1"), "{head}");
    assert!(head.contains("content-type: image/png") && head.contains("authorization: bearer x"));
    assert!(!head.contains("x-evil") && !head.contains("transfer-encoding"), "{head}");
    assert!(body == bytes);
    assert_eq!(uploads.max(), 300_000);
    let known = uploads.known("k1").unwrap();
    assert!(known.link.ends_with("/up/pier.png") && known.info.size == Some(300_000));
    // The next try asks for nothing.
    assert_eq!(share().await, Ok(()));
    assert!(server.written.try_recv().is_err() && uploads.known("k2").is_none());
}

#[tokio::test]
async fn what_the_service_says_is_what_comes_of_it() {
    let answer = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let too_large =
        refused(Code::MediaTooLarge.into(), "the upload service calls the file too large");
    let wait = DeliveryError::Retry {
        after: Some(Duration::from_secs(7)),
        why: "the upload service asks to wait",
    };
    let elsewhere = refused(Code::Forbidden.into(), "the upload service sends the file elsewhere");
    let not = refused(Code::Forbidden.into(), "the upload service does not take the file");
    for (said, expected) in [
        (answer("413 Too Large"), too_large),
        (answer("429 Slow\r\nRetry-After: 7"), wait),
        (answer("500 Oops"), later("the upload service failed")),
        (answer("401 Who"), later("the upload service failed")),
        (answer("302 There\r\nLocation: http://127.0.0.1:9/"), elsewhere),
        (answer("400 No"), not),
        (String::new(), later("the upload broke off")),
    ] {
        let mut server = Server::start().await;
        let file = alone(b"picture");
        let (uploads, bridge) = (server.uploads(), bridge());
        let serving = async {
            server.is_found(5000).await;
            server.gives_slot().await;
            server.takes(&said).await;
        };
        let picture = picture();
        let sharing = uploads.share("k1", &picture, &file, GHOST, &bridge);
        let (shared, ()) = tokio::join!(sharing, serving);
        assert_eq!(shared, Err(expected), "{said}");
        assert!(uploads.known("k1").is_none());
    }
}

#[tokio::test]
async fn without_a_place_the_sender_is_told_why() {
    let large = "<error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
        <file-too-large xmlns='urn:xmpp:http:upload:0'><max-file-size>3</max-file-size>\
        </file-too-large></error>";
    let error = |kind: &str, condition: &str| {
        format!(
            "<error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        )
    };
    let plain = "<slot xmlns='urn:xmpp:http:upload:0'><put url='http://u.test/a'/>\
        <get url='http://u.test/a'/></slot>";
    let unsupported = Code::UnsupportedKind(drawbridge_adapter::Kind::Image);
    let code = |error: &DeliveryError| match error {
        DeliveryError::Refused { refusal, .. } => Some(*refusal),
        _ => None,
    };
    for (kind, said, expected, max) in [
        ("error", large.to_owned(), Some(Refusal::too_large(3)), 3),
        ("error", error("auth", "forbidden"), Some(unsupported.into()), 5000),
        ("error", error("wait", "resource-constraint"), None, 5000),
        // It is looked for again.
        ("error", error("cancel", "service-unavailable"), None, u64::MAX),
        ("result", plain.to_owned(), Some(unsupported.into()), 5000),
        ("result", String::new(), None, 5000),
    ] {
        let mut server = Server::start().await;
        let file = alone(b"picture");
        let (uploads, bridge) = (server.uploads(), bridge());
        let serving = async {
            server.is_found(5000).await;
            server.answers("<request ", kind, &said).await;
        };
        let picture = picture();
        let sharing = uploads.share("k1", &picture, &file, GHOST, &bridge);
        let (shared, ()) = tokio::join!(sharing, serving);
        let error = shared.unwrap_err();
        assert_eq!(code(&error), expected, "{said}: {error:?}");
        assert!(expected.is_some() || matches!(error, DeliveryError::Retry { .. }), "{error:?}");
        assert_eq!(uploads.max(), max, "{said}");
    }
}

#[tokio::test]
async fn without_a_service_no_file_is_taken_and_a_larger_one_by_none() {
    let mut server = Server::start().await;
    let file = alone(b"picture");
    let (uploads, picture, bridge) = (server.uploads(), picture(), bridge());
    let share = || uploads.share("k1", &picture, &file, GHOST, &bridge);
    let lacking = async {
        let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
        server.answers("disco#items", "result", items).await;
        server.answers("to='p.test'", "result", "").await;
    };
    let (shared, ()) = tokio::join!(share(), lacking);
    let unsupported = Code::UnsupportedKind(drawbridge_adapter::Kind::Image);
    assert_eq!(shared, Err(refused(unsupported.into(), NO_SERVICE)));
    // For a while nobody is asked again.
    assert_eq!(share().await, Err(refused(unsupported.into(), NO_SERVICE)));
    assert!(server.written.try_recv().is_err());
    assert_eq!(uploads.max(), 0);
    uploads.connected();
    assert_eq!(uploads.max(), u64::MAX);
    let (shared, ()) = tokio::join!(share(), server.is_found(6));
    let why = "the upload service takes no such file";
    assert_eq!(shared, Err(refused(Refusal::too_large(6), why)));
    server.outward.lose();
    assert_eq!(uploads.look(&bridge).await, Err(DeliveryError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_not_asked_for_each_file() {
    let mut server = Server::start().await;
    let file = alone(b"picture");
    let (uploads, picture, bridge) = (server.uploads(), picture(), bridge());
    let share = |key| uploads.share(key, &picture, &file, GHOST, &bridge);
    let begun = Instant::now();
    let (first, second) = tokio::join!(share("k1"), share("k2"));
    for shared in [first, second, share("k3").await] {
        assert!(matches!(shared, Err(DeliveryError::Retry { .. })), "{shared:?}");
    }
    // One query was written, and waited for.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(server.written.try_recv().is_ok() && server.written.try_recv().is_err());
    assert_eq!(uploads.max(), u64::MAX);
    tokio::time::advance(SILENT).await;
    let (shared, ()) = tokio::join!(share("k3"), server.is_found(6));
    assert_eq!(
        shared,
        Err(refused(Refusal::too_large(6), "the upload service takes no such file"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_comes_later_is_found_without_a_file() {
    let mut server = Server::start().await;
    let (uploads, bridge) = (server.uploads(), bridge());
    let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    let coming = async {
        uploads.connected();
        server.answers("disco#items", "result", items).await;
        server.answers("to='p.test'", "result", "").await;
        while uploads.max() != 0 {
            tokio::task::yield_now().await;
        }
        server.is_found(6).await;
        while uploads.max() != 6 {
            tokio::task::yield_now().await;
        }
        // It was lost, as a file found out.
        *lock(&uploads.found) = Found::Absent(Instant::now());
        server.is_found(7).await;
        while uploads.max() != 7 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = uploads.run(&bridge) => unreachable!("it runs for as long as the daemon"),
        () = coming => {}
    }
}

#[tokio::test(start_paused = true)]
async fn services_are_asked_side_by_side() {
    let mut server = Server::start().await;
    let (uploads, bridge) = (server.uploads(), bridge());
    let serving = async {
        let items: Vec<_> = (0..20).map(|n| format!("<item jid='s{n}.p.test'/>")).collect();
        let items = items.concat();
        let items =
            format!("<query xmlns='http://jabber.org/protocol/disco#items'>{items}</query>");
        server.answers("disco#items", "result", &items).await;
        // None but the last answers.
        let mut asked = 0;
        loop {
            let wire = server.written.recv().await.unwrap();
            asked += 1;
            if wire.contains("to='s19.p.test'") {
                return asked;
            }
        }
    };
    let begun = Instant::now();
    let (found, asked) = tokio::join!(uploads.look(&bridge), serving);
    assert!(found.is_err() && asked == 21, "{found:?} {asked}");
    // Three times eight at most, each for three seconds.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_file_is_called_by_what_it_is() {
    for (kind, name, mime, called) in [
        (MediaKind::Image, Some("pier.png"), Some("image/png"), "pier.png"),
        (MediaKind::Image, Some("pier"), Some("image/jpeg"), "pier.jpg"),
        (MediaKind::Voice, None, Some("audio/ogg"), "voice.ogg"),
        (MediaKind::Document, None, None, "document"),
        (
            MediaKind::Document,
            Some("v1. of a long plan"),
            Some("application/pdf"),
            "v1. of a long plan.pdf",
        ),
        (MediaKind::Image, Some(".png"), Some("image/png"), ".png.png"),
    ] {
        let (name, mime) = (name.map(str::to_owned), mime.map(str::to_owned));
        assert_eq!(name_of(kind, &FileInfo { name, mime, ..FileInfo::default() }), called);
    }
}
