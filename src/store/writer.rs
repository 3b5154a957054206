//! The writing thread: all that waits at a moment becomes one commit.

mod forget;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use drawbridge_adapter::{
    Answer, Code, EventId, Memo, NetworkId, Rarely, Refusal, Repeats, Timestamp, log,
};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::vitals::Vitals;
use super::{
    Admission, Admitted, Back, Changes, Held, Hold, NewRow, OnCommit, PeopleChange, Settlement,
    StoreError, Thread, Tiding, Writes, chunk, people, place, reference, schema,
};
use crate::log::{BETWEEN_COMPLAINTS, COMMIT, COMMIT_FAILED, FOLD_FAILED, FOLD_PUT_OFF};

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Makes what a sender is told out of the way back to it.
pub(super) type Tell = Box<dyn FnOnce(Back) -> Option<NewRow> + Send>;

/// Something to write.
pub(super) enum Job {
    Admit { admissions: Vec<Admission>, reply: Reply<Vec<Admitted>> },
    Settle { settlements: Vec<Settlement>, reply: Reply<usize> },
    Bounce { network: NetworkId, id: EventId, tell: Tell, reply: Reply<bool> },
    Tell { told_up_to: i64, tidings: Vec<Tiding>, reply: Reply<()> },
    People { changes: Vec<PeopleChange>, rows: Vec<NewRow>, now: Timestamp, reply: Reply<()> },
    EndHeld { ends: Vec<(Held, Refusal, NewRow)>, reply: Reply<Vec<bool>> },
    Remember { network: NetworkId, memos: Vec<Memo>, reply: Reply<()> },
    Forget { before: Timestamp, reply: Reply<usize> },
    Fold { reply: Reply<()>, end: bool },
}

/// The most jobs in one commit: enough to share the cost of the disk, few enough that the first
/// does not wait long for the last.
const JOBS: usize = 1024;

/// The inbox row of what no event has brought about.
const NO_EVENT: i64 = 0;

/// A handle on the writing thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    vitals: Arc<Vitals>,
}

impl Writer {
    pub(super) fn start(connection: Connection, on_commit: OnCommit) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(JOBS);
        let last_seq = schema::last_seq(&connection)?;
        let vitals = Arc::new(Vitals::new());
        let shown = Arc::clone(&vitals);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        thread.spawn(move || {
            let writer = Writing {
                connection,
                on_commit,
                last_seq,
                queued: BTreeMap::new(),
                changes: Changes::default(),
                vitals: shown,
                harmed: false,
                rarely: Rarely::each(BETWEEN_COMPLAINTS),
            };
            writer.run(waiting);
        })?;
        Ok(Self { jobs, vitals })
    }

    pub(super) fn thread(&self) -> Thread {
        Thread::of(&self.vitals.pulse, self.jobs.is_closed())
    }

    pub(super) fn writes(&self) -> Writes {
        self.vitals.read()
    }

    pub(super) async fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)
    }
}

struct Writing {
    connection: Connection,
    on_commit: OnCommit,
    /// The number of the last command of the outbox.
    last_seq: i64,
    /// What the job under way puts into the outbox, by lane, each command with its inbox row.
    queued: BTreeMap<(NetworkId, String), Vec<(i64, NewRow)>>,
    /// What the commit under way changes.
    changes: Changes,
    vitals: Arc<Vitals>,
    /// Whether a job of the commit under way failed.
    harmed: bool,
    rarely: Rarely,
}

/// Sends an answer after the commit, or the commit's failure instead of it.
type AfterCommit = Box<dyn FnOnce(bool)>;

