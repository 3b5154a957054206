//! What the line network carries besides plain texts: the adapter's part of it, and Dora's.

use std::collections::BTreeSet;

use drawbridge_adapter::{
    Block, Bridge, ContactCard, Content, Delivered, Emojis, EventId, Inline, Kind, Location,
    Passing, Poll, Presence, Receipt, Reference, Reply, Rich, Text, Thread, Typing, UserId, Was,
};
use drawbridge_testkit::{Deed, Sight};

use crate::adapter::Line;
use crate::flaws::Flaw;
use crate::peer::Dora;
use crate::server::{Act, DORA, Frame, Look, Sign, State};

/// The kinds that it carries.
pub(crate) const KINDS: [Kind; 16] = [
    Kind::Text,
    Kind::Edit,
    Kind::Retraction,
    Kind::Reaction,
    Kind::Receipt,
    Kind::Typing,
    Kind::Location,
    Kind::Contact,
    Kind::Poll,
    Kind::Presence,
    Kind::Image,
    Kind::Video,
    Kind::Voice,
    Kind::Audio,
    Kind::Document,
    Kind::Profile,
];

fn reference(was: Was, id: &str) -> Reference {
    Reference { id: EventId::new(id).unwrap(), was, sent_at: None }
}

impl Line {
    /// What a frame says.
    pub(crate) fn content(&self, frame: &Frame, text: &str) -> Content {
        match &frame.act {
            Act::SaysBold if !self.has(Flaw::LosesBold) => {
                let bold = Inline::Bold(vec![Inline::Text(text.to_owned())]);
                let rich = Some(Rich(vec![Block::Paragraph(vec![bold])]));
                Content::Text(Text { body: text.to_owned(), rich })
            }
            Act::Edits(of) if !self.has(Flaw::SaysEdits) => {
                let of = if self.has(Flaw::EditsTheEdit) { &frame.id } else { of };
                Content::Edit { of: reference(Was::Sent, of), text: Text::plain(text) }
            }
            Act::Retracts(of) => {
                let of = if self.has(Flaw::RetractsTheNext) { &frame.id } else { of };
                Content::Retraction { of: reference(Was::Sent, of) }
            }
            Act::Reacts(to) => {
                let to = match self.flaw {
                    Some(Flaw::MisplacesReactions) => format!("{:027x}", 7),
                    _ => to.clone(),
                };
                let emojis = Emojis::One(text.to_owned());
                Content::Reaction { to: reference(Was::Delivered, &to), emojis }
            }
            Act::Sends(thing) => self.sent(thing.clone()),
            Act::SendsFile(sample) => self.file(frame, sample),
            _ if self.has(Flaw::QuotesTwice) => Content::text(format!("> tea?\n{text}")),
            _ => Content::text(text),
        }
    }

    /// A place, a contact card or a poll, as the bridge is told of it.
    fn sent(&self, thing: Content) -> Content {
        match thing {
            Content::Location(place) if self.has(Flaw::SwapsCoordinates) => {
                let swapped = Location::new(place.longitude(), place.latitude()).unwrap();
                Content::Location(swapped)
            }
            Content::Location(place) if self.has(Flaw::GuessesHowFar) => {
                Content::Location(place.within(Some(5000)))
            }
            Content::Contact(card) if self.has(Flaw::KeepsOneNumber) => {
                let phones = card.phones.into_iter().take(1).collect();
                Content::Contact(ContactCard { phones, ..card })
            }
            Content::Poll(poll) if self.has(Flaw::LosesAnswersIn) => {
                let answers = poll.answers.into_iter().take(2).collect();
                Content::Poll(Poll { answers, ..poll })
            }
            thing => thing,
        }
    }

    /// Whether a place, a contact card or a poll is shown in words only.
    fn only_says(&self, thing: &Content) -> bool {
        match thing {
            Content::Location(_) => self.has(Flaw::SaysPlaces),
            Content::Contact(_) => self.has(Flaw::SaysCards),
            _ => self.has(Flaw::SaysPolls),
        }
    }

    /// What a frame answers.
    pub(crate) fn reply(&self, frame: &Frame) -> Option<Reply> {
        let to = match &frame.act {
            Act::Replies(to) => to,
            Act::Threads(root) => return Some(self.threaded(frame, root)),
            _ => return None,
        };
        let to = match self.flaw {
            Some(Flaw::AnswersNothing) => return None,
            Some(Flaw::AnswersItself) => reference(Was::Sent, &frame.id),
            _ => reference(Was::Delivered, to),
        };
        Some(Reply::answering(Some(to), None))
    }

