//! Files: taken up, shown, and given another caption.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use drawbridge_adapter::{
    Attached, Code, Command, Content, Delivered, Delivery, DeliveryError, EventId, FileInfo,
    Locator, Media, MediaKind, Reference, Refusal, Reply, Text, Thumbnail, Was,
};
use drawbridge_testkit::spooled;
use futures_util::StreamExt;
use proptest::prelude::*;
use ruma::events::room::message::{MessageType, RoomMessageEventContent};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::{LONGEST, TOO_SLOW, deliver, while_it_moves};
use super::message;
use crate::portals::Company;
use crate::stub::{Call, GHOST, ROOM, Stub, any_json};

const BYTES: &[u8] = b"\x89PNG and so on";

fn media(kind: MediaKind, name: Option<&str>, caption: Option<&str>) -> Media {
    let info = FileInfo {
        name: name.map(str::to_owned),
        mime: Some("image/png".to_owned()),
        size: Some(BYTES.len() as u64),
        ..FileInfo::default()
    };
    let caption = caption.map(Text::plain);
    Media { kind, at: Locator::Attached, info, thumbnail: None, caption }
}

fn delivers(stub: &Stub, key: &str, media: Media, reply: Option<Reply>) -> Delivery {
    let mut delivery = message(stub, key);
    let small = || spooled(b"small").unwrap();
    let thumbnail = media.thumbnail.is_some().then(small);
    delivery.attached = Some(Attached { file: spooled(BYTES).unwrap(), thumbnail });
    if let Command::Message(message) = &mut delivery.command {
        message.content = Content::Media(Box::new(media));
        message.reply = reply;
    }
    delivery
}

async fn in_portal(answer: impl Fn(&Call) -> Option<(u16, Value)> + Send + Sync + 'static) -> Stub {
    let stub = Stub::start(answer).await;
    stub.knows_room(Company::None).await;
    stub
}

async fn shown(stub: &Stub, key: &str, media: Media, reply: Option<Reply>) -> Value {
    let results = deliver(&stub.core, &[delivers(stub, key, media, reply)]).await;
    assert!(results[0].is_ok(), "{results:?}");
    stub.calls("/send/m.room.message/").pop().unwrap().body
}

fn uploads(stub: &Stub) -> Vec<String> {
    stub.calls("/media/v3/upload").into_iter().map(|call| call.path).collect()
}

#[tokio::test]
async fn a_file_is_taken_up_by_the_ghost_and_shown() {
    let stub = in_portal(|_| None).await;
    let mut pier = media(MediaKind::Image, Some("the pier & I.png"), Some("the old pier"));
    (pier.info.width, pier.info.height) = (Some(640), Some(480));
    pier.info.blurhash = Some("LEHV6nWB2yk8pyo0adR*".to_owned());
    let info = FileInfo { mime: Some("image/webp".to_owned()), ..FileInfo::default() };
    pier.thumbnail = Some(Thumbnail { at: Locator::Attached, info });
    let content = shown(&stub, "1", pier, None).await;
    let up = "mxc://hs.test/up";
    assert_eq!(
        content,
        json!({
            "msgtype": "m.image", "body": "the old pier", "filename": "the pier & I.png",
            "url": up,
            "info": {
                "mimetype": "image/png", "size": BYTES.len(), "w": 640, "h": 480,
                "xyz.amorgan.blurhash": "LEHV6nWB2yk8pyo0adR*", "thumbnail_url": up,
                "thumbnail_info": { "mimetype": "image/webp", "size": 5 },
            },
            "dev.drawbridge.delivery": "1",
        })
    );
    let user = format!("user_id={GHOST}");
    let (file, small) = ("filename=the+pier+%26+I.png", "filename=thumbnail");
    let uploads = uploads(&stub);
    assert!(uploads[0].contains(file) && uploads[1].contains(small), "{uploads:?}");
    assert!(uploads.iter().all(|path| path.contains(&user)), "{uploads:?}");
}

