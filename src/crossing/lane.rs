//! One conversation's way to one network: the next window, its delivery, its outcome.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{
    Code, Command, ConversationId, Delivered, Delivery, DeliveryError, EventId, Message, NetworkId,
    Refusal, Report, Request, Signal, State, Status, Tag, Timestamp, Unavailable, UserId, log,
};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::accept::failed;
use super::lanes::{Lanes, Left};
use super::{Crossing, Network, files, pace, refer};
use crate::clock;
use crate::gate::{self, Posture, Role, Verdict};
use crate::log::{
    DELIVERY_WAITS, MESSAGE_CAME_BACK, MESSAGE_CROSSED, MESSAGE_REFUSED, MESSAGE_SWALLOWED,
    OWN_TOLD, OWN_UNTOLD, QUEUE_FAILED, STATUS_TOLD, STATUS_UNTOLD,
};
use crate::store::{
    Back, Fate, NewRow, Payload, PeopleChange, Row, Settlement, StoreError, Window,
};

/// After how many windows the next conversation has its turn.
const WINDOWS: usize = 8;

/// The longest one window may take. The adapters' own limits are shorter: this is for their bugs.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// Leaves the lane whatever happens, also by a panic.
pub(super) struct Turn<'a> {
    lanes: &'a Lanes,
    lane: Option<String>,
}

impl<'a> Turn<'a> {
    /// The turn of a lane that was taken.
    pub(super) fn of(lanes: &'a Lanes, lane: String) -> Self {
        Self { lanes, lane: Some(lane) }
    }

    pub(super) fn leave(&mut self, left: &Left) {
        if let Some(lane) = self.lane.take() {
            self.lanes.leave(lane, left, clock::random());
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.leave(&Left::FAILED);
    }
}

/// Works on a lane until it is empty, must wait, or has had its turn.
pub(super) async fn run(crossing: Arc<Crossing>, id: NetworkId, lane: String, tries: u32) {
    let Some(network) = crossing.networks.get(&id) else { return };
    let mut turn = Turn::of(&network.lanes, lane.clone());
    let left = match work(&crossing, network, &lane, tries).await {
        Ok(left) => left,
        Err(error) => {
            if crossing.rarely.may(&QUEUE_FAILED) {
                log!(QUEUE_FAILED, network = %id, error = &error as &dyn std::error::Error);
            }
            Left::FAILED
        }
    };
    turn.leave(&left);
}

async fn work(
    crossing: &Crossing,
    network: &Network,
    lane: &str,
    mut tries: u32,
) -> Result<Left, StoreError> {
    let limit = network.descriptor.window.clamp(1, 64);
    let (id, store) = (&network.setup.id, &crossing.store);
    let mut progressed = false;
    let mut window = store.window(id, lane, 0, limit).await?;
    for _ in 0..WINDOWS {
        if crossing.stop_delivering.is_cancelled() {
            return Ok(Left::MoreToDo);
        }
        network.lanes.steps(lane);
        let Window { rows, last, more } = window;
        let now = clock::now();
        let is_expired = |row: &Row| now.since(row.at) > crossing.limits().expire_after;
        let (expired, mut due): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_expired);
        crossing.expire(&expired).await?;
        // The next window is read while this one is on its way, and goes out after its outcome is
        // on disk.
        let next =
            async { if more { Some(store.window(id, lane, last, limit).await) } else { None } };
        let (carried, next) = tokio::join!(crossing.carry(network, &mut due, tries), next);
        let Carried { left, whole } = carried?;
        match left {
            Some(Left::Backoff { after, for_connection, progressed: some }) => {
                let progressed = progressed || some;
                return Ok(Left::Backoff { after, for_connection, progressed });
            }
            Some(left) => return Ok(left),
            None => {}
        }
        if !due.is_empty() {
            (tries, progressed) = (0, true);
        }
        window = match next {
            // What was not tried stands before all that was read meanwhile.
            _ if !whole => store.window(id, lane, 0, limit).await?,
            Some(next) => next?,
            // What was committed since the window was read has called for another look.
            None => return Ok(Left::Empty),
        };
    }
    Ok(Left::MoreToDo)
}

/// How a command left the queue.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// Its network took it.
    Crossed,
    /// A block swallowed it.
    Swallowed,
    /// It failed.
    Failed { code: Code, why: &'static str },
}

/// What became of a command of a window.
pub(super) enum Done {
    Carried(Result<Delivered, DeliveryError>),
    Swallowed,
}

