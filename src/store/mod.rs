//! What must outlive a crash: the inbox, the outbox, the id map, adapters' memos.
//!
//! SQLite in WAL mode with `synchronous=FULL`. One writer thread owns the only writing connection
//! and commits together all that waits at that moment; a reader thread serves what workers ask.
//! It remembers, and decides nothing.
//!
//! Invariant: an answer is given only after the commit that holds what it speaks of.
//! Invariant: a message's body stands only in the outbox, and goes from there in the commit that
//! records its final status; freed pages are overwritten with zeros.
//! Invariant: no transaction is open across an await.

mod chunk;
mod lock;
mod people;
mod place;
mod profiles;
mod reader;
mod record;
mod reference;
mod schema;
#[cfg(test)]
mod tests;
mod vitals;
mod writer;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{
    EventId, Memo, NetworkId, Picture, Refusal, Sha256, Shown as Face, Timestamp, UserId,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use lock::DataLock;
pub(crate) use people::{Block, Held, PeopleChange};
pub(crate) use profiles::{Due, Dues, Portrait};
use reader::Reader;
pub(crate) use record::{
    Admission, Admitted, Back, Chunk, Fate, Hold, NewRow, Payload, Retracted, Row, Settlement,
    Source, Tiding, Window, bare_file,
};
pub(crate) use reference::{Found, Reacted, Reacting, Shown, Sought};
use vitals::Pulse;
pub(crate) use vitals::Writes;
use writer::{Job, Writer};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another daemon works on this data directory.
    #[error("another drawbridge is running on the data directory {0}")]
    Locked(String),
    /// The data directory cannot be used.
    #[error("the data directory {0} cannot be used")]
    Directory(String, #[source] std::io::Error),
    /// The database is of a later version of Drawbridge.
    #[error("the database is of version {found}, this drawbridge knows {known} at most")]
    TooNew {
        /// The database's version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// SQLite failed.
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A row is not what was written: the database was changed by something else. The cause is
    /// left out, because it would quote the row.
    #[error("row {0} of the queue cannot be read back")]
    Corrupt(i64),
    /// What was to be written has no written form.
    #[error("a row cannot be written")]
    Unwritable,
    /// The folder for files on their way cannot be used.
    #[error("the folder for files on their way, spool in the data directory, cannot be used")]
    Spool(#[source] std::io::Error),
    /// A thread of the store could not be started.
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
    /// The transaction that the work belonged to was not committed: nothing of it was kept.
    #[error("the commit failed")]
    NotCommitted,
    /// The store is closed, or one of its threads ended.
    #[error("the store is closed")]
    Closed,
}

/// Called after each commit, before its answers go out. Must not block.
pub(crate) type OnCommit = Box<dyn Fn(&Changes) + Send>;

/// What a commit changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Lanes with new rows; a lane may stand here more than once.
    pub(crate) lanes: Vec<(NetworkId, String)>,
    /// How many rows each network gained or, below zero, lost.
    pub(crate) growth: Vec<(NetworkId, i64)>,
    /// What changed in what people want, in order.
    pub(crate) people: Vec<PeopleChange>,
}

impl Thread {
    fn of(pulse: &Pulse, ended: bool) -> Self {
        if ended {
            return Self::Ended;
        }
        pulse.busy_for().map_or(Self::Idle, Self::Busy)
    }
}

impl Changes {
    fn grow(&mut self, network: &NetworkId, by: i64) {
        match self.growth.iter_mut().find(|(known, _)| known == network) {
            Some((_, growth)) => *growth += by,
            None => self.growth.push((network.clone(), by)),
        }
    }
}

/// The store. Closed when the last handle is dropped, or by [`Store::close`].
pub(crate) struct Store {
    writer: Writer,
    reader: Reader,
    salt: Vec<u8>,
    /// Rows up to here were written by an earlier process, which may have tried to deliver them.
    inherited: i64,
    path: PathBuf,
    /// Held until both threads have ended.
    _lock: DataLock,
}

/// How a thread of the store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    /// It waits for work.
    Idle,
    /// It has worked on one piece, a commit or a question, for this long.
    Busy(Duration),
    /// It has ended: nothing that is asked of it will be done.
    Ended,
}

impl Store {
    /// Opens the store in `dir`, makes it if there is none, and takes the directory's lock.
    pub(crate) fn open(
        dir: &Path,
        new_salt: &[u8],
        on_commit: OnCommit,
    ) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Directory(dir.display().to_string(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let lock = DataLock::take(dir)?;
        let path = dir.join("drawbridge.sqlite3");
        schema::create(&path).map_err(failed)?;
        let connection = schema::open_writer(&path)?;
        let salt = schema::salt(&connection, new_salt)?;
        let inherited = schema::last_seq(&connection)?;
        let reader = Reader::start(&path)?;
        let writer = Writer::start(connection, on_commit)?;
        Ok(Self { writer, reader, salt, inherited, path, _lock: lock })
    }

    /// The salt of the pseudonyms, made once for each data directory.
    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether an earlier process may have tried to deliver this row.
    pub(crate) fn is_inherited(&self, row: &Row) -> bool {
        row.seq <= self.inherited
    }

    /// Writes events with what follows from them; one answer for each, after the commit.
    pub(crate) async fn admit(
        &self,
        admissions: Vec<Admission>,
    ) -> Result<Vec<Admitted>, StoreError> {
        self.write(|reply| Job::Admit { admissions, reply }).await
    }

    /// Records what became of rows; rows that are settled already are passed over. Tells how
    /// many were settled.
    pub(crate) async fn settle(&self, settlements: Vec<Settlement>) -> Result<usize, StoreError> {
        self.write(|reply| Job::Settle { settlements, reply }).await
    }

    /// Takes the way back of a message that `network` knows as `id`, if it has not come back
    /// before, and writes the row that `tell` makes of it.
    pub(crate) async fn bounce(
        &self,
        network: NetworkId,
        id: EventId,
        tell: impl FnOnce(Back) -> Option<NewRow> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let tell = Box::new(tell);
        self.write(|reply| Job::Bounce { network, id, tell, reply }).await
    }

    /// Writes tidings about rows that still wait, and that all rows up to `told_up_to` had theirs.
    pub(crate) async fn tell(
        &self,
        told_up_to: i64,
        tidings: Vec<Tiding>,
    ) -> Result<(), StoreError> {
        self.write(|reply| Job::Tell { told_up_to, tidings, reply }).await
    }

    /// Writes an adapter's memos.
    pub(crate) async fn remember(
        &self,
        network: NetworkId,
        memos: Vec<Memo>,
    ) -> Result<(), StoreError> {
        self.write(|reply| Job::Remember { network, memos, reply }).await
    }

    /// Hands all that is remembered of people to `each`, as changes.
    pub(crate) async fn read_people(
        &self,
        each: impl FnMut(PeopleChange) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.reader.ask(move |reading| reading.people(each)).await
    }

    /// Writes what changed about people, with what follows from it.
    pub(crate) async fn change_people(
        &self,
        changes: Vec<PeopleChange>,
        rows: Vec<NewRow>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|reply| Job::People { changes, rows, now, reply }).await
    }

