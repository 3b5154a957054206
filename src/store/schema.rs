//! The tables, and how an older database becomes a newer one.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::StoreError;

/// How long one waits for another process that holds the database: a backup, an operator's shell.
const BUSY: Duration = Duration::from_secs(5);

/// Each step makes the next version out of the one before; never change one that was released.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

    -- Every event that was ever answered, without its body. `place` is a number by
    -- which it is found (see `place.rs`). `answer` is what its network was told (NULL: accepted), `failed` how it ended after
    -- that, if it did not cross. `pair` stands for sender and recipient: below zero if that one is
    -- not to see it, 0 if there is none.
    CREATE TABLE inbox (
        seq INTEGER PRIMARY KEY,
        place INTEGER NOT NULL,
        network TEXT NOT NULL,
        event TEXT NOT NULL,
        accepted_at INTEGER NOT NULL,
        answer TEXT,
        failed TEXT,
        pair INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX inbox_place ON inbox (place);
    CREATE INDEX inbox_accepted ON inbox (accepted_at);

    -- What waits for a network, each lane (conversation) in the order of seq: one row for a few
    -- commands that came together. `seq` is the first one's number.
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY,
        items INTEGER NOT NULL,
        network TEXT NOT NULL,
        lane TEXT NOT NULL,
        accepted_at INTEGER NOT NULL,
        payload TEXT NOT NULL
    );
    CREATE INDEX outbox_lane ON outbox (network, lane, seq);

    -- Under which id a network knows a message that was delivered to it, and the way back to its
    -- sender, should it come back after all: only those have a place.
    CREATE TABLE ids (
        inbox INTEGER PRIMARY KEY,
        place INTEGER,
        network TEXT NOT NULL,
        event TEXT NOT NULL,
        back TEXT
    );
    CREATE INDEX ids_place ON ids (place) WHERE place IS NOT NULL;

    -- Who has reacted to which message, an inbox row. `put` is the inbox row of the event that brought
    -- the reaction, `shown` what the other network calls it. One that is `gone` is still to be taken
    -- away there.
    CREATE TABLE reactions (
        about INTEGER NOT NULL,
        user TEXT NOT NULL,
        emoji TEXT NOT NULL,
        put INTEGER NOT NULL,
        shown TEXT,
        gone INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (about, user, emoji)
    ) WITHOUT ROWID;
    CREATE INDEX reactions_put ON reactions (put);

    -- Who blocked whom: accounts, in their networks' own spelling. `named` is false for an
    -- account that is blocked because it is of the same person as one that was named.
    CREATE TABLE blocks (
        owner TEXT NOT NULL,
        blocked TEXT NOT NULL,
        at INTEGER NOT NULL,
        named INTEGER NOT NULL,
        PRIMARY KEY (owner, blocked)
    ) WITHOUT ROWID;

    -- Which third-party networks a user has switched on.
    CREATE TABLE enabled (
        user TEXT NOT NULL,
        network TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (user, network)
    ) WITHOUT ROWID;

    -- Whom a user wants to hear from, of those who must be accepted first.
    CREATE TABLE contacts (
        owner TEXT NOT NULL,
        other TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (owner, other)
    ) WITHOUT ROWID;

    -- Whom a user has turned away.
    CREATE TABLE declines (
        owner TEXT NOT NULL,
        other TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (owner, other)
    ) WITHOUT ROWID;

    -- Which chats make no noise: `owner`'s with `other`, for `how` long, until the bridge's own
    -- clock shows `until` (NULL: for ever).
    CREATE TABLE mutes (
        owner TEXT NOT NULL,
        other TEXT NOT NULL,
        how TEXT NOT NULL,
        until INTEGER,
        PRIMARY KEY (owner, other)
    ) WITHOUT ROWID;

    -- What else a user has chosen: whether the chats with third-party networks stand apart, whether
    -- nobody is told what the user has read, whether others see that they are there, and how strict
    -- the bridge is for them.
    CREATE TABLE settings (
        user TEXT PRIMARY KEY,
        apart INTEGER NOT NULL DEFAULT 0,
        unseen INTEGER NOT NULL DEFAULT 0,
        present INTEGER NOT NULL DEFAULT 0,
        strict TEXT NOT NULL DEFAULT 'off'
    ) WITHOUT ROWID;

    -- How users call themselves and look: a `name` that is empty was told to be none, `picture` is the hash of their picture, `source` where it is
    -- to be had, if it did not come by itself; until it was fetched it stands alone.
    CREATE TABLE profiles (
        user TEXT PRIMARY KEY,
        name TEXT,
        source TEXT,
        picture BLOB
    ) WITHOUT ROWID;
    CREATE INDEX profiles_picture ON profiles (picture) WHERE picture IS NOT NULL;

    -- The pictures that somebody has, or was shown.
    CREATE TABLE pictures (sha256 BLOB PRIMARY KEY, mime TEXT NOT NULL, bytes BLOB NOT NULL);

    -- `other` has written to `owner`, a user of `network`, and was last shown to them with this name and
    -- picture, and `told` of it. From `due` on it is to be looked whether there is something newer; `rev` grows with each
    -- word that there may be.
    CREATE TABLE acquaintances (
        owner TEXT NOT NULL,
        other TEXT NOT NULL,
        network TEXT NOT NULL,
        name TEXT,
        picture BLOB,
        told INTEGER NOT NULL DEFAULT 1,
        due INTEGER,
        rev INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (owner, other)
    ) WITHOUT ROWID;
    CREATE INDEX acquaintances_other ON acquaintances (other);
    CREATE INDEX acquaintances_due ON acquaintances (network, due) WHERE due IS NOT NULL;
    CREATE INDEX acquaintances_untold ON acquaintances (network) WHERE NOT told;
    CREATE INDEX acquaintances_picture ON acquaintances (picture) WHERE picture IS NOT NULL;

    -- Accounts of the same person have the same number.
    CREATE TABLE persons (user TEXT PRIMARY KEY, person INTEGER NOT NULL) WITHOUT ROWID;

    -- Messages that wait until `owner` accepts `other`. Those that are not `shown` were
    -- swallowed: they wait like the others, without their bodies.
    CREATE TABLE held (
        seq INTEGER PRIMARY KEY,
        inbox INTEGER NOT NULL,
        owner TEXT NOT NULL,
        other TEXT NOT NULL,
        network TEXT NOT NULL,
        lane TEXT NOT NULL,
        key TEXT NOT NULL,
        at INTEGER NOT NULL,
        shown INTEGER NOT NULL,
        payload TEXT NOT NULL
    );
    CREATE INDEX held_pair ON held (owner, other, seq);
    CREATE INDEX held_at ON held (at);

    CREATE TABLE memo (
        network TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (network, key)
    ) WITHOUT ROWID;
