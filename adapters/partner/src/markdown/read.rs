//! From Markdown, which is hostile, to formatted text.

use std::ops::Range;

use drawbridge_adapter::{Block, Inline, Rich};
use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::mention;
use super::normal::{known, normal};
use crate::PartnerAddressing;

/// The longest text that is read, in bytes: reading takes time.
const LONGEST: usize = 64 * 1024;

/// What a text means; `None` if nothing in it is formatted and nobody is named, or if it is longer,
/// deeper or larger than a formatted text may be.
pub(crate) fn read(markdown: &str, addressing: &PartnerAddressing) -> Option<Rich> {
    if markdown.len() > LONGEST {
        return None;
    }
    let parser = Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH).into_offset_iter();
    let open = vec![Open::new(Holds::Document)];
    let mut reading = Reading { markdown, addressing, open };
    for (event, range) in parser {
        reading.take(event, &range)?;
    }
    let rich = normal(Rich(reading.open.pop()?.finished()));
    (rich.fits() && rich.0.iter().any(is_formatted)).then_some(rich)
}

fn is_formatted(block: &Block) -> bool {
    match block {
        Block::Paragraph(inlines) => {
            !inlines.iter().all(|one| matches!(one, Inline::Text(_) | Inline::Break))
        }
        _ => true,
    }
}

/// What an open part of the text becomes when it is closed.
enum Holds {
    Document,
    Paragraph,
    Heading(u8),
    Quote,
    Code(Option<String>, String),
    Html(String),
    List(Option<u32>, Vec<Vec<Block>>),
    Item,
    Held(fn(Vec<Inline>) -> Inline),
    Link(String),
}

/// An open part, and what stands in it so far.
struct Open {
    holds: Holds,
    blocks: Vec<Block>,
    /// A running line, with the marks in it whose partners are not known yet.
    line: Vec<Part>,
}

enum Part {
    Inline(Inline),
    Mark(Mark),
}

/// What begins or ends something, if it has a partner; else it is text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Spoiler,
    Underline,
    UnderlineEnd,
}

impl Mark {
    fn text(self) -> &'static str {
        match self {
            Self::Spoiler => SPOILER,
            Self::Underline => "<u>",
            Self::UnderlineEnd => "</u>",
        }
    }
}

const SPOILER: &str = "||";

impl Open {
    fn new(holds: Holds) -> Self {
        Self { holds, blocks: Vec::new(), line: Vec::new() }
    }

    /// The line so far, which is over.
    fn line(&mut self) -> Vec<Inline> {
        paired(std::mem::take(&mut self.line))
    }

    /// Ends a line that stands among blocks, as in a tight list.
    fn ends_line(&mut self) {
        let line = self.line();
        if !line.is_empty() {
            self.blocks.push(Block::Paragraph(line));
        }
    }

    fn finished(mut self) -> Vec<Block> {
        self.ends_line();
        self.blocks
    }
}

/// Finds the partners of the marks in one line. What began and did not end is text, and so is what
/// begins within itself: at most one of each is open.
fn paired(parts: Vec<Part>) -> Vec<Inline> {
    let mut out: Vec<Inline> = Vec::new();
    // What began, with what stands before it.
    let mut open: Vec<(Mark, Vec<Inline>)> = Vec::new();
    for part in parts {
        let mark = match part {
            Part::Inline(inline) => {
                out.push(inline);
                continue;
            }
            Part::Mark(mark) => mark,
        };
        let begins = if mark == Mark::UnderlineEnd { Mark::Underline } else { mark };
        match open.iter().position(|(one, _)| *one == begins) {
            Some(at) if mark != Mark::Underline => {
                while open.len() > at + 1 {
                    give_up(&mut open, &mut out);
                }
                let before = open.pop().map(|(_, before)| before).unwrap_or_default();
                let held = std::mem::replace(&mut out, before);
                out.push(match begins {
                    Mark::Spoiler => Inline::Spoiler(held),
                    _ => Inline::Underline(held),
                });
            }
            None if mark != Mark::UnderlineEnd => open.push((mark, std::mem::take(&mut out))),
            _ => out.push(Inline::Text(mark.text().to_owned())),
        }
    }
    while !open.is_empty() {
        give_up(&mut open, &mut out);
    }
    out
}

/// The latest that is open has no partner.
fn give_up(open: &mut Vec<(Mark, Vec<Inline>)>, out: &mut Vec<Inline>) {
    if let Some((mark, mut before)) = open.pop() {
        before.push(Inline::Text(mark.text().to_owned()));
        before.append(out);
        *out = before;
    }
}

struct Reading<'a> {
    markdown: &'a str,
    addressing: &'a PartnerAddressing,
    open: Vec<Open>,
}