/// Why a command is not handed to the adapter, now that it is its turn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stopped {
    /// Nobody gets it, and nobody is told.
    Swallowed,
    /// It does not cross any more.
    Refused(Refusal),
}

/// What became of a window.
pub(super) struct Carried {
    /// How to leave the lane, if it must be left.
    pub(super) left: Option<Left>,
    /// Whether each of its commands was tried.
    pub(super) whole: bool,
}

const TOO_LONG: &str = "the adapter took too long";

/// Why a command is refused after all.
pub(super) const NOT_ANY_MORE: &str =
    "a network is off for one of the two by now, or more is demanded";

pub(super) fn delivery(crossing: &Crossing, row: &Row, command: Command, tries: u32) -> Delivery {
    Delivery {
        key: row.key.clone(),
        tag: crossing.tag(row),
        conversation: ConversationId::from_stored(row.lane.clone()),
        accepted_at: row.at,
        attempt: tries.saturating_add(1).saturating_add(crossing.store.is_inherited(row).into()),
        command,
        attached: None,
    }
}

impl Crossing {
    /// The pseudonym of the message that a row is about: the same on its whole way.
    pub(super) fn tag(&self, row: &Row) -> Tag {
        match &row.payload {
            Payload::Status(status) => self.tag_event(&row.network, &status.event),
            Payload::Message { source, .. } | Payload::Swallowed { source, .. } => {
                self.tag_event(&source.network, &source.event)
            }
            Payload::Unsaid | Payload::Own(_) => Tag::of(self.store.salt(), &["own", &row.key]),
        }
    }

    /// Delivers a window and records its results.
    async fn carry(
        &self,
        network: &Network,
        due: &mut [Row],
        tries: u32,
    ) -> Result<Carried, StoreError> {
        if due.is_empty() {
            return Ok(Carried { left: None, whole: true });
        }
        let all = due.len();
        // What is about another of this very window waits until that one has its name there.
        let (due, _) = due.split_at_mut(refer::independent(due).min(files::together(due)));
        if let [row] = due
            && files::borne(row).is_some()
        {
            let carried = self.carry_file(network, row, tries).await?;
            return Ok(Carried { whole: carried.whole && all == 1, ..carried });
        }
        let mut wanted = Vec::with_capacity(due.len());
        for row in due.iter_mut() {
            let command = self.its_turn(row).await?;
            wanted.push(command.map(|command| delivery(self, row, command, tries)));
        }
        let stopped: Vec<Option<Stopped>> =
            wanted.iter().map(|wanted| wanted.as_ref().err().copied()).collect();
        let batch: Vec<Delivery> = wanted.into_iter().flatten().collect();
        let mut begun = Instant::now();
        let results = if batch.is_empty() {
            // What nobody gets takes as long as what somebody gets.
            pace::pass(network.pace.like(clock::random())).await;
            Vec::new()
        } else {
            if network.setup.role == Role::ThirdParty {
                tokio::time::sleep(held_back(&batch)).await;
            }
            begun = Instant::now();
            let work = network.setup.adapter.deliver(&batch);
            let answer = tokio::time::timeout(PATIENCE, work).await;
            answer.unwrap_or_else(|_| vec![Err(DeliveryError::Unknown { why: TOO_LONG })])
        };
        if !batch.is_empty() && results.len() == batch.len() && results.iter().all(Result::is_ok) {
            network.pace.note(begun.elapsed());
        }
        let results = with_stopped(&stopped, results);
        let whole = results.len() >= all;
        Ok(Carried { left: self.conclude(network, due, results, tries).await?, whole })
    }

    /// What is to be carried out of a row, with what it is about named as its network does.
    pub(super) async fn its_turn(
        &self,
        row: &mut Row,
    ) -> Result<Result<Command, Stopped>, StoreError> {
        let named = self.name_there(row).await?;
        Ok(named.and_then(|()| self.wanted(row)))
    }

    /// What is to be carried out of a row, now that it is its turn: nothing of somebody whom the
    /// recipient has blocked meanwhile, or of a network that is off by now.
    fn wanted(&self, row: &Row) -> Result<Command, Stopped> {
        let mut command = row.payload.command().ok_or(Stopped::Swallowed)?;
        match &mut command {
            Command::Message(Message { from, to, silent, .. }) => {
                let between = self.people.between(&from.user, to, clock::now());
                let minimum = self.minimum(&from.user, to);
                match gate::last_word(self.are_open(&from.user, to), minimum, &between) {
                    Verdict::Refuse(refusal) => Err(Stopped::Refused(refusal)),
                    Verdict::Swallow(_) => Err(Stopped::Swallowed),
                    Verdict::Deliver | Verdict::Hold => {
                        *silent = self.people.has_muted(to, &from.user);
                        Ok(command)
                    }
                }
            }
            // The answer came before the question.
            Command::Request(Request { from, to, .. }) => {
                let between = self.people.between(&from.user, to, clock::now());
                let answered = between.contact || between.declined || between.blocked;
                if answered { Err(Stopped::Swallowed) } else { Ok(command) }
            }
            _ => Ok(command),
        }
    }

