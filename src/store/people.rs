//! What is remembered of people: what they want, whom they do not want to hear, and what waits until
//! they have said.

use std::sync::Arc;

use drawbridge_adapter::{MuteFor, NetworkId, Picture, Sha256, Timestamp, UserId};
use rusqlite::{Connection, Row as SqlRow, params};

use super::{NewRow, Payload, StoreError, profiles, schema};
use crate::clock::OwnClock;
use crate::gate::Strictness;

/// Under which name the bridge's own clock is kept.
const OWN_CLOCK: &str = "own_clock";

/// That one account does not want to hear from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) owner: UserId,
    pub(crate) blocked: UserId,
    pub(crate) at: Timestamp,
    /// Whether this very account was named; otherwise it is of the same person as one that was.
    pub(crate) named: bool,
}

/// A change of what is remembered of people. All that is remembered is read back as changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeopleChange {
    /// What waited of the blocked loses its bodies.
    Block(Block),
    Unblock {
        owner: UserId,
        blocked: UserId,
    },
    /// The user has switched a network on.
    Enable {
        user: UserId,
        network: NetworkId,
        at: Timestamp,
    },
    Disable {
        user: UserId,
        network: NetworkId,
    },
    /// The owner wants to hear from the other: what waited of them goes on its way.
    Contact {
        owner: UserId,
        other: UserId,
        at: Timestamp,
    },
    /// The owner has turned the other away: what waited loses its bodies.
    Decline {
        owner: UserId,
        other: UserId,
        at: Timestamp,
    },
    /// Turning away is over.
    DeclineOver {
        owner: UserId,
        other: UserId,
    },
    /// The owner's chat with the other makes no noise, until the bridge's own clock shows this time;
    /// for ever, if it has none.
    Mute {
        owner: UserId,
        other: UserId,
        how: MuteFor,
        until: Option<Timestamp>,
    },
    Unmute {
        owner: UserId,
        other: UserId,
    },
    /// Whether nobody is told what the user has read.
    Receipts {
        user: UserId,
        unseen: bool,
    },
    /// Whether others see that the user is there.
    Presence {
        user: UserId,
        shown: bool,
    },
    /// Whether the user's chats with third-party networks stand apart.
    Inbox {
        user: UserId,
        apart: bool,
    },
    /// How strict the bridge is for the user.
    Strict {
        user: UserId,
        level: Strictness,
    },
    /// How the bridge's own clock stands.
    OwnClock(OwnClock),
    /// The user's account is of this person, whose number is that of one of the accounts' rows.
    Person {
        user: UserId,
        person: i64,
    },
    /// The account is nobody else's any more.
    Alone {
        user: UserId,
    },
    /// A user is called so. From `at` on those are shown it to whom the user has written.
    Name {
        user: UserId,
        name: Option<String>,
        /// Whether it counts only as long as nothing else was told.
        guessed: bool,
        at: Timestamp,
    },
    /// A user has this picture; or one that is still to be fetched from `source`. Only on disk.
    Picture {
        user: UserId,
        source: Option<String>,
        picture: Option<Arc<Picture>>,
        at: Timestamp,
    },
    /// The picture of a user that was to be fetched from `source`. Only on disk.
    Fetched {
        user: UserId,
        source: String,
        picture: Arc<Picture>,
        at: Timestamp,
    },
    /// The other has written to the owner, who was shown this name with it.
    Met {
        owner: UserId,
        other: UserId,
        name: Option<String>,
        at: Timestamp,
    },
    /// Users of this network may be shown now what they could not be shown.
    Reachable {
        network: NetworkId,
        at: Timestamp,
    },
    /// A user is none any more: how they were called and looked is forgotten, unless they have written
    /// to somebody.
    Gone {
        user: UserId,
    },
    /// The owner is shown the other so, and is still to be told.
    Shown {
        owner: UserId,
        other: UserId,
        name: Option<String>,
        picture: Option<Sha256>,
    },
    /// It was looked at this word whether the owner is to be shown something new of the other, and is
    /// to be looked again later, or not. Only on disk.
    Looked {
        owner: UserId,
        other: UserId,
        /// Whether the owner was told of what they are shown.
        told: bool,
        again: Option<Timestamp>,
        rev: i64,
    },
    /// All that the user wanted is forgotten. What others want of the user stays; what waits for
    /// the user's word ends at the next look.
    Erase {
        user: UserId,
    },
    /// One more message of the other waits for the owner's word. Only ever read back: it is written
    /// with the message.
    Held {
        owner: UserId,
        other: UserId,
        /// Whether the owner is to see it: not if it was swallowed.
        shown: bool,
    },
    /// One of them is over. Only known in memory: it goes with the message.
    HeldOver {
        owner: UserId,
        other: UserId,
        shown: bool,
    },
    /// Who says this code from another account is the same person. Only known in memory.
    Offer {
        user: UserId,
        code: String,
        until: Timestamp,
    },
    /// The code counts no more. Only known in memory.
    OfferOver {
        user: UserId,
    },
}

