//! Files that the app offers.

use std::time::Duration;

use drawbridge_adapter::{FileInfo, Locator, Media, MediaKind, Sha256, Thumbnail};
use serde_json::{Map, Number, Value};
use tokio_tungstenite::tungstenite::http::Uri;

use super::{Flaw, content, flaw};
use crate::PartnerAddressing;
use crate::frame::{self, AppFile, AppFileInfo, AppText};

/// Whether a content says where a file is.
pub(super) fn is_one(content: &Map<String, Value>) -> bool {
    ["file", "url"].iter().any(|key| content.get(*key).is_some_and(|value| !value.is_null()))
}

pub(super) fn file(
    kind: MediaKind,
    file: AppFile,
    addressing: &PartnerAddressing,
) -> Result<Media, Flaw> {
    let AppFile { said, duration_ms, waveform, blurhash, caption, caption_markdown, thumbnail } =
        file;
    let (at, mut info) = said_of("content", said)?;
    info.duration = duration_ms.as_ref().and_then(whole).map(Duration::from_millis);
    let steps = waveform.unwrap_or_default().into_iter().take(FileInfo::MAX_WAVEFORM);
    info.waveform = steps.map(|step| loudness(&step)).collect();
    info.blurhash = blurhash;
    let thumbnail = thumbnail.map(|picture| said_of("content.thumbnail", picture)).transpose()?;
    let caption = caption.filter(|caption| !caption.is_empty());
    let caption =
        caption.map(|body| content::text(AppText { body, markdown: caption_markdown }, addressing));
    Ok(Media {
        kind,
        at,
        info: info.clean(),
        thumbnail: thumbnail.map(|(at, info)| Thumbnail { at, info: info.clean() }),
        caption: caption.transpose()?,
    })
}

/// Where it is, and what the app says of it. What is only out of bounds is left away.
fn said_of(place: &str, said: AppFileInfo) -> Result<(Locator, FileInfo), Flaw> {
    let AppFileInfo { file, url, name, mime, size, sha256, width, height } = said;
    let wrong = |key: &str, what| flaw(&format!("{place}.{key}"), what);
    let at = match (file, url) {
        (Some(file), None) if frame::is_id(&file) => Locator::Own(file),
        (Some(_), None) => {
            return Err(wrong("file", "is not 1 to 128 printable ASCII characters"));
        }
        (None, Some(url)) if is_link(&url) => Locator::Link(url),
        (None, Some(_)) => {
            return Err(wrong("url", "is not a URL like https://… of at most 2048 bytes"));
        }
        _ => return Err(flaw(place, "is not exactly one of file and url")),
    };
    let hash = sha256.map(|hash| {
        Sha256::from_hex(&hash).ok_or_else(|| wrong("sha256", "is not 64 hexadecimal digits"))
    });
    let pixels = |count: Option<Number>| u32::try_from(count.as_ref().and_then(whole)?).ok();
    let (width, height) = (pixels(width), pixels(height));
    let sha256 = hash.transpose()?;
    Ok((at, FileInfo { name, mime, size, sha256, width, height, ..FileInfo::default() }))
}

/// Whether the bridge could look there; whether it may, the operator has said.
fn is_link(url: &str) -> bool {
    let parts = url.parse::<Uri>().ok().filter(|uri| {
        let host = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        host.is_some_and(|host| !host.host().is_empty())
    });
    let scheme = parts.as_ref().and_then(Uri::scheme_str);
    url.len() <= Locator::MAX && matches!(scheme, Some("https" | "http"))
}

/// A number that is not negative, without its fraction.
fn whole(number: &Number) -> Option<u64> {
    let fraction = || {
        let number = number.as_f64().filter(|number| (0.0..=9e15).contains(number))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in range"
        )]
        Some(number as u64)
    };
    number.as_u64().or_else(fraction)
}

