//! A text as Matrix shows it: HTML with the tags that the specification suggests, and who is named.

use std::collections::BTreeSet;
use std::fmt::Write;

use drawbridge_adapter::{Addressing, Block, Inline, Rich, UserId};
use ruma::OwnedUserId;

use crate::address::MatrixAddressing;

/// HTML, and who is named in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup {
    /// The HTML: nothing in it comes from outside but escaped text, and addresses of known schemes.
    pub(crate) html: String,
    /// The MXIDs of those who are named.
    pub(crate) named: BTreeSet<OwnedUserId>,
}

impl Markup {
    /// Writes a formatted text.
    pub(crate) fn of(rich: &Rich, names: &MatrixAddressing) -> Self {
        let mut markup = Self::default();
        markup.blocks(&rich.0, names);
        markup
    }

    /// Writes what somebody else said before it.
    pub(crate) fn quoting(mut self, quote: &str) -> Self {
        let rest = std::mem::take(&mut self.html);
        self.html.push_str("<blockquote>");
        self.lines(quote);
        self.html.push_str("</blockquote>");
        self.html.push_str(&rest);
        self
    }

    /// Writes plain text.
    pub(crate) fn lines(&mut self, text: &str) {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.html.push_str("<br>");
            }
            self.text(line);
        }
    }

    fn blocks(&mut self, blocks: &[Block], names: &MatrixAddressing) {
        // A single paragraph needs no distance to any other.
        if let [Block::Paragraph(inlines)] = blocks {
            return self.inlines(inlines, names);
        }
        for block in blocks {
            self.block(block, names);
        }
    }

    fn block(&mut self, block: &Block, names: &MatrixAddressing) {
        match block {
            Block::Paragraph(inlines) => self.within("p", |out| out.inlines(inlines, names)),
            Block::Heading(level, inlines) => {
                let tag = format!("h{}", level.clamp(&1, &6));
                self.within(&tag, |out| out.inlines(inlines, names));
            }
            Block::Quote(blocks) => self.within("blockquote", |out| out.blocks(blocks, names)),
            Block::Code { language, text } => self.within("pre", |out| {
                match language {
                    Some(language) => {
                        out.html.push_str("<code class=\"language-");
                        out.text(language);
                        out.html.push_str("\">");
                    }
                    None => out.html.push_str("<code>"),
                }
                out.text(text);
                out.html.push_str("\n</code>");
            }),
            Block::List { from, items } => {
                let tag = if from.is_some() { "ol" } else { "ul" };
                match from {
                    // Writing to a String cannot fail.
                    Some(from) if *from != 1 => drop(write!(self.html, "<ol start=\"{from}\">")),
                    _ => drop(write!(self.html, "<{tag}>")),
                }
                for item in items {
                    self.within("li", |out| out.blocks(item, names));
                }
                let _ = write!(self.html, "</{tag}>");
            }
            Block::Rule => self.html.push_str("<hr>"),
        }
    }

    fn inlines(&mut self, inlines: &[Inline], names: &MatrixAddressing) {
        for inline in inlines {
            self.inline(inline, names);
        }
    }

    fn inline(&mut self, inline: &Inline, names: &MatrixAddressing) {
        let held = inline.inlines();
        match inline {
            Inline::Text(text) => self.text(text),
            Inline::Break => self.html.push_str("<br>"),
            Inline::Bold(_) => self.within("strong", |out| out.inlines(held, names)),
            Inline::Italic(_) => self.within("em", |out| out.inlines(held, names)),
            Inline::Strike(_) => self.within("del", |out| out.inlines(held, names)),
            Inline::Underline(_) => self.within("u", |out| out.inlines(held, names)),
            Inline::Spoiler(_) => {
                self.html.push_str("<span data-mx-spoiler>");
                self.inlines(held, names);
                self.html.push_str("</span>");
            }
            Inline::Code(text) => self.within("code", |out| out.text(text)),
            Inline::Link { url, .. } if Rich::may_lead_to(url) => {
                self.link(url, |out| {
                    if held.is_empty() { out.text(url) } else { out.inlines(held, names) }
                });
            }
            Inline::Link { .. } => self.inlines(held, names),
            Inline::Mention { user, name } => match mxid(user, names) {
                Some(mxid) => {
                    let shown = if name.is_empty() { mxid.as_str() } else { name };
                    self.link(&mxid.matrix_to_uri().to_string(), |out| out.text(shown));
                    self.named.insert(mxid);
                }
                None => self.text(name),
            },
        }
    }

    fn within(&mut self, tag: &str, fill: impl FnOnce(&mut Self)) {
        // Writing to a String cannot fail.
        let _ = write!(self.html, "<{tag}>");
        fill(self);
        let _ = write!(self.html, "</{tag}>");
    }

    fn link(&mut self, to: &str, fill: impl FnOnce(&mut Self)) {
        self.html.push_str("<a href=\"");
        self.text(to);
        self.html.push_str("\">");
        fill(self);
        self.html.push_str("</a>");
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                c => self.html.push(c),
            }
        }
    }
}

/// Somebody's own MXID, or their ghost's.
fn mxid(user: &UserId, names: &MatrixAddressing) -> Option<OwnedUserId> {
    match names.canonical(user.id()) {
        Ok(own) if own == *user => OwnedUserId::try_from(user.id()).ok(),
        _ => names.ghost_of(user).filter(|ghost| names.user_at(ghost.as_str()).is_ok()),
    }
}
