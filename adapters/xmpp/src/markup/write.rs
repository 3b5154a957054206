//! Writes the model as XEP-0393. It has no way to say that a mark is none, so what was written is read
//! again: where that shows a style that was not meant, nothing is written.

use drawbridge_adapter::{Block, Inline, Rich};

use super::read;
use super::styled::{Line, Part, Piece, Style, stretch};

/// A body that means the same, or less: what cannot be said here, such as bold in the middle of a word,
/// is plain. `None` if it would mean something else.
pub(super) fn styled(rich: &Rich) -> Option<String> {
    let mut meant = Vec::new();
    lay_out(&rich.0, 0, &mut meant);
    let body = meant.iter().map(wire).collect::<Vec<_>>().join("\n");
    let read = read::pieces(&body)?;
    let fits = read.len() == meant.len()
        && read.iter().zip(&meant).all(|(read, meant)| says_no_more(read, meant));
    fits.then_some(body)
}

/// Whether what is read is what was meant, or less of it.
fn says_no_more(read: &Piece, meant: &Piece) -> bool {
    read.depth == meant.depth
        && match (&read.part, &meant.part) {
            (Part::Line(read), Part::Line(meant)) => {
                let no_more = |(read, meant): (&(char, Style), &(char, Style))| {
                    read.0 == meant.0 && meant.1.has(read.1)
                };
                read.len() == meant.len() && read.iter().zip(meant).all(no_more)
            }
            (Part::Code { text: read, .. }, Part::Code { text: meant, .. }) => read == meant,
            _ => false,
        }
}

/// The lines of blocks at a depth of quotation, with an empty one between two blocks.
fn lay_out(blocks: &[Block], depth: usize, out: &mut Vec<Piece>) {
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            out.push(Piece { depth, part: Part::Line(Line::new()) });
        }
        match block {
            Block::Quote(quoted) => lay_out(quoted, depth + 1, out),
            Block::Code { language, text } => {
                let part = Part::Code { language: language.clone(), text: text.clone() };
                out.push(Piece { depth, part });
            }
            other => {
                let line = |line| Piece { depth, part: Part::Line(line) };
                out.extend(lines(other).into_iter().map(line));
            }
        }
    }
}

/// A block as lines of running text: as [`Rich::plain`] writes what there is no mark for.
fn lines(block: &Block) -> Vec<Line> {
    match block {
        Block::Paragraph(inlines) | Block::Heading(_, inlines) => {
            let mut lines = vec![Line::new()];
            running(inlines, Style::NONE, &mut lines);
            for line in &mut lines {
                clear_blanks(line);
            }
            lines
        }
        Block::Quote(quoted) => indent(all_lines(quoted), "> ", "> "),
        Block::Code { text, .. } => text.split('\n').map(plain).collect(),
        Block::List { from, items } => {
            let item = |(index, item): (usize, &Vec<Block>)| {
                let first = from.map_or_else(
                    || "• ".to_owned(),
                    |from| format!("{}. ", u64::from(from) + index as u64),
                );
                indent(all_lines(item), &first, &" ".repeat(first.chars().count()))
            };
            items.iter().enumerate().flat_map(item).collect()
        }
        Block::Rule => vec![plain("⸻")],
    }
}

fn all_lines(blocks: &[Block]) -> Vec<Line> {
    let mut all = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            all.push(Line::new());
        }
        all.extend(lines(block));
    }
    all
}

fn plain(text: &str) -> Line {
    text.chars().map(|c| (c, Style::NONE)).collect()
}

fn indent(lines: Vec<Line>, first: &str, rest: &str) -> Vec<Line> {
    let indented = lines.into_iter().enumerate().map(|(index, line)| {
        let lead = if index == 0 { first } else { rest };
        let mut indented = plain(if line.is_empty() { lead.trim_end() } else { lead });
        indented.extend(line);
        indented
    });
    indented.collect()
}

