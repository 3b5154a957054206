//! What the types cannot say about the content of an event, or about a profile.

use drawbridge_adapter::{
    Block, ContactCard, Content, Emojis, Event, Inline, Location, Locator, NetworkId, NewPicture,
    Picture, Poll, ProfileChange, Reference, Repeats, Rich, Was,
};

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
    all.extend(of_thing(&event.content));
    let answered = event.reply.as_ref().and_then(|reply| reply.to.as_ref());
    let thread = event.reply.as_ref().and_then(|reply| reply.thread.as_ref());
    let named = event.content.about().into_iter().chain(answered);
    let named = named.chain(thread.map(|thread| &thread.root));
    all.extend(named.filter_map(|reference| of_reference(event, reference)));
    all
}

/// What in it breaks the contract, in words.
pub(crate) fn of_profile(network: &NetworkId, change: &ProfileChange) -> Vec<&'static str> {
    let mut all = Vec::new();
    if change.user.network() != network {
        all.push("the profile of a user of another network was told");
    }
    match &change.picture {
        Some(NewPicture::At(at)) if at.is_empty() || at.len() > NewPicture::MAX_AT => {
            all.push("the word on where a picture is is too long, or empty");
        }
        Some(NewPicture::Here(bytes)) if bytes.is_empty() || bytes.len() > Picture::MAX => {
            all.push("a picture that was told is too large, or empty");
        }
        _ => {}
    }
    all
}

/// Of a place, a contact card, a poll or a file: what is out of its bounds.
fn of_thing(content: &Content) -> Vec<&'static str> {
    let bad = |line: &String, most: usize| line.is_empty() || line.len() > most;
    let mut all = Vec::new();
    match content {
        Content::Location(place) if place.name.iter().any(|name| bad(name, Location::MAX_NAME)) => {
            all.push("a place's name is too long, or empty");
        }
        Content::Contact(card) => {
            if card.lines().any(|line| bad(line, ContactCard::MAX_LINE)) {
                all.push("a line of a contact card is too long, or empty");
            }
            let sorts = [&card.phones, &card.emails, &card.addresses];
            if sorts.iter().any(|sort| sort.len() > ContactCard::MOST) {
                all.push("a contact card has too many lines of one sort");
            }
        }
        Content::Poll(poll) => {
            if poll.lines().any(|line| bad(line, Poll::MAX_LINE)) {
                all.push("a poll's question or answer is too long, or empty");
            }
            if !(2..=Poll::MOST).contains(&poll.answers.len()) {
                all.push("a poll's answers are too few, or too many");
            }
            if poll.most == 0 {
                all.push("of a poll's answers none may be chosen");
            }
        }
        Content::Media(media) => {
            let thumbnail = media.thumbnail.as_ref().map(|small| &small.at);
            if std::iter::once(&media.at).chain(thumbnail).any(is_nowhere) {
                all.push("a file is not where the bridge can find it");
            }
        }
        _ => {}
    }
    all
}

/// Whether nobody can open what an event says is there.
fn is_nowhere(at: &Locator) -> bool {
    let web = |link: &str| ["https://", "http://"].iter().any(|start| link.starts_with(start));
    match at {
        Locator::Own(own) => own.is_empty() || own.len() > Locator::MAX,
        Locator::Link(link) => link.len() > Locator::MAX || !web(link),
        Locator::Attached => true,
    }
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
