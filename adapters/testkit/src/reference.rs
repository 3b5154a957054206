//! The reference bridge: the daemon's side of the contract, in memory, with faults at will.
//!
//! It is strict where the daemon is forgiving: what breaks the contract of [`Bridge::accept`] is
//! written down as a breach, and fails the check that is running.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use drawbridge_adapter::{
    Acceptance, Answer, Bridge, BridgePort, Code, CommandForm, Connection, ConversationId,
    Destination, Event, EventId, FormField, Gesture, Memo, NetworkId, Passing, ProfileChange,
    Refusal, Repeats, ReplyPath, Shown, Timestamp, Unavailable, UserId,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::breaches;
use crate::journal::{Handed, Journal, text_of};

/// The network on which everybody lives who is not of the adapter's own.
pub const ELSEWHERE: &str = "elsewhere";

const SALT: &[u8] = b"the salt of the reference bridge";

/// A daemon in memory. Clones are the same bridge.
#[derive(Clone)]
pub struct ReferenceBridge(Arc<Inside>);

struct Inside {
    network: NetworkId,
    state: Mutex<State>,
    /// Counts changes of the journal, so that waiting needs no polling.
    changed: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

struct State {
    journal: Journal,
    known: HashMap<String, Known>,
    in_flight: HashSet<ConversationId>,
    faults: VecDeque<Unavailable>,
    broken: Option<Unavailable>,
    refusals: HashMap<String, Refusal>,
    slowness: Duration,
    memos: BTreeMap<String, String>,
    shown: HashMap<(UserId, UserId), Shown>,
    forgetful: usize,
    networks: HashSet<String>,
    remote: Vec<String>,
    clock: Option<Timestamp>,
    seed: u64,
}

struct Known {
    event: Event,
    at: Timestamp,
    answer: Answer,
}

impl ReferenceBridge {
    /// A bridge for an adapter of this network. It knows the users of [`ELSEWHERE`].
    pub fn new(network: NetworkId) -> Self {
        let state = State {
            journal: Journal::default(),
            known: HashMap::new(),
            in_flight: HashSet::new(),
            faults: VecDeque::new(),
            broken: None,
            refusals: HashMap::new(),
            slowness: Duration::ZERO,
            memos: BTreeMap::new(),
            shown: HashMap::new(),
            forgetful: 0,
            networks: HashSet::from([ELSEWHERE.to_owned()]),
            remote: Vec::new(),
            clock: None,
            seed: 1,
        };
        Self(Arc::new(Inside {
            network,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }))
    }

    /// The handle that the adapter gets.
    pub fn handle(&self) -> Bridge {
        Bridge::new(Arc::new(self.clone()))
    }

    /// Waits until `seen` finds something in the journal. `what` names it in the error.
    pub async fn wait_for<T>(
        &self,
        patience: Duration,
        what: &str,
        mut seen: impl FnMut(&Journal) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        let mut changed = self.0.changed.subscribe();
        loop {
            if let Some(found) = seen(&self.state().journal) {
                return Ok(found);
            }
            match tokio::time::timeout_at(deadline, changed.changed()).await {
                Ok(change) => change.context("the bridge is gone")?,
                Err(_) => return Err(anyhow!("waited {patience:?} in vain: {what}")),
            }
        }
    }

    /// Waits until an event with this text was answered, and gives it.
    pub async fn hears(&self, patience: Duration, text: &str) -> Result<Event> {
        let what = format!("the bridge hears {}", brief(text));
        self.wait_for(patience, &what, |journal| journal.find(text).cloned()).await
    }

    /// A copy of all that was seen so far.
    pub fn journal(&self) -> Journal {
        self.state().journal.clone()
    }

    /// The next `times` calls of `accept` fail so.
    pub fn fail_next(&self, times: usize, how: Unavailable) {
        self.state().faults.extend(std::iter::repeat_n(how, times));
    }

    /// Every call of `accept`, of `gesture` and of `profile` fails so, until [`Self::mend`].
    pub fn break_down(&self, how: Unavailable) {
        self.state().broken = Some(how);
    }

    /// Ends [`Self::break_down`] and what is left of [`Self::fail_next`].
    pub fn mend(&self) {
        let mut state = self.state();
        state.broken = None;
        state.faults.clear();
    }

    /// From now on `of` counts as shown so to `to`: what [`Bridge::shown`] tells.
    pub fn has_shown(&self, of: &UserId, to: &UserId, shown: Shown) {
        self.state().shown.insert((of.clone(), to.clone()), shown);
    }

    /// The next `times` calls of `recall_all` fail.
    pub fn forget_next(&self, times: usize) {
        self.state().forgetful = times;
    }

