//! The reading thread: it sees what is committed, and never waits for the writer.

use std::path::Path;
use std::sync::Arc;

use drawbridge_adapter::{EventId, NetworkId, Rarely, Timestamp, UserId, log};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::vitals::Pulse;
use super::{Held, PeopleChange, Row, StoreError, Thread, Window, chunk, people, schema};
use crate::log::{BETWEEN_COMPLAINTS, ROW_UNREADABLE};

/// The most that one answer holds in payloads, give or take one row: what waits may be large, and
/// there may be many who ask.
const BYTES: usize = 1024 * 1024;

/// How many events are looked through for the last of two users.
const LOOKED_BACK: i64 = 100_000;

type Question = Box<dyn FnOnce(&Reading) + Send>;

/// A handle on the reading thread.
pub(super) struct Reader {
    questions: mpsc::Sender<Question>,
    pulse: Arc<Pulse>,
}

/// What the questions are asked of.
pub(super) struct Reading {
    connection: Connection,
    rarely: Rarely,
}

impl Reader {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let rarely = Rarely::each(BETWEEN_COMPLAINTS);
        let reading = Reading { connection: schema::open_reader(path)?, rarely };
        let (questions, mut asked) = mpsc::channel::<Question>(1024);
        let pulse = Arc::new(Pulse::new());
        let beating = Arc::clone(&pulse);
        std::thread::Builder::new().name("store-reader".to_owned()).spawn(move || {
            while let Some(question) = asked.blocking_recv() {
                beating.begin();
                question(&reading);
                beating.end();
            }
        })?;
        Ok(Self { questions, pulse })
    }

    pub(super) fn thread(&self) -> Thread {
        Thread::of(&self.pulse, self.questions.is_closed())
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reading) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |reading| {
            // Nobody waits for the answer any more: fine.
            let _ = reply.send(question(reading));
        });
        self.questions.send(question).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Reading {
    pub(super) fn window(
        &self,
        network: &NetworkId,
        lane: &str,
        after: i64,
        limit: usize,
    ) -> Result<Window, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, network, lane, payload FROM outbox
             WHERE network = ?1 AND lane = ?2 AND seq > ?3 ORDER BY seq",
        )?;
        // The first chunk may have begun before.
        let parameters = params![network.as_str(), lane, reach(after)];
        read_window(&self.rarely, &mut statement, parameters, after, limit)
    }

    pub(super) fn oldest(
        &self,
        after: i64,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        // The rows behind `after` are nearly in the order of time: those behind the inner limit are
        // too young too, and without it the whole queue would be looked through for old ones.
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM (
                 SELECT seq, network, lane, payload, accepted_at FROM outbox
                 WHERE seq > ?1 ORDER BY seq LIMIT ?3 + ?4)
             WHERE accepted_at < ?2",
        )?;
        let parameters = params![reach(after), before.0, limit, chunk::ITEMS];
        Ok(read_window(&self.rarely, &mut statement, parameters, after, limit)?.rows)
    }

    pub(super) fn queue(
        &self,
        network: Option<&NetworkId>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, network, lane, payload FROM outbox
             WHERE seq > ?1 AND (?2 IS NULL OR network = ?2) ORDER BY seq",
        )?;
        let parameters = params![reach(after), network.map(NetworkId::as_str)];
        Ok(read_window(&self.rarely, &mut statement, parameters, after, limit)?.rows)
    }

    pub(super) fn row(&self, seq: i64) -> Result<Option<Row>, StoreError> {
        Ok(self.queue(None, seq.saturating_sub(1), 1)?.into_iter().find(|row| row.seq == seq))
    }

    pub(super) fn lanes(
        &self,
        network: &NetworkId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        // One index step a lane, however many rows it has.
        let mut statement = self.connection.prepare_cached(
            "SELECT lane FROM outbox WHERE network = ? AND lane > ? ORDER BY lane LIMIT 1",
        )?;
        let mut lanes: Vec<String> = Vec::new();
        while lanes.len() < limit {
            let last = lanes.last().map_or(after, String::as_str);
            let query = statement.query_row(params![network.as_str(), last], |row| row.get(0));
            let Some(lane) = query.optional()? else { break };
            lanes.push(lane);
        }
        Ok(lanes)
    }

    pub(super) fn told_up_to(&self) -> Result<i64, StoreError> {
        schema::told_up_to(&self.connection)
    }

    pub(super) fn oldest_of(
        &self,
        network: &NetworkId,
        from: i64,
        many: bool,
    ) -> Result<Option<(i64, Timestamp)>, StoreError> {
        // Among many the first in the order of the table is near; few are sooner found in the
        // index, whose order is another. A plus keeps SQLite from the other way.
        let query = if many {
            "SELECT seq, accepted_at FROM outbox WHERE seq >= ?1 AND +network = ?2
             ORDER BY seq LIMIT 1"
        } else {
            "SELECT seq, accepted_at FROM outbox
             WHERE seq = (SELECT min(seq) FROM outbox WHERE +seq >= ?1 AND network = ?2)"
        };
        let mut statement = self.connection.prepare_cached(query)?;
        let found = statement
            .query_row(params![from, network.as_str()], |row| {
                Ok((row.get(0)?, Timestamp(row.get(1)?)))
            })
            .optional()?;
        Ok(found)
    }

    pub(super) fn depth(&self, network: &NetworkId) -> Result<i64, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT coalesce(sum(items), 0) FROM outbox WHERE network = ?")?;
        Ok(statement.query_row([network.as_str()], |row| row.get(0))?)
    }

    pub(super) fn people(&self, each: impl FnMut(PeopleChange)) -> Result<(), StoreError> {
        people::read(&self.connection, each)
    }

    pub(super) fn held_for(&self, owner: &UserId, limit: usize) -> Result<Vec<Held>, StoreError> {
        people::held_for(&self.connection, owner, limit)
    }

    pub(super) fn held_since(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Held>, StoreError> {
        people::held_since(&self.connection, before, limit)
    }

    /// Looks something up that has a file of its own.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        look(&self.connection)
    }

    pub(super) fn said(
        &self,
        (by, to): (&UserId, &UserId),
        pair: i64,
        limit: usize,
    ) -> Result<Vec<EventId>, StoreError> {
        // There is no index for this rare question: it would cost every message a page.
        let mut statement = self.connection.prepare_cached(
            "SELECT event FROM inbox
             WHERE seq > (SELECT max(seq) FROM inbox) - ?1 AND pair = ?2 AND network = ?3
                 AND answer IS NULL AND failed IS NULL
                 AND seq NOT IN (SELECT inbox FROM held WHERE owner = ?4 AND other = ?5)
             ORDER BY seq DESC LIMIT ?6",
        )?;
        let (network, owner, other) = (by.network().as_str(), to.to_string(), by.to_string());
        let parameters = params![LOOKED_BACK, pair, network, owner, other, limit];
        events(&mut statement, parameters)
    }

    pub(super) fn said_at(
        &self,
        network: &NetworkId,
        pair: i64,
        at: Timestamp,
    ) -> Result<Vec<EventId>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT event FROM inbox
             WHERE accepted_at = ? AND pair = ? AND network = ? AND answer IS NULL",
        )?;
        events(&mut statement, params![at.0, pair, network.as_str()])
    }

    pub(super) fn recall(
        &self,
        network: &NetworkId,
        key: &str,
    ) -> Result<Option<String>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM memo WHERE network = ? AND key = ?")?;
        Ok(statement.query_row(params![network.as_str(), key], |row| row.get(0)).optional()?)
    }

    pub(super) fn recall_all(
        &self,
        network: &NetworkId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, value FROM memo
             WHERE network = ?1 AND key >= ?2 AND key > ?3 AND substr(key, 1, length(?2)) = ?2
             ORDER BY key LIMIT ?4",
        )?;
        let found = statement
            .query_map(params![network.as_str(), prefix, after, limit], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

fn events(
    statement: &mut rusqlite::CachedStatement<'_>,
    parameters: impl rusqlite::Params,
) -> Result<Vec<EventId>, StoreError> {
    let mut found = statement.query(parameters)?;
    let mut events = Vec::new();
    while let Some(row) = found.next()? {
        let event: String = row.get(0)?;
        events.extend(EventId::new(event).ok());
    }
    Ok(events)
}

/// Chunks that begin behind this number may hold commands behind `after`.
fn reach(after: i64) -> i64 {
    after.saturating_sub(chunk::ITEMS)
}

/// The commands behind `after`. A chunk stays whole if it fits `limit` at all: what is settled
/// together is erased together.
fn read_window(
    rarely: &Rarely,
    statement: &mut rusqlite::CachedStatement<'_>,
    parameters: impl rusqlite::Params,
    after: i64,
    limit: usize,
) -> Result<Window, StoreError> {
    let mut found = statement.query(parameters)?;
    let mut rows = Vec::new();
    let (mut last, mut bytes) = (after, 0);
    while let Some(row) = found.next()? {
        let payload = row.get_ref(3)?.as_str().unwrap_or_default();
        let (network, lane) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        let seq = row.get(0)?;
        let network = NetworkId::new(&network).map_err(|_| StoreError::Corrupt(seq));
        let read = network.and_then(|network| chunk::rows(seq, &network, &lane, payload));
        let Ok(mut read) = read else {
            // Nothing will ever make it readable: what stands behind it must not wait for that.
            if rarely.may(&ROW_UNREADABLE) {
                log!(ROW_UNREADABLE, seq);
            }
            last = last.max(seq);
            continue;
        };
        read.retain(|row| row.seq > after);
        if read.is_empty() {
            continue;
        }
        if !rows.is_empty() && rows.len() + read.len() > limit {
            return Ok(Window { rows, last, more: true });
        }
        rows.extend(read);
        bytes += payload.len();
        if rows.len() >= limit || bytes >= BYTES {
            rows.truncate(limit);
            let last = rows.last().map_or(last, |row| row.seq);
            return Ok(Window { rows, last, more: true });
        }
        last = rows.last().map_or(last, |row| row.seq);
    }
    Ok(Window { rows, last, more: false })
}