/// A message that waits until its recipient accepts its sender.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) seq: i64,
    pub(crate) inbox: i64,
    pub(crate) owner: UserId,
    pub(crate) other: UserId,
    pub(crate) at: Timestamp,
    pub(crate) payload: Payload,
}

/// Makes changes. What they set free is handed to `release`, with its inbox row.
pub(super) fn write(
    connection: &Connection,
    changes: &[PeopleChange],
    now: Timestamp,
    mut release: impl FnMut(i64, NewRow),
) -> Result<(), StoreError> {
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql)?.execute(parameters).map_err(StoreError::from)
    };
    for change in changes {
        match change {
            PeopleChange::Block(Block { owner, blocked, at, named }) => {
                let (owner, blocked) = (owner.to_string(), blocked.to_string());
                run(
                    "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)",
                    params![owner, blocked, at.0, named],
                )?;
                hush(connection, &owner, &blocked)?;
            }
            PeopleChange::Unblock { owner, blocked } => {
                let pair = params![owner.to_string(), blocked.to_string()];
                run("DELETE FROM blocks WHERE owner = ? AND blocked = ?", pair)?;
                profiles::look_between(connection, (owner, blocked), now)?;
            }
            PeopleChange::Enable { user, network, at } => {
                let row = params![user.to_string(), network.as_str(), at.0];
                run("INSERT OR REPLACE INTO enabled VALUES (?, ?, ?)", row)?;
                profiles::look_around(connection, user, now)?;
            }
            PeopleChange::Disable { user, network } => {
                let row = params![user.to_string(), network.as_str()];
                run("DELETE FROM enabled WHERE user = ? AND network = ?", row)?;
            }
            PeopleChange::Contact { owner, other, at } => {
                profiles::look_between(connection, (owner, other), now)?;
                let (owner, other) = (owner.to_string(), other.to_string());
                run(
                    "INSERT OR IGNORE INTO contacts VALUES (?, ?, ?)",
                    params![owner, other, at.0],
                )?;
                run("DELETE FROM declines WHERE owner = ? AND other = ?", params![owner, other])?;
                set_free(connection, &owner, &other, now, &mut release)?;
            }
            PeopleChange::Decline { owner, other, at } => {
                let (owner, other) = (owner.to_string(), other.to_string());
                run(
                    "INSERT OR REPLACE INTO declines VALUES (?, ?, ?)",
                    params![owner, other, at.0],
                )?;
                hush(connection, &owner, &other)?;
            }
            PeopleChange::DeclineOver { owner, other } => {
                let pair = params![owner.to_string(), other.to_string()];
                run("DELETE FROM declines WHERE owner = ? AND other = ?", pair)?;
            }
            PeopleChange::Mute { .. }
            | PeopleChange::Unmute { .. }
            | PeopleChange::Receipts { .. }
            | PeopleChange::Presence { .. }
            | PeopleChange::Inbox { .. }
            | PeopleChange::Strict { .. }
            | PeopleChange::OwnClock(_) => write_choice(connection, change, now)?,
            PeopleChange::Name { .. }
            | PeopleChange::Picture { .. }
            | PeopleChange::Fetched { .. }
            | PeopleChange::Reachable { .. }
            | PeopleChange::Gone { .. }
            | PeopleChange::Met { .. }
            | PeopleChange::Shown { .. }
            | PeopleChange::Looked { .. } => profiles::write(connection, change)?,
            PeopleChange::Person { user, person } => {
                let row = params![user.to_string(), person];
                run("INSERT OR REPLACE INTO persons VALUES (?, ?)", row)?;
            }
            PeopleChange::Alone { user } => {
                run("DELETE FROM persons WHERE user = ?", params![user.to_string()])?;
            }
            PeopleChange::Erase { user } => {
                profiles::erase(connection, user)?;
                let user = user.to_string();
                for sql in [
                    "DELETE FROM enabled WHERE user = ?",
                    "DELETE FROM contacts WHERE ? IN (owner, other)",
                    "DELETE FROM blocks WHERE owner = ?",
                    "DELETE FROM declines WHERE ? IN (owner, other)",
                    "DELETE FROM mutes WHERE owner = ?",
                    "DELETE FROM settings WHERE user = ?",
                    "DELETE FROM persons WHERE user = ?",
                    "UPDATE held SET at = 0 WHERE owner = ?",
                ] {
                    run(sql, params![user])?;
                }
            }
            PeopleChange::Held { .. }
            | PeopleChange::HeldOver { .. }
            | PeopleChange::Offer { .. }
            | PeopleChange::OfferOver { .. } => {}
        }
    }
    Ok(())
}

