//! A text, a place or a file, as the content of an event.

use drawbridge_adapter::{FileInfo, Location, Media, MediaKind, Text, Timestamp};
use ruma::EventId;
use serde_json::{Value, json};

use crate::address::MatrixAddressing;
use crate::mxc::Mxc;
use crate::wire::Markup;

/// The largest content, in bytes: an event of at most 65,535 (Matrix, "Size limits") also holds ids,
/// hashes and signatures.
const MAX_CONTENT: usize = 62_500;
/// How much of a new text stands where clients look that know no edits, if not all of it fits, in bytes.
const MAX_FALLBACK: usize = 500;

const FORMAT: &str = "org.matrix.custom.html";

/// What somebody wrote.
pub(super) fn content(text: &Text, names: &MatrixAddressing) -> Value {
    let mut content = json!({ "msgtype": "m.text", "body": text.body });
    if let Some(rich) = &text.rich {
        let markup = Markup::of(rich, names);
        content["format"] = FORMAT.into();
        content["formatted_body"] = markup.html.into();
        if !markup.named.is_empty() {
            content["m.mentions"] = json!({ "user_ids": markup.named });
        }
    }
    within_bounds(content)
}

/// A place, with these words for clients that show no map. What MSC3488 adds bears the names that are
/// in use until it is part of Matrix.
pub(super) fn place(place: &Location, words: Option<&str>, sent_at: Timestamp) -> Value {
    let uri = place.to_geo();
    let mut extended = json!({ "uri": uri });
    if let Some(name) = &place.name {
        extended["description"] = name.as_str().into();
    }
    json!({
        "msgtype": "m.location",
        "body": words.unwrap_or(&uri),
        "geo_uri": uri,
        "org.matrix.msc3488.location": extended,
        "org.matrix.msc3488.ts": sent_at.0,
        "org.matrix.msc3488.asset": { "type": "m.pin" },
    })
}

/// How a file is called: all clients want a name.
pub(super) fn file_name(media: &Media) -> String {
    if let Some(name) = &media.info.name {
        return name.clone();
    }
    let stem = match media.kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Voice => "voice-message",
        MediaKind::Audio => "audio",
        MediaKind::Document => "file",
    };
    let extension = match media.info.mime.as_deref().unwrap_or_default() {
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/gif" => ".gif",
        "image/webp" => ".webp",
        "video/mp4" => ".mp4",
        "video/webm" => ".webm",
        "audio/ogg" => ".ogg",
        "audio/mpeg" => ".mp3",
        "audio/mp4" => ".m4a",
        "audio/flac" => ".flac",
        "audio/wav" | "audio/x-wav" => ".wav",
        "application/pdf" => ".pdf",
        "text/plain" => ".txt",
        _ => "",
    };
    format!("{stem}{extension}")
}

/// A file that lies there under this name, with the small picture of it.
pub(super) fn file(
    media: &Media,
    (at, name): (&Mxc, &str),
    small: Option<(Mxc, &FileInfo, u64)>,
    names: &MatrixAddressing,
) -> Value {
    let said = &media.info;
    let mut info = facts(said);
    set(&mut info, "duration", said.duration.map(millis));
    set(&mut info, "xyz.amorgan.blurhash", said.blurhash.as_deref());
    if let Some((at, said, size)) = small {
        info["thumbnail_url"] = at.to_string().into();
        info["thumbnail_info"] = facts(&FileInfo { size: Some(size), ..said.clone() });
    }
    let msgtype = match media.kind {
        MediaKind::Image => "m.image",
        MediaKind::Video => "m.video",
        MediaKind::Voice | MediaKind::Audio => "m.audio",
        MediaKind::Document => "m.file",
    };
    let mut file =
        json!({ "msgtype": msgtype, "filename": name, "url": at.to_string(), "info": info });
    if media.kind == MediaKind::Voice {
        file["org.matrix.msc3245.voice"] = json!({});
        // Clients that find a block without a duration cannot read the event.
        if let Some(duration) = said.duration {
            let mut sound = json!({ "duration": millis(duration) });
            let waveform = Some(&*said.waveform).filter(|waveform| !waveform.is_empty());
            set(&mut sound, "waveform", waveform);
            file["org.matrix.msc1767.audio"] = sound;
        }
    }
    captioned(file, media.caption.as_ref(), names)
}

fn facts(said: &FileInfo) -> Value {
    let mut info = json!({});
    set(&mut info, "mimetype", said.mime.as_deref());
    set(&mut info, "size", said.size);
    set(&mut info, "w", said.width);
    set(&mut info, "h", said.height);
    info
}