    /// How a user is called and looks.
    pub(crate) async fn portrait(&self, user: &UserId) -> Result<Portrait, StoreError> {
        let user = user.clone();
        self.reader.ask(move |reading| reading.look(|store| profiles::portrait(store, &user))).await
    }

    /// As what `other` was last shown to `owner`.
    pub(crate) async fn face(&self, owner: &UserId, other: &UserId) -> Result<Face, StoreError> {
        let (owner, other) = (owner.clone(), other.clone());
        let look = move |store: &Connection| {
            let (name, picture) = profiles::shown(store, &owner, &other)?;
            Ok(Face { name, picture })
        };
        self.reader.ask(move |reading| reading.look(look)).await
    }

    /// The picture with this hash.
    pub(crate) async fn picture(&self, sha256: Sha256) -> Result<Option<Arc<Picture>>, StoreError> {
        self.reader.ask(move |reading| reading.look(|store| profiles::picture(store, sha256))).await
    }

    /// Who of a network's users may have to be shown something new of whom.
    pub(crate) async fn profiles_due(
        &self,
        network: &NetworkId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Dues, StoreError> {
        let network = network.clone();
        let look = move |store: &Connection| profiles::due(store, &network, now, limit);
        self.reader.ask(move |reading| reading.look(look)).await
    }

    /// What a user is shown of those who wait for a word, in order.
    pub(crate) async fn held_for(
        &self,
        owner: &UserId,
        limit: usize,
    ) -> Result<Vec<Held>, StoreError> {
        let owner = owner.clone();
        self.reader.ask(move |reading| reading.held_for(&owner, limit)).await
    }

    /// What has waited for a word since before `before`, the oldest first.
    pub(crate) async fn held_since(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Held>, StoreError> {
        self.reader.ask(move |reading| reading.held_since(before, limit)).await
    }

    /// The last event of this name.
    pub(crate) async fn named(&self, sought: Sought) -> Result<Option<Found>, StoreError> {
        self.reader.ask(move |reading| reading.look(|store| reference::named(store, &sought))).await
    }

    /// The events that were accepted when this key was made.
    pub(crate) async fn beside(&self, key: String) -> Result<Vec<Found>, StoreError> {
        self.reader.ask(move |reading| reading.look(|store| reference::beside(store, &key))).await
    }

    /// To which message, and with what, the event of the inbox row `put` reacted, and how its sender
    /// has reacted to that message in all.
    pub(crate) async fn reaction_of(
        &self,
        put: i64,
        by: &UserId,
    ) -> Result<Option<(Found, String, Vec<String>)>, StoreError> {
        let by = by.clone();
        let look = move |store: &Connection| {
            let Some((about, emoji)) = reference::reaction_of(store, put, &by)? else {
                return Ok(None);
            };
            let Some(found) = reference::of(store, about)? else { return Ok(None) };
            Ok(Some((found, emoji, reference::reactions(store, about, &by)?)))
        };
        self.reader.ask(move |reading| reading.look(look)).await
    }

    /// How somebody has reacted to the message of an inbox row so far.
    pub(crate) async fn reactions(
        &self,
        about: i64,
        by: &UserId,
    ) -> Result<Vec<String>, StoreError> {
        let by = by.clone();
        self.reader
            .ask(move |reading| reading.look(|store| reference::reactions(store, about, &by)))
            .await
    }

    /// What is known of the message of an inbox row now, and what the network that it was delivered
    /// to calls it, if that is not the key under which it was; and the same of `gone` reactions.
    pub(crate) async fn shown(
        &self,
        about: i64,
        by: &UserId,
        gone: Vec<String>,
    ) -> Result<Option<Shown>, StoreError> {
        let by = by.clone();
        let look = move |store: &Connection| {
            let Some(found) = reference::of(store, about)? else { return Ok(None) };
            let id = reference::shown_as(store, about)?;
            let gone = reference::reactions_shown(store, about, &by, &gone)?;
            Ok(Some(Shown { found, id, gone }))
        };
        self.reader.ask(move |reading| reading.look(look)).await
    }

    /// The last events of one user to another that did not fail and do not wait for a word, the newest
    /// first. Only what is not long ago.
    pub(crate) async fn said(
        &self,
        (by, to): (&UserId, &UserId),
        pair: i64,
        limit: usize,
    ) -> Result<Vec<EventId>, StoreError> {
        let (by, to) = (by.clone(), to.clone());
        self.reader.ask(move |reading| reading.said((&by, &to), pair, limit)).await
    }

    /// The events of a network of one pair of users that were accepted at this moment.
    pub(crate) async fn said_at(
        &self,
        network: &NetworkId,
        pair: i64,
        at: Timestamp,
    ) -> Result<Vec<EventId>, StoreError> {
        let network = network.clone();
        self.reader.ask(move |reading| reading.said_at(&network, pair, at)).await
    }

    /// Ends what waited for a word, each with what its sender is told. Tells which still waited.
    pub(crate) async fn end_held(
        &self,
        ends: Vec<(Held, Refusal, NewRow)>,
    ) -> Result<Vec<bool>, StoreError> {
        self.write(|reply| Job::EndHeld { ends, reply }).await
    }

    /// Forgets events that were accepted before `before` and wait no more, a bounded number of them.
    pub(crate) async fn forget(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(|reply| Job::Forget { before, reply }).await
    }

    /// The next rows of a lane behind `after`, in order.
    pub(crate) async fn window(
        &self,
        network: &NetworkId,
        lane: &str,
        after: i64,
        limit: usize,
    ) -> Result<Window, StoreError> {
        let (network, lane) = (network.clone(), lane.to_owned());
        self.reader.ask(move |reading| reading.window(&network, &lane, after, limit)).await
    }

    /// Lanes of a network that have rows, in order, after `after`.
    pub(crate) async fn lanes(
        &self,
        network: &NetworkId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let (network, after) = (network.clone(), after.to_owned());
        self.reader.ask(move |reading| reading.lanes(&network, &after, limit)).await
    }

    /// The oldest rows of all networks behind `after`, accepted before `before`.
    pub(crate) async fn oldest(
        &self,
        after: i64,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.reader.ask(move |reading| reading.oldest(after, before, limit)).await
    }

    /// Up to which row senders were told that their messages wait.
    pub(crate) async fn told_up_to(&self) -> Result<i64, StoreError> {
        self.reader.ask(reader::Reading::told_up_to).await
    }

    /// What waits, of one network or of all, behind the row `after`, in the order of acceptance.
    pub(crate) async fn queue(
        &self,
        network: Option<&NetworkId>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let network = network.cloned();
        self.reader.ask(move |reading| reading.queue(network.as_ref(), after, limit)).await
    }

    /// The row of this number, if it still waits.
    pub(crate) async fn row(&self, seq: i64) -> Result<Option<Row>, StoreError> {
        self.reader.ask(move |reading| reading.row(seq)).await
    }

    /// The row that has waited for a network the longest, and when it was accepted. None stands
    /// before `from`; `many` if many rows wait for the network: the answer is the same, and sooner.
    pub(crate) async fn oldest_of(
        &self,
        network: &NetworkId,
        from: i64,
        many: bool,
    ) -> Result<Option<(i64, Timestamp)>, StoreError> {
        let network = network.clone();
        self.reader.ask(move |reading| reading.oldest_of(&network, from, many)).await
    }

    /// How many rows wait for a network.
    pub(crate) async fn depth(&self, network: &NetworkId) -> Result<i64, StoreError> {
        let network = network.clone();
        self.reader.ask(move |reading| reading.depth(&network)).await
    }

    /// What an adapter wrote down under `key`.
    pub(crate) async fn recall(
        &self,
        network: &NetworkId,
        key: &str,
    ) -> Result<Option<String>, StoreError> {
        let (network, key) = (network.clone(), key.to_owned());
        self.reader.ask(move |reading| reading.recall(&network, &key)).await
    }

    /// What an adapter wrote down under keys with this prefix.
    pub(crate) async fn recall_all(
        &self,
        network: &NetworkId,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let network = network.clone();
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.reader.ask(move |reading| reading.recall_all(&network, &prefix, &after, limit)).await
    }

    /// How writing goes.
    pub(crate) fn writes(&self) -> Writes {
        self.writer.writes()
    }

    /// The bytes of the database and its log on disk, if they can be told.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let database = std::fs::metadata(&self.path).ok()?.len();
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        // SQLite takes the log away when nothing is in it.
        Some(database + std::fs::metadata(log).map_or(0, |log| log.len()))
    }

    /// How the writing and the reading thread stand.
    pub(crate) fn threads(&self) -> (Thread, Thread) {
        (self.writer.thread(), self.reader.thread())
    }

    async fn write<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(job(reply)).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Folds SQLite's log into the database and empties it, so that no erased body stays in it.
    pub(crate) async fn fold(&self) -> Result<(), StoreError> {
        self.write(|reply| Job::Fold { reply, end: false }).await
    }

    /// Ends the writing, after all that was asked is written. Whatever is asked later is refused.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.write(|reply| Job::Fold { reply, end: true }).await
    }
}
