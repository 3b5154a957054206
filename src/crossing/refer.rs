//! What an event is about: found among those of before, and named as the other network names it.

use drawbridge_adapter::{
    Code, Content, Delivered, DeliveryError, Destination, Emojis, Event, EventId, Kind, Reference,
    Reply, Thread, Timestamp, UserId, Was,
};

use super::lane::Stopped;
use super::{Crossing, Network};
use crate::clock;
use crate::gate::About;
use crate::store::{
    Found, Payload, Reacted, Reacting, Retracted, Row, Shown, Sought, Source, StoreError,
};

/// What an event refers to.
#[derive(Debug, Default)]
pub(super) struct Referred {
    link: Option<Link>,
    /// The inbox row of the first message of its thread.
    pub(super) thread: Option<i64>,
    /// How it changes its sender's reactions.
    pub(super) reacting: Option<Reacting>,
}

/// A message of before, of the same two users.
#[derive(Debug)]
pub(super) struct Link {
    found: Found,
    /// Whether the event's sender wrote it.
    own: bool,
    age: std::time::Duration,
    /// As the event's target names it: if it was delivered there, by the key.
    reference: Reference,
}

impl Link {
    /// As the event's target names it, if the event's recipient wrote it.
    pub(super) fn of_recipient(self) -> Option<Reference> {
        (!self.own && !self.found.failed).then_some(self.reference)
    }
}

/// Whether an event refers to another.
pub(super) fn refers(event: &Event) -> bool {
    let answers = |reply: &Reply| reply.to.is_some() || reply.thread.is_some();
    event.content.about().is_some() || event.reply.as_ref().is_some_and(answers)
}

impl Referred {
    /// What the gate is to know of it.
    pub(super) fn about(&self) -> Option<About> {
        let Link { found, own, age, .. } = self.link.as_ref()?;
        let (lost, swallowed) = (found.failed, found.pair < 0);
        Some(About { own: *own, age: *age, lost, swallowed })
    }

    /// The inbox row of it.
    pub(super) fn inbox(&self) -> Option<i64> {
        Some(self.link.as_ref()?.found.inbox)
    }

    /// What `event` takes back, if it does.
    pub(super) fn retracts(&self, event: &Event, recipient: &UserId) -> Option<Retracted> {
        let Content::Retraction { .. } = event.content else { return None };
        let (by, to) = (event.sender.user.clone(), recipient.clone());
        let found = &self.link.as_ref()?.found;
        Some(Retracted { inbox: found.inbox, by, to, at: found.at })
    }
}

impl Crossing {
    /// Finds what `event` refers to, and names it in the event as its target does. A reply to what is
    /// not known there refers to nothing from now on.
    pub(super) async fn refer(
        &self,
        source: &Network,
        event: &mut Event,
    ) -> Result<Referred, StoreError> {
        let by = event.sender.user.clone();
        if let Some(reference) = event.content.about() {
            // What a correction answers was told with the message itself.
            event.reply = None;
            let Some((_, recipient)) = self.target(source, event) else {
                return Ok(Referred::default());
            };
            let now = clock::now();
            let Some(found) = self.look_for(source, reference, now).await? else {
                return Ok(Referred::default());
            };
            if let Content::Retraction { .. } = event.content
                && let Some((found, emoji, before)) =
                    self.store.reaction_of(found.inbox, &by).await?
            {
                return Ok(self.takes_reaction_back(event, &by, found, &emoji, &before));
            }
            let Some(link) = self.as_link(found, &by, recipient, now) else {
                return Ok(Referred::default());
            };
            return self.referring(event, &by, link).await;
        }
        self.answering(source, event).await
    }

    /// Names what a message answers, and the first of its thread.
    async fn answering(&self, source: &Network, event: &mut Event) -> Result<Referred, StoreError> {
        let Some(Reply { to, mut quote, thread }) = event.reply.take() else {
            return Ok(Referred::default());
        };
        let crossed = |link: &Link| !link.found.failed && link.found.pair > 0;
        let link = self.link(source, event, to.as_ref()).await?;
        let root =
            thread.as_ref().map(|thread| &thread.root).filter(|root| to.as_ref() != Some(root));
        let root = self.link(source, event, root).await?;
        // What did not cross does not as a quote either.
        quote.take_if(|_| link.as_ref().is_some_and(|link| !crossed(link)));
        let link = link.filter(crossed);
        let is_answered = thread.as_ref().is_some_and(|thread| to.as_ref() == Some(&thread.root));
        let root =
            if is_answered { link.as_ref() } else { root.as_ref().filter(|root| crossed(root)) };
        let begun = root.map(|root| (root.found.inbox, root.reference.clone()));
        let thread = thread.zip(begun.clone());
        let thread = thread.map(|(thread, (_, root))| Thread { root, ..thread });
        let to = link.as_ref().map(|link| link.reference.clone());
        event.reply = Some(Reply { to, quote, thread }).filter(|reply| !reply.is_empty());
        Ok(Referred { link, thread: begun.map(|(inbox, _)| inbox), reacting: None })
    }