    /// What a chat between two must be at least, by the operator's word on either's network.
    fn minimum(&self, sender: &UserId, recipient: &UserId) -> Posture {
        let networks = [sender, recipient].map(|user| self.networks.get(user.network()));
        let of = |network: &Network| network.setup.rules.borrow().policy.minimum;
        networks.into_iter().flatten().map(of).max().unwrap_or_default()
    }

    /// Whether two users have switched each other's networks on, where they must be.
    fn are_open(&self, sender: &UserId, recipient: &UserId) -> bool {
        self.is_open(sender, recipient.network()) && self.is_open(recipient, sender.network())
    }

    /// Whether a user has switched a network on, if it must be.
    pub(super) fn is_open(&self, user: &UserId, network: &NetworkId) -> bool {
        let third = |network: &Network| network.setup.role == Role::ThirdParty;
        !self.networks.get(network).is_some_and(third)
            || (self.people.has_enabled(user, network) && self.is_offered(user, network))
    }

    /// Records the results of a window, and tells the senders. How to leave the lane, if it
    /// must be left.
    pub(super) async fn conclude(
        &self,
        network: &Network,
        rows: &[Row],
        results: Vec<Done>,
        tries: u32,
    ) -> Result<Option<Left>, StoreError> {
        let now = clock::now();
        let mut settlements = Vec::with_capacity(rows.len());
        let mut signals = Vec::new();
        let mut outcomes = Vec::with_capacity(rows.len());
        let mut left = None;
        // An adapter that answers for none of them breaks its contract: try again, later.
        if results.is_empty() {
            left = Some(Left::FAILED);
        }
        for (row, result) in rows.iter().zip(results) {
            let swallowed = matches!(result, Done::Swallowed);
            let outcome = if swallowed { Outcome::Swallowed } else { Outcome::Crossed };
            let result = match result {
                Done::Carried(result) => result,
                // Its sender sees what it would see of any other.
                Done::Swallowed => Ok(Delivered::default()),
            };
            let result = result.or_else(|error| refer::gone_already(row, error));
            match result {
                Ok(delivered) => {
                    outcomes.push((row, outcome));
                    let (mut settlement, signal) = self.delivered(row, delivered, now);
                    // What an earlier try may have shown is there, and is still to be taken back.
                    let earlier = tries > 0 || self.store.is_inherited(row);
                    let may_be_shown = earlier && refer::is_taken_back(row);
                    let delivered = matches!(settlement.fate, Fate::Delivered { .. });
                    if swallowed && delivered && !may_be_shown {
                        settlement.fate = Fate::Swallowed;
                    }
                    settlement.met = self.meeting(row, now);
                    settlements.push(settlement);
                    signals.extend(signal);
                }
                Err(DeliveryError::Refused { refusal, why }) => {
                    outcomes.push((row, Outcome::Failed { code: refusal.code, why }));
                    settlements.push(self.refused(row, refusal, now));
                }
                Err(error) => {
                    let (backoff, why) = backoff(&error);
                    let (msg, to) = (self.tag(row), &network.setup.id);
                    log!(DELIVERY_WAITS, %msg, %to, why);
                    left = Some(backoff.after_progress(!settlements.is_empty()));
                    network.tally.put_off();
                    break;
                }
            }
        }
        if !settlements.is_empty() {
            self.settle(settlements).await?;
        }
        for (row, outcome) in outcomes {
            self.note_outcome(row, now, outcome);
        }
        for (source, signal) in signals {
            if let Some(source) = self.networks.get(&source) {
                source.setup.adapter.signal(signal);
            }
        }
        Ok(left)
    }

