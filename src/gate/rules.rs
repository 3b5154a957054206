//! The rules, each with its reason.

use drawbridge_adapter::{
    Code, ContactCard, Content, Destination, Emojis, Event, Kind, Level, Location, MediaKind, Poll,
    Refusal,
};

use super::files::carried_as;
use super::{Facts, MOST_HELD, Posture, Role, Side, Strictness, WORDS_AROUND};

fn refuse(code: Code) -> Result<(), Refusal> {
    Err(code.into())
}

/// A timer or view-once flag, wherever it stands, is never delivered as a lasting message.
pub(super) fn no_disappearing(_: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    if event.marks.disappearing || event.content.kind() == Kind::Disappearing {
        return refuse(Code::UnsupportedKind(Kind::Disappearing));
    }
    Ok(())
}

/// Stickers never cross to or from a third-party network; between two home networks only if the
/// operator allows them on both.
pub(super) fn no_stickers(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let sticker = event.marks.sticker || event.content.kind() == Kind::Sticker;
    let allows =
        |side: &Side<'_>| side.role == Role::Home && side.policy.allowed.contains(&Kind::Sticker);
    if sticker && !(allows(&facts.source) && facts.target.as_ref().is_some_and(allows)) {
        return refuse(Code::UnsupportedKind(Kind::Sticker));
    }
    Ok(())
}

/// Group chats are not carried.
pub(super) fn no_groups(_: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    match event.to {
        Destination::Direct(_) => Ok(()),
        _ => refuse(Code::GroupUnsupported),
    }
}

/// There must be somebody to reach.
pub(super) fn known_target(facts: &Facts<'_>, _: &Event) -> Result<(), Refusal> {
    if facts.target.is_none() {
        return refuse(Code::NotReachable);
    }
    Ok(())
}

/// A remote user writes only where the operator lets remote users in, and nobody does from a network
/// that is not admitted. That they may not is about them alone, so it may be said.
pub(super) fn sender_admitted(facts: &Facts<'_>, _: &Event) -> Result<(), Refusal> {
    if !super::admitted(&facts.source) {
        return refuse(Code::Forbidden);
    }
    Ok(())
}

/// A remote user is reached only where the operator lets remote users in, and nobody is on a network
/// that is not admitted: it looks as if there were no such user.
pub(super) fn recipient_admitted(facts: &Facts<'_>, _: &Event) -> Result<(), Refusal> {
    if !facts.target.as_ref().is_some_and(super::admitted) {
        return refuse(Code::NotReachable);
    }
    Ok(())
}

/// Nothing crosses between a third-party network and a user who has not switched it on, in either
/// direction, and it looks as if there were nobody.
pub(super) fn consent(facts: &Facts<'_>, _: &Event) -> Result<(), Refusal> {
    let third_party = |side: &Side<'_>| side.role == Role::ThirdParty;
    let from_closed = third_party(&facts.source) && !facts.between.recipient_enabled;
    let to_closed = facts.target.as_ref().is_some_and(third_party) && !facts.between.sender_enabled;
    if from_closed || to_closed {
        return refuse(Code::NotReachable);
    }
    Ok(())
}

/// A user may want nothing to cross that the bridge could read, and the operator a minimum for a
/// network. All that is carried is clear.
pub(super) fn sealed_enough(facts: &Facts<'_>, _: &Event) -> Result<(), Refusal> {
    let demands = |side: &Side<'_>| side.policy.minimum > Posture::Clear;
    let demanded = demands(&facts.source) || facts.target.as_ref().is_some_and(demands);
    if demanded || facts.between.only_sealed() {
        return refuse(Code::E2eeRequired);
    }
    Ok(())
}

/// A strict user takes nothing but text of strangers.
pub(super) fn strangers_only_write(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let strict = facts.between.recipient_strict > Strictness::Off;
    if strict && super::must_be_accepted(facts) && event.content.kind() != Kind::Text {
        return refuse(Code::Forbidden);
    }
    Ok(())
}

/// A few messages wait for the recipient's word, of a bounded number of strangers.
pub(super) fn request_has_room(facts: &Facts<'_>, _: &Event) -> Result<(), Refusal> {
    let new = facts.between.held == 0;
    let full = facts.between.held >= MOST_HELD || (new && facts.between.crowded);
    if super::must_be_accepted(facts) && full {
        return refuse(Code::RequestLimit);
    }
    Ok(())
}