#[tokio::test]
async fn a_voice_message_is_one_and_every_file_has_a_name() {
    let stub = in_portal(|_| None).await;
    let mut voice = media(MediaKind::Voice, None, None);
    voice.info.mime = Some("audio/ogg".to_owned());
    voice.info.duration = Some(Duration::from_millis(2500));
    voice.info.waveform = vec![0, 1024];
    let content = shown(&stub, "1", voice, None).await;
    assert_eq!(content["msgtype"], "m.audio");
    assert_eq!(content["org.matrix.msc3245.voice"], json!({}));
    let sound = json!({ "duration": 2500, "waveform": [0, 1024] });
    assert_eq!(content["org.matrix.msc1767.audio"], sound);
    assert_eq!(content["info"]["duration"], 2500);
    assert_eq!(
        (&content["body"], &content["filename"]),
        (&content["filename"], &json!("voice-message.ogg"))
    );
    for (kind, msgtype) in [
        (MediaKind::Image, "m.image"),
        (MediaKind::Video, "m.video"),
        (MediaKind::Audio, "m.audio"),
        (MediaKind::Document, "m.file"),
    ] {
        let content =
            shown(&stub, &format!("{kind:?}"), media(kind, Some("a.b"), None), None).await;
        assert_eq!((&content["msgtype"], &content["body"]), (&json!(msgtype), &json!("a.b")));
        assert_eq!(content["org.matrix.msc3245.voice"], Value::Null);
    }
}

#[tokio::test]
async fn a_voice_message_of_unknown_length_can_be_read_by_strict_clients() {
    let stub = in_portal(|_| None).await;
    let seconds = |count| Some(Duration::from_secs(count));
    for (key, duration, waveform, sound) in [
        ("1", None, vec![], Value::Null),
        ("2", None, vec![0, 1024], Value::Null),
        ("3", seconds(2), vec![], json!({ "duration": 2000 })),
    ] {
        let mut voice = media(MediaKind::Voice, None, None);
        (voice.info.duration, voice.info.waveform) = (duration, waveform);
        let content = shown(&stub, key, voice, None).await;
        assert_eq!(content["org.matrix.msc3245.voice"], json!({}));
        assert_eq!(content["org.matrix.msc1767.audio"], sound);
        // As Element X reads it, which has ruma's feature `unstable-msc3245-v1-compat`.
        let read = serde_json::from_value::<RoomMessageEventContent>(content).unwrap();
        assert_eq!(read.msgtype(), "m.audio");
    }
}

#[tokio::test]
async fn a_file_answers_and_quotes_as_a_text_does() {
    let stub = in_portal(|call| {
        let there = json!({ "event_id": "$x", "room_id": ROOM, "sender": GHOST, "content": {},
            "type": "m.room.message" });
        call.path.contains("/event/$x").then_some((200, there))
    })
    .await;
    let to = |id: &str| Reference { id: EventId::new(id).unwrap(), was: Was::Sent, sent_at: None };
    let reply =
        |to: Option<Reference>| Some(Reply::answering(to, Some("which <pier>?".to_owned())));
    let pier = |caption| media(MediaKind::Image, Some("pier.png"), caption);
    let content = shown(&stub, "1", pier(None), reply(Some(to("$x")))).await;
    assert_eq!(content["m.relates_to"], json!({ "m.in_reply_to": { "event_id": "$x" } }));
    assert_eq!(content["body"], "pier.png");
    // Nothing to point at: the quote is what is written with the file.
    let content = shown(&stub, "2", pier(None), reply(None)).await;
    assert_eq!(
        (&content["body"], &content["filename"]),
        (&json!("> which <pier>?"), &json!("pier.png"))
    );
    assert_eq!(content["formatted_body"], "<blockquote>which &lt;pier&gt;?</blockquote>");
    let content = shown(&stub, "3", pier(Some("this")), reply(None)).await;
    assert_eq!(content["body"], "> which <pier>?\n\nthis");
    assert_eq!(content["formatted_body"], "<blockquote>which &lt;pier&gt;?</blockquote>this");
}

#[tokio::test]
async fn what_is_written_with_a_file_shows_though_it_reads_as_its_name() {
    let file = json!({ "msgtype": "m.image", "body": "a.png", "filename": "a.png",
        "url": "mxc://hs.test/pier" });
    let stub = in_portal(move |call| {
        let there = json!({ "event_id": "$x", "room_id": ROOM, "sender": GHOST, "content": file,
            "type": "m.room.message" });
        call.path.contains("/event/$x").then_some((200, there))
    })
    .await;
    let shows = |content: &Value, written: &str| {
        let read = serde_json::from_value::<RoomMessageEventContent>(content.clone()).unwrap();
        let MessageType::Image(image) = read.msgtype else { panic!("no image") };
        assert_eq!(image.caption().map(str::trim_end), Some(written));
        assert_eq!(image.filename(), content["filename"]);
    };
    let quotes = |quote: &str| Some(Reply::answering(None, Some(quote.to_owned())));
    let pier = |name, caption| media(MediaKind::Image, Some(name), caption);
    shows(&shown(&stub, "1", pier("a.png", Some("a.png")), None).await, "a.png");
    let content = shown(&stub, "2", pier("a.png", Some("a.png")), quotes("which?")).await;
    shows(&content, "> which?\n\na.png");
    assert_eq!(content["formatted_body"], "<blockquote>which?</blockquote>a.png ");
    shows(&shown(&stub, "3", pier("> a", None), quotes("a")).await, "> a");
    let mut edit = message(&stub, "4");
    if let Command::Message(message) = &mut edit.command {
        let of = Reference { id: EventId::new("$x").unwrap(), was: Was::Sent, sent_at: None };
        message.content = Content::Edit { of, text: Text::plain("a.png") };
    }
    assert!(deliver(&stub.core, &[edit]).await[0].is_ok());
    let content = stub.calls("/send/m.room.message/").pop().unwrap().body;
    shows(&content["m.new_content"], "a.png");
}

