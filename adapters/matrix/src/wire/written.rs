//! What somebody wrote, apart from what their client quoted for clients that show no answers.

use drawbridge_adapter::{Block, Inline, Text};
use serde_json::Value;

use super::html;
use crate::address::MatrixAddressing;

/// The longest quote that is kept, in bytes.
const MAX_QUOTE: usize = 500;

/// A text, and the quote that stood before it.
pub(crate) struct Written {
    pub(crate) text: Text,
    pub(crate) quote: Option<String>,
}

/// Reads a content with a `msgtype`; if it is no text, gives that type.
pub(crate) fn written<'a>(
    content: &'a Value,
    answers: bool,
    names: &MatrixAddressing,
) -> Result<Written, &'a str> {
    let msgtype = content.get("msgtype").and_then(Value::as_str).unwrap_or_default();
    let emote = msgtype == "m.emote";
    if !emote && !matches!(msgtype, "m.text" | "m.notice") {
        return Err(msgtype);
    }
    let Written { mut text, quote } = caption(content, answers, names).ok_or("")?;
    if emote {
        // As XEP-0245 writes it, and people type it.
        text.body.insert_str(0, "/me ");
        match text.rich.as_mut().and_then(|rich| rich.0.first_mut()) {
            Some(Block::Paragraph(inlines)) => inlines.insert(0, Inline::Text("/me ".to_owned())),
            _ => text.rich = None,
        }
        text.rich = text.rich.filter(drawbridge_adapter::Rich::fits);
    }
    Ok(Written { text, quote })
}

/// Reads what is written in a content of any type; `None` if nothing is.
pub(super) fn caption(content: &Value, answers: bool, names: &MatrixAddressing) -> Option<Written> {
    let field = |name: &str| content.get(name).and_then(Value::as_str);
    let body = field("body").unwrap_or_default();
    let html = field("formatted_body");
    let html = html.filter(|_| field("format") == Some("org.matrix.custom.html"));
    let read = html.map(|html| html::read(html, names)).unwrap_or_default();
    let (body, quote) =
        match answers.then(|| without_fallback(body, read.quote.is_some())).flatten() {
            Some((body, quote)) => (body, Some(quote)),
            None => (body, read.quote.filter(|_| answers)),
        };
    let text = Text { body: body.to_owned(), rich: read.rich };
    (!body.is_empty()).then(|| Written { text, quote: quote.as_deref().map(brief) })
}

/// The words for clients that do not show what it is, and what was quoted before them.
pub(super) fn unquoted(body: &str, answers: bool) -> (&str, Option<String>) {
    match answers.then(|| without_fallback(body, false)).flatten() {
        Some((body, quote)) => (body, Some(brief(&quote))),
        None => (body, None),
    }
}

/// Takes off the quote that clients put before an answer until Matrix 1.13, if it is one: what the
/// sender quotes by hand stays.
fn without_fallback(body: &str, marked: bool) -> Option<(&str, String)> {
    let quoted = body.strip_prefix("> ")?;
    let named = ["<@", "* <@"].into_iter().any(|start| quoted.starts_with(start));
    if !named && !marked {
        return None;
    }
    let mut rest = body;
    let mut lines = Vec::new();
    while let Some(line) = rest.strip_prefix('>') {
        let (line, after) = line.split_once('\n').unwrap_or((line, ""));
        lines.push(line.strip_prefix(' ').unwrap_or(line));
        rest = after;
    }
    if let (true, Some(first)) = (named, lines.first_mut()) {
        let after = first.split_once("> ").map(|(_, after)| after);
        *first = after.unwrap_or_default();
    }
    let rest = rest.strip_prefix('\n').unwrap_or(rest);
    (!rest.is_empty()).then(|| (rest, lines.join("\n")))
}

/// As much of a quote as shows what is meant.
pub(crate) fn brief(quote: &str) -> String {
    let quote = quote.trim();
    match quote.floor_char_boundary(MAX_QUOTE) {
        end if end < quote.len() => format!("{}…", &quote[..end]),
        _ => quote.to_owned(),
    }
}