    /// Refuses the event with this text, by this code.
    pub fn refuse(&self, text: &str, code: Code) {
        self.state().refusals.insert(text.to_owned(), code.into());
    }

    /// Lets each call of `accept` take at least so long, as a disk would.
    pub fn slow_down(&self, by: Duration) {
        self.state().slowness = by;
    }

    /// Knows the users of this network too.
    pub fn add_network(&self, network: &NetworkId) {
        self.state().networks.insert(network.as_str().to_owned());
    }

    /// Users whose ids end so are not on a server of the operator's own; all others are.
    pub fn add_remote(&self, domain: &str) {
        self.state().remote.push(domain.to_owned());
    }

    /// Sets the clock, which then stands still until it is set again.
    pub fn set_clock(&self, now: Timestamp) {
        self.state().clock = Some(now);
    }

    /// Asks the adapter to stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A check that panicked has failed already: the others go on.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.changed.send_modify(|count| *count += 1);
    }

    fn take(&self, events: Vec<Event>) -> Result<Vec<Acceptance>, Unavailable> {
        let now = self.now();
        let mut answers = Ok(Vec::new());
        self.record(|state| {
            answers = match state.fault() {
                Some(fault) => {
                    state.journal.turned_away.extend(events);
                    Err(fault)
                }
                None => {
                    Ok(events.into_iter().map(|e| state.answer(&self.0.network, now, e)).collect())
                }
            };
        });
        answers
    }
}

impl State {
    fn fault(&mut self) -> Option<Unavailable> {
        self.broken.or_else(|| self.faults.pop_front())
    }

    fn answer(&mut self, network: &NetworkId, now: Timestamp, event: Event) -> Acceptance {
        self.inspect(network, &event);
        let id = event.id.as_str().to_owned();
        let known = self.known.get(&id).filter(|known| match known.event.repeats {
            Repeats::Always => true,
            Repeats::AlwaysDated => known.event.sent_at == event.sent_at,
            Repeats::Within(window) => now.since(known.at) <= window,
        });
        let acceptance = match known {
            Some(known) => Acceptance { answer: known.answer, repeat: true },
            None => Acceptance { answer: self.decide(&event), repeat: false },
        };
        if let Some(known) = known
            && (known.event.content != event.content || known.event.sender != event.sender)
        {
            self.journal.breaches.push(format!("two different events share the id {id}"));
        }
        if !acceptance.repeat {
            let known = Known { event: event.clone(), at: now, answer: acceptance.answer };
            self.known.insert(id, known);
        }
        self.journal.handed.push(Handed { event, acceptance });
        acceptance
    }

    fn decide(&self, event: &Event) -> Answer {
        let refusal = text_of(event).and_then(|text| self.refusals.get(text));
        refusal.map_or(Answer::Accepted, |refusal| Answer::Refused(*refusal))
    }

    /// What the types cannot say about an event.
    fn inspect(&mut self, network: &NetworkId, event: &Event) {
        let mut breach = |what: &str| self.journal.breaches.push(what.to_owned());
        if event.sender.user.network() != network {
            breach("an event's sender is not of the adapter's network");
        }
        if let Destination::Direct(to) = &event.to
            && to.network() == network
        {
            breach("an event is addressed to a user of the adapter's own network");
        }
        if event.content.written().is_some_and(|text| text.body.is_empty()) {
            breach("an event's text is empty");
        }
        if event.reply_path.0.len() > ReplyPath::MAX {
            breach("a reply path is too long");
        }
        breaches::of_content(event).into_iter().for_each(breach);
    }
}

/// The conversations of one call of `accept`, for as long as it lasts, also if it is dropped.
struct InFlight<'a> {
    bridge: &'a ReferenceBridge,
    conversations: Vec<ConversationId>,
}

impl<'a> InFlight<'a> {
    fn enter(bridge: &'a ReferenceBridge, events: &[Event]) -> Self {
        let own: HashSet<_> = events.iter().filter_map(conversation_of).collect();
        let mut conversations = Vec::new();
        bridge.record(|state| {
            for conversation in own {
                if state.in_flight.insert(conversation.clone()) {
                    conversations.push(conversation);
                } else {
                    let what = "two calls of accept hold events of one conversation at a time";
                    state.journal.breaches.push(what.to_owned());
                }
            }
        });
        Self { bridge, conversations }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = self.bridge.state();
        for conversation in &self.conversations {
            state.in_flight.remove(conversation);
        }
    }
}

fn conversation_of(event: &Event) -> Option<ConversationId> {
    match &event.to {
        Destination::Direct(to) => Some(ConversationId::direct(&event.sender.user, to)),
        _ => None,
    }
}

