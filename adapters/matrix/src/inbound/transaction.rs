//! One transaction's events, in their order. What was said goes to the daemon in few calls.

use std::sync::Arc;

use drawbridge_adapter::{
    Content, Destination, Emojis, Event, EventId, Kind, Marks, Party, Repeats, Reply, Thread,
    Timestamp, log,
};
use ruma::{OwnedEventId, UserId};
use serde_json::value::RawValue;

use crate::core::{Core, Later, WayBack};
use crate::lists;
use crate::log::{EVENT_SKIPPED, MESSAGE_OUTSIDE_PORTAL};
use crate::outbound;
use crate::portals::{Company, Room};
use crate::refs::{Known, Way, reference};
use crate::wire::{
    Answer, Meaning, Said, WireEvent, brief, file, in_short, marks, meaning, written,
};

impl Core {
    /// Takes a transaction's events. `Ok` means that each is durable, refused, or means nothing.
    pub(crate) async fn take(self: &Arc<Self>, events: &[Box<RawValue>]) -> Result<(), Later> {
        let mut said = Vec::new();
        for (at, raw) in events.iter().enumerate() {
            let Some(event) = WireEvent::read(raw) else {
                log!(EVENT_SKIPPED);
                continue;
            };
            self.notes(&event);
            match meaning(&event, &self.names) {
                // What was said before must be safe by then: a portal that is closed here is
                // closed for the transaction's repeat too.
                Meaning::Membership => {
                    self.hand_over(&mut said).await?;
                    self.member(&event).await?;
                }
                _ if self.names.is_ours(event.sender.as_str()) => {
                    self.echo(&event, &events[at + 1..]).await?;
                }
                Meaning::EncryptionOn => self.encryption_on(&event).await?,
                Meaning::Tombstone => {
                    self.hand_over(&mut said).await?;
                    self.tombstone(&event).await?;
                }
                Meaning::Said(what, marks) => {
                    said.extend(self.said(&event, what, marks).await?);
                }
                Meaning::Nothing => {}
            }
        }
        self.hand_over(&mut said).await
    }

    async fn hand_over(&self, said: &mut Vec<Event>) -> Result<(), Later> {
        if said.is_empty() {
            return Ok(());
        }
        let events = std::mem::take(said);
        let lines: Vec<_> = events.iter().map(line).collect();
        let tokens: Vec<_> = events.iter().filter_map(lists::token_in).collect();
        self.bridge.accept(events).await?;
        for (id, kind, bytes) in lines {
            log!(log::EVENT_HANDED_OVER, msg = %self.bridge.tag_event(&id), %kind, bytes);
        }
        for said in tokens {
            lists::take_back(self, said).await?;
        }
        Ok(())
    }

    async fn said(
        self: &Arc<Self>,
        event: &WireEvent,
        what: Said,
        marks: Marks,
    ) -> Result<Option<Event>, Later> {
        let (Some(sender), Ok(id)) =
            (self.names.user(event.sender.as_str()), EventId::new(event.id.as_str()))
        else {
            log!(EVENT_SKIPPED);
            return Ok(None);
        };
        let mut room = self.portals.room(&event.room).await?;
        if let Some(known) = &room
            && known.company == Company::Unknown
        {
            let left = Room { company: Company::Others, ..known.clone() };
            room = self.look_around(&event.room, known).await?.or(Some(left));
        }
        let Some(room) = room else {
            // Which of the ghosts is there, only a member of the room may ask.
            log!(MESSAGE_OUTSIDE_PORTAL, msg = %self.bridge.tag_event(&id));
            return Ok(None);
        };
        self.meets(&event.sender).await?;
        // Programs must not answer each other for ever (client-server API, "m.notice").
        if room.ghost == self.names.bot() && event.text("msgtype") == Some("m.notice") {
            return Ok(None);
        }
        if event.kind == "m.room.encrypted" {
            outbound::tell_encrypted(self, &event.room, &room.ghost).await?;
        }
        let Some((content, reply)) = self.content(event, &room, what).await? else {
            return Ok(None);
        };
        let name = self.display_name(event, &room.ghost).await;
        let way = WayBack { room: event.room.clone(), ghost: room.ghost.clone() };
        Ok(Some(Event {
            id,
            repeats: Repeats::AlwaysDated,
            sender: Party { user: sender, name },
            to: self.destination(&room, &event.sender),
            sent_at: Timestamp(event.sent_at),
            content,
            reply,
            marks,
            reply_path: way.to_reply_path(),
        }))
    }

