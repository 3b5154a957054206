//! What a target lacks falls back to what reads well there. Pure.

use drawbridge_adapter::{
    Block, Capabilities, Content, Event, Feature, Inline, Level, Reply, Rich, Text,
};

/// The most of a message that an answer quotes, in characters.
const QUOTED: usize = 500;

/// What an event says, and answers, as a network can show it. `words`: the same in words, if it is no
/// text.
pub(super) fn fit(
    event: &Event,
    words: Option<&String>,
    capabilities: &Capabilities,
) -> (Content, Option<Reply>) {
    let has = |feature| capabilities.feature(feature) > Level::Rejected;
    let shown = capabilities.level(event.content.kind()) > Level::Fallback;
    let mut content = match words.filter(|_| !shown) {
        Some(words) => Content::text(words),
        None => event.content.clone(),
    };
    if let Some(text) = written(&mut content) {
        if !has(Feature::Formatting) {
            text.rich = None;
        } else if !has(Feature::Mention) {
            text.rich = text.rich.take().map(Rich::without_mentions);
        }
    }
    let mut reply = event.reply.clone();
    if let Some(reply) = reply.as_mut().filter(|_| !has(Feature::Thread)) {
        reply.thread = None;
    }
    let short = |quote: String| quote.chars().take(QUOTED).collect::<String>();
    if let Some(reply) = &mut reply {
        reply.quote = reply.quote.take().map(short).filter(|quote| !quote.is_empty());
    }
    let empty = reply.as_ref().is_some_and(Reply::is_empty);
    if empty || !has(Feature::Reply) {
        let quote = reply.take().and_then(|reply| reply.quote);
        if let (Some(_), Content::Media(media)) = (&quote, &mut content) {
            media.caption.get_or_insert_default();
        }
        if let (Some(quote), Some(text)) = (quote, written(&mut content)) {
            let plain = text.clone();
            quoted(text, &quote);
            if text.body.len() > capabilities.text.max_bytes {
                *text = plain;
            }
        }
        if let Content::Media(media) = &mut content {
            media.caption.take_if(|caption| caption.body.is_empty());
        }
    }
    (content, reply)
}

fn written(content: &mut Content) -> Option<&mut Text> {
    match content {
        Content::Text(text) | Content::Edit { text, .. } => Some(text),
        Content::Media(media) => media.caption.as_mut(),
        _ => None,
    }
}

