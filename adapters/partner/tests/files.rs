//! Files, got and put over HTTP: as the protocol says, and as it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use common::http::{begins, ends, get, path, put};
use common::{App, Home, PATIENCE, carries_files, delivery, problems_of};
use drawbridge_adapter::{
    Adapter, Attached, Code, Command, Content, Delivered, Delivery, DeliveryError, FileInfo,
    Incoming, Kind, Level, Locator, Media, MediaKind, Text, Thumbnail,
};
use drawbridge_testkit::spooled;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const KINDS: [&str; 6] = ["text", "image", "video", "voice", "audio", "document"];

/// An app that takes these kinds, and carol is enlisted.
async fn app_of(home: &Home, kinds: &[&str], most: Option<u64>) -> App {
    let kinds: serde_json::Map<_, _> =
        kinds.iter().map(|kind| ((*kind).to_owned(), json!("full"))).collect();
    let capabilities = json!({"kinds": kinds, "text": {"max_bytes": 100}, "max_media_bytes": most});
    let mut app = home.app_saying(&json!({"capabilities": capabilities})).await;
    app.enlists("carol").await;
    app
}

async fn files_of(home: &Home) -> SocketAddr {
    home.partner.listening_for_files().await.unwrap()
}

fn with_files() -> Home {
    Home::with(carries_files)
}

/// Some bytes that are not all alike.
fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// A file of alice's to carol.
fn brings(key: &str, kind: MediaKind, bytes: &[u8], thumbnail: Option<&[u8]>) -> Delivery {
    let mut delivery = delivery(key, "");
    let file = spooled(bytes).unwrap();
    let info = FileInfo {
        name: Some("pier.png".to_owned()),
        mime: Some("image/png".to_owned()),
        size: Some(file.size()),
        sha256: Some(file.sha256()),
        width: Some(640),
        ..FileInfo::default()
    };
    let picture = Thumbnail { at: Locator::Attached, info: FileInfo::default() };
    let media = Media {
        kind,
        at: Locator::Attached,
        info,
        thumbnail: Some(picture),
        caption: Some(Text::plain("the pier")),
    };
    if let Command::Message(message) = &mut delivery.command {
        message.content = Content::Media(Box::new(media));
    }
    let thumbnail = thumbnail.map(|bytes| spooled(bytes).unwrap());
    delivery.attached = Some(Attached { file, thumbnail });
    delivery
}

type Outcome = Result<Delivered, DeliveryError>;

/// Begins to deliver this.
fn delivers(home: &Home, delivery: Delivery) -> JoinHandle<Outcome> {
    let partner = Arc::clone(&home.partner);
    tokio::spawn(async move { partner.deliver(&[delivery]).await.remove(0) })
}

async fn outcome(delivering: JoinHandle<Outcome>) -> Outcome {
    timeout(PATIENCE, delivering).await.expect("no outcome").unwrap()
}

fn code(outcome: &Outcome) -> String {
    match outcome {
        Err(DeliveryError::Refused { refusal, .. }) => refusal.code.to_string(),
        other => format!("{other:?}"),
    }
}

/// Begins to open this file of the app's.
fn opens(home: &Home, file: &'static str) -> JoinHandle<Result<Incoming, DeliveryError>> {
    let partner = Arc::clone(&home.partner);
    tokio::spawn(async move { partner.open(file).await })
}

async fn opened(
    opening: JoinHandle<Result<Incoming, DeliveryError>>,
) -> Result<Incoming, DeliveryError> {
    timeout(PATIENCE, opening).await.expect("it was not opened").unwrap()
}

/// All its bytes, or how it ended.
async fn read(incoming: Incoming) -> Result<Vec<u8>, std::io::ErrorKind> {
    let (mut body, mut bytes) = (incoming.body, Vec::new());
    while let Some(piece) = timeout(PATIENCE, body.next()).await.expect("nothing came") {
        bytes.extend_from_slice(&piece.map_err(|error| error.kind())?);
    }
    Ok(bytes)
}