    /// What was said, with what it is about as the daemon knows it; nothing if that is of no interest
    /// to anybody else.
    async fn content(
        &self,
        event: &WireEvent,
        room: &Room,
        what: Said,
    ) -> Result<Option<(Content, Option<Reply>)>, Later> {
        let about = async |of: OwnedEventId| {
            let known = self.refer(&event.room, &room.ghost, &of).await?;
            let aside = known.as_ref().is_some_and(|known| known.way == Way::Aside);
            Ok::<_, Later>((reference(&of, known.as_ref()), aside))
        };
        let content = match what {
            Said::Unsupported(kind) => Some(Content::Unsupported { kind }),
            Said::Text(text, answer) => {
                let reply = self.answered(event, room, answer).await?;
                return Ok(Some((Content::Text(text), reply)));
            }
            Said::Thing(thing, answer) => {
                let reply = self.answered(event, room, answer).await?;
                return Ok(Some((thing, reply)));
            }
            Said::Edit(of, text) => about(of).await?.0.map(|of| Content::Edit { of, text }),
            Said::FileEdit(of, new) => {
                let found = self.fetch(&event.room, &room.ghost, &of).await?;
                let before = found.and_then(|found| file(&found.content, false, &self.names));
                let same = before.and_then(Result::ok).is_some_and(|it| it.media.at == new.at);
                match (same, new.caption) {
                    (true, Some(text)) => about(of).await?.0.map(|of| Content::Edit { of, text }),
                    (true, None) => Some(Content::Unsupported { kind: Kind::Edit }),
                    (false, _) => Some(Content::Unsupported { kind: new.kind.kind() }),
                }
            }
            Said::Retraction(of) => match about(of).await? {
                // What the ghost said of its own, or the room's state.
                (_, true) => None,
                (of, false) => of.map(|of| Content::Retraction { of }),
            },
            Said::Reaction(of, emoji) => {
                let emojis = Emojis::One(emoji);
                about(of).await?.0.map(|to| Content::Reaction { to, emojis })
            }
        };
        Ok(content.map(|content| (content, None)))
    }

    async fn answered(
        &self,
        event: &WireEvent,
        room: &Room,
        answer: Option<Answer>,
    ) -> Result<Option<Reply>, Later> {
        match answer.filter(|_| room.ghost != self.names.bot()) {
            Some(answer) => Ok(Some(self.reply(event, room, &answer).await?)),
            None => Ok(None),
        }
    }

    /// What is answered. Clients of today quote nothing: what others may need to see is looked up.
    async fn reply(&self, event: &WireEvent, room: &Room, answer: &Answer) -> Result<Reply, Later> {
        let mut known = self.refs.get(&answer.to).filter(|known| known.room == event.room);
        let mut quote = answer.quote.clone();
        if (known.is_none() || quote.is_none())
            && let Some(found) = self.fetch(&event.room, &room.ghost, &answer.to).await?
        {
            // Only what the two said to each other, and what may cross.
            let theirs = [&room.user, &room.ghost].contains(&&found.sender);
            let plain = marks(&found.kind, &found.content) == Marks::default();
            let read = written(&found.content, found.answered().is_some(), &self.names);
            let read = read.ok().map(|read| brief(&read.text.body));
            let read = read.or_else(|| in_short(&found.content, &self.names));
            quote = quote.or(read.filter(|_| theirs && plain));
            known = known.or_else(|| Some(self.recalls(&found)));
        }
        let named = |event, known: Option<Known>| {
            let known = known.filter(|known| known.way != Way::Aside)?;
            reference(event, Some(&known))
        };
        let mut reply = Reply::answering(None, quote);
        if let Some((root, follows)) = &answer.thread {
            let begins = if *root == answer.to {
                known.clone()
            } else {
                self.refer(&event.room, &room.ghost, root).await?
            };
            let thread = |root| Thread { root, follows: *follows };
            reply.thread = named(root, begins).map(thread);
        }
        reply.to = named(&answer.to, known);
        Ok(reply)
    }

    fn destination(&self, room: &Room, sender: &UserId) -> Destination {
        if room.company != Company::None || sender != room.user {
            return Destination::Group;
        }
        match self.names.behind(room.ghost.as_str()) {
            Some(account) => Destination::Direct(account),
            None => Destination::Bridge,
        }
    }

    async fn encryption_on(&self, event: &WireEvent) -> Result<(), Later> {
        if let Some(room) = self.portals.room(&event.room).await? {
            outbound::tell_encrypted(self, &event.room, &room.ghost).await?;
        }
        Ok(())
    }

    async fn tombstone(&self, event: &WireEvent) -> Result<(), Later> {
        if let Some(room) = self.portals.room(&event.room).await? {
            self.leave(&event.room, &room).await?;
        }
        Ok(())
    }
}

/// What the log says of an event.
fn line(event: &Event) -> (EventId, Kind, usize) {
    (event.id.clone(), event.content.kind(), event.content.size())
}
