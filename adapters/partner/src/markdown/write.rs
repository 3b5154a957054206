//! From formatted text to Markdown, of which nothing in the text is taken for a part.

use std::fmt::Write as _;

use drawbridge_adapter::{Block, Inline, Rich};

use super::mention;
use super::normal::normal;
use crate::PartnerAddressing;

/// The text as Markdown; nobody is named in it unless `mentions`.
pub(crate) fn write(rich: &Rich, addressing: &PartnerAddressing, mentions: bool) -> String {
    let writing = Writing { addressing, mentions };
    let Rich(blocks) = normal(rich.clone());
    writing.blocks(&blocks).join("\n")
}

struct Writing<'a> {
    addressing: &'a PartnerAddressing,
    mentions: bool,
}

impl Writing<'_> {
    /// The lines of some blocks.
    fn blocks(&self, blocks: &[Block]) -> Vec<String> {
        let mut lines = Vec::new();
        // Two lists side by side are two if their marks are not the same.
        let mut lists = 0;
        for (at, block) in blocks.iter().enumerate() {
            if at > 0 {
                lines.push(String::new());
            }
            lists = if matches!(block, Block::List { .. }) { lists + 1 } else { 0 };
            lines.extend(self.block(block, lists % 2 == 0));
        }
        lines
    }

    fn block(&self, block: &Block, other_mark: bool) -> Vec<String> {
        match block {
            Block::Paragraph(inlines) => lines_of(&self.line(inlines, false)),
            Block::Heading(level, inlines) => {
                let line = self.line(inlines, true);
                vec![format!("{} {line}", "#".repeat(usize::from(*level)))]
            }
            Block::Quote(blocks) => {
                let lines = self.blocks(blocks).into_iter();
                let quoted = |line: String| {
                    if line.is_empty() { ">".to_owned() } else { format!("> {line}") }
                };
                lines.map(quoted).collect()
            }
            Block::Code { language, text } => {
                let fence = "`".repeat(longest_run(text).max(2) + 1);
                let mut lines = vec![format!("{fence}{}", language.as_deref().unwrap_or_default())];
                if !text.is_empty() {
                    lines.extend(lines_of(text));
                }
                lines.push(fence);
                lines
            }
            Block::List { from, items } => self.items(*from, items, other_mark),
            // With dashes or stars, an item that begins with it would be one itself.
            Block::Rule => vec!["___".to_owned()],
        }
    }

    fn items(&self, from: Option<u32>, items: &[Vec<Block>], other_mark: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let mark = match (from, other_mark) {
                (None, false) => "- ".to_owned(),
                (None, true) => "* ".to_owned(),
                (Some(from), false) => format!("{}. ", u64::from(from) + index as u64),
                (Some(from), true) => format!("{}) ", u64::from(from) + index as u64),
            };
            let indent = " ".repeat(mark.len());
            let inner = self.blocks(item);
            if inner.is_empty() {
                lines.push(mark.trim_end().to_owned());
            }
            for (at, line) in inner.into_iter().enumerate() {
                let lead = if at == 0 { &mark } else { &indent };
                let line = if line.is_empty() { line } else { format!("{lead}{line}") };
                lines.push(line);
            }
        }
        lines
    }

    fn line(&self, inlines: &[Inline], heading: bool) -> String {
        let mut pieces = Vec::new();
        self.pieces(inlines, &mut pieces);
        encode_edges(&mut pieces, heading);
        finish(&pieces)
    }

    fn held(&self, held: &[Inline], [opens, closes]: [&'static str; 2], pieces: &mut Vec<Piece>) {
        pieces.push(Piece::Opens(opens));
        self.pieces(held, pieces);
        pieces.push(Piece::Closes(closes));
    }

    fn pieces(&self, inlines: &[Inline], pieces: &mut Vec<Piece>) {
        for inline in inlines {
            match inline {
                Inline::Text(text) => pieces.extend(text.chars().map(Piece::plain)),
                Inline::Break => pieces.push(Piece::plain('\n')),
                Inline::Bold(all) => self.held(all, ["**"; 2], pieces),
                Inline::Italic(all) => self.held(all, ["_"; 2], pieces),
                Inline::Strike(all) => self.held(all, ["~~"; 2], pieces),
                Inline::Underline(all) => self.held(all, ["<u>", "</u>"], pieces),
                Inline::Spoiler(all) => self.held(all, ["||"; 2], pieces),
                Inline::Code(code) => pieces.push(Piece::Raw(code_span(code))),
                Inline::Link { url, text } => {
                    pieces.push(Piece::Raw("[".to_owned()));
                    self.pieces(text, pieces);
                    pieces.push(Piece::Raw(format!("]({})", destination(url))));
                }
                Inline::Mention { user, name } if self.mentions => {
                    pieces.push(Piece::Raw("[".to_owned()));
                    pieces.extend(name.chars().map(Piece::plain));
                    let url = mention::destination(user, self.addressing);
                    pieces.push(Piece::Raw(format!("]({url})")));
                }
                Inline::Mention { name, .. } => pieces.extend(name.chars().map(Piece::plain)),
            }
        }
    }
}