"];

/// Makes the file if it is not there, so that only its owner may read it. SQLite gives its
/// companions the same mode.
pub(super) fn create(path: &Path) -> std::io::Result<()> {
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    Ok(())
}

/// Opens the writing connection, and brings the database to this version.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    // What a savepoint puts aside is made of bodies too, and would go to a file elsewhere.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (version, step) in (1..).zip(MIGRATIONS) {
        if version > found {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// The salt of this database; `new` becomes it if there is none.
pub(super) fn salt(connection: &Connection, new: &[u8]) -> Result<Vec<u8>, StoreError> {
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('salt', ?)", [new])?;
    let read = connection.query_row("SELECT value FROM meta WHERE key = 'salt'", [], |r| r.get(0));
    Ok(read?)
}

/// The number of the last command that was written to the outbox.
pub(super) fn last_seq(connection: &Connection) -> Result<i64, StoreError> {
    number(connection, "last_seq")
}

/// Up to which command of the outbox senders were told that their messages wait.
pub(super) fn told_up_to(connection: &Connection) -> Result<i64, StoreError> {
    number(connection, "told_up_to")
}

/// Keeps a value under a name.
pub(super) fn keep(
    connection: &Connection,
    key: &str,
    value: impl rusqlite::ToSql,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?;
    statement.execute(params![key, value])?;
    Ok(())
}

/// What is kept under a name.
pub(super) fn kept<T: rusqlite::types::FromSql>(
    connection: &Connection,
    key: &str,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

fn number(connection: &Connection, key: &str) -> Result<i64, StoreError> {
    Ok(kept(connection, key)?.unwrap_or(0))
}
