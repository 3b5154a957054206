//! The blocks of a text as they are read.

use drawbridge_adapter::{Block, Inline, Rich};

use super::line::{Line, Span};

/// How deep tags stand in each other at most, those that leave no trace too.
const DEEPEST: usize = 64;

/// What holds blocks.
pub(super) enum Container {
    Quote,
    Heading(u8),
    /// With the number of the first item, if they are numbered.
    List(Option<u32>),
    Item,
}

struct Open {
    tag: String,
    container: Container,
    blocks: Vec<Block>,
    items: Vec<Vec<Block>>,
}

/// The text so far.
#[derive(Default)]
pub(super) struct Tree {
    blocks: Vec<Block>,
    open: Vec<Open>,
    line: Line,
    made: usize,
}

impl Tree {
    /// Whether it cannot keep to the bounds any more.
    pub(super) fn is_too_large(&self) -> bool {
        self.made + self.line.nodes > Rich::MAX_NODES
            || self.open.len() > Rich::MAX_DEPTH
            || self.open.len() + self.line.depth() > DEEPEST
    }

    pub(super) fn text(&mut self, text: &str) {
        self.line.text(text);
    }

    pub(super) fn line_break(&mut self) {
        self.line.add(Inline::Break);
    }

    pub(super) fn code(&mut self, text: &str) {
        let text = text.replace(['\n', '\r'], " ");
        if !text.is_empty() {
            self.line.add(Inline::Code(text));
        }
    }

    pub(super) fn open(&mut self, tag: String, span: Span) {
        self.line.open(tag, span, self.open.len());
    }

    pub(super) fn close(&mut self, tag: &str) {
        self.line.close(tag);
    }

    pub(super) fn rule(&mut self) {
        self.end_line();
        self.push(Block::Rule);
    }

    pub(super) fn code_block(&mut self, language: Option<String>, text: &str) {
        let text = text.replace("\r\n", "\n");
        let text = text.trim_end_matches('\n');
        if !text.is_empty() {
            self.push(Block::Code { language, text: text.to_owned() });
        }
    }

    pub(super) fn end_line(&mut self) {
        let line = self.line.end(self.open.len());
        if !line.is_empty() {
            self.push(match self.open.last() {
                Some(Open { container: Container::Heading(level), .. }) => {
                    Block::Heading(*level, line)
                }
                _ => Block::Paragraph(line),
            });
        }
    }

    pub(super) fn enter(&mut self, tag: String, container: Container) {
        self.end_line();
        // Nothing but a line stands in a heading.
        if matches!(self.open.last(), Some(Open { container: Container::Heading(_), .. })) {
            self.leave_one();
        }
        self.open.push(Open { tag, container, blocks: Vec::new(), items: Vec::new() });
    }

    /// An item ends the one before it; without a list it is a line of its own.
    pub(super) fn enter_item(&mut self) {
        self.end_line();
        let lists = |open: &Open| matches!(open.container, Container::List(_));
        let Some(list) = self.open.iter().rposition(lists) else { return };
        while self.open.len() > list + 1 {
            self.leave_one();
        }
        self.enter("li".to_owned(), Container::Item);
    }

    pub(super) fn leave(&mut self, tag: &str) {
        self.end_line();
        let Some(at) = self.open.iter().rposition(|open| open.tag == tag) else { return };
        while self.open.len() > at {
            self.leave_one();
        }
    }

    /// What was read, if anything in it is formatted and it keeps to the bounds.
    pub(super) fn into_rich(mut self) -> Option<Rich> {
        if self.is_too_large() {
            return None;
        }
        while !self.open.is_empty() {
            self.leave_one();
        }
        self.end_line();
        let plain = |inline: &Inline| matches!(inline, Inline::Text(_) | Inline::Break);
        let plain = |block: &Block| match block {
            Block::Paragraph(inlines) => inlines.iter().all(plain),
            _ => false,
        };
        let rich = Rich(self.blocks);
        (!rich.0.iter().all(plain) && rich.fits()).then_some(rich)
    }

    fn leave_one(&mut self) {
        let Some(deeper) = self.open.len().checked_sub(1) else { return };
        self.end_line();
        // What was opened in it ends with it.
        self.line.end(deeper);
        let Some(Open { container, blocks, items, .. }) = self.open.pop() else { return };
        match container {
            Container::Heading(_) => blocks.into_iter().for_each(|block| self.push(block)),
            Container::Quote if blocks.is_empty() => {}
            Container::Quote => self.push(Block::Quote(blocks)),
            Container::List(_) if items.is_empty() => {}
            Container::List(from) => self.push(Block::List { from, items }),
            Container::Item => match self.open.last_mut() {
                Some(Open { container: Container::List(_), items, .. }) => items.push(blocks),
                _ => blocks.into_iter().for_each(|block| self.push(block)),
            },
        }
    }

    fn push(&mut self, block: Block) {
        self.made += 1;
        match self.open.last_mut() {
            None => self.blocks.push(block),
            // What stands in a list without an item is one.
            Some(Open { container: Container::List(_), items, .. }) => items.push(vec![block]),
            Some(open) => open.blocks.push(block),
        }
    }
}
