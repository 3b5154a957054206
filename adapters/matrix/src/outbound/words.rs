//! A text, or a place, as the content of an event.

use drawbridge_adapter::{Location, Text, Timestamp};
use ruma::EventId;
use serde_json::{Value, json};

use crate::address::MatrixAddressing;
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

/// Lets it answer another event; without one, it quotes.
pub(super) fn answer(content: &mut Value, to: Option<&EventId>, quote: Option<&str>) {
    if let Some(to) = to {
        content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": to } });
        return;
    }
    let Some(quote) = quote.filter(|quote| !quote.is_empty()) else { return };
    let alone = content.clone();
    let body = content["body"].as_str().unwrap_or_default().to_owned();
    let mut markup = Markup::default();
    match content["formatted_body"].as_str() {
        Some(html) => html.clone_into(&mut markup.html),
        None => markup.lines(&body),
    }
    let lines: Vec<_> = quote.lines().map(|line| format!("> {line}")).collect();
    content["body"] = format!("{}\n\n{body}", lines.join("\n")).into();
    if content["msgtype"] == "m.text" {
        content["format"] = FORMAT.into();
        content["formatted_body"] = markup.quoting(quote).html.into();
    }
    *content = within_bounds(content.take());
    if size(content) > MAX_CONTENT {
        *content = alone;
    }
}

/// The new content of an event.
pub(super) fn edit(of: &EventId, new: Value) -> Value {
    let shown = |name: &str| new[name].as_str().map(|text| format!("* {text}"));
    let mut content = json!({
        "msgtype": "m.text",
        "body": shown("body"),
        // Nobody is called a second time.
        "m.mentions": {},
        "m.relates_to": { "rel_type": "m.replace", "event_id": of },
    });
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