#[tokio::test]
async fn a_file_is_taken_up_once_though_showing_it_fails() {
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let stub = in_portal(move |call| {
        let fails = call.path.contains("/send/") && breaks.load(Ordering::Relaxed);
        fails.then(|| (500, json!({})))
    })
    .await;
    let pier = || media(MediaKind::Image, Some("pier.png"), None);
    let results = deliver(&stub.core, &[delivers(&stub, "1", pier(), None)]).await;
    assert!(matches!(results[..], [Err(DeliveryError::Unknown { .. })]), "{results:?}");
    broken.store(false, Ordering::Relaxed);
    shown(&stub, "1", pier(), None).await;
    assert_eq!(uploads(&stub).len(), 1);
    let sent = stub.calls("/send/m.room.message/");
    assert!(sent.iter().all(|call| call.path.contains("/m.room.message/1?")), "{sent:?}");
    shown(&stub, "2", pier(), None).await;
    assert_eq!(uploads(&stub).len(), 2, "another one's");
}

#[tokio::test]
async fn what_the_homeserver_does_not_take_is_refused_or_tried_again() {
    let fails = |status: u16, errcode: &'static str| {
        Stub::start(move |call| {
            let up = call.path.contains("/upload");
            up.then(|| (status, json!({ "errcode": errcode, "retry_after_ms": 500 })))
        })
    };
    let refused = |code: Code| Err(DeliveryError::Refused { refusal: code.into(), why: "" });
    let retry = |after| Err(DeliveryError::Retry { after, why: "" });
    for (status, errcode, expected) in [
        (413, "M_TOO_LARGE", refused(Code::MediaTooLarge)),
        (413, "", refused(Code::MediaTooLarge)),
        (400, "M_BAD_JSON", refused(Code::Forbidden)),
        (403, "M_FORBIDDEN", refused(Code::Forbidden)),
        (429, "M_LIMIT_EXCEEDED", retry(Some(Duration::from_millis(500)))),
        (500, "M_UNKNOWN", retry(None)),
        (200, "", retry(None)),
        (401, "M_UNKNOWN_TOKEN", Err(DeliveryError::Disconnected)),
    ] {
        let stub = fails(status, errcode).await;
        stub.knows_room(Company::None).await;
        let pier = media(MediaKind::Image, Some("pier.png"), None);
        let results = deliver(&stub.core, &[delivers(&stub, "1", pier, None)]).await;
        let result = results.into_iter().next().unwrap();
        let plain = result.map_err(|error| match error {
            DeliveryError::Refused { refusal, .. } => DeliveryError::Refused { refusal, why: "" },
            DeliveryError::Retry { after, .. } => DeliveryError::Retry { after, why: "" },
            other => other,
        });
        assert_eq!(plain, expected, "{status}");
        assert_eq!(stub.calls("/send/").len(), 0);
    }
}

#[tokio::test]
async fn a_refusal_names_the_limit_that_the_homeserver_names() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let stub = in_portal(move |call| match () {
        () if call.path.contains("/media/config") => {
            count.fetch_add(1, Ordering::Relaxed);
            Some((200, json!({ "m.upload.size": 10 })))
        }
        () => call.path.contains("/upload").then(|| (413, json!({}))),
    })
    .await;
    assert_eq!(stub.core.homeserver.max_file(), 50 * 1024 * 1024);
    stub.core.homeserver.learn_max_file().await;
    stub.core.homeserver.learn_max_file().await;
    assert_eq!((stub.core.homeserver.max_file(), asked.load(Ordering::Relaxed)), (10, 1));
    let pier = media(MediaKind::Image, Some("pier.png"), None);
    let results = deliver(&stub.core, &[delivers(&stub, "1", pier, None)]).await;
    let limited = |result: &Result<Delivered, DeliveryError>| {
        matches!(result, Err(DeliveryError::Refused { refusal, .. })
            if *refusal == Refusal::too_large(10))
    };
    assert!(limited(&results[0]), "{results:?}");
    stub.core.homeserver.learn_max_file().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "it may have changed");
}