/// Adds running text to the last line, and more lines where it breaks.
fn running(inlines: &[Inline], style: Style, lines: &mut Vec<Line>) {
    for inline in inlines {
        let (add, inner): (Style, &[Inline]) = match inline {
            Inline::Text(text) => {
                push(text, style, lines);
                continue;
            }
            Inline::Break => {
                lines.push(Line::new());
                continue;
            }
            Inline::Code(text) => {
                push(text, style.with(Style::PRE), lines);
                continue;
            }
            Inline::Mention { name, .. } => {
                push(name, style, lines);
                continue;
            }
            Inline::Link { .. } => {
                link(inline, style, lines);
                continue;
            }
            Inline::Bold(inner) => (Style::STRONG, inner),
            Inline::Italic(inner) => (Style::EMPHASIS, inner),
            Inline::Strike(inner) => (Style::STRIKE, inner),
            Inline::Underline(inner) | Inline::Spoiler(inner) => (Style::NONE, inner),
        };
        running(inner, style.with(add), lines);
    }
}

fn push(text: &str, style: Style, lines: &mut Vec<Line>) {
    for (index, text) in text.split('\n').enumerate() {
        if index > 0 {
            lines.push(Line::new());
        }
        if let Some(line) = lines.last_mut() {
            line.extend(text.chars().map(|c| (c, style)));
        }
    }
}

/// What a link reads, and where it leads, unless both are the same.
fn link(link: &Inline, style: Style, lines: &mut Vec<Line>) {
    let whole = Rich(vec![Block::Paragraph(vec![link.clone()])]).plain();
    let reads = Rich(vec![Block::Paragraph(link.inlines().to_vec())]).plain();
    running(link.inlines(), style, lines);
    push(whole.strip_prefix(&reads).unwrap_or_default(), style, lines);
}

/// A directive stands right beside what it styles, so a blank has only the styles of both sides.
fn clear_blanks(line: &mut Line) {
    let mut at = 0;
    while at < line.len() {
        let blank = line[at..].iter().take_while(|(c, _)| c.is_whitespace()).count();
        let left = at.checked_sub(1).map_or(Style::NONE, |before| line[before].1);
        let right = line.get(at + blank).map_or(Style::NONE, |(_, style)| *style);
        for (_, style) in &mut line[at..at + blank] {
            *style = left.and(right);
        }
        at += blank.max(1);
    }
}

/// A piece as it is written.
fn wire(piece: &Piece) -> String {
    let quoted = "> ".repeat(piece.depth);
    let quote = |line: &str| format!("{quoted}{line}").trim_end_matches(' ').to_owned();
    match &piece.part {
        Part::Line(line) => {
            let mut wire = quoted.clone();
            spans(line, Style::NONE, &mut wire, &mut Some(' '));
            if line.is_empty() { quote("") } else { wire }
        }
        Part::Code { language, text } => {
            let opening = format!("```{}", language.as_deref().unwrap_or_default());
            let lines = text.split('\n').filter(|_| !text.is_empty());
            let lines = std::iter::once(opening.as_str()).chain(lines).chain(["```"]);
            lines.map(|line| format!("{quoted}{line}")).collect::<Vec<_>>().join("\n")
        }
    }
}

/// What stands before a directive, if one may stand there: white space, or the start of the line, or
/// another directive that opens.
type Before = Option<char>;

fn spans(mut line: &[(char, Style)], held: Style, out: &mut String, before: &mut Before) {
    while let Some((c, _)) = line.first() {
        let Some((style, directive, reach)) = stretch(line, held) else {
            out.push(*c);
            *before = c.is_whitespace().then_some(*c);
            line = &line[1..];
            continue;
        };
        let (part, rest) = line.split_at(reach);
        let opens = before.is_some_and(|before| before != directive);
        if opens {
            out.push(directive);
            *before = Some(directive);
        }
        if style == Style::PRE {
            out.extend(part.iter().map(|(c, _)| *c));
        } else {
            spans(part, held.with(style), out, before);
        }
        if opens {
            out.push(directive);
        }
        *before = part.last().filter(|(c, _)| !opens && c.is_whitespace()).map(|(c, _)| *c);
        line = rest;
    }
}
