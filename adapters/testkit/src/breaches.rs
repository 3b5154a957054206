//! What the types cannot say about the content of an event.

use drawbridge_adapter::{Block, Content, Emojis, Event, Inline, Reference, Repeats, Rich, Was};

/// What in it breaks the contract, in words.
pub(crate) fn of_content(event: &Event) -> Vec<&'static str> {
    let mut all = Vec::new();
    if let Some(rich) = event.content.written().and_then(|text| text.rich.as_ref()) {
        if !rich.fits() {
            all.push("a formatted text is too large");
        } else if rich.0.iter().any(leads_astray) {
            all.push("a link leads where none may lead");
        }
    }
    if let Content::Reaction { emojis, .. } = &event.content {
        let shown = emojis.shown();
        let bad = |emoji: &String| emoji.is_empty() || emoji.len() > Emojis::MAX_BYTES;
        if matches!(emojis, Emojis::Now { .. }) {
            all.push("an event's reactions are those of a command");
        }
        if shown.len() > Emojis::MOST || shown.iter().any(bad) {
            all.push("an event's reactions are too many, too long, or empty");
        }
    }
    let answered = event.reply.as_ref().and_then(|reply| reply.to.as_ref());
    let named = event.content.about().into_iter().chain(answered);
    all.extend(named.filter_map(|reference| of_reference(event, reference)));
    all
}

fn of_reference(event: &Event, named: &Reference) -> Option<&'static str> {
    let id = named.id.as_str();
    match (named.was, event.repeats) {
        (Was::Delivered, _) if id.len() != 27 || !id.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some("what was delivered is not named by its key")
        }
        (Was::Sent, Repeats::AlwaysDated) if named.sent_at.is_none() => {
            Some("what was sent is named without its time")
        }
        (Was::Sent, Repeats::Within(_)) if id.contains('/') => {
            Some("what was sent is named by more than its name")
        }
        _ => None,
    }
}

fn leads_astray(block: &Block) -> bool {
    match block {
        Block::Paragraph(inlines) | Block::Heading(_, inlines) => inlines.iter().any(links_astray),
        Block::Quote(blocks) => blocks.iter().any(leads_astray),
        Block::List { items, .. } => items.iter().flatten().any(leads_astray),
        Block::Code { .. } | Block::Rule => false,
    }
}

fn links_astray(inline: &Inline) -> bool {
    let here = matches!(inline, Inline::Link { url, .. } if !Rich::may_lead_to(url));
    here || inline.inlines().iter().any(links_astray)
}