    /// In which thread a frame stands.
    fn threaded(&self, frame: &Frame, root: &str) -> Reply {
        let begun = reference(Was::Delivered, root);
        let to = (!self.has(Flaw::LeavesThreadsUnanswered)).then(|| begun.clone());
        let root = match self.flaw {
            Some(Flaw::StandsInNoThread) => return Reply::answering(to, None),
            Some(Flaw::BeginsThreadsAnew) => reference(Was::Sent, &frame.id),
            _ => begun,
        };
        let follows = !self.has(Flaw::AnswersWhatItFollows);
        Reply { thread: Some(Thread { root, follows }), ..Reply::answering(to, None) }
    }

    /// How a new message looks.
    pub(crate) fn look(&self, text: &str, bold: bool, reply: Option<&Reply>) {
        let answered = reply.and_then(|reply| reply.to.as_ref());
        self.server.with(|state| {
            if bold && !self.has(Flaw::ShowsPlain) {
                state.looks.push(Look::Bold(text.to_owned()));
            }
            let thread = reply.and_then(|reply| reply.thread.as_ref());
            if let (Some(Thread { root, .. }), false) = (thread, self.has(Flaw::ShowsNoThread)) {
                state.looks.push(Look::InThread(root.id.as_str().to_owned(), text.to_owned()));
            }
            if let (Some(to), false) = (answered, self.has(Flaw::ShowsNoReply)) {
                state.looks.push(Look::Answers(to.id.as_str().to_owned(), text.to_owned()));
            }
        });
    }

    /// Shows what becomes of a message.
    pub(crate) fn change(
        &self,
        key: &str,
        from: String,
        content: &Content,
        words: Option<&str>,
    ) -> Delivered {
        let mut reactions = Vec::new();
        match content {
            Content::Edit { text, .. } if self.has(Flaw::ShowsEditsAnew) => {
                self.server.show(key, from, text.body.clone());
            }
            Content::Edit { of, text } => {
                let edited = Look::Edited(of.id.as_str().to_owned(), text.body.clone());
                self.server.with(|state| state.looks.push(edited));
                if self.has(Flaw::ShowsEditsTwice) {
                    self.server.show(key, from, text.body.clone());
                }
            }
            Content::Retraction { .. } if self.has(Flaw::DropsRetractionsOut) => {}
            Content::Retraction { of } => {
                let gone = Look::Gone(of.id.as_str().to_owned());
                self.server.with(|state| state.looks.push(gone));
            }
            Content::Reaction { to, emojis: Emojis::Now { new, gone, .. } } => {
                self.server.with(|state| {
                    for emoji in new {
                        let id = format!("{key} {emoji}");
                        let what = (to.id.as_str().to_owned(), emoji.clone());
                        state.reactions.insert(id.clone(), what);
                        reactions.push((emoji.clone(), EventId::new(id).unwrap()));
                    }
                    if !self.has(Flaw::PilesReactionsOut) {
                        let ids: Vec<_> = gone.iter().filter_map(|(_, id)| id.as_ref()).collect();
                        state.reactions.retain(|id, _| !ids.iter().any(|one| one.as_str() == id));
                    }
                });
            }
            Content::Location(_) | Content::Contact(_) | Content::Poll(_) => {
                let words = words.unwrap_or_default();
                if !self.only_says(content) {
                    self.server.with(|state| state.looks.push(Look::Shows(content.clone())));
                }
                self.server.show(key, from, words.to_owned());
            }
            _ => panic!("undeclared"),
        }
        Delivered { id: EventId::new(key).ok(), reactions }
    }