fn set(of: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        of[name] = value.into();
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A file with this written with it, and nothing else. Its body is its name if nothing is, and only then.
pub(super) fn captioned(file: Value, text: Option<&Text>, names: &MatrixAddressing) -> Value {
    let mut captioned = file;
    if captioned["filename"].is_null() {
        captioned["filename"] = captioned["body"].take();
    }
    let Some(fields) = captioned.as_object_mut() else { return captioned };
    for old in ["body", "format", "formatted_body", "m.mentions", "m.new_content", "m.relates_to"] {
        fields.remove(old);
    }
    let Some(text) = text else {
        captioned["body"] = captioned["filename"].clone();
        return captioned;
    };
    if let Value::Object(written) = content(text, names) {
        fields.extend(written.into_iter().filter(|(name, _)| name != "msgtype"));
    }
    set_apart(&mut captioned);
    within_bounds(captioned)
}

/// What is written with a file and reads as its name does, no client would show: a blank at its end,
/// which nobody sees, tells them apart.
fn set_apart(captioned: &mut Value) {
    let body = captioned["body"].as_str().filter(|body| captioned["filename"] == **body);
    if let Some(body) = body {
        captioned["body"] = format!("{body} ").into();
    }
}

/// Lets it answer another event; without one, it quotes.
pub(super) fn answer(content: &mut Value, to: Option<&EventId>, quote: Option<&str>) {
    if let Some(to) = to {
        content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": to } });
        return;
    }
    let Some(quote) = quote.filter(|quote| !quote.is_empty()) else { return };
    let alone = content.clone();
    // The name of a file is not what was written with it (see `captioned`).
    let named = content["body"] == content["filename"];
    let body = content["body"].as_str().filter(|_| !named).unwrap_or_default().to_owned();
    let mut markup = Markup::default();
    match content["formatted_body"].as_str() {
        Some(html) => html.clone_into(&mut markup.html),
        None => markup.lines(&body),
    }
    let quoted: Vec<_> = quote.lines().map(|line| format!("> {line}")).collect();
    let parts = [quoted.join("\n"), body];
    content["body"] = parts[..if named { 1 } else { 2 }].join("\n\n").into();
    set_apart(content);
    if content["msgtype"] != "m.location" {
        content["format"] = FORMAT.into();
        content["formatted_body"] = markup.quoting(quote).html.into();
    }
    *content = within_bounds(content.take());
    if size(content) > MAX_CONTENT {
        *content = alone;
    }
}

/// Lets it stand in the thread that begins with this event. It may answer another one there, or only
/// follow it for those who see no threads.
pub(super) fn in_thread(
    content: &mut Value,
    root: &EventId,
    (to, follows): (Option<&EventId>, bool),
    quote: Option<&str>,
) {
    // What only follows needs no words of what was said before it: they stand in the thread.
    if to.is_none() && !follows {
        answer(content, None, quote);
    }
    content["m.relates_to"] = json!({
        "rel_type": "m.thread",
        "event_id": root,
        "m.in_reply_to": { "event_id": to.unwrap_or(root) },
        "is_falling_back": follows || to.is_none(),
    });
}

/// The new content of an event.
pub(super) fn edit(of: &EventId, new: Value) -> Value {
    let shown = |name: &str| new[name].as_str().map(|text| format!("* {text}"));
    // A file is shown as one by clients that know no edits, too.
    let file = new["url"].is_string();
    let mut content = if file { new.clone() } else { json!({ "msgtype": "m.text" }) };
    content["body"] = shown("body").into();
    // Nobody is called a second time.
    content["m.mentions"] = json!({});
    content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": of });
    if let Some(html) = shown("formatted_body") {
        content["format"] = FORMAT.into();
        content["formatted_body"] = html.into();
    }
    content["m.new_content"] = new;
    if size(&content) > MAX_CONTENT {
        content = without_formatting(content);
        let body = content["body"].as_str().unwrap_or_default();
        let start = &body[..body.floor_char_boundary(MAX_FALLBACK)];
        content["body"] = format!("{start}…").into();
    }
    if size(&content) > MAX_CONTENT {
        content["m.new_content"] = without_formatting(content["m.new_content"].take());
    }
    content
}

/// A text that is too large with its formatting goes without.
fn within_bounds(content: Value) -> Value {
    if size(&content) > MAX_CONTENT { without_formatting(content) } else { content }
}

fn without_formatting(mut content: Value) -> Value {
    if let Some(content) = content.as_object_mut() {
        content.remove("format");
        content.remove("formatted_body");
    }
    content
}

fn size(content: &Value) -> usize {
    content.to_string().len()
}