fn url(value: &Value) -> &str {
    value["url"].as_str().unwrap()
}

#[tokio::test]
async fn files_are_declared_if_there_is_a_door_for_them() {
    let (with, without) = (with_files(), Home::open());
    for kind in MediaKind::ALL {
        assert_eq!(with.partner.capabilities().level(kind.kind()), Level::Full);
        assert_eq!(without.partner.capabilities().level(kind.kind()), Level::Rejected);
    }
    assert_eq!((with.partner.max_media(), without.partner.max_media()), (1 << 20, 0));
    let mut app = app_of(&without, &KINDS, None).await;
    app.says(&json!({"type": "event", "id": "e1", "from": "carol", "to": "elsewhere:alice",
                     "sent_at": 1, "content": {"type": "image", "file": "f1"}}))
        .await;
    app.hears_ack(&["e1"]).await;
    let handed = without.bridge.journal().handed.pop().unwrap().event.content;
    assert!(handed == Content::Unsupported { kind: Kind::Image });
    let refused = without.partner.open("f1").await.unwrap_err();
    assert!(matches!(refused, DeliveryError::Refused { .. }), "{refused:?}");
    with.stops().await;
    without.stops().await;
}

#[test]
fn both_keys_are_needed_and_a_public_url_that_is_safe() {
    let dir = tempfile::tempdir().unwrap();
    let said = |listen: Value, url: Value| {
        let config = json!({"listen": "127.0.0.1:8482", "issuer": "birdychat",
            "jwks_file": "jwks.json", "media_listen": listen, "media_public_url": url});
        problems_of(config, &dir)
    };
    let good = "https://bridge.test/files";
    for (listen, url, problem) in [
        (Value::Null, json!(good), "media_public_url: only with media_listen"),
        (json!("127.0.0.1:0"), Value::Null, "media_public_url: missing"),
        (json!("here"), json!(good), "media_listen: expected an IP address"),
        (json!("127.0.0.1:8482"), json!(good), "media_listen: expected another"),
        (json!("127.0.0.1:0"), json!("http://bridge.test/"), "media_public_url: expected https://"),
        (json!("127.0.0.1:0"), json!("wss://bridge.test/"), "media_public_url: expected a URL"),
        (
            json!("127.0.0.1:0"),
            json!("https://u:p@bridge.test/"),
            "media_public_url: expected a URL",
        ),
        (
            json!("127.0.0.1:0"),
            json!("https://bridge.test/?a=1"),
            "media_public_url: expected a URL",
        ),
    ] {
        let said = said(listen, url);
        assert!(said.starts_with(problem), "{said}");
    }
}

#[tokio::test]
async fn a_welcome_narrows_what_crosses() {
    let home = with_files();
    for (most, told) in [(None, 1 << 20), (Some(5000), 5000), (Some(u64::MAX), 1 << 20)] {
        let mut app = home.silent().await;
        let capabilities = json!({"kinds": {"text": "full", "image": "full", "audio": "rejected"},
                                  "text": {"max_bytes": 100}, "max_media_bytes": most});
        app.says(&common::hello(&json!({"capabilities": capabilities}))).await;
        let welcome = app.hears().await;
        assert_eq!(welcome["capabilities"]["kinds"], json!({"text": "full", "image": "full"}));
        assert_eq!(welcome["capabilities"]["max_media_bytes"], json!(told));
        app.enlists("carol").await;
        assert_eq!(home.partner.max_media(), told);
    }
    home.stops().await;
}

