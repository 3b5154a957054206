//! Files.

use drawbridge_adapter::{FileInfo, Locator, Media, MediaKind};

use super::*;

fn file(kind: MediaKind, at: Locator, size: Option<u64>) -> Event {
    let info = FileInfo { size, ..FileInfo::default() };
    event(Content::Media(Box::new(Media { kind, at, info, thumbnail: None, caption: None })))
}

fn showing(levels: &[(Kind, Level)]) -> Capabilities {
    levels.iter().fold(capabilities(), |some, (kind, level)| some.with(*kind, *level))
}

fn said(event: &Event, target: &Capabilities, change: impl FnOnce(&mut Facts<'_>)) -> Verdict {
    said_by(&Policy::default(), event, target, change)
}

/// The same, by the word of the target's operator.
fn said_by(
    word: &Policy,
    event: &Event,
    target: &Capabilities,
    change: impl FnOnce(&mut Facts<'_>),
) -> Verdict {
    let all = MediaKind::ALL.map(|kind| (kind.kind(), Level::Full));
    let (source, policy) = (showing(&all), Policy::default());
    let side = Side {
        role: Role::Home,
        standing: Standing::Local,
        policy: &policy,
        capabilities: &source,
    };
    let mut facts = Facts {
        source: side,
        target: Some(Side { capabilities: target, policy: word, ..side }),
        between: friends(),
        about: None,
        file: FileFacts { most: 1000, host_allowed: true },
    };
    change(&mut facts);
    decide(&facts, event)
}

fn own() -> Locator {
    Locator::Own("mxc".to_owned())
}

#[test]
fn a_file_fits_both_sides_and_lies_where_it_may() {
    let can = showing(&[(Kind::Image, Level::Full)]);
    let verdict = |at, size| said(&file(MediaKind::Image, at, size), &can, |_| {});
    let too_large = Verdict::Refuse(Refusal::too_large(1000));
    assert_eq!(verdict(own(), None), Verdict::Deliver);
    assert_eq!(verdict(own(), Some(1000)), Verdict::Deliver);
    assert_eq!(verdict(own(), Some(1001)), too_large);
    let nothing = said(&file(MediaKind::Image, own(), None), &can, |facts| facts.file.most = 0);
    assert_eq!(nothing, refused(Code::UnsupportedKind(Kind::Image)));
    assert_eq!(verdict(Locator::Attached, None), refused(Code::Malformed));
    assert_eq!(verdict(Locator::Own(String::new()), None), refused(Code::Malformed));
    assert_eq!(verdict(Locator::Own("x".repeat(2049)), None), refused(Code::Malformed));
    let link = file(MediaKind::Image, Locator::Link("https://files.test/1".to_owned()), None);
    assert_eq!(said(&link, &can, |_| {}), Verdict::Deliver);
    let denied = said(&link, &can, |facts| facts.file.host_allowed = false);
    assert_eq!(denied, refused(Code::HostDenied));
}

#[test]
fn a_file_goes_as_what_its_target_shows() {
    use Level::{Fallback, Full, Partial};
    use MediaKind::{Audio, Document, Image, Voice};
    for (kind, levels, shown) in [
        (Image, vec![(Kind::Image, Partial)], Some(Image)),
        (Image, vec![(Kind::Image, Fallback), (Kind::Document, Full)], Some(Document)),
        (Image, vec![(Kind::Image, Fallback)], None),
        (Image, vec![(Kind::Document, Full)], None),
        (Voice, vec![(Kind::Voice, Fallback), (Kind::Audio, Full)], Some(Audio)),
        (
            Voice,
            vec![(Kind::Voice, Fallback), (Kind::Audio, Fallback), (Kind::Document, Full)],
            Some(Document),
        ),
    ] {
        let can = showing(&levels);
        assert_eq!(carried_as(kind, &can), shown, "{kind:?} {levels:?}");
        let event = file(kind, own(), None);
        let verdict = said(&event, &can, |_| {});
        let expected =
            shown.map_or(refused(Code::UnsupportedKind(kind.kind())), |_| Verdict::Deliver);
        assert_eq!(verdict, expected, "{kind:?} {levels:?}");
        let no_documents = Policy { denied: BTreeSet::from([Kind::Document]), ..Policy::default() };
        let narrower = said_by(&no_documents, &event, &can, |_| {});
        assert_eq!(narrower == Verdict::Deliver, !matches!(shown, None | Some(Document)));
    }
}

#[test]
fn a_file_is_what_its_bytes_are() {
    use MediaKind::{Audio, Document, Image, Video, Voice};
    let unknown = "application/octet-stream";
    for (kind, declared, found, shown) in [
        (Image, Some("image/png"), Some("image/png"), Some((Image, "image/png"))),
        // Which picture it is, its bytes say.
        (Image, Some("image/png"), Some("image/jpeg"), Some((Image, "image/jpeg"))),
        (Image, None, Some("image/jpeg"), Some((Image, "image/jpeg"))),
        (Image, Some("image/png"), Some("text/html"), None),
        (Image, Some("image/png"), Some("application/pdf"), None),
        (Image, Some("text/html"), Some("image/png"), None),
        (Image, Some("image/png"), None, Some((Document, unknown))),
        (Image, Some("image/svg+xml"), None, Some((Document, "image/svg+xml"))),
        (Image, Some("image/svg+xml"), Some("text/html"), None),
        (Video, Some("video/mp4"), Some("video/mp4"), Some((Video, "video/mp4"))),
        (Video, Some("video/mp4"), Some("image/png"), None),
        (Video, Some("video/ogg"), Some("audio/ogg"), Some((Video, "video/ogg"))),
        (Voice, Some("audio/ogg"), Some("audio/ogg"), Some((Voice, "audio/ogg"))),
        (Voice, Some("audio/mp4"), Some("video/mp4"), Some((Audio, "audio/mp4"))),
        (Voice, None, Some("audio/mpeg"), Some((Audio, "audio/mpeg"))),
        (Voice, Some("audio/ogg"), Some("application/x-executable"), None),
        (Audio, Some("audio/flac"), Some("audio/x-flac"), Some((Audio, "audio/flac"))),
        (Audio, Some("audio/x-ms-wma"), None, Some((Document, unknown))),
        (Audio, Some("audio/webm"), Some("video/webm"), Some((Audio, "audio/webm"))),
        (Document, None, None, Some((Document, unknown))),
        (Document, None, Some("application/pdf"), Some((Document, "application/pdf"))),
        (Document, Some("application/pdf"), Some("text/html"), None),
        (Document, Some("text/plain"), None, Some((Document, "text/plain"))),
        (Document, Some("text/plain"), Some("application/x-executable"), None),
        (Document, Some("image/png"), None, Some((Document, unknown))),
        (Document, Some("image/png"), Some("image/png"), Some((Document, "image/png"))),
        (Document, Some("application/x-foo"), Some("image/png"), Some((Document, "image/png"))),
        (
            Document,
            Some("application/vnd.oasis.opendocument.text"),
            Some("application/zip"),
            Some((Document, "application/vnd.oasis.opendocument.text")),
        ),
        (Document, Some("application/epub+zip"), Some("application/pdf"), None),
    ] {
        let shown = shown.map(|(kind, mime)| (kind, mime.to_owned()));
        let expected = shown.ok_or(Refusal::from(Code::MediaTypeMismatch));
        let is = shown_as(kind, declared, found, b"\0\xff");
        assert_eq!(is, expected, "{kind:?} {declared:?} {found:?}");
    }
}

#[test]
fn text_is_not_judged_by_its_first_word() {
    use MediaKind::{Document, Image};
    for (kind, declared, found, head, shown) in [
        (
            Document,
            "text/plain",
            Some("image/bmp"),
            "BM is short for".as_bytes(),
            Some("text/plain"),
        ),
        (
            Document,
            "text/x-python",
            Some("text/x-shellscript"),
            b"#!/usr/bin/env python3",
            Some("text/x-python"),
        ),
        (Document, "text/plain", Some("image/bmp"), b"BM\0\0\x01", None),
        (Document, "image/png", Some("text/html"), b"<html>", None),
        (
            Image,
            "image/svg+xml",
            Some("text/xml"),
            b"<?xml version='1.0'?><svg/>",
            Some("image/svg+xml"),
        ),
        (Image, "image/svg+xml", Some("text/html"), b"<html>", None),
        (Document, "application/msword", Some("text/rtf"), b"{\\rtf1", Some("application/msword")),
        (
            Document,
            "text/plain",
            Some("image/bmp"),
            "BM\u{e9}".as_bytes().split_last().unwrap().1,
            Some("text/plain"),
        ),
    ] {
        let shown = shown.map(|mime| (Document, mime.to_owned()));
        let expected = shown.ok_or(Refusal::from(Code::MediaTypeMismatch));
        let is = shown_as(kind, Some(declared), found, head);
        assert_eq!(is, expected, "{kind:?} {declared} {found:?}");
    }
    let film = shown_as(MediaKind::Video, Some("video/x-matroska"), Some("video/webm"), b"\x1a");
    assert_eq!(film, Ok((MediaKind::Video, "video/x-matroska".to_owned())));
}
