//! Files, as clients write them: of the specification, with voice messages (MSC3245), their waveforms
//! (MSC3246) and blurhashes (MSC2448).

use std::time::Duration;

use drawbridge_adapter::{FileInfo, Kind, Locator, Media, MediaKind, Thumbnail};
use serde_json::Value;

use super::written::{brief, caption};
use crate::address::MatrixAddressing;
use crate::mxc::Mxc;

const SOUND: &str = "org.matrix.msc1767.audio";
const BLURHASH: &str = "xyz.amorgan.blurhash";

/// A file, and what its sender's client quoted before what is written with it.
pub(crate) struct Sent {
    pub(crate) media: Media,
    pub(crate) quote: Option<String>,
}

/// As what a content is shown, if it is a file.
pub(crate) fn file_kind(content: &Value) -> Option<MediaKind> {
    let voice = || VOICE.into_iter().any(|name| content.get(name).is_some_and(|it| !it.is_null()));
    match content.get("msgtype")?.as_str()? {
        "m.image" => Some(MediaKind::Image),
        "m.video" => Some(MediaKind::Video),
        "m.audio" if voice() => Some(MediaKind::Voice),
        "m.audio" => Some(MediaKind::Audio),
        "m.file" => Some(MediaKind::Document),
        _ => None,
    }
}

const VOICE: [&str; 2] = ["org.matrix.msc3245.voice", "m.voice"];

/// Reads a file; `None` if it is none, and its kind alone if it cannot be had.
pub(crate) fn file(
    content: &Value,
    answers: bool,
    names: &MatrixAddressing,
) -> Option<Result<Sent, Kind>> {
    let kind = file_kind(content)?;
    let field = |name: &str| content.get(name).and_then(Value::as_str);
    let Some(at) = locator(content.get("url")) else {
        let encrypted = content.get("url").is_none() && content.get("file").is_some();
        return Some(Err(if encrypted { Kind::Encrypted } else { kind.kind() }));
    };
    let said = |name: &&str| !name.is_empty();
    let name = field("filename").filter(said);
    let written = name.filter(|name| field("body") != Some(name));
    let written = written.and_then(|_| caption(content, answers, names));
    let info = content.get("info").unwrap_or(&Value::Null);
    let sound = content.get(SOUND).unwrap_or(&Value::Null);
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64);
    let played = number(info, "duration").or_else(|| number(sound, "duration"));
    let (caption, quote) = written.map_or((None, None), |it| (Some(it.text), it.quote));
    let info = FileInfo {
        name: name.or(field("body")).map(str::to_owned),
        duration: played.map(Duration::from_millis),
        waveform: waveform(sound),
        blurhash: text(info, BLURHASH),
        ..facts(info)
    };
    let thumbnail = thumbnail(content.get("info"));
    Some(Ok(Sent { media: Media { kind, at, info: info.clean(), thumbnail, caption }, quote }))
}

/// What stands for a file where another message quotes it.
pub(crate) fn in_short(content: &Value, names: &MatrixAddressing) -> Option<String> {
    let media = file(content, true, names)?.ok()?.media;
    let written = media.caption.map(|caption| caption.body).or(media.info.name);
    written.as_deref().map(brief).filter(|quote| !quote.is_empty())
}

fn locator(url: Option<&Value>) -> Option<Locator> {
    let mxc = url.and_then(|url| Mxc::parse(url.as_str()?))?;
    Some(Locator::Own(mxc.to_string()))
}

fn thumbnail(info: Option<&Value>) -> Option<Thumbnail> {
    let at = locator(info?.get("thumbnail_url"))?;
    let info = info?.get("thumbnail_info").map(facts).unwrap_or_default();
    Some(Thumbnail { at, info: info.clean() })
}

