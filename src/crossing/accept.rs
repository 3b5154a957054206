//! Into the inbox: route, ask the gate, and write event, verdict and what follows in one commit.

use std::sync::{Arc, PoisonError};

use drawbridge_adapter::{
    Acceptance, Answer, Code, Command, Content, ConversationId, Destination, Event, EventId, Kind,
    Message, NetworkId, Notice, Party, Refusal, ReplyPath, State, Status, Tag, Timestamp,
    Unavailable, UserId, log,
};
use tokio::time::Instant;

use super::desk::{Asked, Obeyed};
use super::refer::{self, Referred};
use super::{Crossing, Network, NetworkRules, abuse, files, pace, shape, things};
use crate::clock;
use crate::gate::{self, As, Between, Facts, FileFacts, Role, Side, Standing, Verdict};
use crate::log::{
    COMMAND_ANSWERED, EVENT_AGAINST_CONTRACT, MESSAGE_ACCEPTED, MESSAGE_HELD, MESSAGE_REFUSED,
    STORE_FAILED,
};
use crate::store::{Admission, Hold, NewRow, Payload, PeopleChange, Source, StoreError, bare_file};

/// What the log says of an event, once its verdict is on disk.
struct Judged {
    tag: Tag,
    user: Tag,
    kind: Kind,
    bytes: usize,
    course: Course,
}

/// What becomes of an event.
enum Course {
    /// It is on its way to this network.
    Crosses(NetworkId),
    /// It waits until its recipient, on this network, accepts its sender.
    Waits(NetworkId),
    /// It was a command to the bridge.
    Obeyed,
    /// It goes nowhere.
    Refused(Code),
}

/// An event that was counted against what its network may send.
struct Counted {
    event: Event,
    /// Why it does not cross, if there were too many.
    limited: Option<Refusal>,
    /// What it refers to.
    referred: Referred,
}

impl Judged {
    fn log(&self, from: &NetworkId) {
        let Self { tag: msg, user, kind, bytes, course } = self;
        match course {
            Course::Crosses(to) => log!(MESSAGE_ACCEPTED, %msg, %from, %to, %user, %kind, bytes),
            Course::Waits(to) => log!(MESSAGE_HELD, %msg, %from, %to, %user, %kind, bytes),
            Course::Obeyed => log!(COMMAND_ANSWERED, %msg, %from, %user, %kind, bytes),
            Course::Refused(code) => {
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
        self: &Arc<Self>,
        source: &NetworkId,
        events: Vec<Event>,
    ) -> Result<Vec<Acceptance>, Unavailable> {
        let Some(network) = self.networks.get(source) else { return Err(Unavailable::Failed) };
        if network.is_full(&self.limits()) {
            return Err(Unavailable::Full);
        }
        let begun = Instant::now();
        let events: Vec<_> = events.into_iter().map(|event| self.counted(network, event)).collect();
        let concerns =
            |it: &Counted| it.limited.is_none() && self.concerns_people(network, &it.event);
        let is_first_word = |it: &Counted| it.event.to != Destination::Bridge && concerns(it);
        let may_probe = network.setup.role == Role::ThirdParty && events.iter().any(is_first_word);
        let answers = if events.iter().any(concerns) {
            let (crossing, source) = (Arc::clone(self), source.clone());
            // The turn lasts until the commit, whether anybody waits for the answer or not.
            let work = tokio::spawn(async move { crossing.accept_in_turn(&source, events).await });
            work.await.map_err(|_| Unavailable::Failed)??
        } else {
            self.accept_in_runs(network, events).await?
        };
        network.tally.answered(&answers, clock::now());
        if may_probe {
            pace::until_answered(begun, clock::random()).await;
        }
        Ok(answers)
    }

    /// Whether an event may change what is known of people: a command, or the first word between
    /// two of whom one must be accepted.
    fn concerns_people(&self, source: &Network, event: &Event) -> bool {
        if event.to == Destination::Bridge {
            return true;
        }
        let Some((target, recipient)) = self.target(source, event) else { return false };
        let sender = &event.sender.user;
        (source.has_stranger(sender) && !self.people.is_contact(recipient, sender))
            || (target.has_stranger(recipient) && !self.people.is_contact(sender, recipient))
    }

    /// What refers to another event is accepted by itself, when all before it is on disk.
    async fn accept_in_runs(
        &self,
        source: &Network,
        events: Vec<Counted>,
    ) -> Result<Vec<Acceptance>, Unavailable> {
        let mut answers = Vec::with_capacity(events.len());
        let mut together = Vec::with_capacity(events.len());
        for counted in events {
            if !refer::refers(&counted.event) || counted.limited.is_some() {
                together.push(counted);
                continue;
            }
            if !together.is_empty() {
                let run = std::mem::take(&mut together);
                answers.extend(self.accept_together(source, run).await?);
            }
            let counted = self.referred(source, counted).await?;
            answers.extend(self.accept_together(source, vec![counted]).await?);
        }
        if !together.is_empty() {
            answers.extend(self.accept_together(source, together).await?);
        }
        Ok(answers)
    }

    async fn referred(&self, source: &Network, counted: Counted) -> Result<Counted, Unavailable> {
        if !refer::refers(&counted.event) {
            return Ok(counted);
        }
        let Counted { mut event, limited, .. } = counted;
        let referred = self.refer(source, &mut event).await;
        let referred = referred.map_err(|error| self.unavailable(&error))?;
        Ok(Counted { event, limited, referred })
    }

    async fn accept_together(
        &self,
        source: &Network,
        events: Vec<Counted>,
    ) -> Result<Vec<Acceptance>, Unavailable> {
        let mut admissions = Vec::with_capacity(events.len());
        let mut judged = Vec::with_capacity(events.len());
        for event in events {
            let (admission, told) = self.admission(source, event).unzip();
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
                judged.log(&source.setup.id);
            }
            Acceptance { answer: next.answer, repeat: next.repeat }
        });
        Ok(answers.collect())
    }