/// The effective capability is source ∩ target ∩ operator; what is not declared is rejected.
pub(super) fn kind_carried(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let kind = event.content.kind();
    let carries = |side: &Side<'_>, kind| {
        side.capabilities.level(kind) > Level::Rejected && !side.policy.denied.contains(&kind)
    };
    let both = |kind| {
        carries(&facts.source, kind)
            && facts.target.as_ref().is_some_and(|target| carries(target, kind))
    };
    if matches!(event.content, Content::Unsupported { .. }) || !both(kind) {
        return refuse(Code::UnsupportedKind(kind));
    }
    if let (Content::Media(media), Some(target)) = (&event.content, &facts.target) {
        let denied = |kind: &Kind| target.policy.denied.contains(kind);
        let shown = carried_as(media.kind, target.capabilities).map(MediaKind::kind);
        if shown.is_none_or(|kind| denied(&kind)) {
            return refuse(Code::UnsupportedKind(kind));
        }
    }
    // A sticker beside a text must not be lost on the way.
    if event.marks.sticker && !both(Kind::Sticker) {
        return refuse(Code::UnsupportedKind(Kind::Sticker));
    }
    Ok(())
}

/// What is about another message means nothing without it.
pub(super) fn message_known(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let known = facts.about.is_some_and(|about| !about.lost);
    if event.content.about().is_some() && !known {
        return refuse(Code::TargetNotFound);
    }
    Ok(())
}

/// Nobody edits or takes back what somebody else wrote.
pub(super) fn author_alone(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let own = facts.about.is_some_and(|about| about.own);
    let of_author = matches!(event.content, Content::Edit { .. } | Content::Retraction { .. });
    if of_author && !own {
        return refuse(Code::Forbidden);
    }
    Ok(())
}

/// A network may take edits, and take messages back, only for so long.
pub(super) fn in_time(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let Some(target) = &facts.target else { return Ok(()) };
    let limit = match event.content {
        Content::Edit { .. } => target.capabilities.edit_within,
        Content::Retraction { .. } => target.capabilities.retract_within,
        _ => None,
    };
    if limit.zip(facts.about).is_some_and(|(limit, about)| about.age > limit) {
        return refuse(Code::Expired);
    }
    Ok(())
}

/// A text fits the target whole, or is refused: never cut, never altered.
pub(super) fn text_fits(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let (Some(text), Some(target)) = (event.content.written(), &facts.target) else {
        return Ok(());
    };
    let limits = &target.capabilities.text;
    let unfit = |text: &str| !limits.controls && text.chars().any(forbidden_in_xml);
    let rich = text.rich.as_ref();
    if text.body.is_empty()
        || unfit(&text.body)
        || rich.is_some_and(|rich| !rich.fits() || rich.texts().into_iter().any(unfit))
    {
        return refuse(Code::Malformed);
    }
    if text.body.len() > limits.max_bytes {
        return refuse(Code::TextTooLong);
    }
    Ok(())
}

/// Reactions are a few, and short.
pub(super) fn reactions_fit(_: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let Content::Reaction { emojis, .. } = &event.content else { return Ok(()) };
    let fits = |emoji: &String| {
        let unfit = |c: char| c.is_control() || forbidden_in_xml(c);
        (1..=Emojis::MAX_BYTES).contains(&emoji.len()) && !emoji.chars().any(unfit)
    };
    if emojis.shown().len() > Emojis::MOST || !emojis.shown().iter().all(fits) {
        return refuse(Code::Malformed);
    }
    Ok(())
}

/// A place, a contact card or a poll keeps to its bounds; and where it goes in words, they fit.
pub(super) fn things_fit(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let line = |line: &String, most: usize| {
        let unfit = |c: char| c.is_control() || forbidden_in_xml(c);
        (1..=most).contains(&line.len()) && !line.chars().any(unfit)
    };
    let fits = match &event.content {
        Content::Location(place) => place.name.iter().all(|name| line(name, Location::MAX_NAME)),
        Content::Contact(card) => {
            let sorts = [&card.phones, &card.emails, &card.addresses];
            sorts.iter().all(|sort| sort.len() <= ContactCard::MOST)
                && card.lines().all(|it| line(it, ContactCard::MAX_LINE))
        }
        Content::Poll(poll) => {
            (2..=Poll::MOST).contains(&poll.answers.len())
                && poll.most > 0
                && poll.lines().all(|it| line(it, Poll::MAX_LINE))
        }
        _ => return Ok(()),
    };
    if !fits {
        return refuse(Code::Malformed);
    }
    let target = facts.target.as_ref().map(|target| target.capabilities);
    let in_words = target.filter(|it| it.level(event.content.kind()) == Level::Fallback);
    if in_words.is_some_and(|it| event.content.size() + WORDS_AROUND > it.text.max_bytes) {
        return refuse(Code::TextTooLong);
    }
    Ok(())
}

/// What XML 1.0 cannot hold, in any spelling (section 2.2).
fn forbidden_in_xml(c: char) -> bool {
    let allowed_control = matches!(c, '\t' | '\n' | '\r');
    (c < ' ' && !allowed_control) || matches!(c, '\u{fffe}' | '\u{ffff}')
}
