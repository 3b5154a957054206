#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::future::Future;

use drawbridge_adapter::{Locator, Thumbnail};
use drawbridge_testkit::spooled;
use tokio::time::Instant;

use super::*;
use crate::message::Shared;
use crate::uploads::lock;
use crate::uploads::tests::{GHOST, Server, TAKEN, bridge, picture};

const KEY: &str = "01a2b3c4d5e0123456789abcdef";
const ASKED: &str = "filename='thumbnail.jpg' size='5' content-type='image/jpeg'";

fn with_small(mime: &str) -> (Media, Attached) {
    let info = FileInfo {
        name: Some("film.mp4".to_owned()),
        mime: Some(mime.to_owned()),
        width: Some(32),
        height: Some(24),
        ..FileInfo::default()
    };
    let thumbnail = Some(Thumbnail { at: Locator::Attached, info });
    let file = spooled(b"the pier").unwrap();
    let small = Some(spooled(b"small").unwrap());
    (Media { thumbnail, ..picture() }, Attached { file, thumbnail: small })
}

fn link(server: &Server, name: &str) -> String {
    format!("http://{}/up/{name}", server.http)
}

/// The file lies there, as an earlier try left it.
fn begun(uploads: &Uploads) {
    let link = "https://p.test/pier.png".to_owned();
    let file = Shared { link, kind: MediaKind::Image, info: FileInfo::default(), small: None };
    lock(&uploads.begun).put(KEY.to_owned(), file);
}

#[tokio::test]
async fn a_small_picture_goes_to_a_place_of_its_own_and_only_once() {
    let mut server = Server::start().await;
    let (uploads, bridge) = (server.uploads(), bridge());
    let (media, attached) = with_small("image/jpeg");
    let share = || uploads.share(KEY, &media, &attached, GHOST, &bridge);
    let serving = async {
        server.is_found(5000).await;
        server.gives_slot_for("filename='pier.png'", "pier.png").await;
        let (_, file) = server.takes(TAKEN).await;
        server.gives_slot_for(ASKED, "thumbnail.jpg").await;
        (file, server.takes(TAKEN).await)
    };
    let (shared, (file, (head, small))) = tokio::join!(share(), serving);
    assert_eq!(shared, Ok(()));
    assert!(file == b"the pier" && small == b"small");
    assert!(head.starts_with("put /up/thumbnail.jpg ") && head.contains("type: image/jpeg"));
    let expected = Small {
        link: link(&server, "thumbnail.jpg"),
        mime: "image/jpeg".to_owned(),
        width: Some(32),
        height: Some(24),
    };
    let known = uploads.known(KEY).unwrap();
    assert!(known.link == link(&server, "pier.png") && known.small.as_ref() == Some(&expected));

    // The next try asks for nothing; nor does an edit after a restart.
    assert_eq!(share().await, Ok(()));
    let again = server.uploads();
    let known = again.recall(KEY, &bridge).await.unwrap().unwrap();
    assert!(known.small == Some(expected) && server.written.try_recv().is_err());
    assert!(lock(&uploads.begun).is_empty());
}

/// What is shared if it goes so with the small picture, of a file that lies there already.
async fn left_away<F: Future<Output = ()>>(
    mime: &str,
    max: u64,
    serving: impl FnOnce(Server) -> F,
) -> bool {
    let mut server = Server::start().await;
    let (uploads, bridge) = (server.uploads(), bridge());
    begun(&uploads);
    let (media, attached) = with_small(mime);
    let (found, ()) = tokio::join!(uploads.service(&bridge), server.is_found(max));
    assert!(found.is_ok_and(|found| found.is_some()));
    let share = uploads.share(KEY, &media, &attached, GHOST, &bridge);
    let (shared, ()) = tokio::join!(share, serving(server));
    assert_eq!(shared, Ok(()));
    let known = uploads.known(KEY).unwrap();
    known.link == "https://p.test/pier.png" && known.small.is_none()
}

#[tokio::test]
async fn what_goes_wrong_with_it_leaves_it_away() {
    let large = "<error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
        <file-too-large xmlns='urn:xmpp:http:upload:0'/></error>";
    let wait = "<error type='wait'><resource-constraint \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    for (kind, said) in [("error", large), ("error", wait), ("error", ""), ("result", "")] {
        let refusing = |mut server: Server| async move { server.answers(ASKED, kind, said).await };
        assert!(left_away("image/jpeg", 5000, refusing).await, "{said}");
    }
    for said in ["413 Too Large", "429 Slow\r\nRetry-After: 900", "500 Oops", "400 No"] {
        let failing = |mut server: Server| async move {
            server.gives_slot_for(ASKED, "thumbnail.jpg").await;
            server.takes(&format!("HTTP/1.1 {said}\r\nContent-Length: 0\r\n\r\n")).await;
        };
        assert!(left_away("image/jpeg", 5000, failing).await, "{said}");
    }
    // Nobody is asked.
    for (mime, max) in [("image/jpeg", 4), ("image/svg+xml", 5000), ("video/mp4", 5000)] {
        let silent = |mut server: Server| async move {
            assert!(server.written.try_recv().is_err(), "{mime}");
        };
        assert!(left_away(mime, max, silent).await, "{mime} {max}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_does_not_wait_long_for_it() {
    let started = Instant::now();
    let silent = |mut server: Server| async move {
        assert!(server.written.recv().await.unwrap().contains(ASKED));
    };
    assert!(left_away("image/jpeg", 5000, silent).await);
    let waited = started.elapsed();
    assert!(waited >= PATIENCE && waited < PATIENCE + Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn after_a_lost_connection_only_what_is_missing_goes_again() {
    let mut server = Server::start().await;
    let (uploads, bridge) = (server.uploads(), bridge());
    let (media, attached) = with_small("image/jpeg");
    let share = || uploads.share(KEY, &media, &attached, GHOST, &bridge);
    let losing = async {
        server.is_found(5000).await;
        server.gives_slot_for("filename='pier.png'", "pier.png").await;
        server.takes(TAKEN).await;
        assert!(server.written.recv().await.unwrap().contains(ASKED));
        server.outward.lose();
    };
    let (shared, ()) = tokio::join!(share(), losing);
    assert!(matches!(shared, Err(DeliveryError::Retry { .. })), "{shared:?}");
    assert_eq!(share().await, Err(DeliveryError::Disconnected));
    assert!(uploads.known(KEY).is_none());

    server.written = server.outward.open(2);
    uploads.connected();
    let serving = async {
        server.gives_slot_for(ASKED, "thumbnail.jpg").await;
        server.takes(TAKEN).await
    };
    let (shared, (_, small)) = tokio::join!(share(), serving);
    assert!(shared == Ok(()) && small == b"small", "{shared:?}");
    let known = uploads.known(KEY).unwrap();
    assert!(known.link == link(&server, "pier.png") && known.small.is_some());
}
