//! A text as XEP-0393 sees it: lines at a depth of quotation, with four styles, and preformatted blocks.

use drawbridge_adapter::{Block, Inline, Rich};

/// A set of styles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Style(u8);

impl Style {
    pub(super) const NONE: Self = Self(0);
    pub(super) const STRONG: Self = Self(1);
    pub(super) const EMPHASIS: Self = Self(2);
    pub(super) const STRIKE: Self = Self(4);
    pub(super) const PRE: Self = Self(8);
    /// No style: what gives one, and is not shown.
    pub(super) const DIRECTIVE: Self = Self(16);

    /// Each style with its directive; what is preformatted holds no others, so it comes last.
    const ALL: [(Self, char); 4] =
        [(Self::STRONG, '*'), (Self::EMPHASIS, '_'), (Self::STRIKE, '~'), (Self::PRE, '`')];

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of `other` is in it.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The style that a directive gives.
    pub(super) fn of(directive: char) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == directive).map(|(style, _)| style)
    }
}

/// The characters of a line, each with its styles.
pub(super) type Line = Vec<(char, Style)>;

/// A line, or a preformatted block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// In how many quotations it stands.
    pub(super) depth: usize,
    pub(super) part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Line(Line),
    Code { language: Option<String>, text: String },
}

/// Whether anything in it is more than plain text.
pub(super) fn is_styled(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| match &piece.part {
        Part::Line(line) => piece.depth > 0 || line.iter().any(|(_, style)| *style != Style::NONE),
        Part::Code { .. } => true,
    })
}

/// The longest stretch from the start of these that has one style more than those `held`: the style,
/// its directive, and how far it goes.
pub(super) fn stretch(line: &[(char, Style)], held: Style) -> Option<(Style, char, usize)> {
    let further = Style::ALL.into_iter().filter(|(style, _)| !held.has(*style));
    let reach = |style| line.iter().take_while(|(_, has)| has.has(style)).count();
    let mut longest: Option<(Style, char, usize)> = None;
    for (style, directive) in further {
        let reach = reach(style);
        if reach > longest.map_or(0, |(_, _, longest)| longest) {
            longest = Some((style, directive, reach));
        }
    }
    longest
}

/// The same in the model, if anything in it is styled.
pub(super) fn rich(pieces: &[Piece]) -> Option<Rich> {
    is_styled(pieces).then(|| Rich(blocks(pieces, 0)))
}

fn blocks(pieces: &[Piece], depth: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph: Vec<Inline> = Vec::new();
    let mut rest = pieces;
    while let Some(piece) = rest.first() {
        let mut taken = 1;
        let next = match &piece.part {
            _ if piece.depth > depth => {
                taken = rest.iter().take_while(|piece| piece.depth > depth).count();
                Some(Block::Quote(self::blocks(&rest[..taken], depth + 1)))
            }
            Part::Code { language, text } => {
                Some(Block::Code { language: language.clone(), text: text.clone() })
            }
            Part::Line(line) if line.is_empty() => None,
            Part::Line(line) => {
                if !paragraph.is_empty() {
                    paragraph.push(Inline::Break);
                }
                paragraph.extend(inlines(line, Style::NONE));
                rest = &rest[1..];
                continue;
            }
        };
        if !paragraph.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(&mut paragraph)));
        }
        blocks.extend(next);
        rest = &rest[taken..];
    }
    if !paragraph.is_empty() {
        blocks.push(Block::Paragraph(paragraph));
    }
    blocks
}

fn inlines(mut line: &[(char, Style)], held: Style) -> Vec<Inline> {
    let text = |part: &[(char, Style)]| part.iter().map(|(c, _)| *c).collect::<String>();
    let mut inlines = Vec::new();
    while !line.is_empty() {
        let Some((style, _, reach)) = stretch(line, held) else {
            let plain = line.iter().take_while(|(_, style)| held.has(*style)).count();
            inlines.push(Inline::Text(text(&line[..plain])));
            line = &line[plain..];
            continue;
        };
        let (part, rest) = line.split_at(reach);
        let inner = || self::inlines(part, held.with(style));
        inlines.push(match style {
            Style::STRONG => Inline::Bold(inner()),
            Style::EMPHASIS => Inline::Italic(inner()),
            Style::STRIKE => Inline::Strike(inner()),
            _ => Inline::Code(text(part)),
        });
        line = rest;
    }
    inlines
}