    /// Names what an edit, a retraction or a reaction is about.
    async fn referring(
        &self,
        event: &mut Event,
        by: &UserId,
        link: Link,
    ) -> Result<Referred, StoreError> {
        let (inbox, reference) = (link.found.inbox, link.reference.clone());
        let reacting = match &mut event.content {
            Content::Edit { of, .. } | Content::Retraction { of } => {
                *of = reference;
                None
            }
            Content::Reaction { to, emojis } => {
                let before = self.store.reactions(inbox, by).await?;
                let (reacting, all) = Reacting::from(inbox, by, &before, emojis);
                *to = reference;
                *emojis = now(&reacting, all);
                Some(reacting)
            }
            Content::Text(_) | Content::Unsupported { .. } | _ => None,
        };
        Ok(Referred { link: Some(link), reacting, thread: None })
    }

    /// What was taken back is a reaction: the event is one, too.
    fn takes_reaction_back(
        &self,
        event: &mut Event,
        by: &UserId,
        found: Found,
        emoji: &str,
        before: &[String],
    ) -> Referred {
        let Destination::Direct(recipient) = &event.to else { return Referred::default() };
        let Some(link) = self.as_link(found, by, &recipient.clone(), clock::now()) else {
            return Referred::default();
        };
        let all: Vec<String> = before.iter().filter(|one| *one != emoji).cloned().collect();
        let reacting = Reacting::to(link.found.inbox, by, before, &all);
        let to = link.reference.clone();
        event.content = Content::Reaction { to, emojis: now(&reacting, all) };
        Referred { link: Some(link), reacting: Some(reacting), thread: None }
    }

    /// Names what a message of a window is about as its network does, now that it is its turn.
    pub(super) async fn name_there(
        &self,
        row: &mut Row,
    ) -> Result<Result<(), Stopped>, StoreError> {
        let Payload::Message { message, source: Source { about, thread, .. } } = &mut row.payload
        else {
            return Ok(Ok(()));
        };
        if let (Some(begun), Some(reply)) = (thread, &mut message.reply) {
            let shown = self.store.shown(*begun, &message.from.user, Vec::new()).await?;
            let stands = shown.as_ref().is_some_and(|it| !it.found.failed && it.found.pair > 0);
            reply.thread.take_if(|_| !stands);
            rename(reply.thread.as_mut().map(|thread| &mut thread.root), shown);
        }
        let Some(about) = about else { return Ok(Ok(())) };
        let gone = match &message.content {
            Content::Reaction { emojis: Emojis::Now { gone, .. }, .. } => {
                gone.iter().map(|(emoji, _)| emoji.clone()).collect()
            }
            _ => Vec::new(),
        };
        let shown = self.store.shown(*about, &message.from.user, gone).await?;
        let lost = shown.as_ref().is_none_or(|shown| shown.found.failed);
        let unseen = shown.as_ref().is_some_and(|shown| shown.found.pair < 0);
        if message.content.about().is_none() {
            if let Some(reply) = &mut message.reply {
                if lost || unseen {
                    (reply.to, reply.quote) = (None, None);
                }
                rename(reply.to.as_mut(), shown);
            }
            return Ok(Ok(()));
        }
        if lost {
            return Ok(Err(Stopped::Refused(Code::TargetNotFound.into())));
        }
        if unseen {
            return Ok(Err(Stopped::Swallowed));
        }
        match &mut message.content {
            Content::Edit { of, .. } | Content::Retraction { of } => rename(Some(of), shown),
            Content::Reaction { to, emojis } => {
                let mut shown = shown;
                if let (Emojis::Now { gone, .. }, Some(shown)) = (emojis, &mut shown) {
                    *gone = std::mem::take(&mut shown.gone);
                }
                rename(Some(to), shown);
            }
            _ => {}
        }
        Ok(Ok(()))
    }

    /// The message that `reference` names, if it is one of the same two users.
    async fn link(
        &self,
        source: &Network,
        event: &Event,
        reference: Option<&Reference>,
    ) -> Result<Option<Link>, StoreError> {
        let (Some(reference), Some((_, recipient))) = (reference, self.target(source, event))
        else {
            return Ok(None);
        };
        let now = clock::now();
        let found = self.look_for(source, reference, now).await?;
        Ok(found.and_then(|found| self.as_link(found, &event.sender.user, recipient, now)))
    }