#[tokio::test]
async fn a_thumbnail_that_is_not_taken_is_left_away() {
    let stub = in_portal(|call| {
        let small = call.path.contains("filename=thumbnail");
        small.then(|| (400, json!({ "errcode": "M_UNKNOWN" })))
    })
    .await;
    let mut pier = media(MediaKind::Image, Some("pier.png"), None);
    pier.thumbnail = Some(Thumbnail { at: Locator::Attached, info: FileInfo::default() });
    let content = shown(&stub, "1", pier, None).await;
    assert_eq!(content["info"]["thumbnail_url"], Value::Null);
}

#[tokio::test]
async fn a_ghost_that_is_not_known_any_more_is_made_anew() {
    let made = Arc::new(AtomicBool::new(false));
    let stub = in_portal(move |call| {
        if call.path.contains("/register") {
            made.store(true, Ordering::Relaxed);
        }
        let unknown = call.path.contains("/upload") && !made.load(Ordering::Relaxed);
        unknown.then(|| (403, json!({ "errcode": "M_FORBIDDEN" })))
    })
    .await;
    shown(&stub, "1", media(MediaKind::Image, Some("pier.png"), None), None).await;
}

#[tokio::test]
async fn a_new_caption_leaves_the_file_in_its_place() {
    let stub = in_portal(|call| {
        let file = json!({
            "msgtype": "m.image", "body": "old", "filename": "pier.png", "format": "x",
            "formatted_body": "<b>old</b>", "url": "mxc://hs.test/pier", "info": { "w": 640 },
            "m.relates_to": { "m.in_reply_to": { "event_id": "$y" } },
            "dev.drawbridge.delivery": "0",
        });
        let there = json!({ "event_id": "$x", "room_id": ROOM, "sender": GHOST, "content": file,
            "type": "m.room.message" });
        call.path.contains("/event/$x").then_some((200, there))
    })
    .await;
    let mut delivery = message(&stub, "1");
    if let Command::Message(message) = &mut delivery.command {
        let of = Reference { id: EventId::new("$x").unwrap(), was: Was::Sent, sent_at: None };
        message.content = Content::Edit { of, text: Text::plain("new") };
    }
    assert!(deliver(&stub.core, &[delivery]).await[0].is_ok());
    let content = stub.calls("/send/m.room.message/")[0].body.clone();
    let new = json!({
        "msgtype": "m.image", "body": "new", "filename": "pier.png", "url": "mxc://hs.test/pier",
        "info": { "w": 640 },
    });
    assert_eq!(content["m.new_content"], new);
    assert_eq!(content["m.relates_to"], json!({ "rel_type": "m.replace", "event_id": "$x" }));
    assert_eq!((&content["body"], &content["url"]), (&json!("* new"), &new["url"]));
    assert_eq!(content["dev.drawbridge.delivery"], "1");
}

#[tokio::test]
async fn what_is_read_moves_the_deadline() {
    let files = Attached { file: spooled(&vec![7; 300_000]).unwrap(), thumbnail: None };
    let late = || Instant::now().checked_sub(LONGEST).unwrap();
    let stands = std::future::pending();
    assert_eq!(while_it_moves(&files, late(), stands).await, Err(TOO_SLOW));
    let moves = async {
        let mut body = files.file.body();
        while body.next().await.is_some() {}
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok(Delivered::default())
    };
    assert_eq!(while_it_moves(&files, late(), moves).await, Ok(Delivered::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_answer_to_a_file_ends_in_a_result(
        part in prop::sample::select(&["/upload", "/media/config", "/event/", "/send/"][..]),
        status in prop::sample::select(&[200_u16, 302, 400, 401, 403, 404, 413, 429, 500][..]),
        body in any_json(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stub = in_portal(move |call: &Call| {
                call.path.contains(part).then(|| (status, body.clone()))
            });
            let stub = stub.await;
            stub.core.homeserver.learn_max_file().await;
            let pier = media(MediaKind::Video, None, Some("x"));
            let mut edit = message(&stub, "2");
            if let Command::Message(message) = &mut edit.command {
                let of = Reference { id: EventId::new("$x").unwrap(), was: Was::Sent, sent_at: None };
                message.content = Content::Edit { of, text: Text::plain("new") };
            }
            for delivery in [delivers(&stub, "1", pier, None), edit] {
                prop_assert_eq!(deliver(&stub.core, &[delivery]).await.len(), 1);
            }
            Ok(())
        })?;
    }
}