/// Puts what is answered before the answer.
fn quoted(text: &mut Text, quote: &str) {
    let lines: Vec<String> = quote.lines().map(|line| format!("> {line}")).collect();
    let lines = lines.join("\n");
    text.body = if text.body.is_empty() { lines } else { format!("{lines}\n\n{}", text.body) };
    if let Some(rich) = &mut text.rich {
        let line = |line: &str| Block::Paragraph(vec![Inline::Text(line.to_owned())]);
        rich.0.insert(0, Block::Quote(quote.lines().map(line).collect()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use drawbridge_adapter::{
        Destination, EventId, FileInfo, Kind, Locator, Marks, Media, MediaKind, NetworkId, Party,
        Reference, Repeats, ReplyPath, TextLimits, Thread, Timestamp, UserId, Was,
    };

    use super::*;

    fn said(text: Text, reply: Option<Reply>) -> Event {
        let alice = UserId::new(NetworkId::new("matrix").unwrap(), "@alice:hs.test").unwrap();
        let bob = UserId::new(NetworkId::new("xmpp").unwrap(), "bob@p.test").unwrap();
        Event {
            id: EventId::new("$1").unwrap(),
            repeats: Repeats::Always,
            sender: Party { user: alice, name: None },
            to: Destination::Direct(bob),
            sent_at: Timestamp(0),
            content: Content::Text(text),
            reply,
            marks: Marks::default(),
            reply_path: ReplyPath::default(),
        }
    }

    fn bearing(features: &[Feature]) -> Capabilities {
        let limits = TextLimits { max_bytes: 1000, controls: true };
        let plain = Capabilities::new(limits).with(Kind::Text, Level::Full);
        features.iter().fold(plain, |some, feature| some.bearing(*feature, Level::Full))
    }

    fn reply(known: bool) -> Reply {
        let id = EventId::new("$0").unwrap();
        let to = known.then_some(Reference { id, was: Was::Sent, sent_at: None });
        Reply::answering(to, Some("how are\nyou?".to_owned()))
    }

    #[test]
    fn an_answer_shows_what_it_answers_one_way_or_the_other() {
        let body = |event: &Event, features: &[Feature]| {
            let (content, reply) = fit(event, None, &bearing(features));
            (content.written().map(|text| text.body.clone()).unwrap_or_default(), reply.is_some())
        };
        let quoted = "> how are\n> you?\n\nfine".to_owned();
        let known = said(Text::plain("fine"), Some(reply(true)));
        assert_eq!(body(&known, &[Feature::Reply]), ("fine".to_owned(), true));
        assert_eq!(body(&known, &[]), (quoted.clone(), false));
        let unknown = said(Text::plain("fine"), Some(reply(false)));
        // Who shows answers knows best how to show one to nothing.
        assert_eq!(body(&unknown, &[Feature::Reply]), ("fine".to_owned(), true));
        assert_eq!(body(&unknown, &[]), (quoted, false));
    }

    #[test]
    fn a_thread_is_answered_where_there_are_none() {
        let root = Reference { id: EventId::new("$0").unwrap(), was: Was::Sent, sent_at: None };
        let thread = Some(Thread { root, follows: true });
        let shown = |features: &[Feature], reply: Reply| {
            fit(&said(Text::plain("fine"), Some(reply)), None, &bearing(features)).1
        };
        let both = Reply { thread: thread.clone(), ..reply(true) };
        let features = [Feature::Reply, Feature::Thread];
        assert_eq!(shown(&features, both.clone()), Some(both.clone()));
        assert_eq!(shown(&features[..1], both), Some(reply(true)));
        let alone = Reply { thread, ..Reply::answering(None, None) };
        assert_eq!(shown(&features, alone.clone()), Some(alone.clone()));
        assert_eq!(shown(&features[..1], alone), None);
    }

    #[test]
    fn a_file_without_words_answers_too() {
        let media = Media {
            kind: MediaKind::Image,
            at: Locator::Own("1".to_owned()),
            info: FileInfo::default(),
            thumbnail: None,
            caption: None,
        };
        let mut event = said(Text::plain("-"), Some(reply(true)));
        event.content = Content::Media(Box::new(media));
        let written = |features: &[Feature]| {
            let (content, _) = fit(&event, None, &bearing(features));
            content.written().map(|text| text.body.clone())
        };
        assert_eq!(written(&[Feature::Reply]), None);
        assert_eq!(written(&[]).as_deref(), Some("> how are\n> you?"));
    }

    #[test]
    fn formatting_goes_where_it_can_be_shown() {
        let user = UserId::new(NetworkId::new("xmpp").unwrap(), "bob@p.test").unwrap();
        let mention = Inline::Mention { user, name: "Bob".to_owned() };
        let rich = Rich(vec![Block::Paragraph(vec![Inline::Bold(vec![mention])])]);
        let named = Inline::Bold(vec![Inline::Text("Bob".to_owned())]);
        let event = said(Text { body: "Bob".to_owned(), rich: Some(rich.clone()) }, None);
        let shown = |features: &[Feature]| {
            let (content, _) = fit(&event, None, &bearing(features));
            content.written().and_then(|text| text.rich.clone())
        };
        assert_eq!(shown(&[Feature::Formatting, Feature::Mention]), Some(rich));
        let alone = Rich(vec![Block::Paragraph(vec![named])]);
        assert_eq!(shown(&[Feature::Formatting]), Some(alone));
        assert_eq!(shown(&[]), None);
    }
}