#[tokio::test]
async fn an_app_gets_a_file_before_it_acknowledges_and_not_after() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    let (file, picture) = (bytes(300_000), bytes(1000));
    let delivering = delivers(&home, brings("1", MediaKind::Image, &file, Some(&picture)));
    let event = app.hears().await;
    let content = &event["content"];
    assert_eq!(content["type"], "image");
    assert_eq!((&content["name"], &content["size"]), (&json!("pier.png"), &json!(300_000)));
    assert_eq!((&content["width"], &content["caption"]), (&json!(640), &json!("the pier")));
    assert_eq!(content["sha256"].as_str().unwrap().len(), 64);

    let whole = get(at, url(content), "").await;
    assert_eq!((whole.status, whole.body), (200, file.clone()));
    for header in [
        "content-length: 300000",
        "content-type: application/octet-stream",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "accept-ranges: bytes",
    ] {
        assert!(whole.head.contains(header), "{header}: {}", whole.head);
    }
    let thumbnail = get(at, url(&content["thumbnail"]), "").await;
    assert!(thumbnail.status == 200 && thumbnail.body == picture);
    let rest = get(at, url(content), "Range: bytes=299990-\r\n").await;
    assert_eq!((rest.status, rest.body.as_slice()), (206, &file[299_990..]));
    assert!(rest.head.contains("content-range: bytes 299990-299999/300000"), "{}", rest.head);
    let beyond = get(at, url(content), "Range: bytes=300000-\r\n").await;
    assert_eq!(beyond.status, 416);
    assert!(beyond.head.contains("content-range: bytes */300000"), "{}", beyond.head);
    // Any other range is as good as none.
    let odd = get(at, url(content), "Range: bytes=5-10\r\n").await;
    assert!(odd.status == 200 && odd.body == file);
    assert_eq!(put(at, url(content), b"x").await.status, 404);

    app.acks(&event["id"]).await;
    assert!(outcome(delivering).await.is_ok());
    assert_eq!(get(at, url(content), "").await.status, 404);
    home.stops().await;
}

#[tokio::test]
async fn an_app_may_acknowledge_a_file_unseen_or_refuse_it() {
    let home = with_files();
    let mut app = app_of(&home, &KINDS, None).await;
    let delivering = delivers(&home, brings("1", MediaKind::Document, b"a plan", None));
    let event = app.hears().await;
    assert!(event["content"]["thumbnail"].is_null());
    app.acks(&event["id"]).await;
    assert!(outcome(delivering).await.is_ok());
    let delivering = delivers(&home, brings("2", MediaKind::Document, b"a plan", None));
    let id = app.hears().await["id"].clone();
    app.says(&json!({"type": "refuse", "id": id, "code": "media_type_mismatch"})).await;
    assert_eq!(code(&outcome(delivering).await), "media_type_mismatch");
    home.stops().await;
}

#[tokio::test]
async fn a_transfer_ends_with_the_acknowledgement() {
    let home = Home::with(|config| {
        carries_files(config);
        config["max_media_mib"] = json!(4);
    });
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    // More than the system keeps by itself.
    let file = vec![7; 4 << 20];
    let delivering = delivers(&home, brings("1", MediaKind::Video, &file, None));
    let event = app.hears().await;
    let mut stream = begins(at, "GET", &path(url(&event["content"])), "").await;
    stream.read_exact(&mut [0; 1000]).await.unwrap();
    app.acks(&event["id"]).await;
    assert!(outcome(delivering).await.is_ok());
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it goes on");
    assert!(rest.len() < file.len() - 1000, "{}", rest.len());
    home.stops().await;
}

#[tokio::test]
async fn kinds_that_an_app_lacks_are_refused_by_name_and_a_voice_note_is_a_sound() {
    let home = with_files();
    let mut app = app_of(&home, &["text", "audio"], Some(10)).await;
    let image = delivers(&home, brings("1", MediaKind::Image, b"x", None));
    assert_eq!(code(&outcome(image).await), "unsupported_kind:image");
    let large = delivers(&home, brings("2", MediaKind::Audio, &[0; 11], None));
    assert_eq!(code(&outcome(large).await), "media_too_large");
    let voice = delivers(&home, brings("3", MediaKind::Voice, b"x", None));
    let event = app.hears().await;
    assert_eq!(event["content"]["type"], "audio");
    app.acks(&event["id"]).await;
    assert!(outcome(voice).await.is_ok());
    let mut app = app_of(&home, &["text"], None).await;
    let voice = delivers(&home, brings("4", MediaKind::Voice, b"x", None));
    assert_eq!(code(&outcome(voice).await), "unsupported_kind:voice");
    app.socket.close(None).await.unwrap();
    home.stops().await;
}