/// Writes what a user has chosen for themselves.
fn write_choice(
    connection: &Connection,
    change: &PeopleChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql)?.execute(parameters).map_err(StoreError::from)
    };
    let set = |column: &str, user: &UserId, value: &dyn rusqlite::ToSql| {
        let sql = format!(
            "INSERT INTO settings (user, {column}) VALUES (?, ?)
             ON CONFLICT DO UPDATE SET {column} = excluded.{column}"
        );
        run(&sql, &[&user.to_string(), value]).map(drop)
    };
    match change {
        PeopleChange::Mute { owner, other, how, until } => {
            let (owner, other) = (owner.to_string(), other.to_string());
            let row = params![owner, other, how.as_str(), until.map(|until| until.0)];
            run("INSERT OR REPLACE INTO mutes VALUES (?, ?, ?, ?)", row)?;
        }
        PeopleChange::Unmute { owner, other } => {
            let pair = params![owner.to_string(), other.to_string()];
            run("DELETE FROM mutes WHERE owner = ? AND other = ?", pair)?;
        }
        PeopleChange::Receipts { user, unseen } => set("unseen", user, unseen)?,
        PeopleChange::Presence { user, shown } => set("present", user, shown)?,
        PeopleChange::Inbox { user, apart } => set("apart", user, apart)?,
        PeopleChange::Strict { user, level } => {
            set("strict", user, &level.as_str())?;
            profiles::look_around(connection, user, now)?;
        }
        PeopleChange::OwnClock(clock) => {
            let clock = serde_json::to_string(clock).map_err(|_| StoreError::Unwritable)?;
            schema::keep(connection, OWN_CLOCK, clock)?;
        }
        _ => {}
    }
    Ok(())
}

/// Writes a message that waits for its recipient's word.
pub(super) fn hold(
    connection: &Connection,
    inbox: i64,
    (owner, other): (&UserId, &UserId),
    row: &NewRow,
) -> Result<(), StoreError> {
    let payload = serde_json::to_string(&row.payload).map_err(|_| StoreError::Unwritable)?;
    let shown = matches!(row.payload, Payload::Message { .. });
    connection
        .prepare_cached(
            "INSERT INTO held (inbox, owner, other, network, lane, key, at, shown, payload)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            inbox,
            owner.to_string(),
            other.to_string(),
            row.network.as_str(),
            row.lane,
            row.key,
            row.at.0,
            shown,
            payload
        ])?;
    Ok(())
}

/// Takes the bodies out of what waits between two.
fn hush(connection: &Connection, owner: &str, other: &str) -> Result<(), StoreError> {
    let mut select = connection
        .prepare_cached("SELECT seq, payload FROM held WHERE owner = ? AND other = ? AND shown")?;
    let found = select.query_map([owner, other], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(i64, String)> = found.collect::<Result<_, _>>()?;
    for (seq, payload) in found {
        let payload: Payload =
            serde_json::from_str(&payload).map_err(|_| StoreError::Corrupt(seq))?;
        let payload = serde_json::to_string(&payload.without_body());
        let payload = payload.map_err(|_| StoreError::Unwritable)?;
        connection
            .prepare_cached("UPDATE held SET shown = 0, payload = ? WHERE seq = ?")?
            .execute(params![payload, seq])?;
    }
    Ok(())
}

/// Sends what waited between two on its way, in order.
fn set_free(
    connection: &Connection,
    owner: &str,
    other: &str,
    now: Timestamp,
    release: &mut impl FnMut(i64, NewRow),
) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT seq, inbox, network, lane, key, payload FROM held
         WHERE owner = ? AND other = ? ORDER BY seq",
    )?;
    let mut rows = select.query([owner, other])?;
    while let Some(row) = rows.next()? {
        let corrupt = || StoreError::Corrupt(row.get(0).unwrap_or_default());
        let payload: String = row.get(5)?;
        let payload: Payload = serde_json::from_str(&payload).map_err(|_| corrupt())?;
        let network = NetworkId::new(&row.get::<_, String>(2)?).map_err(|_| corrupt())?;
        let (lane, key) = (row.get(3)?, row.get(4)?);
        // It begins to wait anew, for its network.
        let next = NewRow { network, lane, key, at: now, payload: payload.after_waiting() };
        release(row.get(1)?, next);
    }
    connection
        .prepare_cached("DELETE FROM held WHERE owner = ? AND other = ?")?
        .execute([owner, other])?;
    Ok(())
}

/// Takes one that has waited for too long away. False if it is gone.
pub(super) fn end(connection: &Connection, seq: i64) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM held WHERE seq = ?")?.execute([seq])? > 0)
}