#[async_trait]
impl BridgePort for ReferenceBridge {
    fn network(&self) -> &NetworkId {
        &self.0.network
    }

    async fn accept(&self, events: Vec<Event>) -> Result<Vec<Acceptance>, Unavailable> {
        let _in_flight = InFlight::enter(self, &events);
        let slowness = self.state().slowness;
        if !slowness.is_zero() {
            tokio::time::sleep(slowness).await;
        }
        self.take(events)
    }

    async fn bounced(
        &self,
        id: &EventId,
        by: &UserId,
        refusal: Refusal,
    ) -> Result<bool, Unavailable> {
        self.record(|state| state.journal.bounces.push((id.clone(), by.clone(), refusal)));
        Ok(true)
    }

    async fn gesture(&self, by: &UserId, gesture: Gesture) -> Result<(), Unavailable> {
        let mut answer = Ok(());
        self.record(|state| match state.broken {
            Some(fault) => {
                state.journal.gestures_turned_away += 1;
                answer = Err(fault);
            }
            None => state.journal.gestures.push((by.clone(), gesture)),
        });
        answer
    }

    async fn profile(&self, change: ProfileChange) -> Result<(), Unavailable> {
        let mut answer = Ok(());
        let breaches = breaches::of_profile(&self.0.network, &change);
        self.record(|state| {
            if let Some(fault) = state.broken {
                answer = Err(fault);
                return;
            }
            state.journal.breaches.extend(breaches.into_iter().map(str::to_owned));
            state.journal.profiles.push(change);
        });
        answer
    }

    async fn shown(&self, of: &UserId, to: &UserId) -> Result<Option<Shown>, Unavailable> {
        Ok(self.state().shown.get(&(of.clone(), to.clone())).cloned())
    }

    fn pass(&self, passing: Passing) {
        self.record(|state| state.journal.passing.push(passing));
    }

    fn commands(&self) -> Vec<CommandForm> {
        let field = |name, required| FormField {
            name,
            label: format!("The {name}"),
            required,
            options: &[],
            secret: false,
        };
        vec![
            CommandForm { name: "help", about: "What can be said".to_owned(), fields: Vec::new() },
            CommandForm {
                name: "block",
                about: "Hear no more of a user".to_owned(),
                fields: vec![field("user", true)],
            },
            CommandForm {
                name: "mute",
                about: "Make a chat silent".to_owned(),
                fields: vec![
                    field("user", true),
                    FormField { options: &["8h", "always"], ..field("duration", true) },
                ],
            },
            CommandForm {
                name: "login",
                about: "Give your own login".to_owned(),
                fields: vec![FormField { secret: true, ..field("token", true) }],
            },
        ]
    }

    fn report(&self, connection: Connection) {
        self.record(|state| state.journal.connections.push(connection));
    }

    fn knows(&self, user: &UserId) -> bool {
        let spelled = !user.id().chars().any(|c| c.is_control() || c.is_uppercase());
        spelled && self.state().networks.contains(user.network().as_str())
    }

    fn is_local(&self, user: &UserId) -> bool {
        !self.state().remote.iter().any(|domain| user.id().ends_with(domain))
    }

    async fn remember(&self, memos: Vec<Memo>) -> Result<(), Unavailable> {
        self.record(|state| {
            for memo in memos {
                if memo.key.len() > 4096 || memo.value.as_ref().is_some_and(|v| v.len() > 65_536) {
                    state.journal.breaches.push("a memo is too long".to_owned());
                }
                match memo.value {
                    Some(value) => state.memos.insert(memo.key, value),
                    None => state.memos.remove(&memo.key),
                };
            }
        });
        Ok(())
    }

    async fn recall(&self, key: &str) -> Result<Option<String>, Unavailable> {
        Ok(self.state().memos.get(key).cloned())
    }

    async fn recall_all(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, Unavailable> {
        let mut state = self.state();
        if state.forgetful > 0 {
            state.forgetful -= 1;
            return Err(Unavailable::Failed);
        }
        let found = state.memos.iter().filter(|(key, _)| {
            key.starts_with(prefix) && (after.is_empty() || key.as_str() > after)
        });
        Ok(found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn stopping(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // The sender lives as long as `self`: the wait ends only when it is asked to stop.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    fn now(&self) -> Timestamp {
        if let Some(set) = self.state().clock {
            return set;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// splitmix64 over a counter: spread like the real thing, and the same in every run.
    fn random(&self) -> u64 {
        let mut state = self.state();
        state.seed = state.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn salt(&self) -> &[u8] {
        SALT
    }
}

/// The beginning of a text, for an error message.
pub(crate) fn brief(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(60).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("{start:?}{rest}")
}