#[tokio::test]
async fn an_app_that_leaves_in_the_middle_is_asked_again() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    let delivering = delivers(&home, brings("1", MediaKind::Image, b"a picture", None));
    let event = app.hears().await;
    drop(app);
    let lost = outcome(delivering).await;
    assert!(matches!(lost, Err(DeliveryError::Unknown { .. })), "{lost:?}");
    assert_eq!(get(at, url(&event["content"]), "").await.status, 404);

    assert!(matches!(home.partner.open("f1").await, Err(DeliveryError::Disconnected)));
    let mut app = app_of(&home, &KINDS, None).await;
    let opening = opens(&home, "f1");
    app.hears().await;
    drop(app);
    let lost = opened(opening).await;
    assert!(matches!(lost, Err(DeliveryError::Disconnected)), "{lost:?}");

    let mut app = app_of(&home, &KINDS, None).await;
    let delivering = delivers(&home, brings("1", MediaKind::Image, b"a picture", None));
    let again = app.hears().await;
    assert_eq!(again["id"], event["id"]);
    assert_ne!(url(&again["content"]), url(&event["content"]));
    assert_eq!(get(at, url(&again["content"]), "").await.body, b"a picture");
    app.acks(&again["id"]).await;
    assert!(outcome(delivering).await.is_ok());
    home.stops().await;
}

#[tokio::test]
async fn an_app_puts_what_the_bridge_wants_once() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    let file = bytes(1 << 20);
    let opening = opens(&home, "f1");
    let fetch = app.hears().await;
    assert_eq!((&fetch["type"], &fetch["file"]), (&json!("fetch"), &json!("f1")));
    // Whoever answers it as any other frame does no harm.
    app.acks(&fetch["id"]).await;
    assert_eq!(get(at, url(&fetch), "").await.status, 404);
    assert_eq!(ends(begins(at, "POST", &path(url(&fetch)), "").await).await.unwrap().status, 405);
    let putting = put(at, url(&fetch), &file);
    let reading = async {
        let incoming = opened(opening).await.unwrap();
        assert_eq!(incoming.size, Some(1 << 20));
        read(incoming).await.unwrap()
    };
    let (answer, came) = tokio::join!(putting, reading);
    assert!(answer.status == 204 && came == file, "{answer:?}");
    assert_eq!(put(at, url(&fetch), &file).await.status, 404);
    let unknown = format!("https://bridge.test/files/{}", "0".repeat(64));
    for url in [unknown.as_str(), "https://bridge.test/", "https://bridge.test/files/x/../y"] {
        assert_eq!(put(at, url, b"x").await.status, 404, "{url}");
        assert_eq!(get(at, url, "").await.status, 404, "{url}");
    }
    home.stops().await;
}

#[tokio::test]
async fn a_file_in_chunks_has_no_size_and_comes_whole() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    let opening = opens(&home, "f1");
    let fetch = app.hears().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    let mut stream = begins(at, "PUT", &path(url(&fetch)), chunked).await;
    stream.write_all(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").await.unwrap();
    let incoming = opened(opening).await.unwrap();
    assert_eq!(incoming.size, None);
    assert_eq!(read(incoming).await.unwrap(), b"hello world");
    assert_eq!(ends(stream).await.unwrap().status, 204);
    home.stops().await;
}

