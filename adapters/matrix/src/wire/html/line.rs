//! One line of text as it is read: words, and what they stand in.

use drawbridge_adapter::{Inline, Rich, UserId};

/// What words stand in.
#[derive(Clone)]
pub(super) enum Span {
    /// Nothing that is kept.
    Plain,
    Bold,
    Italic,
    Underline,
    Strike,
    Spoiler,
    Link(String),
    Mention(UserId),
}

/// A span that is open.
struct Open {
    tag: String,
    span: Span,
    /// In how many blocks it was opened.
    blocks: usize,
    inlines: Vec<Inline>,
}

/// The line that is being read. Spans go on behind a line's end, until their own.
pub(super) struct Line {
    inlines: Vec<Inline>,
    open: Vec<Open>,
    /// White space here would not be seen.
    blank: bool,
    /// How many inlines were made.
    pub(super) nodes: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { inlines: Vec::new(), open: Vec::new(), blank: true, nodes: 0 }
    }
}

impl Line {
    /// How many spans are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(super) fn open(&mut self, tag: String, span: Span, blocks: usize) {
        self.open.push(Open { tag, span, blocks, inlines: Vec::new() });
    }

    /// Ends the innermost span of this tag; those within it go on behind it.
    pub(super) fn close(&mut self, tag: &str) {
        let Some(at) = self.open.iter().rposition(|open| open.tag == tag) else { return };
        let mut within = self.fold(at);
        within.remove(0);
        self.open.append(&mut within);
    }

    /// Adds text as HTML shows it: any white space is one space.
    pub(super) fn text(&mut self, text: &str) {
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            if !c.is_ascii_whitespace() {
                shown.push(c);
            } else if !self.blank {
                shown.push(' ');
            }
            self.blank = c.is_ascii_whitespace();
        }
        if shown.is_empty() {
            return;
        }
        match self.last() {
            Some(Inline::Text(before)) => before.push_str(&shown),
            _ => self.push(Inline::Text(shown)),
        }
    }

    /// Adds what is one by itself.
    pub(super) fn add(&mut self, inline: Inline) {
        self.blank = matches!(inline, Inline::Break);
        self.push(inline);
    }

    /// Ends the line. Spans that were opened in more than this many blocks end with it.
    pub(super) fn end(&mut self, blocks: usize) -> Vec<Inline> {
        let mut going_on = self.fold(0);
        going_on.retain(|open| open.blocks <= blocks);
        self.open = going_on;
        self.blank = true;
        let mut line = std::mem::take(&mut self.inlines);
        trim(&mut line);
        line
    }

    fn last(&mut self) -> Option<&mut Inline> {
        self.here().last_mut()
    }

    fn here(&mut self) -> &mut Vec<Inline> {
        match self.open.last_mut() {
            Some(open) => &mut open.inlines,
            None => &mut self.inlines,
        }
    }

    fn push(&mut self, inline: Inline) {
        self.nodes += 1;
        self.here().push(inline);
    }

    /// Ends all spans from this one on, and gives them back, empty.
    fn fold(&mut self, from: usize) -> Vec<Open> {
        let mut ended = Vec::new();
        while self.open.len() > from {
            let Some(mut open) = self.open.pop() else { break };
            let inlines = std::mem::take(&mut open.inlines);
            if let (Span::Plain, true) = (&open.span, !inlines.is_empty()) {
                for inline in inlines {
                    match (inline, self.last()) {
                        (Inline::Text(more), Some(Inline::Text(before))) => before.push_str(&more),
                        (inline, _) => self.here().push(inline),
                    }
                }
            } else if let Some(inline) = made_of(&open.span, inlines) {
                self.push(inline);
            }
            ended.push(open);
        }
        ended.reverse();
        ended
    }
}

/// What a span has become; nothing, if nothing stands in it.
fn made_of(span: &Span, inlines: Vec<Inline>) -> Option<Inline> {
    if inlines.is_empty() {
        return None;
    }
    Some(match span {
        Span::Plain => return None,
        Span::Bold => Inline::Bold(inlines),
        Span::Italic => Inline::Italic(inlines),
        Span::Underline => Inline::Underline(inlines),
        Span::Strike => Inline::Strike(inlines),
        Span::Spoiler => Inline::Spoiler(inlines),
        Span::Link(url) => Inline::Link { url: url.clone(), text: inlines },
        Span::Mention(user) => {
            let name = Rich(vec![drawbridge_adapter::Block::Paragraph(inlines)]).plain();
            // As it is shown: any white space is one space.
            let name = match name.split_whitespace().collect::<Vec<_>>().join(" ") {
                nameless if nameless.is_empty() => user.id().to_owned(),
                name => name,
            };
            Inline::Mention { user: user.clone(), name }
        }
    })
}

/// Takes away what is not seen at a line's end.
fn trim(line: &mut Vec<Inline>) {
    while let Some(last) = line.last_mut() {
        match last {
            Inline::Text(text) => {
                text.truncate(text.trim_end_matches(' ').len());
                if !text.is_empty() {
                    return;
                }
            }
            Inline::Break => {}
            _ => return,
        }
        line.pop();
    }
}