impl Writing {
    fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(first) = waiting.blocking_recv() {
            self.vitals.pulse.begin();
            let mut jobs = vec![first];
            while jobs.len() < JOBS
                && let Ok(job) = waiting.try_recv()
            {
                jobs.push(job);
            }
            let ending = self.commit(jobs);
            self.vitals.pulse.end();
            if ending {
                return;
            }
        }
    }

    /// One transaction for all `jobs`. True when it is time to end.
    fn commit(&mut self, jobs: Vec<Job>) -> bool {
        let mut answers: Vec<AfterCommit> = Vec::with_capacity(jobs.len());
        let mut folding = Vec::new();
        let begun = Instant::now();
        self.harmed = false;
        let started = self.connection.execute_batch("BEGIN IMMEDIATE");
        let mut whole = started.is_ok();
        let size = jobs.len();
        for job in jobs {
            if let Job::Fold { reply, end } = job {
                folding.push((reply, end));
                continue;
            }
            answers.push(self.perform(job, whole));
        }
        let outcome = started.and_then(|()| self.connection.execute_batch("COMMIT"));
        if let Err(error) = outcome {
            whole = false;
            if self.rarely.may(&COMMIT_FAILED) {
                log!(COMMIT_FAILED, %error);
            }
            // Fails if there is no transaction left to undo, which is what is wanted.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        log!(COMMIT, jobs = size, kept = whole);
        if !answers.is_empty() {
            self.vitals.committed(answers.len(), begun.elapsed(), whole && !self.harmed);
        }
        // Lanes wake before the answers go out: what was accepted is on its way even if nobody
        // waits for the answer any more.
        let changes = std::mem::take(&mut self.changes);
        if whole {
            (self.on_commit)(&changes);
        }
        for answer in answers {
            answer(whole);
        }
        self.fold(folding)
    }

    /// Folds the log, if anybody asked. True when it is time to end.
    fn fold(&self, asked: Vec<(Reply<()>, bool)>) -> bool {
        if asked.is_empty() {
            return false;
        }
        let folded = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        match folded {
            Ok(true) => log!(FOLD_PUT_OFF),
            Err(error) if self.rarely.may(&FOLD_FAILED) => log!(FOLD_FAILED, %error),
            Ok(false) | Err(_) => {}
        }
        let ending = asked.iter().any(|(_, end)| *end);
        for (reply, _) in asked {
            let _ = reply.send(Ok(()));
        }
        ending
    }

    fn perform(&mut self, job: Job, started: bool) -> AfterCommit {
        match job {
            Job::Admit { admissions, reply } => {
                let work = self.guarded(started, |writing| {
                    admissions.into_iter().map(|admission| writing.admit(admission)).collect()
                });
                after(reply, work)
            }
            Job::Settle { settlements, reply } => {
                let work = self.guarded(started, |writing| writing.settle_all(settlements));
                after(reply, work)
            }
            Job::Bounce { network, id, tell, reply } => {
                let work = self.guarded(started, |writing| writing.bounce(&network, &id, tell));
                after(reply, work)
            }
            Job::Tell { told_up_to, tidings, reply } => {
                let work = self.guarded(started, |writing| writing.tell(told_up_to, tidings));
                after(reply, work)
            }
            Job::People { changes, rows, now, reply } => {
                let work = self.guarded(started, |writing| {
                    writing.change_people(&changes, now)?;
                    for row in rows {
                        writing.enqueue(NO_EVENT, row);
                    }
                    Ok(())
                });
                after(reply, work)
            }
            Job::EndHeld { ends, reply } => {
                let work = self.guarded(started, |writing| {
                    ends.into_iter().map(|end| writing.end_held(end)).collect()
                });
                after(reply, work)
            }
            Job::Remember { network, memos, reply } => {
                let work = self.guarded(started, |writing| writing.remember(&network, &memos));
                after(reply, work)
            }
            Job::Forget { before, reply } => {
                let work = self.guarded(started, |writing| writing.forget(before));
                after(reply, work)
            }
            Job::Fold { reply, .. } => after(reply, Ok(())),
        }
    }

    /// Runs one job in a savepoint of its own, so that one that fails harms no neighbour.
    fn guarded<T>(
        &mut self,
        started: bool,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // SQLite ends a transaction by itself when the disk fails it. What came after would be
        // committed alone, and reported as lost.
        if !started || self.connection.is_autocommit() {
            return Err(StoreError::NotCommitted);
        }
        self.run_prepared("SAVEPOINT job")?;
        let Changes { lanes, growth, people } = &self.changes;
        let before = (lanes.len(), growth.clone(), people.len());
        let outcome = work(self).and_then(|done| self.put_out().map(|()| done));
        self.harmed |= matches!(outcome, Err(StoreError::Sqlite(_)));
        if outcome.is_err() {
            self.queued.clear();
            self.changes.lanes.truncate(before.0);
            self.changes.growth = before.1;
            self.changes.people.truncate(before.2);
            self.run_prepared("ROLLBACK TO job")?;
        }
        self.run_prepared("RELEASE job")?;
        outcome
    }

    fn run_prepared(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn admit(&mut self, admission: Admission) -> Result<Admitted, StoreError> {
        if let Some(answer) = self.known(&admission)? {
            return Ok(Admitted { answer, repeat: true });
        }
        let place = place::of(&admission);
        let Admission {
            network,
            event,
            at,
            answer,
            rows,
            hold,
            people,
            pair,
            reacting,
            retracts,
            ..
        } = admission;
        let refused = match answer {
            Answer::Accepted => None,
            Answer::Refused(refusal) => Some(refusal.code.to_string()),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO inbox (place, network, event, accepted_at, answer, pair)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![place, network.as_str(), event.as_str(), at.0, refused, pair])?;
        let inbox = self.connection.last_insert_rowid();
        if let Some(taken) = retracts {
            for row in rows.iter().chain(hold.iter().map(|hold| &hold.row)) {
                reference::hollow(&self.connection, &taken, row)?;
            }
        }
        if let Some(reacting) = reacting {
            reference::react(&self.connection, inbox, &reacting)?;
        }
        if let Some(Hold { owner, other, row }) = hold {
            people::hold(&self.connection, inbox, (&owner, &other), &row)?;
        }
        self.change_people(&people, at)?;
        for row in rows {
            self.enqueue(inbox, row);
        }
        Ok(Admitted { answer, repeat: false })
    }

    fn change_people(
        &mut self,
        changes: &[PeopleChange],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut free = Vec::new();
        people::write(&self.connection, changes, now, |inbox, row| free.push((inbox, row)))?;
        for (inbox, row) in free {
            self.enqueue(inbox, row);
        }
        self.changes.people.extend_from_slice(changes);
        Ok(())
    }

    fn end_held(
        &mut self,
        (held, refusal, tell): (Held, Refusal, NewRow),
    ) -> Result<bool, StoreError> {
        let waited = people::end(&self.connection, held.seq)?;
        if waited {
            self.fail(held.inbox, &refusal.code.to_string())?;
            self.enqueue(held.inbox, tell);
        }
        Ok(waited)
    }

    /// The answer that this event got before, if it is a repeat.
    fn known(&self, admission: &Admission) -> Result<Option<Answer>, StoreError> {
        let (network, event) = (admission.network.as_str(), admission.event.as_str());
        let [before, behind] = place::around(admission);
        let found = self
            .connection
            .prepare_cached(
                "SELECT seq, accepted_at, answer, answer IS NULL AND failed IS NULL FROM inbox
                 WHERE place IN (?, ?, ?) AND event = ? AND network = ? ORDER BY seq DESC LIMIT 1",
            )?
            .query_row(params![place::of(admission), before, behind, event, network], |row| {
                let answer = row.get::<_, Option<String>>(2)?;
                Ok((row.get(1)?, answer, row.get::<_, bool>(3)?))
            })
            .optional()?;
        let Some((at, answer, alive)) = found else { return Ok(None) };
        let age = admission.at.since(Timestamp(at));
        // Where clients choose ids, one that is used again after a failure is another try.
        if let Repeats::Within(window) = admission.repeats
            && (age > window || !alive)
        {
            return Ok(None);
        }
        let answer = answer.map(|code| code.parse().unwrap_or(Code::Malformed));
        Ok(Some(answer.map_or(Answer::Accepted, |code| Answer::Refused(code.into()))))
    }

    /// Has a command written with the rest of its lane, at the end of the job.
    fn enqueue(&mut self, inbox: i64, row: NewRow) {
        let lane = (row.network.clone(), row.lane.clone());
        self.queued.entry(lane).or_default().push((inbox, row));
    }

    /// Writes what the job has put into the outbox.
    fn put_out(&mut self) -> Result<(), StoreError> {
        if self.queued.is_empty() {
            return Ok(());
        }
        for ((network, lane), rows) in std::mem::take(&mut self.queued) {
            let mut rest = rows.iter().peekable();
            while let Some((_, first)) = rest.peek() {
                let (seq, at) = (self.last_seq + 1, first.at);
                let chunk = chunk::next(&mut rest, seq)?;
                self.last_seq += chunk.items;
                self.changes.grow(&network, chunk.items);
                self.connection
                    .prepare_cached("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)")?
                    .execute(params![
                        seq,
                        chunk.items,
                        network.as_str(),
                        lane,
                        at.0,
                        chunk.payload
                    ])?;
            }
            self.changes.lanes.push((network, lane));
        }
        schema::keep(&self.connection, "last_seq", self.last_seq)
    }

    /// What a chunk holds, if it is still there.
    fn payload(&self, chunk: i64) -> Result<Option<String>, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT payload FROM outbox WHERE seq = ?")?;
        Ok(select.query_row([chunk], |row| row.get(0)).optional()?)
    }

    fn tell(&mut self, told_up_to: i64, tidings: Vec<Tiding>) -> Result<(), StoreError> {
        schema::keep(&self.connection, "told_up_to", told_up_to)?;
        let mut looked_at = None;
        let mut waiting = Vec::new();
        for Tiding { seq, chunk, inbox, row } in tidings {
            if looked_at.replace(chunk.seq) != Some(chunk.seq) {
                let payload = self.payload(chunk.seq)?;
                let numbers = payload.map(|payload| chunk::numbers(chunk.seq, &payload));
                waiting = numbers.transpose()?.unwrap_or_default();
            }
            if waiting.contains(&seq) {
                self.enqueue(inbox, row);
            }
        }
        Ok(())
    }

    fn remember(&mut self, network: &NetworkId, memos: &[Memo]) -> Result<(), StoreError> {
        for memo in memos {
            match &memo.value {
                Some(value) => self
                    .connection
                    .prepare_cached("INSERT OR REPLACE INTO memo VALUES (?, ?, ?)")?
                    .execute(params![network.as_str(), memo.key, value])?,
                None => self
                    .connection
                    .prepare_cached("DELETE FROM memo WHERE network = ? AND key = ?")?
                    .execute(params![network.as_str(), memo.key])?,
            };
        }
        Ok(())
    }
}

fn after<T: 'static>(reply: Reply<T>, work: Result<T, StoreError>) -> AfterCommit {
    Box::new(move |committed| {
        let answer = if committed { work } else { work.and(Err(StoreError::NotCommitted)) };
        // Whoever asked may be gone; what was committed stays committed.
        let _ = reply.send(answer);
    })
}
