//! Files, in both directions.

use std::io::{Read, Write};
use std::net::TcpListener;

use drawbridge_adapter::{
    Adapter, Code, Command as Order, Content, DeliveryError, EventId, Locator, MediaKind, State,
    Status,
};
use drawbridge_testkit::{handed_over, sample};
use futures_util::StreamExt;
use serde_json::json;

use crate::stage::{App, delivery, life_as, message, scene};
#[test]
fn its_users_send_and_get_files() {
    let (dir, port, bridge) = scene();
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let files = format!("127.0.0.1:{}", free());
    let way = json!({"listen": format!("127.0.0.1:{port}"), "media_listen": files,
                     "media_public_url": format!("http://{files}/files")});
    let life = life_as(dir.path(), &way, &bridge);
    let url = format!("ws://127.0.0.1:{port}/partner/v1");
    let mut app = App::run(dir.path(), &["--url", &url, "--files", dir.path().to_str().unwrap()]);
    app.saw("enlisted");
    let image = sample(MediaKind::Image);
    let path = dir.path().join("pier.png");
    std::fs::write(&path, &image.bytes).unwrap();
    let small = dir.path().join("small.png");
    std::fs::write(&small, image.thumbnail.as_ref().unwrap()).unwrap();

    for hosted in [false, true] {
        let id = if hosted { "hosted" } else { "asked" };
        app.does(&json!({"do": "file", "from": "carol", "to": "elsewhere:alice", "id": id,
                         "type": "image", "path": path, "mime": image.mime,
                         "caption": image.caption, "hosted": hosted,
                         "thumbnail": {"path": small, "mime": "image/png", "width": 2}}));
        assert_eq!(app.saw("ack")["ids"], json!([id]));
        let handed = bridge.journal().handed.pop().unwrap().event;
        let Content::Media(media) = handed.content else { panic!("no file") };
        assert_eq!(media.info.name.as_deref(), Some("pier.png"));
        assert_eq!(media.info.size, Some(image.bytes.len() as u64));
        let small = media.thumbnail.unwrap();
        assert_eq!((small.info.width, small.info.mime.as_deref()), (Some(2), Some("image/png")));
        assert_eq!(matches!(small.at, Locator::Link(_)), hosted);
        match media.at {
            Locator::Own(own) => {
                let came = life.runtime.block_on(async {
                    let mut incoming = life.partner.open(&own).await.unwrap();
                    let mut came = Vec::new();
                    while let Some(piece) = incoming.body.next().await {
                        came.extend_from_slice(&piece.unwrap());
                    }
                    came
                });
                assert!(!hosted && came == image.bytes);
                let accepted = delivery(
                    "2",
                    Order::Status(Status {
                        event: EventId::new(id).unwrap(),
                        sender: "birdychat:carol".parse().unwrap(),
                        recipient: None,
                        kind: media.kind.kind(),
                        state: State::Accepted,
                        reply_path: handed.reply_path,
                    }),
                );
                let told = life.runtime.block_on(life.partner.deliver(&[accepted]));
                assert!(told[0].is_ok(), "{told:?}");
                app.saw("status");
                let gone = life.runtime.block_on(life.partner.open(&own));
                let Err(DeliveryError::Refused { refusal, .. }) = gone else {
                    panic!("still there")
                };
                assert_eq!(refusal.code, Code::Expired);
            }
            Locator::Link(link) => {
                assert!(hosted);
                let authority = link.strip_prefix("http://").unwrap();
                let (host, path) = authority.split_once('/').unwrap();
                let mut stream = std::net::TcpStream::connect(host).unwrap();
                write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
                    .unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).unwrap();
                assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(&image.bytes));
            }
            Locator::Attached => panic!("nothing is attached to an event"),
        }
    }

    let mut one = message("1", "birdychat:carol", "");
    let (media, attached) = handed_over(&image).unwrap();
    if let Order::Message(message) = &mut one.command {
        message.content = Content::Media(Box::new(media));
    }
    one.attached = Some(attached);
    let results = life.runtime.block_on(life.partner.deliver(&[one]));
    assert!(results[0].is_ok(), "{results:?}");
    let event = app.line("event");
    assert_eq!(event["frame"]["content"]["caption"], json!(image.caption));
    let got = std::fs::read(event["file"].as_str().unwrap()).unwrap();
    assert!(got == image.bytes, "{} bytes came", got.len());
    let small = std::fs::read(event["thumbnail"].as_str().unwrap()).unwrap();
    assert_eq!(Some(small), image.thumbnail);
    app.quits();
}
