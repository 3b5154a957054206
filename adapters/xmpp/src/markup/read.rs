//! Reads XEP-0393, by its own rules: blocks line by line, then spans from the left, each as short as it
//! can be.

use drawbridge_adapter::Rich;

use super::styled::{Line, Part, Piece, Style};

const FENCE: &str = "```";
/// The longest name of a programming language behind a fence, in bytes.
const MAX_LANGUAGE: usize = 32;

/// A preformatted block that is not closed yet.
struct Open {
    depth: usize,
    language: Option<String>,
    text: Vec<String>,
}

impl Open {
    fn close(self) -> Piece {
        let Self { depth, language, text } = self;
        Piece { depth, part: Part::Code { language, text: text.join("\n") } }
    }
}

/// The lines and blocks of a text; `None` if it is quoted too deeply.
pub(super) fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut open: Option<Open> = None;
    for line in text.split('\n') {
        if let Some(mut code) = open.take() {
            if let Some(inside) = within(line, code.depth) {
                if inside.trim_end() == FENCE {
                    pieces.push(code.close());
                } else {
                    code.text.push(inside.to_owned());
                    open = Some(code);
                }
                continue;
            }
            // The quotation ends, and with it what stands in it.
            pieces.push(code.close());
        }
        let (depth, inside) = unquote(line)?;
        if let Some(behind) = inside.strip_prefix(FENCE) {
            let (language, text) = info(behind.trim());
            open = Some(Open { depth, language, text });
        } else {
            pieces.push(Piece { depth, part: Part::Line(line_of(inside)) });
        }
    }
    pieces.extend(open.map(Open::close));
    Some(pieces)
}

/// How deep a line is quoted, and what it says.
fn unquote(line: &str) -> Option<(usize, &str)> {
    let (mut depth, mut line) = (0, line);
    while let Some(inside) = line.strip_prefix('>') {
        (depth, line) = (depth + 1, after_blank(inside));
        if depth > Rich::MAX_DEPTH {
            return None;
        }
    }
    Some((depth, line))
}

/// Without the one blank that follows the sign of a quotation.
fn after_blank(line: &str) -> &str {
    line.strip_prefix(char::is_whitespace).unwrap_or(line)
}

/// What a line says at a depth that it must have.
fn within(line: &str, depth: usize) -> Option<&str> {
    (0..depth).try_fold(line, |line, _| Some(after_blank(line.strip_prefix('>')?)))
}

/// What stands behind a fence: the name of a language, or what must not be lost.
fn info(behind: &str) -> (Option<String>, Vec<String>) {
    let named = |c: char| c.is_ascii_alphanumeric() || "+-#._".contains(c);
    if behind.is_empty() {
        (None, Vec::new())
    } else if behind.len() <= MAX_LANGUAGE && behind.chars().all(named) {
        (Some(behind.to_ascii_lowercase()), Vec::new())
    } else {
        (None, vec![behind.to_owned()])
    }
}

/// A line with its spans.
fn line_of(text: &str) -> Line {
    let mut line: Line = text.chars().map(|c| (c, Style::NONE)).collect();
    spans(&mut line);
    line.retain(|(_, style)| !style.has(Style::DIRECTIVE));
    line
}

/// Finds the spans of a line, or of what stands in a span.
fn spans(line: &mut [(char, Style)]) {
    // Directives of which none can close before the end.
    let mut hopeless = Style::NONE;
    let mut at = 0;
    while at < line.len() {
        let c = line[at].0;
        // At the start of a span stands an opening directive before it, and a different one: the same
        // would have closed it.
        let may_open = at == 0 || line[at - 1].0.is_whitespace();
        let blank_follows = line.get(at + 1).is_none_or(|(next, _)| next.is_whitespace());
        let style =
            Style::of(c).filter(|style| may_open && !blank_follows && !hopeless.has(*style));
        let Some(style) = style else {
            at += 1;
            continue;
        };
        let Some(close) = closing(line, at) else {
            hopeless = hopeless.with(style);
            at += 1;
            continue;
        };
        if close == at + 1 {
            // Nothing stands between them: neither is a directive.
            at += 2;
            continue;
        }
        let inner = &mut line[at + 1..close];
        for (_, has) in inner.iter_mut() {
            *has = has.with(style);
        }
        if style != Style::PRE {
            spans(inner);
        }
        line[at].1 = Style::DIRECTIVE;
        line[close].1 = Style::DIRECTIVE;
        at = close + 1;
    }
}

/// Where the span that begins here ends.
fn closing(line: &[(char, Style)], open: usize) -> Option<usize> {
    let directive = line[open].0;
    let closes = |at: &usize| line[*at].0 == directive && !line[at - 1].0.is_whitespace();
    (open + 1..line.len()).find(closes)
}