    fn delivered(
        &self,
        row: &Row,
        delivered: Delivered,
        at: Timestamp,
    ) -> (Settlement, Option<(NetworkId, Signal)>) {
        let Some(back) = row.payload.back() else {
            let tell = self.outcome_row(row, None, at);
            return (settlement(row, Fate::Told, tell), None);
        };
        let network = self.networks.get(&row.network);
        let bounces = network.is_some_and(|network| network.capabilities.bounces);
        let id = delivered.id.filter(|id| bounces || refer::keeps_name(row, id));
        let id = id.map(|id| (id, bounces.then(|| back.clone())));
        let reacted = refer::reacted(row, delivered.reactions);
        let Back { network: source, status, waited } = back;
        let status = Status { state: State::Accepted, ..status };
        let needs = self.networks.get(&source).map(|source| source.descriptor.status);
        let needs = needs.unwrap_or_default();
        let durable = needs.accepted || needs.pending;
        let tell = durable.then(|| self.status_row(&source, status.clone(), at));
        let fate = Fate::Delivered { id, reacted };
        let settlement = Settlement {
            only_after_pending: !needs.accepted && !waited,
            ..settlement(row, fate, tell)
        };
        let signal = (!needs.accepted).then_some((source, Signal::Accepted(status)));
        (settlement, signal)
    }

    pub(super) fn refused(&self, row: &Row, refusal: Refusal, at: Timestamp) -> Settlement {
        // A status that cannot be told has nobody left to be told to.
        let Some(Back { network: source, status, .. }) = row.payload.back() else {
            let tell = self.outcome_row(row, Some(refusal), at);
            return Settlement { undo: Self::undone(row), ..settlement(row, Fate::Told, tell) };
        };
        let status = Status { state: failed(refusal), ..status };
        let tell = Some(self.status_row(&source, status, at));
        settlement(row, Fate::Failed(refusal), tell)
    }

    /// Tells the sender of a delivered message that it came back. See
    /// [`drawbridge_adapter::Bridge::bounced`].
    pub(super) async fn bounced(
        self: &Arc<Self>,
        network: &NetworkId,
        id: EventId,
        by: UserId,
        refusal: Refusal,
    ) -> Result<bool, Unavailable> {
        let crossing = Arc::clone(self);
        let (seen, whose) = oneshot::channel();
        let tell = move |Back { network: source, status, .. }: Back| {
            if status.recipient.as_ref() != Some(&by) {
                return None;
            }
            // Whoever waited for it may be gone.
            let _ = seen.send((crossing.tag_event(&source, &status.event), source.clone()));
            let status = Status { state: failed(refusal), ..status };
            Some(crossing.status_row(&source, status, clock::now()))
        };
        let told = self.store.bounce(network.clone(), id, tell).await;
        let told = told.map_err(|error| self.unavailable(&error))?;
        if let (true, Ok((msg, from))) = (told, whose.await) {
            log!(MESSAGE_CAME_BACK, %msg, %from, to = %network, outcome = %refusal.code);
            if let Some(network) = self.networks.get(network) {
                network.tally.returned(refusal.code);
            }
        }
        Ok(told)
    }

    /// Records what became of rows. How many there were still.
    pub(super) async fn settle(
        &self,
        mut settlements: Vec<Settlement>,
    ) -> Result<usize, StoreError> {
        if settlements.iter().all(|it| it.undo.is_none()) {
            return self.store.settle(settlements).await;
        }
        // Nobody changes it between the look and the commit.
        let _turn = self.changing_people.lock().await;
        let is_so = |change: &mut PeopleChange| match change {
            PeopleChange::Inbox { user, apart } => self.people.is_apart(user) == *apart,
            _ => false,
        };
        for settlement in &mut settlements {
            drop(settlement.undo.take_if(is_so));
        }
        let undone: Vec<_> = settlements.iter().filter_map(|it| it.undo.clone()).collect();
        let settled = self.store.settle(settlements).await?;
        self.now_known(&undone);
        Ok(settled)
    }

    /// Fails rows that waited for longer than their limit.
    pub(super) async fn expire(&self, rows: &[Row]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let expire = |row: &Row| self.refused(row, Code::Expired.into(), now);
        self.settle(rows.iter().map(expire).collect()).await?;
        for row in rows {
            let why = "waited for too long";
            self.note_outcome(row, now, Outcome::Failed { code: Code::Expired, why });
        }
        Ok(())
    }

