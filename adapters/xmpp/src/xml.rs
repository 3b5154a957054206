//! The XML that the adapter writes: small trees with fixed names, which cannot come out malformed
//! whatever the values are. A malformed stanza would end the stream that all users share.

use std::borrow::Cow;

/// An element to be written. Without a namespace it is in its parent's.
#[derive(Debug, Clone)]
pub(crate) struct Xml {
    name: &'static str,
    namespace: Option<&'static str>,
    attributes: Vec<(&'static str, String)>,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Element(Xml),
    Text(String),
}

impl Xml {
    /// An element in its parent's namespace: for a stanza, the stream's.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, namespace: None, attributes: Vec::new(), nodes: Vec::new() }
    }

    /// An element in a namespace of its own.
    pub(crate) fn within(name: &'static str, namespace: &'static str) -> Self {
        Self { namespace: Some(namespace), ..Self::new(name) }
    }

    /// Adds an attribute.
    pub(crate) fn attr(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Adds an attribute, if there is a value.
    pub(crate) fn attr_maybe(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds a child.
    pub(crate) fn child(mut self, child: Self) -> Self {
        self.nodes.push(Node::Element(child));
        self
    }

    /// Adds text.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.nodes.push(Node::Text(text.into()));
        self
    }

    /// As it goes on the wire.
    pub(crate) fn to_wire(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        if let Some(namespace) = self.namespace {
            write_attribute(out, "xmlns", namespace);
        }
        for (name, value) in &self.attributes {
            write_attribute(out, name, value);
        }
        if self.nodes.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for node in &self.nodes {
            match node {
                Node::Element(element) => element.write(out),
                Node::Text(text) => write_escaped(out, text, false),
            }
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }
}

fn write_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    write_escaped(out, value, true);
    out.push('\'');
}

/// Escapes what XML would read as markup or would normalise, and replaces what it forbids. At most
/// five bytes come out for one.
fn write_escaped(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' if attribute => out.push_str("&#39;"),
            '\t' | '\n' if attribute => out.push_str(if c == '\t' { "&#9;" } else { "&#10;" }),
            '\r' => out.push_str("&#13;"),
            c if allowed(c) => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
}

/// Whether XML 1.0 can carry the character.
pub(crate) fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// A text that shows in one line: bounded, without characters that XML or a line forbids.
pub(crate) fn one_line(text: &str, most: usize) -> Cow<'_, str> {
    let fits = |c: char| allowed(c) && !c.is_control();
    if text.chars().all(fits) && text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| fits(*c)).take(most).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use minidom::Element;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(text in ".*", value in ".*") {
            let wire = Xml::within("a", "urn:a").attr("v", value.clone()).text(text.clone()).to_wire();
            let read: Element = wire.parse().unwrap();
            let shown = |s: &str| -> String {
                s.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect()
            };
            prop_assert_eq!(read.text(), shown(&text));
            prop_assert_eq!(read.attr("v").unwrap(), shown(&value));
        }
    }

    #[test]
    fn five_bytes_for_one_at_most() {
        for c in ['&', '<', '>', '\'', '\r', '\n', '\t', '\0', '\u{ffff}', 'é'] {
            let mut out = String::new();
            write_escaped(&mut out, &c.to_string(), true);
            assert!(out.len() <= 5 * c.len_utf8(), "{c:?} became {out}");
        }
    }
}