impl Reading<'_> {
    fn take(&mut self, event: Event<'_>, range: &Range<usize>) -> Option<()> {
        // Some of it may fall away, but what is far too deep is given up at once.
        if self.open.len() > 2 * Rich::MAX_DEPTH {
            return None;
        }
        match event {
            Event::Start(Tag::Strikethrough) | Event::End(TagEnd::Strikethrough)
                if self.is_single_tilde(range) =>
            {
                self.inline(Inline::Text("~".to_owned()))
            }
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) => self.text(&text, range),
            Event::Code(code) => self.inline(Inline::Code(code.into_string())),
            Event::Html(html) => self.text(&html, range),
            Event::InlineHtml(html) if *html == *"<u>" => self.mark(Mark::Underline),
            Event::InlineHtml(html) if *html == *"</u>" => self.mark(Mark::UnderlineEnd),
            Event::InlineHtml(html) => self.inline(Inline::Text(html.into_string())),
            Event::SoftBreak | Event::HardBreak => self.inline(Inline::Break),
            Event::Rule => {
                let top = self.open.last_mut()?;
                top.ends_line();
                top.blocks.push(Block::Rule);
                Some(())
            }
            // Of extensions that are not switched on.
            _ => Some(()),
        }
    }

    /// Whether what is struck out there begins with one tilde: some take that for a mark, and others
    /// for a text. The parser pairs none but runs of one length.
    fn is_single_tilde(&self, range: &Range<usize>) -> bool {
        !self.markdown.get(range.start..).is_some_and(|text| text.starts_with("~~"))
    }

    fn inline(&mut self, inline: Inline) -> Option<()> {
        self.open.last_mut()?.line.push(Part::Inline(inline));
        Some(())
    }

    fn mark(&mut self, mark: Mark) -> Option<()> {
        self.open.last_mut()?.line.push(Part::Mark(mark));
        Some(())
    }

    fn text(&mut self, text: &str, range: &Range<usize>) -> Option<()> {
        if let Holds::Code(_, all) | Holds::Html(all) = &mut self.open.last_mut()?.holds {
            all.push_str(text);
            return Some(());
        }
        // What stands behind a backslash begins a text of its own, and is no mark.
        let bytes = self.markdown.as_bytes();
        let escaped = range.start.checked_sub(1).is_some_and(|at| bytes.get(at) == Some(&b'\\'));
        let first = if escaped { text.chars().next().map_or(0, char::len_utf8) } else { 0 };
        let (before, mut rest) = text.split_at(first);
        self.inline(Inline::Text(before.to_owned()))?;
        while let Some((plain, after)) = rest.split_once(SPOILER) {
            self.inline(Inline::Text(plain.to_owned()))?;
            self.mark(Mark::Spoiler)?;
            rest = after;
        }
        self.inline(Inline::Text(rest.to_owned()))
    }

    fn start(&mut self, tag: Tag<'_>) -> Option<()> {
        let holds = match tag {
            Tag::Paragraph => Holds::Paragraph,
            Tag::Heading { level, .. } => Holds::Heading(level as u8),
            Tag::BlockQuote(_) => Holds::Quote,
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => Holds::Code(known(&info), String::new()),
            Tag::CodeBlock(CodeBlockKind::Indented) => Holds::Code(None, String::new()),
            Tag::HtmlBlock => Holds::Html(String::new()),
            Tag::List(from) => {
                let from = from.map(|from| u32::try_from(from).unwrap_or(u32::MAX));
                Holds::List(from, Vec::new())
            }
            Tag::Item => Holds::Item,
            Tag::Strong => Holds::Held(Inline::Bold),
            Tag::Strikethrough => Holds::Held(Inline::Strike),
            Tag::Link { link_type: LinkType::Email, dest_url, .. } => {
                Holds::Link(format!("mailto:{dest_url}"))
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                Holds::Link(dest_url.into_string())
            }
            // What is left of those that are switched on.
            _ => Holds::Held(Inline::Italic),
        };
        if is_block(&holds) {
            self.open.last_mut()?.ends_line();
        }
        self.open.push(Open::new(holds));
        Some(())
    }

    fn end(&mut self, _end: TagEnd) -> Option<()> {
        let mut open = self.open.pop()?;
        let line = open.line();
        let holds = std::mem::replace(&mut open.holds, Holds::Document);
        if !line.is_empty() && matches!(holds, Holds::Quote | Holds::Item | Holds::Document) {
            open.blocks.push(Block::Paragraph(line));
            return self.close(holds, open.blocks, Vec::new());
        }
        self.close(holds, open.blocks, line)
    }

    fn close(&mut self, holds: Holds, blocks: Vec<Block>, line: Vec<Inline>) -> Option<()> {
        let inline = match holds {
            Holds::Held(make) => make(line),
            Holds::Link(url) if mention::is_one(&url) => {
                let name = plain(&line);
                match mention::user(&url, self.addressing) {
                    Some(user) => Inline::Mention { user, name },
                    None => Inline::Text(name),
                }
            }
            Holds::Link(url) => Inline::Link { url, text: line },
            holds => return self.close_block(holds, blocks, line),
        };
        self.inline(inline)
    }

    fn close_block(&mut self, holds: Holds, blocks: Vec<Block>, line: Vec<Inline>) -> Option<()> {
        let parent = self.open.last_mut()?;
        parent.blocks.push(match holds {
            Holds::Heading(level) => Block::Heading(level, line),
            Holds::Quote => Block::Quote(blocks),
            Holds::Code(language, text) => Block::Code { language, text },
            Holds::Html(html) => {
                let text = html.trim_end_matches('\n').to_owned();
                Block::Paragraph(vec![Inline::Text(text)])
            }
            Holds::List(from, items) => Block::List { from, items },
            Holds::Item => {
                if let Holds::List(_, items) = &mut parent.holds {
                    items.push(blocks);
                }
                return Some(());
            }
            _ => Block::Paragraph(line),
        });
        Some(())
    }
}

fn is_block(holds: &Holds) -> bool {
    !matches!(holds, Holds::Held(_) | Holds::Link(_))
}

/// The words alone.
fn plain(line: &[Inline]) -> String {
    let mut all = String::new();
    for inline in line {
        match inline {
            Inline::Text(text) | Inline::Code(text) => all.push_str(text),
            Inline::Break => all.push(' '),
            Inline::Mention { name, .. } => all.push_str(name),
            held => all.push_str(&plain(held.inlines())),
        }
    }
    all
}