    /// Counts an outcome that is on disk, and writes the one line that it has in the log; a status
    /// has none but in debug.
    pub(super) fn note_outcome(&self, row: &Row, now: Timestamp, outcome: Outcome) {
        let (msg, to) = (self.tag(row), &row.network);
        let ms = now.since(row.at).as_millis();
        let tally = self.networks.get(to).map(|network| &network.tally);
        if let (Outcome::Crossed, Some(tally)) = (outcome, tally) {
            tally.delivered(now);
        }
        let (source, from, kind, bytes) = match &row.payload {
            Payload::Message { message, source } => {
                (source, &message.from.user, source.kind, Some(message.content.size()))
            }
            Payload::Swallowed { from, source, .. } => (source, from, source.kind, None),
            Payload::Unsaid => return,
            Payload::Own(command) => {
                if let Command::Report(Report { by, about, reason, messages, .. }) = command {
                    let code = match outcome {
                        Outcome::Failed { code, .. } => Some(code),
                        Outcome::Crossed | Outcome::Swallowed => None,
                    };
                    self.log_report((by, about), *reason, messages.len(), code);
                }
                return match outcome {
                    Outcome::Failed { code, why } => {
                        log!(OWN_UNTOLD, %msg, %to, outcome = %code, why);
                    }
                    Outcome::Crossed | Outcome::Swallowed => log!(OWN_TOLD, %msg, %to, ms),
                };
            }
            Payload::Status(_) => {
                return match outcome {
                    Outcome::Failed { code, why } => {
                        log!(STATUS_UNTOLD, %msg, %to, outcome = %code, why);
                    }
                    Outcome::Crossed | Outcome::Swallowed => log!(STATUS_TOLD, %msg, %to, ms),
                };
            }
        };
        let (from, user) = (&source.network, self.tag_user(from));
        match outcome {
            Outcome::Crossed => {
                log!(MESSAGE_CROSSED, %msg, %from, %to, %user, %kind, bytes, ms, outcome = "accepted");
            }
            Outcome::Swallowed => log!(MESSAGE_SWALLOWED, %msg, %from, %to, %user, %kind, ms),
            Outcome::Failed { code, why } => {
                log!(MESSAGE_REFUSED, %msg, %from, %to, %user, %kind, bytes, ms, outcome = %code, why);
            }
        }
        match (outcome, tally) {
            (Outcome::Crossed, Some(tally)) => tally.crossed(now.since(row.at)),
            (Outcome::Swallowed, Some(tally)) => tally.swallowed(),
            (Outcome::Failed { code, .. }, Some(tally)) => tally.failed(code),
            (_, None) => {}
        }
    }
}

/// For how long a window is held back that tells senders of messages that were taken: they are told
/// the same of what was swallowed.
fn held_back(window: &[Delivery]) -> Duration {
    let (now, random) = (clock::now(), clock::random());
    let of = |delivery: &Delivery| match &delivery.command {
        Command::Status(Status { state: State::Accepted, .. }) => pace::held_back(random),
        Command::Status(Status { state: State::Held, .. }) => {
            pace::fate_held_back(now.since(delivery.accepted_at), random)
        }
        _ => Duration::ZERO,
    };
    window.iter().map(of).max().unwrap_or_default()
}

/// The results of a window, with those in their places that the adapter was not asked for.
fn with_stopped(
    stopped: &[Option<Stopped>],
    results: Vec<Result<Delivered, DeliveryError>>,
) -> Vec<Done> {
    let mut results = results.into_iter();
    let mut all = Vec::with_capacity(stopped.len());
    for stopped in stopped {
        match *stopped {
            None => {}
            Some(Stopped::Swallowed) => {
                all.push(Done::Swallowed);
                continue;
            }
            Some(Stopped::Refused(refusal)) => {
                let why = NOT_ANY_MORE;
                all.push(Done::Carried(Err(DeliveryError::Refused { refusal, why })));
                continue;
            }
        }
        let Some(result) = results.next() else { break };
        let goes_on = matches!(result, Ok(_) | Err(DeliveryError::Refused { .. }));
        all.push(Done::Carried(result));
        if !goes_on {
            break;
        }
    }
    all
}

fn settlement(row: &Row, fate: Fate, tell: Option<NewRow>) -> Settlement {
    Settlement {
        seq: row.seq,
        chunk: row.chunk,
        inbox: row.inbox,
        network: row.network.clone(),
        fate,
        tell,
        only_after_pending: false,
        undo: None,
        met: None,
    }
}

/// How to leave the lane after an error that is not final, and why.
fn backoff(error: &DeliveryError) -> (Left, &'static str) {
    let (after, for_connection, why) = match *error {
        DeliveryError::Retry { after, why } => (after, false, why),
        DeliveryError::Unknown { why } | DeliveryError::Refused { why, .. } => (None, false, why),
        DeliveryError::Disconnected => (None, true, "disconnected"),
    };
    (Left::Backoff { after, for_connection, progressed: false }, why)
}
