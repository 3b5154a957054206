//! Into the inbox: route, ask the gate, and write event, verdict and what follows in one commit.

use drawbridge_adapter::{
    Acceptance, Answer, Code, ConversationId, Destination, Event, EventId, Kind, Message,
    NetworkId, Party, Refusal, ReplyPath, State, Status, Tag, Timestamp, Unavailable, UserId, log,
};

use super::{Crossing, Network, NetworkRules, name};
use crate::clock;
use crate::gate::{self, Facts, Side, Standing, Verdict};
use crate::log::{EVENT_AGAINST_CONTRACT, MESSAGE_ACCEPTED, MESSAGE_REFUSED, STORE_FAILED};
use crate::store::{Admission, NewRow, Payload, Source, StoreError};

/// What the log says of an event, once its verdict is on disk.
struct Judged {
    tag: Tag,
    user: Tag,
    kind: Kind,
    bytes: usize,
    /// The network that it goes to, or why it goes nowhere.
    outcome: Result<NetworkId, Code>,
}

impl Judged {
    fn log(&self, from: &NetworkId) {
        let Self { tag: msg, user, kind, bytes, outcome } = self;
        match outcome {
            Ok(to) => log!(MESSAGE_ACCEPTED, %msg, %from, %to, %user, %kind, bytes),
            Err(code) => {
                log!(MESSAGE_REFUSED, %msg, %from, %user, %kind, bytes, outcome = %code);
            }
        }
    }
}

impl Crossing {
    /// See [`drawbridge_adapter::Bridge::accept`].
    ///
    /// Cancel-safe: once the store has the job it is written, and the commit itself wakes the
    /// deliveries.
    pub(super) async fn accept(
        &self,
        source: &NetworkId,
        events: Vec<Event>,
    ) -> Result<Vec<Acceptance>, Unavailable> {
        let Some(network) = self.networks.get(source) else { return Err(Unavailable::Failed) };
        if network.is_full(&self.limits()) {
            return Err(Unavailable::Full);
        }
        let mut admissions = Vec::with_capacity(events.len());
        let mut judged = Vec::with_capacity(events.len());
        for event in events {
            let (admission, told) = self.admission(network, event).unzip();
            judged.push(told);
            admissions.extend(admission);
        }
        let admitted =
            self.store.admit(admissions).await.map_err(|error| self.unavailable(&error))?;
        let mut admitted = admitted.into_iter();
        let answers = judged.into_iter().map(|judged| {
            let next = judged.and_then(|judged| Some((judged, admitted.next()?)));
            let Some((judged, next)) = next else {
                return Acceptance { answer: refuse(Code::Malformed), repeat: false };
            };
            // The log tells what is on disk; a repeat had its line.
            if !next.repeat {
                judged.log(source);
            }
            Acceptance { answer: next.answer, repeat: next.repeat }
        });
        let answers: Vec<Acceptance> = answers.collect();
        network.tally.answered(&answers, clock::now());
        Ok(answers)
    }

    /// The event with all that follows from it; `None` if the adapter broke its contract with it.
    fn admission(&self, source: &Network, event: Event) -> Option<(Admission, Judged)> {
        let at = clock::now();
        let id = &source.setup.id;
        let tag = Tag::of(self.store.salt(), &["event", id.as_str(), event.id.as_str()]);
        let sender = &event.sender.user;
        if sender.network() != id
            || !source.spells(sender)
            || event.reply_path.0.len() > ReplyPath::MAX
        {
            log!(EVENT_AGAINST_CONTRACT, msg = %tag, from = %id);
            return None;
        }
        let target = self.target(source, &event);
        let blocked = target.is_some_and(|(_, to)| self.people.has_blocked(to, sender));
        let ruled = judge(source, target, &event, blocked);
        let swallow = ruled == Verdict::Swallow;
        let verdict = match (ruled, target) {
            (Verdict::Refuse(refusal), _) => Err(refusal),
            (_, None) => Err(Code::NotReachable.into()),
            (_, Some((target, _))) if target.is_full(&self.limits()) => {
                Err(Code::NetworkUnreachable.into())
            }
            (_, Some((target, recipient))) => Ok((target, recipient.clone())),
        };
        let judged = Judged {
            tag,
            user: self.tag_user(sender),
            kind: event.content.kind(),
            bytes: event.content.size(),
            outcome: verdict.as_ref().map(|(to, _)| to.setup.id.clone()).map_err(|r| r.code),
        };
        let event_id = event.id.clone();
        let (repeats, sent_at) = (event.repeats, event.sent_at);
        let answer = verdict.as_ref().err().map_or(Answer::Accepted, |r| Answer::Refused(*r));
        let row = match verdict {
            Ok((target, recipient)) => {
                self.message_row(source, target, recipient, event, at, swallow)
            }
            Err(refusal) => {
                let status = status_of(&event, failed(refusal));
                self.status_row(id, status, at)
            }
        };
        let network = id.clone();
        let event = event_id;
        let admission = Admission { network, event, tag, repeats, sent_at, at, answer, row };
        Some((admission, judged))
    }