/// What is said alike of a file and of its thumbnail.
fn facts(info: &Value) -> FileInfo {
    let number = |name: &str| info.get(name).and_then(Value::as_u64);
    let pixels = |name: &str| number(name).and_then(|count| u32::try_from(count).ok());
    FileInfo {
        mime: text(info, "mimetype"),
        size: number("size"),
        width: pixels("w"),
        height: pixels("h"),
        ..FileInfo::default()
    }
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// How loud it is; nothing if one of the steps is no number.
fn waveform(sound: &Value) -> Vec<u16> {
    let steps = sound.get("waveform").and_then(Value::as_array).into_iter().flatten();
    let step = |step: &Value| {
        let loud = step.as_u64()?.min(u64::from(FileInfo::LOUDEST));
        u16::try_from(loud).ok()
    };
    steps.take(FileInfo::MAX_WAVEFORM).map(step).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
    use drawbridge_adapter::Text;
    use proptest::prelude::*;
    use serde_json::json;

    const URL: &str = "mxc://hs.test/pier";

    fn names() -> MatrixAddressing {
        let network = drawbridge_adapter::NetworkId::new("matrix").unwrap();
        MatrixAddressing::new(network, "hs.test", "_drawbridge_", "drawbridge")
    }

    fn read(content: &Value) -> Result<Media, Kind> {
        file(content, false, &names()).unwrap().map(|sent| sent.media)
    }

    fn with(fields: &Value) -> Media {
        let mut content = json!({ "msgtype": "m.image", "body": "pier.png", "url": URL });
        let all = content.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        read(&content).unwrap()
    }

    #[test]
    fn each_kind_has_its_type() {
        let voice = |name: &str| json!({ "msgtype": "m.audio", "body": "v", "url": URL, name: {} });
        for (content, kind) in [
            (json!({ "msgtype": "m.image", "body": "b", "url": URL }), MediaKind::Image),
            (json!({ "msgtype": "m.video", "body": "b", "url": URL }), MediaKind::Video),
            (json!({ "msgtype": "m.audio", "body": "b", "url": URL }), MediaKind::Audio),
            (json!({ "msgtype": "m.file", "url": URL }), MediaKind::Document),
            (voice("org.matrix.msc3245.voice"), MediaKind::Voice),
            (voice("m.voice"), MediaKind::Voice),
        ] {
            let media = read(&content).unwrap();
            assert_eq!(media.kind, kind);
            assert!(media.at == Locator::Own(URL.to_owned()));
        }
        assert!(file(&json!({ "msgtype": "m.text", "url": URL }), false, &names()).is_none());
    }

    #[test]
    fn a_caption_is_told_from_a_name() {
        let of = |fields: Value| {
            let media = with(&fields);
            (media.info.name.unwrap_or_default(), media.caption.map(|text| text.body))
        };
        let named = |name: &str| (name.to_owned(), None);
        assert_eq!(of(json!({})), named("pier.png"));
        assert_eq!(of(json!({ "filename": "pier.png" })), named("pier.png"));
        assert_eq!(of(json!({ "filename": "" })), named("pier.png"));
        assert_eq!(of(json!({ "filename": "a.png", "body": "" })), named("a.png"));
        assert_eq!(of(json!({ "filename": "a.png", "body": null })), named("a.png"));
        assert_eq!(of(json!({ "body": "../../\u{202e}a.png" })), named("a.png"));
        let old = ("a.png".to_owned(), Some("the pier".to_owned()));
        assert_eq!(of(json!({ "filename": "a.png", "body": "the pier" })), old);
        let bold = json!({ "filename": "a.png", "body": "**old**",
            "format": "org.matrix.custom.html", "formatted_body": "<strong>old</strong>" });
        let caption = with(&bold).caption.unwrap();
        assert!(caption.rich.is_some() && caption != Text::plain("**old**"));
    }

    #[test]
    fn what_is_said_of_a_file_is_kept_within_bounds() {
        let info = json!({
            "w": 640, "h": 480, "size": 5000, "mimetype": "Image/PNG; x=y", "duration": 2500,
            "xyz.amorgan.blurhash": "LEHV6nWB2yk8pyo0adR*", "thumbnail_url": "mxc://hs.test/small",
            "thumbnail_info": { "w": 64, "h": 48, "size": 500, "mimetype": "image/webp" },
        });
        let media = with(&json!({ "info": info, SOUND: { "waveform": [0, 5000, 7] } }));
        let said = media.info;
        assert_eq!((said.width, said.height, said.size), (Some(640), Some(480), Some(5000)));
        assert_eq!(said.mime.as_deref(), Some("image/png"));
        assert_eq!(said.duration, Some(Duration::from_millis(2500)));
        assert_eq!(said.waveform, [0, 1024, 7]);
        assert!(said.blurhash.is_some());
        let small = media.thumbnail.unwrap();
        assert!(small.at == Locator::Own("mxc://hs.test/small".to_owned()));
        assert_eq!((small.info.width, small.info.size), (Some(64), Some(500)));
        let odd = json!({
            "w": -1, "h": 1_u64 << 40, "size": "5", "mimetype": 5, "duration": u64::MAX,
            "xyz.amorgan.blurhash": "<>", "thumbnail_url": "https://hs.test/x",
        });
        let media = with(&json!({ "info": odd, SOUND: { "waveform": [1, "2"], "duration": 5 } }));
        let said = media.info;
        assert_eq!((said.width, said.height, said.size, said.mime), (None, None, None, None));
        assert_eq!((said.duration, said.blurhash), (None, None));
        assert!(said.waveform.is_empty() && media.thumbnail.is_none());
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_by_its_kind() {
        let of = |fields: Value| {
            let mut content = json!({ "msgtype": "m.video", "body": "b" });
            content.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            read(&content).unwrap_err()
        };
        assert_eq!(of(json!({})), Kind::Video);
        assert_eq!(of(json!({ "url": "https://hs.test/x" })), Kind::Video);
        assert_eq!(of(json!({ "url": "mxc://hs.test/../x" })), Kind::Video);
        assert_eq!(of(json!({ "url": 5, "file": {} })), Kind::Video);
        assert_eq!(of(json!({ "file": { "url": URL } })), Kind::Encrypted);
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_a_file_or_none(
            info in any_json(),
            sound in any_json(),
            url in any_json(),
            body in any_json(),
            filename in any_json(),
            msgtype in "m\\.(image|video|audio|file|text)",
            valid in any::<bool>(),
        ) {
            let url = if valid { URL.into() } else { url };
            let content = json!({ "msgtype": msgtype, "body": body, "filename": filename,
                "url": url, "info": info, SOUND: sound });
            let _ = file(&info, true, &names());
            let _ = in_short(&content, &names());
            if let Some(Ok(Sent { media, .. })) = file(&content, true, &names()) {
                prop_assert_eq!(&media.info, &media.info.clone().clean());
                let own = matches!(&media.at, Locator::Own(own) if Mxc::parse(own).is_some());
                prop_assert!(own && media.caption.is_none_or(|caption| !caption.body.is_empty()));
            }
        }
    }
}
