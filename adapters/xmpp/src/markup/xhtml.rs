//! Reads XHTML-IM (XEP-0071) by a list of what is allowed. Of what is not on it the text alone is left,
//! and of what is no text to a reader, nothing.

use drawbridge_adapter::{Block, Inline, Rich};
use minidom::{Element, Node};

use super::is_formatted;
use crate::ns;

/// What a reader never sees.
const HIDDEN: [&str; 8] =
    ["head", "script", "style", "title", "template", "object", "iframe", "noscript"];

/// What it means, if anything in it is formatted.
pub(super) fn read(html: &Element) -> Option<Rich> {
    let bodies = || html.children().filter(|child| child.is("body", ns::XHTML));
    let plain = |body: &&Element| body.attr_ns(ns::XML, "lang").is_none();
    let body = bodies().find(plain).or_else(|| bodies().next())?;
    Some(Rich(blocks(body))).filter(is_formatted)
}

fn blocks(element: &Element) -> Vec<Block> {
    let mut flow = Flow { blocks: Vec::new(), line: Vec::new(), blank: true };
    flow.take_all(element);
    flow.end_line();
    flow.blocks
}

/// Blocks, and the line that is being written.
struct Flow {
    blocks: Vec<Block>,
    line: Vec<Inline>,
    /// Whether the next white space would be the second, or the first of a line.
    blank: bool,
}

impl Flow {
    fn end_line(&mut self) {
        self.blank = true;
        let line = trimmed(std::mem::take(&mut self.line));
        if !line.is_empty() {
            self.blocks.push(Block::Paragraph(line));
        }
    }

    fn take_all(&mut self, element: &Element) {
        for node in element.nodes() {
            match node {
                Node::Text(text) => self.line.extend(collapsed(text, &mut self.blank)),
                Node::Element(child) => self.take(child),
            }
        }
    }

    fn take(&mut self, element: &Element) {
        let block = match element.name() {
            _ if !shows(element) => return,
            "p" | "div" => {
                self.end_line();
                self.blocks.extend(blocks(element).into_iter().map(|block| match block {
                    Block::Paragraph(line) => Block::Paragraph(styled(element, line)),
                    other => other,
                }));
                return;
            }
            "blockquote" => Block::Quote(blocks(element)),
            "pre" => {
                let text = element_text(element);
                let text = text.strip_prefix('\n').unwrap_or(&text);
                Block::Code { language: None, text: text.trim_end_matches('\n').to_owned() }
            }
            "ul" => Block::List { from: None, items: items(element) },
            "ol" => {
                let start = element.attr("start").and_then(|start| start.parse().ok());
                Block::List { from: Some(start.unwrap_or(1)), items: items(element) }
            }
            "hr" => Block::Rule,
            name @ ("h1" | "h2" | "h3" | "h4" | "h5" | "h6") => {
                self.end_line();
                let level = name.bytes().last().map_or(1, |digit| digit - b'0');
                let line = trimmed(inlines(element, &mut true));
                self.blocks.extend((!line.is_empty()).then_some(Block::Heading(level, line)));
                return;
            }
            _ => {
                self.line.extend(inline(element, &mut self.blank));
                return;
            }
        };
        self.end_line();
        self.blocks.push(block);
    }
}

fn shows(element: &Element) -> bool {
    element.ns() == ns::XHTML && !HIDDEN.contains(&element.name())
}

fn items(list: &Element) -> Vec<Vec<Block>> {
    list.children().filter(|item| item.is("li", ns::XHTML)).map(blocks).collect()
}

fn inlines(element: &Element, blank: &mut bool) -> Vec<Inline> {
    let mut all = Vec::new();
    for node in element.nodes() {
        match node {
            Node::Text(text) => all.extend(collapsed(text, blank)),
            Node::Element(child) if shows(child) => all.extend(inline(child, blank)),
            Node::Element(_) => {}
        }
    }
    all
}

/// An element within a line; a block that stands there is read as what is in it.
fn inline(element: &Element, blank: &mut bool) -> Vec<Inline> {
    let inner = match element.name() {
        "br" => {
            *blank = true;
            return vec![Inline::Break];
        }
        "img" => {
            let alt = element.attr("alt").unwrap_or_default();
            return collapsed(alt, blank).into_iter().collect();
        }
        "code" | "samp" | "kbd" | "tt" => {
            let code = element_text(element);
            *blank = false;
            return if code.is_empty() { Vec::new() } else { vec![Inline::Code(code)] };
        }
        _ => inlines(element, blank),
    };
    if inner.is_empty() {
        return inner;
    }
    let inner = styled(element, inner);
    match element.name() {
        "strong" | "b" => vec![Inline::Bold(inner)],
        "em" | "i" | "cite" | "dfn" | "var" => vec![Inline::Italic(inner)],
        "u" | "ins" => vec![Inline::Underline(inner)],
        "s" | "del" | "strike" => vec![Inline::Strike(inner)],
        "a" => match element.attr("href").filter(|url| Rich::may_lead_to(url)) {
            Some(url) => vec![Inline::Link { url: url.to_owned(), text: inner }],
            None => inner,
        },
        _ => inner,
    }
}

/// By the few properties that XHTML-IM recommends.
fn styled(element: &Element, inner: Vec<Inline>) -> Vec<Inline> {
    let mut inner = inner;
    for property in element.attr("style").unwrap_or_default().split(';').take(16) {
        let Some((name, value)) = property.split_once(':') else { continue };
        let value = value.trim().to_ascii_lowercase();
        inner = match (name.trim().to_ascii_lowercase().as_str(), value.as_str()) {
            ("font-weight", "bold" | "bolder" | "600" | "700" | "800" | "900") => {
                vec![Inline::Bold(inner)]
            }
            ("font-style", "italic" | "oblique") => vec![Inline::Italic(inner)],
            ("text-decoration", "underline") => vec![Inline::Underline(inner)],
            ("text-decoration", "line-through") => vec![Inline::Strike(inner)],
            _ => inner,
        };
    }
    inner
}

/// All text in it, by the letter.
fn element_text(element: &Element) -> String {
    let text = |node: &Node| match node {
        Node::Text(text) => text.clone(),
        Node::Element(child) if child.is("br", ns::XHTML) => "\n".to_owned(),
        Node::Element(child) if shows(child) => element_text(child),
        Node::Element(_) => String::new(),
    };
    element.nodes().map(text).collect()
}

/// Text with each stretch of white space as one space, and none at the start of a line.
fn collapsed(text: &str, blank: &mut bool) -> Option<Inline> {
    let mut out = String::new();
    for c in text.chars() {
        // HTML's white space alone: a no-break space is text.
        let space = matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
        if !space {
            out.push(c);
        } else if !*blank {
            out.push(' ');
        }
        *blank = space;
    }
    (!out.is_empty()).then_some(Inline::Text(out))
}

/// Without the space or break with which a line ends.
fn trimmed(mut line: Vec<Inline>) -> Vec<Inline> {
    loop {
        match line.last_mut() {
            Some(Inline::Break) => {
                line.pop();
            }
            Some(Inline::Text(text)) if text.ends_with(' ') => {
                text.pop();
                if text.is_empty() {
                    line.pop();
                }
            }
            _ => return line,
        }
    }
}
