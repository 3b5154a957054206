//! Formatted text, as a tree that no network's markup shines through.

use serde::{Deserialize, Serialize};

use crate::UserId;

/// A formatted text: what a network's markup means, and nothing of how it is written.
///
/// Bounded: [`Rich::fits`] tells whether it is at most [`Rich::MAX_DEPTH`] deep and of at most
/// [`Rich::MAX_NODES`] blocks and inlines. The daemon takes no other; an adapter that reads a larger
/// one hands over the plain text alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rich(pub Vec<Block>);

/// A part of a text that begins on a line of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Running text.
    Paragraph(Vec<Inline>),
    /// A heading, of the level 1 (largest) to 6.
    Heading(u8, Vec<Inline>),
    /// What somebody else wrote.
    Quote(Vec<Block>),
    /// Preformatted text, of a programming language if it is named.
    Code {
        /// The language, in lower case.
        language: Option<String>,
        /// The text, with its line breaks; none at its end.
        text: String,
    },
    /// A list.
    List {
        /// The number of the first item; `None` if they are not numbered.
        from: Option<u32>,
        /// The items.
        items: Vec<Vec<Block>>,
    },
    /// A line across.
    Rule,
}

/// A part of a line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inline {
    /// Plain text, without line breaks.
    Text(String),
    /// A line break.
    Break,
    /// Bold, or strong.
    Bold(Vec<Inline>),
    /// Italic, or emphasised.
    Italic(Vec<Inline>),
    /// Struck out.
    Strike(Vec<Inline>),
    /// Underlined.
    Underline(Vec<Inline>),
    /// Hidden until asked for.
    Spoiler(Vec<Inline>),
    /// Preformatted, within a line.
    Code(String),
    /// A link to an address with one of the schemes of [`Rich::SCHEMES`].
    Link {
        /// Where it leads.
        url: String,
        /// What it reads.
        text: Vec<Inline>,
    },
    /// Somebody is named.
    Mention {
        /// Who.
        user: UserId,
        /// As what.
        name: String,
    },
}

impl Rich {
    /// How deep blocks and inlines stand in each other at most.
    pub const MAX_DEPTH: usize = 16;
    /// How many blocks and inlines there are at most.
    pub const MAX_NODES: usize = 4096;
    /// The schemes of links. An adapter gives the text alone of a link with another.
    pub const SCHEMES: [&str; 6] = ["https", "http", "mailto", "xmpp", "matrix", "geo"];

    /// Whether it keeps to the bounds.
    pub fn fits(&self) -> bool {
        let mut left = Self::MAX_NODES;
        self.0.iter().all(|block| block.fits(1, &mut left))
    }

    /// Whether a link may lead there: an address with one of [`Rich::SCHEMES`], without control
    /// characters and white space.
    pub fn may_lead_to(url: &str) -> bool {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        scheme.is_some_and(|scheme| Self::SCHEMES.contains(&scheme.as_str()))
            && !url.chars().any(|c| c.is_control() || c.is_whitespace())
    }

    /// Every text in it, in order: for checks of what is written.
    pub fn texts(&self) -> Vec<&str> {
        let mut all = Vec::new();
        self.0.iter().for_each(|block| block.texts(&mut all));
        all
    }

    /// How many bytes of the sender's are in it.
    pub fn size(&self) -> usize {
        self.texts().into_iter().map(str::len).sum()
    }

    /// Who is mentioned.
    pub fn mentions(&self) -> Vec<&UserId> {
        let mut all = Vec::new();
        self.0.iter().for_each(|block| block.mentions(&mut all));
        all
    }

    /// The same, where who is mentioned is only named.
    #[must_use]
    pub fn without_mentions(mut self) -> Self {
        self.0.iter_mut().for_each(Block::only_name);
        self
    }

    /// The same as plain text that reads well.
    pub fn plain(&self) -> String {
        plain_blocks(&self.0)
    }
}

