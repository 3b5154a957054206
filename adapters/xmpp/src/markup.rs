//! Formatting: XEP-0393 in both directions, and XHTML-IM (XEP-0071) as older clients write it.
//!
//! A body stays as it was written; what it means is read beside it.

use drawbridge_adapter::{Block, Inline, Rich, Text};
use minidom::Element;

use crate::ns;

mod read;
mod styled;
mod write;
mod xhtml;

/// The longest body that is written, in bytes. One whose marks make it longer goes without them.
pub(crate) const MAX_BODY: usize = 100_000;

/// What the body of a message means, if anything in it is formatted. XHTML-IM counts for a whole body
/// only: it knows no parts that are there for older clients.
pub(crate) fn read(message: &Element, body: &str, whole: bool) -> Option<Rich> {
    if let Some(html) = message.get_child("html", ns::XHTML_IM).filter(|_| whole) {
        return xhtml::read(html);
    }
    if message.has_child("unstyled", ns::STYLING) {
        return None;
    }
    read::pieces(body).and_then(|pieces| styled::rich(&pieces)).filter(is_formatted)
}

/// A text as a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// It.
    pub(crate) body: String,
    /// Whether clients must be told to take it by the letter.
    pub(crate) unstyled: bool,
}

/// Writes a text so that clients show what was meant: with marks, if they mean nothing else here.
pub(crate) fn write(text: &Text) -> Written {
    let fits = |body: &String| body.len() <= MAX_BODY && !body.is_empty();
    let body = match &text.rich {
        None => text.body.clone(),
        Some(rich) => match write::styled(rich).filter(fits) {
            Some(body) => return Written { body, unstyled: false },
            None => Some(rich.plain()).filter(fits).unwrap_or_else(|| text.body.clone()),
        },
    };
    let unstyled = read::pieces(&body).is_none_or(|pieces| styled::is_styled(&pieces));
    Written { body, unstyled }
}

/// Whether it is more than lines of plain text, and within the model's bounds.
fn is_formatted(rich: &Rich) -> bool {
    let plain = |inline: &Inline| matches!(inline, Inline::Text(_) | Inline::Break);
    let plain = |block: &Block| match block {
        Block::Paragraph(inlines) => inlines.iter().all(plain),
        _ => false,
    };
    rich.fits()
        && !rich.0.iter().all(plain)
        && rich.texts().iter().any(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests;