    /// The event of before that a reference of `network` names.
    pub(super) async fn look_for(
        &self,
        network: &Network,
        reference: &Reference,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let (id, name) = (&network.setup.id, reference.id.as_str());
        match reference.was {
            Was::Sent => {
                let tag = self.tag_name(id, name);
                let (network, name, sent_at) = (id.clone(), name.to_owned(), reference.sent_at);
                self.store.named(Sought { network, name, tag, sent_at, now }).await
            }
            Was::Delivered => {
                let beside = self.store.beside(name.to_owned()).await?;
                let is = |found: &Found| {
                    self.key("message", &found.network, &found.event, id, found.at) == name
                };
                Ok(beside.into_iter().find(is))
            }
        }
    }

    /// An event of before as one of `sender`'s with `recipient`, named as the recipient's network
    /// does.
    pub(super) fn as_link(
        &self,
        found: Found,
        sender: &UserId,
        recipient: &UserId,
        now: Timestamp,
    ) -> Option<Link> {
        let age = now.since(found.at);
        if found.pair.abs() == self.pair(sender, recipient) {
            let to = recipient.network();
            let key = self.key("message", &found.network, &found.event, to, found.at);
            let id = EventId::new(key).ok()?;
            let reference = Reference { id, was: Was::Delivered, sent_at: None };
            return Some(Link { found, own: true, age, reference });
        }
        // What was swallowed the sender has never seen.
        (found.pair == self.pair(recipient, sender)).then(|| {
            let id = found.event.clone();
            let reference = Reference { id, was: Was::Sent, sent_at: None };
            Link { found, own: false, age, reference }
        })
    }
}

/// How many rows of a window, from the first on, are about none of those before them.
pub(super) fn independent(rows: &[Row]) -> usize {
    let about = |row: &Row| match &row.payload {
        Payload::Message { source, .. } => source.about,
        _ => None,
    };
    let thread = |row: &Row| match &row.payload {
        Payload::Message { source, .. } => source.thread,
        _ => None,
    };
    let depends = |at: &usize| {
        let before = &rows[..*at];
        let (about_it, begun) = (about(&rows[*at]), thread(&rows[*at]));
        let touches = |row: &Row| {
            about_it.is_some_and(|its| row.inbox == its || about(row) == Some(its))
                || begun.is_some_and(|its| row.inbox == its)
        };
        (about_it.is_some() || begun.is_some()) && before.iter().any(touches)
    };
    (0..rows.len()).find(depends).unwrap_or(rows.len())
}

/// Whether what a network calls a message is to be kept: later events may be about it, and the key
/// does not tell.
pub(super) fn keeps_name(row: &Row, id: &EventId) -> bool {
    let Payload::Message { message, .. } = &row.payload else { return false };
    message.content.about().is_none() && id.as_str() != row.key
}

/// What became of the reactions of a row.
pub(super) fn reacted(row: &Row, shown: Vec<(String, EventId)>) -> Option<Reacted> {
    let Payload::Message { message, source } = &row.payload else { return None };
    let Content::Reaction { emojis: Emojis::Now { gone, .. }, .. } = &message.content else {
        return None;
    };
    let (by, gone) = (message.from.user.clone(), gone.clone());
    Some(Reacted { about: source.about?, by, shown, gone })
}

/// Whether a row held a message that its sender has taken back.
pub(super) fn is_taken_back(row: &Row) -> bool {
    matches!(row.payload, Payload::Swallowed { taken_back: true, .. })
}

/// What is to be taken back and is not there needs no taking back.
pub(super) fn gone_already(row: &Row, error: DeliveryError) -> Result<Delivered, DeliveryError> {
    let is_retraction = match &row.payload {
        Payload::Message { message, .. } => message.content.kind() == Kind::Retraction,
        _ => false,
    };
    match error {
        DeliveryError::Refused { refusal, .. }
            if is_retraction && refusal.code == Code::TargetNotFound =>
        {
            Ok(Delivered::default())
        }
        error => Err(error),
    }
}

/// Names a message that was delivered as its network does.
fn rename(reference: Option<&mut Reference>, shown: Option<Shown>) {
    if let (Some(reference), Some(id)) = (reference, shown.and_then(|shown| shown.id))
        && reference.was == Was::Delivered
    {
        reference.id = id;
    }
}

/// The reactions as a command tells them; what the other network calls those that are gone is known
/// when their turn has come.
fn now(reacting: &Reacting, all: Vec<String>) -> Emojis {
    let gone = reacting.gone.iter().map(|emoji| (emoji.clone(), None)).collect();
    Emojis::Now { all, new: reacting.new.clone(), gone }
}
