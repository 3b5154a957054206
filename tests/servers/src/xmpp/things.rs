//! Places and files as clients show them.

use std::path::Path;

use drawbridge_adapter::{Location, MediaKind};
use serde_json::Value;

use crate::SampleFile;
use crate::script::text;

/// The place of a message, if the body is its URI too.
pub(super) fn place(line: &Value) -> Option<Location> {
    let place = Location::new(line["lat"].as_f64()?, line["lon"].as_f64()?)?;
    let accuracy = line["accuracy"].as_u64().and_then(|metres| u32::try_from(metres).ok());
    let place = place.within(accuracy);
    (line["body"] == place.to_geo()).then(|| place.named(line["text"].as_str()))
}

/// Whether a message is this file.
pub(super) fn is_file(line: &Value, file: &SampleFile) -> bool {
    let mime = text(line, "mime");
    let (class, parameters) = mime.split_once(';').unwrap_or((&mime, ""));
    let kind = match MediaKind::of_mime(class) {
        MediaKind::Audio if parameters.trim() == "codecs=opus" => MediaKind::Voice,
        kind => kind,
    };
    let length = file.duration.map(|duration| duration.as_millis().to_string());
    let pixels = |count: Option<u32>| count.map(|count| count.to_string());
    (kind, class) == (file.kind, file.mime.as_str())
        && line["name"] == file.name
        && line["caption"] == file.caption.as_deref().unwrap_or_default()
        && line["length"].as_str() == length.as_deref()
        && line["width"].as_str() == pixels(file.width).as_deref()
        && line["height"].as_str() == pixels(file.height).as_deref()
        && line["blurhash"].as_str() == file.blurhash.as_deref()
        // Clients without XEP-0447 show it too.
        && line["oob"] == true
        && file.is_same_as(Path::new(&text(line, "path"))).unwrap_or(false)
        && file.has_small(line["small"].as_str().map(Path::new)).unwrap_or(false)
}