    /// One event after the other, each knowing what the one before has changed.
    async fn accept_in_turn(
        &self,
        source: &NetworkId,
        events: Vec<Counted>,
    ) -> Result<Vec<Acceptance>, Unavailable> {
        let Some(source) = self.networks.get(source) else { return Err(Unavailable::Failed) };
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            let _turn = self.changing_people.lock().await;
            let planned = match (&event.event.to, event.limited) {
                (Destination::Bridge, None) => {
                    let asked = self.asked_about(&event.event).await;
                    let asked = asked.map_err(|error| self.unavailable(&error))?;
                    self.command(source, event.event, &asked)
                }
                _ => self.admission(source, self.referred(source, event).await?),
            };
            let Some((admission, judged)) = planned else {
                answers.push(Acceptance { answer: refuse(Code::Malformed), repeat: false });
                continue;
            };
            let changes = admission.people.clone();
            let reporter = abuse::reporter(&admission.rows);
            let admitted = self.store.admit(vec![admission]).await;
            let admitted = admitted.map_err(|error| self.unavailable(&error))?;
            let Some(admitted) = admitted.first() else { return Err(Unavailable::Failed) };
            // A repeat has cost a look at the store as well.
            reporter.inspect(|by| self.reported.count(by, clock::now()));
            if !admitted.repeat {
                self.now_known(&changes);
                judged.log(&source.setup.id);
            }
            answers.push(Acceptance { answer: admitted.answer, repeat: admitted.repeat });
        }
        Ok(answers)
    }

    /// A command to the bridge with all that follows from it.
    fn command(
        &self,
        source: &Network,
        event: Event,
        asked: &Asked,
    ) -> Option<(Admission, Judged)> {
        let at = clock::now();
        let judged = self.looked_at(source, &event)?;
        let id = &source.setup.id;
        if !source.admits(&event.sender.user) {
            let refusal = Refusal::from(Code::Forbidden);
            let row = self.status_row(id, status_of(&event, failed(refusal)), at);
            let judged = Judged { course: Course::Refused(refusal.code), ..judged };
            let answer = Answer::Refused(refusal);
            return Some((self.admitted(id, event, at, answer, vec![row]), judged));
        }
        let by = event.sender.user.clone();
        let Obeyed { text, people, rows } = self.obey(&by, &event.content, asked, at);
        let notice = Notice { to: by, text, reply_path: Some(event.reply_path.clone()) };
        let mut rows = rows;
        rows.push(self.own_row(Command::Notice(notice), at));
        let admission = self.admitted(id, event, at, Answer::Accepted, rows);
        let judged = Judged { course: Course::Obeyed, ..judged };
        Some((Admission { people, ..admission }, judged))
    }

    /// What the log will say of an event; `None` if the adapter broke its contract with it.
    fn looked_at(&self, source: &Network, event: &Event) -> Option<Judged> {
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
        let (kind, bytes) = (event.content.kind(), event.content.size());
        Some(Judged { tag, user: self.tag_user(sender), kind, bytes, course: Course::Obeyed })
    }

    /// A message with all that follows from it; `None` if the adapter broke its contract with it.
    fn admission(&self, source: &Network, counted: Counted) -> Option<(Admission, Judged)> {
        let Counted { mut event, limited, referred } = counted;
        let at = clock::now();
        let judged = self.looked_at(source, &event)?;
        let id = &source.setup.id;
        let target = self.target(source, &event);
        let verdict = match limited {
            Some(refusal) => Verdict::Refuse(refusal),
            None => self.judge(source, target, &event, referred.about(), at),
        };
        let full = |target: &Network| target.is_full(&self.limits());
        let (refused, target) = match (verdict, target) {
            (Verdict::Refuse(refusal), _) => (Some(refusal), target),
            (_, None) => (Some(Code::NotReachable.into()), None),
            (_, Some((network, _))) if full(network) => {
                (Some(Code::NetworkUnreachable.into()), target)
            }
            _ => (None, target),
        };
        let (Some((target, recipient)), None) = (target, refused) else {
            let refusal = refused.unwrap_or_else(|| Code::NotReachable.into());
            let mut rows = vec![self.status_row(id, status_of(&event, failed(refusal)), at)];
            rows.extend(self.hint(&event.sender.user, target, refusal, at));
            let judged = Judged { course: Course::Refused(refusal.code), ..judged };
            let answer = Answer::Refused(refusal);
            let pair = target.map_or(0, |(_, recipient)| self.pair(&event.sender.user, recipient));
            let admission = self.admitted(id, event, at, answer, rows);
            return Some((Admission { pair, ..admission }, judged));
        };
        let (sender, recipient) = (event.sender.user.clone(), recipient.clone());
        let mut people = self.first_word(&sender, target, &recipient, at);
        let (name, renamed) = self.called(source, &event, at);
        people.extend(renamed);
        event.sender.name = self.as_shown(name, &sender, &recipient);
        let swallowed = matches!(verdict, Verdict::Swallow(_));
        let (about, thread) = (referred.inbox(), referred.thread);
        let row = self.message_row(
            source,
            (target, recipient.clone()),
            &event,
            (about, thread),
            at,
            swallowed,
        );
        let pair = match event.content {
            // No message: nothing can be about it.
            Content::Reaction { .. } | Content::Retraction { .. } => 0,
            _ => self.pair(&sender, &recipient),
        };
        let pair = if swallowed { -pair } else { pair };
        // Nothing of it shows, and what it takes back may still come if a block is lifted.
        let retracts = referred.retracts(&event, &recipient);
        let reacting = referred.reacting.filter(|_| !swallowed);
        let to = target.setup.id.clone();
        let waits = matches!(verdict, Verdict::Hold | Verdict::Swallow(As::Held));
        if !waits {
            let rows = self.consequences(&people, None, at).into_iter().chain([row]).collect();
            let admission = self.admitted(id, event, at, Answer::Accepted, rows);
            let judged = Judged { course: Course::Crosses(to), ..judged };
            return Some((Admission { people, pair, reacting, retracts, ..admission }, judged));
        }
        let mut rows = Vec::new();
        if source.descriptor.status.pending {
            rows.push(self.status_row(id, status_of(&event, State::Held), at));
        }
        if !swallowed && !self.people.is_asked(&recipient, &sender) {
            rows.push(self.request_row(target, &event, &recipient, at));
        } else if swallowed && !self.people.waits(&recipient, &sender) {
            // Where another's first words are announced, something goes the same way.
            let (network, lane) = (row.network.clone(), row.lane.clone());
            let key = self.key("unsaid", id, &event.id, &network, at);
            rows.push(NewRow { network, lane, key, at, payload: Payload::Unsaid });
        }
        let (owner, other) = (recipient, sender);
        let shown = !swallowed;
        people.push(PeopleChange::Held { owner: owner.clone(), other: other.clone(), shown });
        let admission = self.admitted(id, event, at, Answer::Accepted, rows);
        let hold = Some(Hold { owner, other, row });
        let judged = Judged { course: Course::Waits(to), ..judged };
        Some((Admission { hold, people, pair, reacting, retracts, ..admission }, judged))
    }

    /// Counts an event of a third-party network, before anything is known of its recipient, so that
    /// the answer tells nothing of them. A home network's own server has limits of its own.
    fn counted(&self, source: &Network, mut event: Event) -> Counted {
        files::tidy(&mut event);
        if source.setup.role == Role::Home {
            return Counted { event, limited: None, referred: Referred::default() };
        }
        let recipient = match &event.to {
            Destination::Direct(recipient) => Some(recipient),
            _ => None,
        };
        let rates = self.limits().rates;
        let mut buckets = source.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = buckets.take(&event.sender.user, recipient, &rates, Instant::now());
        drop(buckets);
        let limited =
            taken.err().map(|wait| Refusal { retry_after: Some(wait), ..Code::RateLimited.into() });
        Counted { event, limited, referred: Referred::default() }
    }

    /// Where the event goes: to a user of another configured network, spelt as that one does.
    pub(super) fn target<'s, 'e>(
        &'s self,
        source: &Network,
        event: &'e Event,
    ) -> Option<(&'s Network, &'e UserId)> {
        let Destination::Direct(recipient) = &event.to else { return None };
        let target = self.networks.get(recipient.network())?;
        let other = target.setup.id != source.setup.id;
        (other && target.spells(recipient)).then_some((target, recipient))
    }

    fn admitted(
        &self,
        network: &NetworkId,
        event: Event,
        at: Timestamp,
        answer: Answer,
        rows: Vec<NewRow>,
    ) -> Admission {
        let Event { id, repeats, sent_at, .. } = event;
        let tag = self.tag_name(network, repeats.name_of(&id));
        Admission {
            network: network.clone(),
            event: id,
            tag,
            repeats,
            sent_at,
            at,
            answer,
            rows,
            hold: None,
            people: Vec::new(),
            pair: 0,
            reacting: None,
            retracts: None,
        }
    }

    /// What stands for the name of an event: see [`drawbridge_adapter::Repeats::name_of`].
    pub(super) fn tag_name(&self, network: &NetworkId, name: &str) -> Tag {
        Tag::of(self.store.salt(), &["event", network.as_str(), name])
    }

    fn message_row(
        &self,
        source: &Network,
        (target, recipient): (&Network, UserId),
        event: &Event,
        (about, thread): (Option<i64>, Option<i64>),
        at: Timestamp,
        swallow: bool,
    ) -> NewRow {
        let kind = event.content.kind();
        let sender = event.sender.user.clone();
        let lane = ConversationId::direct(&sender, &recipient);
        let (from, to) = (&source.setup.id, &target.setup.id);
        let key = self.key("message", from, &event.id, to, at);
        let (network, reply_path) = (from.clone(), event.reply_path.clone());
        let id = event.id.clone();
        let source = Source { network, event: id, reply_path, about, thread, kind, waited: false };
        let payload = if swallow {
            let file = bare_file(event.content.clone());
            Payload::Swallowed { from: sender, to: recipient, source, file, taken_back: false }
        } else {
            let from = Party { user: sender, name: event.sender.name.clone() };
            let words = things::in_words(&self.words, &event.content);
            let (content, reply) = shape::fit(event, words.as_ref(), &target.capabilities);
            let words = words.filter(|_| content.written().is_none());
            let (to, sent_at) = (recipient, event.sent_at);
            let message = Message { from, to, content, reply, words, sent_at, silent: false };
            Payload::Message { message, source }
        };
        NewRow { network: to.clone(), lane: lane.as_str().to_owned(), key, at, payload }
    }

    /// A row that tells the sender what became of an event.
    pub(super) fn status_row(&self, source: &NetworkId, status: Status, at: Timestamp) -> NewRow {
        let lane = status.recipient.as_ref().map_or_else(
            || ConversationId::from_stored(status.sender.to_string()),
            |recipient| ConversationId::direct(&status.sender, recipient),
        );
        // Two that say "pending" may follow each other.
        let what = if status.state == State::Held { "held" } else { status.state.as_str() };
        NewRow {
            network: source.clone(),
            lane: lane.as_str().to_owned(),
            key: self.key(what, source, &status.event, source, at),
            at,
            payload: Payload::Status(status),
        }
    }

    /// The key under which a command is repeated. The time is in it because an id may come free
    /// again (see [`drawbridge_adapter::Repeats::Within`]); it stands in the row, so that a repeat has it too. It
    /// comes first, so that keys of one moment stand together where they are looked up.
    pub(super) fn key(
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
    pub(super) fn side<'a>(&'a self, user: &UserId, rules: &'a NetworkRules) -> Side<'a> {
        let standing = self.standing(user, rules);
        Side {
            role: self.setup.role,
            standing,
            policy: &rules.policy,
            capabilities: &self.capabilities,
        }
    }

    fn standing(&self, user: &UserId, rules: &NetworkRules) -> Standing {
        let domain = self.setup.addressing.domain(user);
        let local = domain.is_none_or(|domain| rules.local_domains.iter().any(|d| d == domain));
        if local { Standing::Local } else { Standing::Remote }
    }

    /// Whether the account of `user` is on a server of the operator's own.
    pub(super) fn is_local(&self, user: &UserId) -> bool {
        self.standing(user, &self.setup.rules.borrow()) == Standing::Local
    }

    /// Whether `user` must be accepted by whom they write to.
    pub(super) fn has_stranger(&self, user: &UserId) -> bool {
        gate::is_stranger(&self.side(user, &self.setup.rules.borrow()))
    }

    /// Whether the operator lets `user` take part.
    pub(super) fn admits(&self, user: &UserId) -> bool {
        gate::admitted(&self.side(user, &self.setup.rules.borrow()))
    }
}