    /// Where the event goes: to a user of another configured network, spelt as that one does.
    fn target<'s, 'e>(
        &'s self,
        source: &Network,
        event: &'e Event,
    ) -> Option<(&'s Network, &'e UserId)> {
        let Destination::Direct(recipient) = &event.to else { return None };
        let target = self.networks.get(recipient.network())?;
        let other = target.setup.id != source.setup.id;
        (other && target.spells(recipient)).then_some((target, recipient))
    }

    fn message_row(
        &self,
        source: &Network,
        target: &Network,
        recipient: UserId,
        event: Event,
        at: Timestamp,
        swallow: bool,
    ) -> NewRow {
        let kind = event.content.kind();
        let sender = event.sender.user;
        let lane = ConversationId::direct(&sender, &recipient);
        let (from, to) = (&source.setup.id, &target.setup.id);
        let key = self.key("message", from, &event.id, to, at);
        let (network, event_id, reply_path) = (from.clone(), event.id, event.reply_path);
        let source = Source { network, event: event_id, reply_path };
        let payload = if swallow {
            Payload::Swallowed { from: sender, to: recipient, kind, source }
        } else {
            let name = event.sender.name.as_deref().and_then(name::clean);
            let from = Party { user: sender, name };
            let (content, sent_at) = (event.content, event.sent_at);
            Payload::Message { message: Message { from, to: recipient, content, sent_at }, source }
        };
        NewRow { network: to.clone(), lane: lane.as_str().to_owned(), key, at, payload }
    }

    /// A row that tells the sender what became of an event.
    pub(super) fn status_row(&self, source: &NetworkId, status: Status, at: Timestamp) -> NewRow {
        let lane = status.recipient.as_ref().map_or_else(
            || ConversationId::from_stored(status.sender.to_string()),
            |recipient| ConversationId::direct(&status.sender, recipient),
        );
        NewRow {
            network: source.clone(),
            lane: lane.as_str().to_owned(),
            key: self.key(status.state.as_str(), source, &status.event, source, at),
            at,
            payload: Payload::Status(status),
        }
    }

    /// The key under which a command is repeated. The time is in it because an id may come free
    /// again (see [`drawbridge_adapter::Repeats::Within`]); it stands in the row, so that a repeat has it too. It
    /// comes first, so that keys of one moment stand together where they are looked up.
    fn key(
        &self,
        what: &str,
        source: &NetworkId,
        event: &EventId,
        target: &NetworkId,
        at: Timestamp,
    ) -> String {
        let at = format!("{:011x}", at.0);
        let parts = [what, source.as_str(), event.as_str(), target.as_str(), &at];
        at.clone() + &Tag::of(self.store.salt(), &parts).to_hex()
    }
}

impl Network {
    fn side<'a>(&'a self, user: &UserId, rules: &'a NetworkRules) -> Side<'a> {
        let domain = self.setup.addressing.domain(user);
        let local = domain.is_none_or(|domain| rules.local_domains.iter().any(|d| d == domain));
        Side {
            role: self.setup.role,
            standing: if local { Standing::Local } else { Standing::Remote },
            policy: &rules.policy,
            capabilities: &self.capabilities,
        }
    }
}

fn judge(
    source: &Network,
    target: Option<(&Network, &UserId)>,
    event: &Event,
    blocked: bool,
) -> Verdict {
    // Two networks, never one: no lock is taken twice.
    let source_rules = source.setup.rules.borrow();
    let target = target.map(|(target, recipient)| (target, recipient, target.setup.rules.borrow()));
    let facts = Facts {
        source: source.side(&event.sender.user, &source_rules),
        target: target.as_ref().map(|(target, recipient, rules)| target.side(recipient, rules)),
        blocked,
    };
    gate::decide(&facts, event)
}

fn status_of(event: &Event, state: State) -> Status {
    let recipient = match &event.to {
        Destination::Direct(user) => Some(user.clone()),
        _ => None,
    };
    Status {
        event: event.id.clone(),
        sender: event.sender.user.clone(),
        recipient,
        kind: event.content.kind(),
        reply_path: event.reply_path.clone(),
        state,
    }
}

/// The state that a refusal leaves its event in.
pub(super) fn failed(refusal: Refusal) -> State {
    match refusal.code {
        Code::RateLimited | Code::NetworkUnreachable => State::FailedRetriable(refusal),
        _ => State::FailedPermanent(refusal),
    }
}

fn refuse(code: Code) -> Answer {
    Answer::Refused(code.into())
}

impl Crossing {
    /// What an adapter is told of a store's error; the log is told more.
    pub(super) fn unavailable(&self, error: &StoreError) -> Unavailable {
        if matches!(error, StoreError::Closed) {
            return Unavailable::Stopping;
        }
        if self.rarely.may(&STORE_FAILED) {
            log!(STORE_FAILED, error = error as &dyn std::error::Error);
        }
        Unavailable::Failed
    }
}
