//! The writing thread: all that waits at a moment becomes one commit.

use std::sync::Arc;
use std::time::Instant;

use drawbridge_adapter::{Answer, Code, EventId, Memo, NetworkId, Rarely, Timestamp, log};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::vitals::Vitals;
use super::{
    Admission, Admitted, Back, Changes, Fate, NewRow, OnCommit, Settlement, StoreError, Thread,
    Tiding, Writes, schema,
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
    Remember { network: NetworkId, memos: Vec<Memo>, reply: Reply<()> },
    Forget { before: Timestamp, reply: Reply<usize> },
    Fold { reply: Reply<()>, end: bool },
}

/// The most jobs in one commit: enough to share the cost of the disk, few enough that the first
/// does not wait long for the last.
const JOBS: usize = 1024;

/// How many events one call of `forget` takes away, so that no commit grows long.
const FORGET: usize = 1000;

/// A handle on the writing thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    vitals: Arc<Vitals>,
}

impl Writer {
    pub(super) fn start(connection: Connection, on_commit: OnCommit) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(JOBS);
        let vitals = Arc::new(Vitals::new());
        let shown = Arc::clone(&vitals);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        thread.spawn(move || {
            let changes = Changes::default();
            let rarely = Rarely::each(BETWEEN_COMPLAINTS);
            Writing { connection, on_commit, changes, vitals: shown, harmed: false, rarely }
                .run(waiting);
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
            Ok(false) => {}
            Ok(true) => log!(FOLD_PUT_OFF),
            Err(error) => log!(FOLD_FAILED, %error),
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
                    admissions.iter().map(|admission| writing.admit(admission)).collect()
                });
                after(reply, work)
            }
            Job::Settle { settlements, reply } => {
                let work = self.guarded(started, |writing| writing.settle_all(&settlements));
                after(reply, work)
            }
            Job::Bounce { network, id, tell, reply } => {
                let work = self.guarded(started, |writing| writing.bounce(&network, &id, tell));
                after(reply, work)
            }
            Job::Tell { told_up_to, tidings, reply } => {
                let work = self.guarded(started, |writing| writing.tell(told_up_to, &tidings));
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
        self.connection.execute_batch("SAVEPOINT job")?;
        let before = (self.changes.lanes.len(), self.changes.growth.clone());
        let outcome = work(self);
        self.harmed |= matches!(outcome, Err(StoreError::Sqlite(_)));
        if outcome.is_err() {
            self.changes.lanes.truncate(before.0);
            self.changes.growth = before.1;
            self.connection.execute_batch("ROLLBACK TO job")?;
        }
        self.connection.execute_batch("RELEASE job")?;
        outcome
    }

    fn admit(&mut self, admission: &Admission) -> Result<Admitted, StoreError> {
        if let Some(answer) = self.known(admission)? {
            return Ok(Admitted { answer, repeat: true });
        }
        let (answer, state, settled) = match admission.answer {
            Answer::Accepted => (None, "waiting", None),
            Answer::Refused(refusal) => {
                (Some(refusal.code.to_string()), "refused", Some(admission.at.0))
            }
        };
        self.connection
            .prepare_cached(
                "INSERT INTO inbox (network, event, accepted_at, answer, state, settled_at)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                admission.network.as_str(),
                admission.event.as_str(),
                admission.at.0,
                answer,
                state,
                settled
            ])?;
        let inbox = self.connection.last_insert_rowid();
        self.enqueue(inbox, &admission.row)?;
        Ok(Admitted { answer: admission.answer, repeat: false })
    }

    /// The answer that this event got before, if it is a repeat.
    fn known(&self, admission: &Admission) -> Result<Option<Answer>, StoreError> {
        let (network, event) = (admission.network.as_str(), admission.event.as_str());
        let found = self
            .connection
            .prepare_cached(
                "SELECT seq, accepted_at, answer, state IN ('waiting', 'accepted') FROM inbox
                 WHERE network = ? AND event = ?",
            )?
            .query_row(params![network, event], |row| {
                let answer = row.get::<_, Option<String>>(2)?;
                Ok((row.get::<_, i64>(0)?, row.get(1)?, answer, row.get::<_, bool>(3)?))
            })
            .optional()?;
        let Some((seq, at, answer, alive)) = found else { return Ok(None) };
        let age = admission.at.since(Timestamp(at));
        // Where clients choose ids, one that is used again after a failure is another try.
        if admission.repeats_within.is_some_and(|window| age > window || !alive) {
            // The id has come free again; the old event keeps its row under another name.
            let freed = format!("{event}\n{seq}");
            let mut statement =
                self.connection.prepare_cached("UPDATE inbox SET event = ? WHERE seq = ?")?;
            statement.execute(params![freed, seq])?;
            return Ok(None);
        }
        let answer = answer.map(|code| code.parse().unwrap_or(Code::Malformed));
        Ok(Some(answer.map_or(Answer::Accepted, |code| Answer::Refused(code.into()))))
    }

    fn enqueue(&mut self, inbox: i64, row: &NewRow) -> Result<(), StoreError> {
        let payload = serde_json::to_string(&row.payload).map_err(|_| StoreError::Unwritable)?;
        self.connection
            .prepare_cached(
                "INSERT INTO outbox (inbox, network, lane, key, accepted_at, payload)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![inbox, row.network.as_str(), row.lane, row.key, row.at.0, payload])?;
        self.changes.grow(&row.network, 1);
        let last = self.changes.lanes.last();
        if last.is_none_or(|(network, lane)| *network != row.network || *lane != row.lane) {
            self.changes.lanes.push((row.network.clone(), row.lane.clone()));
        }
        Ok(())
    }

    fn settle_all(&mut self, settlements: &[Settlement]) -> Result<usize, StoreError> {
        let mut settled = 0;
        for settlement in settlements {
            settled += usize::from(self.settle(settlement)?);
        }
        Ok(settled)
    }

    fn settle(&mut self, settlement: &Settlement) -> Result<bool, StoreError> {
        let mut delete = self.connection.prepare_cached("DELETE FROM outbox WHERE seq = ?")?;
        if delete.execute([settlement.seq])? == 0 {
            return Ok(false);
        }
        drop(delete);
        self.changes.grow(&settlement.network, -1);
        let state = match &settlement.fate {
            Fate::Told => None,
            Fate::Delivered { id, back } => {
                if let Some(id) = id {
                    let back = back.as_ref().map(serde_json::to_string).transpose();
                    self.connection
                        .prepare_cached("INSERT OR REPLACE INTO ids VALUES (?, ?, ?, ?)")?
                        .execute(params![
                            settlement.network.as_str(),
                            id.as_str(),
                            settlement.inbox,
                            back.map_err(|_| StoreError::Unwritable)?
                        ])?;
                }
                Some("accepted".to_owned())
            }
            Fate::Failed(refusal) => Some(format!("failed {}", refusal.code)),
        };
        if let Some(state) = state {
            self.connection
                .prepare_cached("UPDATE inbox SET state = ?, settled_at = ? WHERE seq = ?")?
                .execute(params![state, settlement.at.0, settlement.inbox])?;
        }
        let told = !settlement.only_after_pending
            || settlement.seq <= schema::told_up_to(&self.connection)?;
        if let Some(row) = &settlement.tell
            && told
        {
            self.enqueue(settlement.inbox, row)?;
        }
        Ok(true)
    }

    fn bounce(
        &mut self,
        network: &NetworkId,
        id: &EventId,
        tell: Tell,
    ) -> Result<bool, StoreError> {
        let found = self
            .connection
            .prepare_cached("SELECT inbox, back FROM ids WHERE network = ? AND event = ?")?
            .query_row(params![network.as_str(), id.as_str()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
            })
            .optional()?;
        let Some((inbox, Some(back))) = found else { return Ok(false) };
        let back = serde_json::from_str(&back).map_err(|_| StoreError::Corrupt(inbox))?;
        let Some(row) = tell(back) else { return Ok(false) };
        self.connection
            .prepare_cached("UPDATE ids SET back = NULL WHERE network = ? AND event = ?")?
            .execute(params![network.as_str(), id.as_str()])?;
        self.connection
            .prepare_cached("UPDATE inbox SET state = 'came back' WHERE seq = ?")?
            .execute([inbox])?;
        self.enqueue(inbox, &row)?;
        Ok(true)
    }

    fn tell(&mut self, told_up_to: i64, tidings: &[Tiding]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('told_up_to', ?)")?
            .execute([told_up_to])?;
        for tiding in tidings {
            let waits = self
                .connection
                .prepare_cached("SELECT 1 FROM outbox WHERE seq = ?")?
                .exists([tiding.seq])?;
            if waits {
                self.enqueue(tiding.inbox, &tiding.row)?;
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

    fn forget(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(
                "DELETE FROM ids WHERE inbox IN
                     (SELECT seq FROM inbox WHERE settled_at < ? ORDER BY settled_at LIMIT ?)",
            )?
            .execute(params![before.0, FORGET])?;
        let forgotten = self
            .connection
            .prepare_cached(
                "DELETE FROM inbox WHERE seq IN
                     (SELECT seq FROM inbox WHERE settled_at < ? ORDER BY settled_at LIMIT ?)",
            )?
            .execute(params![before.0, FORGET])?;
        Ok(forgotten)
    }
}

fn after<T: 'static>(reply: Reply<T>, work: Result<T, StoreError>) -> AfterCommit {
    Box::new(move |committed| {
        let answer = if committed { work } else { work.and(Err(StoreError::NotCommitted)) };
        // Whoever asked may be gone; what was committed stays committed.
        let _ = reply.send(answer);
    })
}