impl Block {
    fn inlines(&self) -> &[Inline] {
        match self {
            Self::Paragraph(inlines) | Self::Heading(_, inlines) => inlines,
            _ => &[],
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Self> {
        let (quoted, items): (&[Self], &[Vec<Self>]) = match self {
            Self::Quote(blocks) => (blocks, &[]),
            Self::List { items, .. } => (&[], items),
            _ => (&[], &[]),
        };
        quoted.iter().chain(items.iter().flatten())
    }

    fn fits(&self, depth: usize, left: &mut usize) -> bool {
        let room = left.checked_sub(1);
        *left = room.unwrap_or_default();
        room.is_some()
            && depth <= Rich::MAX_DEPTH
            && self.inlines().iter().all(|inline| inline.fits(depth + 1, left))
            && self.blocks().all(|block| block.fits(depth + 1, left))
    }

    fn texts<'a>(&'a self, all: &mut Vec<&'a str>) {
        if let Self::Code { language, text } = self {
            all.extend(language.as_deref());
            all.push(text);
        }
        self.inlines().iter().for_each(|inline| inline.texts(all));
        self.blocks().for_each(|block| block.texts(all));
    }

    fn mentions<'a>(&'a self, all: &mut Vec<&'a UserId>) {
        self.inlines().iter().for_each(|inline| inline.mentions(all));
        self.blocks().for_each(|block| block.mentions(all));
    }

    fn only_name(&mut self) {
        match self {
            Self::Paragraph(inlines) | Self::Heading(_, inlines) => {
                inlines.iter_mut().for_each(Inline::only_name);
            }
            Self::Quote(blocks) => blocks.iter_mut().for_each(Self::only_name),
            Self::List { items, .. } => items.iter_mut().flatten().for_each(Self::only_name),
            Self::Code { .. } | Self::Rule => {}
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Paragraph(inlines) | Self::Heading(_, inlines) => plain_inlines(inlines),
            Self::Quote(blocks) => indent(&plain_blocks(blocks), "> ", "> "),
            Self::Code { text, .. } => text.clone(),
            Self::List { from, items } => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    let first = from.map_or_else(
                        || "• ".to_owned(),
                        |from| format!("{}. ", u64::from(from) + index as u64),
                    );
                    indent(&plain_blocks(item), &first, &" ".repeat(first.chars().count()))
                });
                items.collect::<Vec<_>>().join("\n")
            }
            Self::Rule => "⸻".to_owned(),
        }
    }
}

impl Inline {
    /// What stands in it, if it is one that holds others.
    pub fn inlines(&self) -> &[Self] {
        match self {
            Self::Bold(inlines)
            | Self::Italic(inlines)
            | Self::Strike(inlines)
            | Self::Underline(inlines)
            | Self::Spoiler(inlines)
            | Self::Link { text: inlines, .. } => inlines,
            Self::Text(_) | Self::Break | Self::Code(_) | Self::Mention { .. } => &[],
        }
    }

    fn only_name(&mut self) {
        match self {
            Self::Mention { name, .. } => *self = Self::Text(std::mem::take(name)),
            Self::Bold(inlines)
            | Self::Italic(inlines)
            | Self::Strike(inlines)
            | Self::Underline(inlines)
            | Self::Spoiler(inlines)
            | Self::Link { text: inlines, .. } => inlines.iter_mut().for_each(Self::only_name),
            Self::Text(_) | Self::Break | Self::Code(_) => {}
        }
    }

    fn fits(&self, depth: usize, left: &mut usize) -> bool {
        let room = left.checked_sub(1);
        *left = room.unwrap_or_default();
        room.is_some()
            && depth <= Rich::MAX_DEPTH
            && self.inlines().iter().all(|inline| inline.fits(depth + 1, left))
    }

    fn texts<'a>(&'a self, all: &mut Vec<&'a str>) {
        match self {
            Self::Text(text) | Self::Code(text) => all.push(text),
            Self::Link { url, .. } => all.push(url),
            Self::Mention { name, .. } => all.push(name),
            _ => {}
        }
        self.inlines().iter().for_each(|inline| inline.texts(all));
    }

    fn mentions<'a>(&'a self, all: &mut Vec<&'a UserId>) {
        if let Self::Mention { user, .. } = self {
            all.push(user);
        }
        self.inlines().iter().for_each(|inline| inline.mentions(all));
    }
}