#[tokio::test]
async fn an_app_that_has_no_file_says_why() {
    let home = with_files();
    let mut app = app_of(&home, &KINDS, None).await;
    for (answer, after) in [("expired", None), ("forbidden", None), ("rate_limited", Some(7))] {
        let opening = opens(&home, "f1");
        let fetch = app.hears().await;
        app.says(&json!({"type": "fetch_failed", "id": "another", "code": "expired"})).await;
        app.says(&json!({"type": "fetch_failed", "id": fetch["id"], "code": answer,
                         "retry_after_seconds": after}))
            .await;
        match opened(opening).await.unwrap_err() {
            DeliveryError::Refused { refusal, .. } => assert_eq!(refusal.code.to_string(), answer),
            DeliveryError::Retry { after: told, .. } => {
                assert_eq!(told.map(|after| after.as_secs()), after);
            }
            other => panic!("{other:?}"),
        }
    }
    home.stops().await;
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_whatever_was_said_of_it() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    let opening = opens(&home, "f1");
    let fetch = app.hears().await;
    assert_eq!(put(at, url(&fetch), &bytes((1 << 20) + 1)).await.status, 413);
    match opened(opening).await.unwrap_err() {
        DeliveryError::Refused { refusal, .. } => {
            assert_eq!((refusal.code, refusal.limit), (Code::MediaTooLarge, Some(1 << 20)));
        }
        other => panic!("{other:?}"),
    }

    // Without an end.
    let opening = opens(&home, "f1");
    let fetch = app.hears().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    let mut stream = begins(at, "PUT", &path(url(&fetch)), chunked).await;
    let writing = async {
        let piece = [b"10000\r\n".as_slice(), &vec![0; 0x10000], b"\r\n"].concat();
        while stream.write_all(&piece).await.is_ok() {}
    };
    let reading = async { read(opened(opening).await.unwrap()).await };
    let (came, written) = tokio::join!(reading, timeout(PATIENCE, writing));
    written.expect("it never ends");
    assert_eq!(came, Err(std::io::ErrorKind::UnexpectedEof));
    home.stops().await;
}

#[tokio::test]
async fn a_file_that_breaks_off_is_none() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    for headers in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
        let opening = opens(&home, "f1");
        let fetch = app.hears().await;
        let mut stream = begins(at, "PUT", &path(url(&fetch)), headers).await;
        stream.write_all(b"5\r\nhello\r\n").await.unwrap();
        let incoming = opened(opening).await.unwrap();
        drop(stream);
        assert_eq!(read(incoming).await, Err(std::io::ErrorKind::UnexpectedEof), "{headers}");
    }
    home.stops().await;
}

#[tokio::test]
async fn what_the_daemon_wants_no_more_is_not_taken() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    let opening = opens(&home, "f1");
    let fetch = app.hears().await;
    opening.abort();
    let _ = opening.await;
    assert_eq!(put(at, url(&fetch), b"x").await.status, 404);
    let opening = opens(&home, "f1");
    let fetch = app.hears().await;
    let mut stream = begins(at, "PUT", &path(url(&fetch)), "Content-Length: 100\r\n").await;
    drop(opened(opening).await.unwrap());
    stream.write_all(&[0; 50]).await.unwrap();
    assert_eq!(ends(stream).await.unwrap().status, 409);
    home.stops().await;
}

#[tokio::test]
async fn what_is_no_http_is_turned_away_and_nobody_holds_up_the_end() {
    let home = with_files();
    let at = files_of(&home).await;
    let mut app = app_of(&home, &KINDS, None).await;
    for odd in [
        "\u{16}\u{3}\u{1} is TLS\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        format!("GET /x HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000)),
        "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n".to_owned(),
    ] {
        let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
        let _ = stream.write_all(odd.as_bytes()).await;
        // Some are answered, and some only dropped.
        if let Some(answer) = ends(stream).await {
            assert!((400..=431).contains(&answer.status), "{answer:?}");
        }
    }
    let _idle = tokio::net::TcpStream::connect(at).await.unwrap();
    let opening = opens(&home, "f1");
    let fetch = app.hears().await;
    let _slow = begins(at, "PUT", &path(url(&fetch)), "Content-Length: 100\r\n").await;
    let incoming = opened(opening).await.unwrap();
    home.stops().await;
    assert!(read(incoming).await.is_err());
}
