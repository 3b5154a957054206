//! Places, files and polls as Element writes them.

use std::time::Duration;

use anyhow::Result;
use drawbridge_adapter::{Location, MediaKind, Poll};
use serde_json::{Value, json};

use crate::SampleFile;
use crate::files::SMALL;

const BLURHASH: &str = "xyz.amorgan.blurhash";
const SOUND: &str = "org.matrix.msc1767.audio";

/// Text as HTML.
pub(super) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A place, as Element writes it.
pub(super) fn place_of(place: &Location) -> Value {
    let uri = place.to_geo();
    json!({
        "msgtype": "m.location",
        "body": format!("Location {uri} at 2026-11-22T12:00:00.000Z"),
        "geo_uri": uri,
        "org.matrix.msc3488.location": {"uri": uri, "description": place.name},
        "org.matrix.msc3488.asset": {"type": "m.pin"},
        "org.matrix.msc3488.ts": 1_795_348_800_000_u64,
    })
}

/// Whether Element would show this place on its map.
pub(super) fn is_place(content: &Value, place: &Location) -> bool {
    let extended = &content["org.matrix.msc3488.location"];
    content["msgtype"] == "m.location"
        && content["geo_uri"] == place.to_geo()
        && extended["uri"] == content["geo_uri"]
        && extended["description"].as_str() == place.name.as_deref()
}

/// A file, as Element writes it; where it lies is not known yet.
pub(super) fn file_of(file: &SampleFile) -> Result<Value> {
    let duration = file.duration.map(milliseconds);
    let mut content = json!({
        "msgtype": msgtype(file.kind), "filename": file.name,
        "body": file.caption.as_ref().unwrap_or(&file.name),
        "info": {
            "mimetype": file.mime, "size": file.size()?, "duration": duration,
            "w": file.width, "h": file.height, BLURHASH: file.blurhash,
        },
    });
    if let Some(small) = &file.thumbnail {
        let size = small.metadata()?.len();
        content["info"]["thumbnail_info"] =
            json!({"mimetype": SMALL, "size": size, "w": 1, "h": 1});
    }
    if file.kind == MediaKind::Voice {
        content["org.matrix.msc3245.voice"] = json!({});
        content[SOUND] = json!({"duration": duration, "waveform": file.waveform});
    }
    Ok(content)
}

/// Whether Element would show this as that file, but for its bytes.
pub(super) fn is_file(content: &Value, file: &SampleFile) -> Result<bool> {
    let (voice, info) = (content.get("org.matrix.msc3245.voice").is_some(), &content["info"]);
    let waveform = Some(&file.waveform).filter(|waveform| !waveform.is_empty());
    Ok(content["msgtype"] == msgtype(file.kind)
        && voice == (file.kind == MediaKind::Voice)
        && content["filename"] == *file.name
        && content["body"] == **file.caption.as_ref().unwrap_or(&file.name)
        && info["mimetype"] == *file.mime
        && info["size"] == file.size()?
        && info["duration"] == json!(file.duration.map(milliseconds))
        && (&info["w"], &info["h"]) == (&json!(file.width), &json!(file.height))
        && info[BLURHASH] == json!(file.blurhash)
        && content[SOUND]["waveform"] == json!(waveform))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn msgtype(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "m.image",
        MediaKind::Video => "m.video",
        MediaKind::Voice | MediaKind::Audio => "m.audio",
        MediaKind::Document => "m.file",
    }
}

/// A poll, as Element writes it.
pub(super) fn poll_of(poll: &Poll) -> Value {
    const TEXT: &str = "org.matrix.msc1767.text";
    let answers = poll.answers.iter().enumerate();
    let answers = answers.map(|(id, text)| json!({"id": format!("{id}"), TEXT: text}));
    json!({
        TEXT: format!("{} …", poll.question),
        "org.matrix.msc3381.poll.start": {
            "kind": "org.matrix.msc3381.poll.disclosed",
            "max_selections": poll.most,
            "question": {TEXT: poll.question, "body": poll.question, "msgtype": "m.text"},
            "answers": answers.collect::<Vec<_>>(),
        },
    })
}