/// All that is remembered, as changes handed to `each`. Called once, before anything else.
pub(super) fn read(
    connection: &Connection,
    mut each: impl FnMut(PeopleChange),
) -> Result<(), StoreError> {
    let pair = |row: &SqlRow<'_>| Ok::<_, StoreError>((user(row, 0)?, user(row, 1)?));
    let at = |row: &SqlRow<'_>| Ok::<_, StoreError>(Timestamp(row.get(2)?));
    rows(connection, "SELECT owner, blocked, at, named FROM blocks", |row| {
        let (owner, blocked) = pair(row)?;
        each(PeopleChange::Block(Block { owner, blocked, at: at(row)?, named: row.get(3)? }));
        Ok(())
    })?;
    rows(connection, "SELECT user, network, at FROM enabled", |row| {
        // Of a network that was configured once: it may be again.
        let network = NetworkId::new(&row.get::<_, String>(1)?);
        let network = network.map_err(|_| StoreError::Corrupt(0))?;
        each(PeopleChange::Enable { user: user(row, 0)?, network, at: at(row)? });
        Ok(())
    })?;
    rows(connection, "SELECT owner, other, at FROM contacts", |row| {
        let (owner, other) = pair(row)?;
        each(PeopleChange::Contact { owner, other, at: at(row)? });
        Ok(())
    })?;
    rows(connection, "SELECT owner, other, at FROM declines", |row| {
        let (owner, other) = pair(row)?;
        each(PeopleChange::Decline { owner, other, at: at(row)? });
        Ok(())
    })?;
    rows(connection, "SELECT owner, other, how, until FROM mutes", |row| {
        let (owner, other) = pair(row)?;
        let how: String = row.get(2)?;
        let how = MuteFor::ALL.into_iter().find(|known| known.as_str() == how);
        let how = how.ok_or(StoreError::Corrupt(0))?;
        let until = row.get::<_, Option<i64>>(3)?.map(Timestamp);
        each(PeopleChange::Mute { owner, other, how, until });
        Ok(())
    })?;
    rows(connection, "SELECT user, apart, strict, unseen, present FROM settings", |row| {
        let (user, apart, level) = (user(row, 0)?, row.get(1)?, row.get::<_, String>(2)?);
        let level = Strictness::ALL.into_iter().find(|known| known.as_str() == level);
        let level = level.ok_or(StoreError::Corrupt(0))?;
        each(PeopleChange::Inbox { user: user.clone(), apart });
        each(PeopleChange::Receipts { user: user.clone(), unseen: row.get(3)? });
        each(PeopleChange::Presence { user: user.clone(), shown: row.get(4)? });
        each(PeopleChange::Strict { user, level });
        Ok(())
    })?;
    if let Some(clock) = schema::kept::<String>(connection, OWN_CLOCK)? {
        let clock = serde_json::from_str(&clock).map_err(|_| StoreError::Corrupt(0))?;
        each(PeopleChange::OwnClock(clock));
    }
    rows(connection, "SELECT user, person FROM persons", |row| {
        each(PeopleChange::Person { user: user(row, 0)?, person: row.get(1)? });
        Ok(())
    })?;
    profiles::read(connection, &mut each)?;
    rows(connection, "SELECT owner, other, shown FROM held ORDER BY seq", |row| {
        let (owner, other) = pair(row)?;
        each(PeopleChange::Held { owner, other, shown: row.get(2)? });
        Ok(())
    })
}

const HELD: &str = "SELECT seq, inbox, owner, other, at, payload FROM held";

/// What is shown to a user of those who wait for a word.
pub(super) fn held_for(
    connection: &Connection,
    owner: &UserId,
    limit: usize,
) -> Result<Vec<Held>, StoreError> {
    let sql = format!("{HELD} WHERE owner = ? AND shown ORDER BY seq LIMIT ?");
    held(connection, &sql, params![owner.to_string(), limit])
}

/// What has waited since before `before`, the oldest first.
pub(super) fn held_since(
    connection: &Connection,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<Held>, StoreError> {
    held(connection, &format!("{HELD} WHERE at < ? ORDER BY at LIMIT ?"), params![before.0, limit])
}

fn held(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Held>, StoreError> {
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let payload: String = row.get(5)?;
        found.push(Held {
            seq,
            inbox: row.get(1)?,
            owner: user(row, 2)?,
            other: user(row, 3)?,
            at: Timestamp(row.get(4)?),
            payload: serde_json::from_str(&payload).map_err(|_| StoreError::Corrupt(seq))?,
        });
    }
    Ok(found)
}

pub(super) fn rows(
    connection: &Connection,
    sql: &str,
    mut each: impl FnMut(&SqlRow<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

pub(super) fn user(row: &SqlRow<'_>, column: usize) -> Result<UserId, StoreError> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| StoreError::Corrupt(0))
}