fn plain_blocks(blocks: &[Block]) -> String {
    blocks.iter().map(Block::plain).collect::<Vec<_>>().join("\n\n")
}

fn plain_inlines(inlines: &[Inline]) -> String {
    let mut plain = String::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Code(text) => plain.push_str(text),
            Inline::Break => plain.push('\n'),
            Inline::Mention { name, .. } => plain.push_str(name),
            Inline::Link { url, text } => {
                let text = plain_inlines(text);
                plain.push_str(&text);
                // A link that reads as it leads is said once.
                if text.is_empty() {
                    plain.push_str(url);
                } else if text != *url && url.strip_prefix("mailto:") != Some(&text) {
                    plain.extend([" (", url, ")"]);
                }
            }
            held => plain.push_str(&plain_inlines(held.inlines())),
        }
    }
    plain
}

fn indent(text: &str, first: &str, rest: &str) -> String {
    let lines = text.split('\n').enumerate();
    let lines = lines.map(|(index, line)| {
        let lead = if index == 0 { first } else { rest };
        format!("{lead}{line}").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Never what was written.
impl std::fmt::Debug for Rich {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "formatted text of {} bytes", self.size())
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("block")
    }
}

impl std::fmt::Debug for Inline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("inline")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<Inline> {
        vec![Inline::Text(text.to_owned())]
    }

    fn link(url: &str, reads: &str) -> Inline {
        Inline::Link { url: url.to_owned(), text: text(reads) }
    }

    #[test]
    fn its_plain_text_reads_well() {
        let items = vec![
            vec![Block::Paragraph(text("one"))],
            vec![Block::Paragraph(text("two")), Block::Quote(vec![Block::Paragraph(text("q"))])],
        ];
        for (rich, plain) in [
            (vec![Block::Paragraph(vec![Inline::Bold(text("a")), Inline::Break])], "a\n"),
            (vec![Block::Paragraph(text("a")), Block::Paragraph(text("b"))], "a\n\nb"),
            (vec![Block::Quote(vec![Block::Paragraph(text("a")), Block::Rule])], "> a\n>\n> ⸻"),
            (
                vec![Block::List { from: Some(9), items: items.clone() }],
                "9. one\n10. two\n\n    > q",
            ),
            (vec![Block::List { from: None, items }], "• one\n• two\n\n  > q"),
            (vec![Block::Paragraph(vec![link("https://a.test", "here")])], "here (https://a.test)"),
            (vec![Block::Paragraph(vec![link("https://a.test", "")])], "https://a.test"),
            (vec![Block::Paragraph(vec![link("mailto:a@b.test", "a@b.test")])], "a@b.test"),
        ] {
            assert_eq!(Rich(rich).plain(), plain);
        }
    }

    #[test]
    fn its_bounds_are_told() {
        let mut deep = Block::Paragraph(text("a"));
        for _ in 0..Rich::MAX_DEPTH - 2 {
            deep = Block::Quote(vec![deep]);
        }
        assert!(Rich(vec![deep.clone()]).fits());
        assert!(!Rich(vec![Block::Quote(vec![deep])]).fits());
        assert!(Rich(vec![Block::Rule; Rich::MAX_NODES]).fits());
        assert!(!Rich(vec![Block::Rule; Rich::MAX_NODES + 1]).fits());
    }

    #[test]
    fn links_lead_to_known_schemes_alone() {
        for url in ["https://a.test", "HTTP://a", "mailto:a@b", "xmpp:a@b?message", "geo:1,2"] {
            assert!(Rich::may_lead_to(url), "{url}");
        }
        for url in
            ["javascript:alert(1)", "data:text/html,a", "//a.test", "https://a b", "https:\n"]
        {
            assert!(!Rich::may_lead_to(url), "{url}");
        }
    }
}