fn loudness(step: &Number) -> u16 {
    let loudest = u64::from(FileInfo::LOUDEST);
    u16::try_from(whole(step).unwrap_or(0).min(loudest)).unwrap_or(FileInfo::LOUDEST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use drawbridge_adapter::{Content, Kind};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::Frame;
    use super::super::tests::{event, place_of, read, submitted};
    use super::*;

    fn media(content: &Value) -> Media {
        match submitted(&event(content)).content {
            Content::Media(media) => *media,
            other => panic!("no file: {other:?}"),
        }
    }

    #[test]
    fn a_file_is_where_the_app_says_and_what_it_says() {
        let hash = "ab".repeat(32);
        let image = media(&json!({"type": "image", "file": "f1", "name": "../pier.png",
            "mime": "Image/PNG", "size": 1234, "sha256": hash, "width": 640, "height": 480.0,
            "blurhash": "LEHV6nWB2yk8", "caption": "the pier", "caption_markdown": "the *pier*",
            "thumbnail": {"url": "https://p.example/t", "mime": "image/jpeg", "width": 64}}));
        assert_eq!((image.kind, &image.at), (MediaKind::Image, &Locator::Own("f1".to_owned())));
        let info = &image.info;
        assert_eq!(
            (info.name.as_deref(), info.mime.as_deref()),
            (Some("pier.png"), Some("image/png"))
        );
        assert_eq!((info.size, info.sha256), (Some(1234), Sha256::from_hex(&hash)));
        assert_eq!((info.width, info.height), (Some(640), Some(480)));
        let caption = image.caption.unwrap();
        assert!(caption.body == "the pier" && caption.rich.is_some());
        let thumbnail = image.thumbnail.unwrap();
        assert_eq!(thumbnail.at, Locator::Link("https://p.example/t".to_owned()));
        assert_eq!(thumbnail.info.width, Some(64));
        let voice =
            media(&json!({"type": "voice", "url": "https://p.example/v?k=1#x", "caption": "",
            "duration_ms": 2500, "waveform": [0, 7.9, 5000, -3]}));
        assert_eq!(voice.info.duration, Some(Duration::from_millis(2500)));
        assert_eq!(voice.info.waveform, [0, 7, 1024, 0]);
        assert_eq!((voice.caption, voice.thumbnail), (None, None));
    }

    #[test]
    fn decorations_that_cannot_be_are_left_away() {
        let image = media(&json!({"type": "image", "file": "f1", "name": "..", "mime": "nonsense",
            "width": 0, "height": 1e300, "duration_ms": -1, "waveform": vec![1; 9000],
            "blurhash": "no hash"}));
        let waveform = vec![1; FileInfo::MAX_WAVEFORM];
        assert_eq!(image.info, FileInfo { waveform, ..FileInfo::default() });
    }

    #[test]
    fn what_names_no_file_is_of_a_kind_that_is_not_carried() {
        for kind in MediaKind::ALL {
            let content = json!({"type": kind.kind().as_str(), "body": "a text", "url": null});
            let content = submitted(&event(&content)).content;
            assert!(content == Content::Unsupported { kind: kind.kind() });
        }
    }

    #[test]
    fn errors_name_the_field() {
        let file = |key: &str, value: Value| {
            let mut file = json!({"type": "document", "file": "f1"});
            file[key] = value;
            file
        };
        for (content, place) in [
            (file("url", json!("https://p.example/x")), "content"),
            (file("file", json!("f 1")), "content.file"),
            (file("file", json!("x".repeat(129))), "content.file"),
            (file("file", json!(1)), "content"),
            (file("size", json!(-1)), "content"),
            (file("sha256", json!("ab")), "content.sha256"),
            (file("thumbnail", json!({})), "content.thumbnail"),
            (file("thumbnail", json!({"file": ""})), "content.thumbnail.file"),
            (json!({"type": "image", "url": "ftp://p.example/x"}), "content.url"),
            (json!({"type": "image", "url": "https:///x"}), "content.url"),
            (json!({"type": "image", "url": "https://u:p@p.example/x"}), "content.url"),
            (json!({"type": "image", "url": "/etc/passwd"}), "content.url"),
            (
                json!({"type": "image", "url": format!("https://p/{}", "x".repeat(2048))}),
                "content.url",
            ),
        ] {
            let found = place_of(&event(&content));
            assert!(found.starts_with(place), "{content:.80}: {found}");
        }
    }

    #[test]
    fn a_failed_fetch_says_why() {
        let frame = json!({"type": "fetch_failed", "id": "5f", "code": "expired"});
        let Ok(Frame::FetchFailed { id, refusal }) = read(&frame) else { panic!("not taken") };
        assert_eq!((id.as_str(), refusal.code), ("5f", drawbridge_adapter::Code::Expired));
        for (key, value) in [("id", json!("")), ("code", json!("lazy"))] {
            let mut bad = frame.clone();
            bad[key] = value;
            assert_eq!(place_of(&bad), key);
        }
    }

    proptest! {
        #[test]
        fn no_file_panics_and_none_keeps_what_is_out_of_bounds(
            kind in prop::sample::select(MediaKind::ALL.to_vec()),
            key in "file|url|name|mime|size|sha256|width|height|duration_ms|waveform|blurhash|caption|thumbnail",
            value in prop_oneof![
                any::<f64>().prop_map(|number| json!(number)),
                any::<i64>().prop_map(|number| json!(number)),
                ".{0,300}".prop_map(|text| json!(text)),
                prop::collection::vec(any::<f64>(), 0..300).prop_map(|all| json!(all)),
                "(file|url|size)".prop_map(|key| json!({key: "x"})),
            ],
        ) {
            let mut content = json!({"type": kind.kind().as_str(), "file": "f1"});
            content[key] = value;
            if let Ok(Frame::Event(submission)) = read(&event(&content)) {
                prop_assert_eq!(submission.content.kind(), kind.kind());
                if let Content::Media(media) = submission.content {
                    prop_assert_eq!(media.info.clone(), media.info.clean());
                }
            }
        }
    }

    #[test]
    fn a_kind_of_a_file_is_one_of_five() {
        let kinds = [Kind::Image, Kind::Video, Kind::Voice, Kind::Audio, Kind::Document];
        assert_eq!(MediaKind::ALL.map(MediaKind::kind), kinds);
    }
}