impl Crossing {
    /// What the gate must know of two users. What is not offered to somebody is not on for them.
    pub(super) fn between(&self, sender: &UserId, recipient: &UserId, now: Timestamp) -> Between {
        let mut between = self.people.between(sender, recipient, now);
        between.sender_enabled &= self.is_offered(sender, recipient.network());
        between.recipient_enabled &= self.is_offered(recipient, sender.network());
        between
    }

    /// Whether the operator offers a third-party network to a user; a home network always is.
    pub(super) fn is_offered(&self, user: &UserId, network: &NetworkId) -> bool {
        let Some(offered) = self.networks.get(network) else { return false };
        if offered.setup.role == Role::Home {
            return true;
        }
        let own = self.networks.get(user.network());
        let domain = own.and_then(|own| own.setup.addressing.domain(user));
        let parts = ["offer", network.as_str(), &user.to_string()];
        let lot = Tag::of(self.store.salt(), &parts).to_bits();
        let rules = offered.setup.rules.borrow();
        !rules.policy.inactive && rules.policy.offer.covers(user, domain, lot)
    }

    fn judge(
        &self,
        source: &Network,
        target: Option<(&Network, &UserId)>,
        event: &Event,
        about: Option<gate::About>,
        now: Timestamp,
    ) -> Verdict {
        let sender = &event.sender.user;
        let between = target.map(|(_, to)| self.between(sender, to, now));
        let most = target.map(|(target, _)| self.most_between(source, target));
        // Two networks, never one: no lock is taken twice.
        let source_rules = source.setup.rules.borrow();
        let file = FileFacts {
            most: most.unwrap_or_default(),
            host_allowed: files::is_host_allowed(event, &source_rules.hosts),
        };
        let target = target.map(|(target, to)| (target, to, target.setup.rules.borrow()));
        let facts = Facts {
            source: source.side(sender, &source_rules),
            target: target.as_ref().map(|(target, to, rules)| target.side(to, rules)),
            between: between.unwrap_or_default(),
            about,
            file,
        };
        gate::decide(&facts, event)
    }
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