    /// Tells the bridge what Dora does in passing, for ever.
    pub(crate) async fn passes(&self, bridge: &Bridge) {
        let by = UserId::new(self.network.clone(), DORA).unwrap();
        let to: UserId = "elsewhere:carol".parse().unwrap();
        let receipt = |id: &str| {
            let of = reference(Was::Delivered, id);
            Passing::Receipt(Receipt { by: by.clone(), to: to.clone(), of, read: true })
        };
        let mut invented = 0;
        loop {
            let next = |state: &mut State| {
                let letters = state.seen.len();
                if self.has(Flaw::InventsReads) && letters > invented {
                    invented = letters;
                    let ids: Vec<_> = state.seen.iter().filter(|id| id.len() == 27).collect();
                    return Some(ids.into_iter().map(|id| receipt(id)).collect::<Vec<_>>());
                }
                Some(vec![match state.signs.pop_front()? {
                    Sign::Reads(_) if self.has(Flaw::DropsReadsIn) => return None,
                    Sign::Types(_) if self.has(Flaw::DropsTypingIn) => return None,
                    Sign::Is(_) if self.has(Flaw::DropsPresenceIn) => return None,
                    Sign::Reads(id) => receipt(&id),
                    Sign::Is(is) => {
                        Passing::Presence(Presence { by: by.clone(), to: to.clone(), is })
                    }
                    Sign::Types(typing) => {
                        Passing::Typing(Typing { by: by.clone(), to: to.clone(), typing })
                    }
                }])
            };
            for passing in self.server.wait(next).await {
                bridge.pass(passing);
            }
        }
    }
}

impl Dora {
    /// Does this; what is about a message is about the latest one.
    pub(crate) fn does_it(&mut self, to: &str, deed: &Deed) {
        let said = self.said.last().map(|frame| frame.id.clone()).unwrap_or_default();
        let heard = self.heard.clone();
        let server = self.server.clone();
        let send = |text: &str, kind, act| server.send(to, text, kind, act);
        match deed {
            Deed::SaysBold(text) => self.said.push(send(text, Kind::Text, Act::SaysBold)),
            Deed::Replies(text) => self.said.push(send(text, Kind::Text, Act::Replies(heard))),
            Deed::Threads(text) => self.said.push(send(text, Kind::Text, Act::Threads(heard))),
            Deed::Edits(text) => _ = send(text, Kind::Text, Act::Edits(said)),
            Deed::EditsInto(kind) => _ = send("beside it", *kind, Act::Edits(said)),
            Deed::Retracts => _ = send("", Kind::Text, Act::Retracts(said)),
            Deed::Reacts(all) => {
                self.mine.retain(|(emoji, id)| {
                    let stays = all.contains(emoji);
                    if !stays {
                        send("", Kind::Text, Act::Retracts(id.clone()));
                    }
                    stays
                });
                for emoji in all {
                    if !self.mine.iter().any(|(one, _)| one == emoji) {
                        let frame = send(emoji, Kind::Text, Act::Reacts(heard.clone()));
                        self.mine.push((emoji.clone(), frame.id));
                    }
                }
            }
            Deed::Reads => server.with(|state| state.signs.push_back(Sign::Reads(heard))),
            Deed::Types(typing) => {
                server.with(|state| state.signs.push_back(Sign::Types(*typing)));
            }
            Deed::Is(is) => server.with(|state| state.signs.push_back(Sign::Is(*is))),
            Deed::SendsFile(sample) => {
                self.said.push(send("", Kind::Text, Act::SendsFile(sample.clone())));
            }
            Deed::CallsItself(_) | Deed::Wears(_) => self.portrays(deed),
            Deed::Sends(thing) => {
                self.said.push(send("", Kind::Text, Act::Sends(thing.clone())));
            }
        }
    }

    /// Whether her client shows this.
    pub(crate) fn looks_at(&self, state: &State, from: &str, sight: &Sight) -> bool {
        let said = self.said.last().map(|frame| frame.id.clone()).unwrap_or_default();
        let heard = self.heard.clone();
        let look = match sight {
            Sight::Name(name) => return state.names.get(from) == Some(name),
            Sight::Face(face) => return state.faces.get(from) == face.as_ref(),
            Sight::Bold(text) => Look::Bold(text.clone()),
            Sight::Reply(text) => Look::Answers(said, text.clone()),
            Sight::Thread(text) => Look::InThread(said, text.clone()),
            Sight::Edited(text) => Look::Edited(heard, text.clone()),
            Sight::Retracted => Look::Gone(heard),
            Sight::Read => Look::Read(said),
            Sight::Typing(typing) => return state.typing == Some(*typing),
            Sight::Presence(is) => return state.there == Some(*is),
            Sight::ShowsFile(sample) => Look::ShowsFile(sample.clone()),
            Sight::Shows(thing) => Look::Shows(thing.clone()),
            Sight::Reactions(all) => {
                let here = state.reactions.values().filter(|(to, _)| *to == said);
                let shown: BTreeSet<_> = here.map(|(_, emoji)| emoji).collect();
                return shown == all.iter().collect();
            }
        };
        state.looks.contains(&look)
    }
}
