//! XEP-0428: which parts of a body are there for clients that do not understand the rest.

use std::ops::Range;

use minidom::Element;

use crate::ns;

/// A body, and what in it answers for a reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// What the sender wrote; `None` if nothing is left.
    pub(crate) body: Option<String>,
    /// How the sender's client quoted the message that is answered.
    pub(crate) quote: Option<String>,
}

/// Takes out of the body what is there for clients without replies.
pub(crate) fn split(message: &Element, body: &str) -> Split {
    let mut quote = String::new();
    let mut rest = String::new();
    let ranges = ranges(message, ns::REPLY);
    for (at, c) in body.chars().enumerate() {
        let part =
            if ranges.iter().any(|range| range.contains(&at)) { &mut quote } else { &mut rest };
        part.push(c);
    }
    if rest.is_empty() {
        // A range that was counted wrongly must not eat what somebody wrote.
        return Split { body: Some(quote).filter(|body| !body.is_empty()), quote: None };
    }
    Split {
        body: Some(rest).filter(|rest| !rest.is_empty()),
        quote: Some(unquoted(&quote)).filter(|quote| !quote.is_empty()),
    }
}

/// What is left of the body without all that is there for clients without one of these, nor the quote of
/// a reply.
pub(crate) fn without(message: &Element, body: &str, whats: &[&str]) -> String {
    let mut cut: Vec<_> = whats.iter().flat_map(|what| ranges(message, what)).collect();
    let replies = message.has_child("reply", ns::REPLY);
    if replies && split(message, body).body.as_deref() != Some(body) {
        cut.extend(ranges(message, ns::REPLY));
    }
    let left = |at: &usize| !cut.iter().any(|range| range.contains(at));
    body.chars().enumerate().filter(|(at, _)| left(at)).map(|(_, c)| c).collect()
}

/// The most ranges of one message that count.
const MOST: usize = 8;

/// The parts of the body, in characters, that are there for clients without `what`.
fn ranges(message: &Element, what: &str) -> Vec<Range<usize>> {
    let of_it =
        |child: &&Element| child.is("fallback", ns::FALLBACK) && child.attr("for") == Some(what);
    let fallbacks = message.children().filter(of_it);
    let ranges = fallbacks.flat_map(|fallback| {
        let mut parts = fallback.children().peekable();
        // Without any part it is the whole message.
        let all = parts.peek().is_none().then_some(0..usize::MAX);
        let bodies = parts.filter(|part| part.is("body", ns::FALLBACK)).filter_map(range);
        all.into_iter().chain(bodies).collect::<Vec<_>>()
    });
    ranges.take(MOST).collect()
}

/// From a character to that before another; without them it is all. `None` if it cannot be read.
fn range(part: &Element) -> Option<Range<usize>> {
    let number = |name: &str, otherwise: usize| match part.attr(name) {
        Some(text) => text.parse().ok(),
        None => Some(otherwise),
    };
    Some(number("start", 0)?..number("end", usize::MAX)?)
}

/// A quotation without what marks it as one.
fn unquoted(quote: &str) -> String {
    let line = |line: &str| match line.strip_prefix('>') {
        Some(quoted) => quoted.strip_prefix(' ').unwrap_or(quoted).to_owned(),
        None => line.to_owned(),
    };
    quote.trim_end_matches('\n').split('\n').map(line).collect::<Vec<_>>().join("\n")
}
