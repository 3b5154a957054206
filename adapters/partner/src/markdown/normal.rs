//! The one form in which each formatted text is read and written: nothing empty, nothing in itself,
//! no two things side by side that are one.

use drawbridge_adapter::{Block, Inline, Rich};

/// The largest number of a list's item that CommonMark knows.
const LAST_ITEM: u32 = 999_999_999;

/// The longest name of a programming language, in bytes.
const LONGEST_LANGUAGE: usize = 32;

/// The same in that form.
pub(super) fn normal(rich: Rich) -> Rich {
    Rich(blocks(rich.0))
}

fn blocks(all: Vec<Block>) -> Vec<Block> {
    all.into_iter().filter_map(block).collect()
}

fn block(block: Block) -> Option<Block> {
    Some(match block {
        Block::Paragraph(all) => Block::Paragraph(filled(inlines(all))?),
        Block::Heading(level, all) => Block::Heading(level.clamp(1, 6), filled(inlines(all))?),
        Block::Quote(all) => Block::Quote(filled(blocks(all))?),
        Block::Code { language, text } => {
            let text = clean(&text);
            let text = text.trim_end_matches('\n').to_owned();
            Block::Code { language: language.and_then(|language| known(&language)), text }
        }
        Block::List { from, items } => {
            let items = items.into_iter().filter_map(|item| filled(blocks(item))).collect();
            let items = filled(items)?;
            let most = LAST_ITEM - u32::try_from(items.len()).unwrap_or(LAST_ITEM).min(LAST_ITEM);
            let from = from.map(|from| from.min(most));
            Block::List { from, items }
        }
        Block::Rule => Block::Rule,
    })
}

fn filled<T>(all: Vec<T>) -> Option<Vec<T>> {
    (!all.is_empty()).then_some(all)
}

/// The name of a programming language: one word of a few signs.
pub(super) fn known(language: &str) -> Option<String> {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "+-#._/".contains(c);
    let word: String = language.chars().take_while(|c| is_sign(*c)).collect();
    let fits = !word.is_empty() && word.len() <= LONGEST_LANGUAGE;
    fits.then(|| word.to_ascii_lowercase())
}

/// Without what Markdown cannot say: carriage returns, and NUL.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{FFFD}")
}

/// What is around an inline: a bit for each sort.
#[derive(Clone, Copy, Default)]
struct Within(u8);

impl Within {
    const BOLD: u8 = 1;
    const ITALIC: u8 = 2;
    const STRIKE: u8 = 4;
    const UNDERLINE: u8 = 8;
    const SPOILER: u8 = 16;
    const LINK: u8 = 32;

    fn has(self, sort: u8) -> bool {
        self.0 & sort != 0
    }
}

/// A line in that form.
pub(super) fn inlines(all: Vec<Inline>) -> Vec<Inline> {
    let mut out = Vec::new();
    gather(all, Within::default(), &mut out);
    out
}

fn gather(all: Vec<Inline>, within: Within, out: &mut Vec<Inline>) {
    for inline in all {
        match inline {
            Inline::Text(text) => {
                for (at, line) in clean(&text).split('\n').enumerate() {
                    if at > 0 {
                        out.push(Inline::Break);
                    }
                    push(out, Inline::Text(line.to_owned()));
                }
            }
            Inline::Code(code) => push(out, Inline::Code(clean(&code).replace('\n', " "))),
            Inline::Break => out.push(Inline::Break),
            Inline::Mention { name, .. } if within.has(Within::LINK) => {
                gather(vec![Inline::Text(name)], within, out);
            }
            Inline::Mention { user, name } => {
                let name = clean(&name).replace('\n', " ");
                let name = if name.is_empty() { user.id().to_owned() } else { name };
                out.push(Inline::Mention { user, name });
            }
            Inline::Link { text, .. } if within.has(Within::LINK) => gather(text, within, out),
            Inline::Link { url, text } => {
                let mut inner = Vec::new();
                gather(text, Within(within.0 | Within::LINK), &mut inner);
                if Rich::may_lead_to(&url) {
                    out.push(Inline::Link { url, text: inner });
                } else {
                    push_all(out, inner);
                }
            }
            Inline::Bold(held) => hold(held, within, Within::BOLD, Inline::Bold, out),
            Inline::Italic(held) => hold(held, within, Within::ITALIC, Inline::Italic, out),
            Inline::Strike(held) => hold(held, within, Within::STRIKE, Inline::Strike, out),
            Inline::Underline(held) => {
                hold(held, within, Within::UNDERLINE, Inline::Underline, out);
            }
            Inline::Spoiler(held) => hold(held, within, Within::SPOILER, Inline::Spoiler, out),
        }
    }
}

fn hold(
    held: Vec<Inline>,
    within: Within,
    sort: u8,
    make: fn(Vec<Inline>) -> Inline,
    out: &mut Vec<Inline>,
) {
    if within.has(sort) {
        return gather(held, within, out);
    }
    let mut inner = Vec::new();
    gather(held, Within(within.0 | sort), &mut inner);
    if !inner.is_empty() {
        push(out, make(inner));
    }
}

fn push_all(out: &mut Vec<Inline>, all: Vec<Inline>) {
    for one in all {
        push(out, one);
    }
}

/// Puts one behind the others, or into the last of them, if both are the same.
fn push(out: &mut Vec<Inline>, inline: Inline) {
    match (out.last_mut(), inline) {
        (_, Inline::Text(text) | Inline::Code(text)) if text.is_empty() => {}
        (Some(Inline::Text(before)), Inline::Text(text))
        | (Some(Inline::Code(before)), Inline::Code(text)) => before.push_str(&text),
        (Some(Inline::Bold(before)), Inline::Bold(held))
        | (Some(Inline::Italic(before)), Inline::Italic(held))
        | (Some(Inline::Strike(before)), Inline::Strike(held))
        | (Some(Inline::Underline(before)), Inline::Underline(held))
        | (Some(Inline::Spoiler(before)), Inline::Spoiler(held)) => push_all(before, held),
        (_, inline) => out.push(inline),
    }
}