/// A part of a line.
enum Piece {
    /// A character of the text; written by its number, if what stands beside it demands so.
    Plain { c: char, by_number: bool },
    /// The mark before something.
    Opens(&'static str),
    /// The mark behind it.
    Closes(&'static str),
    /// What is written as it is.
    Raw(String),
}

impl Piece {
    fn plain(c: char) -> Self {
        // Tabs and the like mean different things at different places.
        Self::Plain { c, by_number: c.is_control() && c != '\n' }
    }

    fn is_mark(&self) -> bool {
        matches!(self, Self::Opens(_) | Self::Closes(_))
    }

    /// Writes a character by its number; whether that is news.
    fn encode(&mut self) -> bool {
        match self {
            Self::Plain { by_number, .. } => !std::mem::replace(by_number, true),
            _ => false,
        }
    }

    /// A character of the text that is written as such, if it is one.
    fn as_written(&self) -> Option<char> {
        match self {
            Self::Plain { c, by_number: false } => Some(*c),
            _ => None,
        }
    }
}

/// Has written by number what would be lost, or would keep a mark from being one: white space at the
/// edges of lines and marks, and letters beside a mark whose other neighbour is none.
fn encode_edges(pieces: &mut [Piece], heading: bool) {
    let is_break = |piece: &Piece| piece.as_written() == Some('\n');
    let is_space = |piece: &Piece| piece.as_written().is_some_and(char::is_whitespace);
    if heading {
        pieces.iter_mut().filter(|piece| is_break(piece)).for_each(|piece| _ = piece.encode());
    }
    // A break between two characters is written as one; beside anything else it is a character.
    for at in 0..pieces.len() {
        let beside = [at.checked_sub(1), Some(at + 1)];
        let mut beside = beside.into_iter().flatten().filter_map(|at| pieces.get(at));
        if is_break(&pieces[at]) && beside.any(|piece| !matches!(piece, Piece::Plain { .. })) {
            pieces[at].encode();
        }
    }
    if let [first, ..] = pieces
        && is_space(first)
    {
        first.encode();
    }
    if let [.., last] = pieces
        && is_space(last)
    {
        last.encode();
    }
    let mut changed = true;
    while changed {
        changed = false;
        for at in 0..pieces.len() {
            // A space beside a line break.
            let beside_break =
                at > 0 && is_break(&pieces[at - 1]) || pieces.get(at + 1).is_some_and(&is_break);
            if beside_break && is_space(&pieces[at]) {
                changed |= pieces[at].encode();
            }
            if !pieces[at].is_mark() {
                continue;
            }
            let before = at.checked_sub(1);
            let after = Some(at + 1).filter(|next| *next < pieces.len());
            let (inner, outer, letters_inside_suffice) = match &pieces[at] {
                Piece::Opens(mark) => (after, before, *mark != "_"),
                Piece::Closes(mark) => (before, after, *mark != "_"),
                _ => continue,
            };
            let Some(inner) = inner else { continue };
            if is_space(&pieces[inner]) {
                changed |= pieces[inner].encode();
            }
            let letter_inside = pieces[inner].as_written().is_some_and(char::is_alphanumeric);
            let Some(outer) = outer else { continue };
            let safe = |c: char| c.is_whitespace() || c.is_ascii_punctuation();
            let safe_outside = pieces[outer].as_written().is_none_or(safe);
            if !(safe_outside || letter_inside && letters_inside_suffice) {
                changed |= pieces[outer].encode();
            }
        }
    }
}

fn finish(pieces: &[Piece]) -> String {
    let mut text = String::new();
    // Whether a line begins here, and whether only digits stood in it so far.
    let (mut begins, mut digits) = (true, false);
    for piece in pieces {
        match piece {
            Piece::Plain { c, by_number: true } => {
                let _ = write!(text, "&#{};", u32::from(*c));
            }
            Piece::Plain { c: '\n', .. } => {
                text.push_str("\\\n");
                (begins, digits) = (true, false);
                continue;
            }
            Piece::Plain { c, .. } => {
                let numbers = digits && matches!(c, '.' | ')');
                if "\\`*_~[]<>&|#!".contains(*c) || (begins && "+-=".contains(*c)) || numbers {
                    text.push('\\');
                }
                text.push(*c);
                digits = c.is_ascii_digit() && (begins || digits);
                begins = false;
                continue;
            }
            Piece::Opens(mark) | Piece::Closes(mark) => text.push_str(mark),
            Piece::Raw(raw) => text.push_str(raw),
        }
        (begins, digits) = (false, false);
    }
    text
}

fn lines_of(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

fn code_span(code: &str) -> String {
    // The shortest fence that does not stand in it.
    let runs: Vec<_> = code.split(|c| c != '`').map(str::len).collect();
    let length = (1..=runs.len()).find(|length| !runs.contains(length)).unwrap_or(runs.len() + 1);
    let fence = "`".repeat(length);
    let ends = |end: char| code.starts_with(end) || code.ends_with(end);
    let stripped =
        code.starts_with(' ') && code.ends_with(' ') && !code.trim_matches(' ').is_empty();
    let pad = if ends('`') || stripped { " " } else { "" };
    format!("{fence}{pad}{code}{pad}{fence}")
}

fn destination(url: &str) -> String {
    if url.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#@!$'*+,;=%".contains(c)) {
        return url.to_owned();
    }
    let mut text = "<".to_owned();
    for c in url.chars() {
        if "\\<>&".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text + ">"
}
