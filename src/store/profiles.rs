//! How people call themselves and look, and as what they were shown to those to whom they have written.

use std::sync::Arc;

use drawbridge_adapter::{NetworkId, Picture, Sha256, Timestamp, UserId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::people::{rows, user};
use super::{PeopleChange, StoreError};

/// What a user's profile holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Portrait {
    pub(crate) name: Option<String>,
    /// Where the picture is to be had.
    pub(crate) source: Option<String>,
    /// The picture, if it is here.
    pub(crate) picture: Option<Sha256>,
}

/// That it is to be looked whether somebody is to be shown something new of another.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) owner: UserId,
    pub(crate) other: UserId,
    /// The word that there may be.
    pub(crate) rev: i64,
    /// As what the other was last shown.
    pub(crate) name: Option<String>,
    pub(crate) picture: Option<Sha256>,
    /// Whether the owner was told of that.
    pub(crate) told: bool,
    /// As what the other is now.
    pub(crate) now: Portrait,
}

/// What is due, and when the next will be, if nothing is now.
#[derive(Debug)]
pub(crate) struct Dues {
    pub(crate) dues: Vec<Due>,
    pub(crate) next: Option<Timestamp>,
}

pub(super) fn write(connection: &Connection, change: &PeopleChange) -> Result<(), StoreError> {
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql)?.execute(parameters).map_err(StoreError::from)
    };
    match change {
        PeopleChange::Name { user, name, guessed, at } => {
            let changed = run(
                "INSERT INTO profiles (user, name) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET name = excluded.name WHERE name IS NULL OR NOT ?3",
                params![user.to_string(), name.as_deref().unwrap_or_default(), guessed],
            )?;
            if changed > 0 {
                look_at(connection, user, *at)?;
            }
        }
        PeopleChange::Picture { user, source, picture, at } => {
            let before = portrait(connection, user)?.picture;
            let hash = picture.as_ref().map(|picture| picture.sha256.0);
            if let Some(picture) = picture {
                keep(connection, picture)?;
            }
            run(
                "INSERT INTO profiles (user, source, picture) VALUES (?, ?, ?)
                 ON CONFLICT DO UPDATE SET source = excluded.source, picture = excluded.picture",
                params![user.to_string(), source, hash],
            )?;
            drop_unused(connection, before)?;
            look_at(connection, user, *at)?;
        }
        PeopleChange::Fetched { user, source, picture, at } => {
            keep(connection, picture)?;
            let hash = picture.sha256;
            // Of what came meanwhile it is not the picture.
            let changed = run(
                "UPDATE profiles SET picture = ? WHERE user = ? AND source = ?",
                params![hash.0, user.to_string(), source],
            )?;
            if changed > 0 {
                look_at(connection, user, *at)?;
            }
            drop_unused(connection, Some(hash))?;
        }
        PeopleChange::Met { owner, other, name, at } => {
            let network = owner.network().as_str();
            run(
                "INSERT OR IGNORE INTO acquaintances (owner, other, network, name, told, due)
                 VALUES (?, ?, ?, ?, 0, ?)",
                params![owner.to_string(), other.to_string(), network, name, at.0],
            )?;
        }
        PeopleChange::Reachable { network, at } => {
            run(
                "UPDATE acquaintances SET due = ?, rev = rev + 1
                 WHERE network = ? AND NOT told AND due IS NULL",
                params![at.0, network.as_str()],
            )?;
        }
        PeopleChange::Gone { user } => {
            let picture = portrait(connection, user)?.picture;
            run(
                "DELETE FROM profiles WHERE user = ?1
                 AND NOT EXISTS (SELECT 1 FROM acquaintances WHERE other = ?1)",
                params![user.to_string()],
            )?;
            drop_unused(connection, picture)?;
        }
        PeopleChange::Shown { owner, other, name, picture } => {
            let pair = (owner.to_string(), other.to_string());
            let before = connection
                .prepare_cached("SELECT picture FROM acquaintances WHERE owner = ? AND other = ?")?
                .query_row(params![pair.0, pair.1], |row| hash(row, 0))
                .optional()?
                .flatten();
            run(
                "UPDATE acquaintances SET name = ?3, picture = ?4, told = 0
                 WHERE owner = ?1 AND other = ?2",
                params![pair.0, pair.1, name, picture.map(|hash| hash.0)],
            )?;
            drop_unused(connection, before)?;
        }
        PeopleChange::Looked { owner, other, told, again, rev } => {
            let (owner, other) = (owner.to_string(), other.to_string());
            run(
                "UPDATE acquaintances
                 SET told = ?3, due = CASE WHEN rev = ?5 THEN ?4 ELSE due END
                 WHERE owner = ?1 AND other = ?2",
                params![owner, other, told, again.map(|at| at.0), rev],
            )?;
        }
        _ => {}
    }
    Ok(())
}

fn keep(connection: &Connection, picture: &Picture) -> Result<(), StoreError> {
    let Picture { mime, sha256, bytes } = picture;
    connection
        .prepare_cached("INSERT OR IGNORE INTO pictures VALUES (?, ?, ?)")?
        .execute(params![sha256.0, mime, bytes])?;
    Ok(())
}

const LOOK: &str = "UPDATE acquaintances SET due = ?1, rev = rev + 1";

/// Those to whom a user has written are to be shown what is new of the user.
fn look_at(connection: &Connection, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
    let mut update = connection.prepare_cached(&format!("{LOOK} WHERE other = ?2"))?;
    update.execute(params![at.0, user.to_string()])?;
    Ok(())
}

/// What a user is shown may have changed, and what others are shown of the user.
pub(super) fn look_around(
    connection: &Connection,
    user: &UserId,
    at: Timestamp,
) -> Result<(), StoreError> {
    look_at(connection, user, at)?;
    let mut update = connection.prepare_cached(&format!("{LOOK} WHERE owner = ?2"))?;
    update.execute(params![at.0, user.to_string()])?;
    Ok(())
}

/// What two are shown of each other may have changed.
pub(super) fn look_between(
    connection: &Connection,
    (one, two): (&UserId, &UserId),
    at: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!("{LOOK} WHERE owner = ?2 AND other = ?3");
    let mut update = connection.prepare_cached(&sql)?;
    let (one, two) = (one.to_string(), two.to_string());
    update.execute(params![at.0, one, two])?;
    update.execute(params![at.0, two, one])?;
    Ok(())
}

/// Forgets how a user is called and looks, and all that they and others were shown.
pub(super) fn erase(connection: &Connection, user: &UserId) -> Result<(), StoreError> {
    let user = user.to_string();
    let mut select = connection.prepare_cached(
        "SELECT picture FROM profiles WHERE user = ?1 AND picture IS NOT NULL UNION
         SELECT picture FROM acquaintances WHERE owner = ?1 AND picture IS NOT NULL UNION
         SELECT picture FROM acquaintances WHERE other = ?1 AND picture IS NOT NULL",
    )?;
    let pictures = select.query_map([&user], |row| hash(row, 0))?;
    let pictures: Vec<Option<Sha256>> = pictures.collect::<Result<_, _>>()?;
    for sql in [
        "DELETE FROM profiles WHERE user = ?",
        "DELETE FROM acquaintances WHERE owner = ?",
        "DELETE FROM acquaintances WHERE other = ?",
    ] {
        connection.prepare_cached(sql)?.execute([&user])?;
    }
    pictures.into_iter().try_for_each(|picture| drop_unused(connection, picture))
}

/// Forgets a picture that nobody has, or was shown, any more.
fn drop_unused(connection: &Connection, picture: Option<Sha256>) -> Result<(), StoreError> {
    let Some(Sha256(hash)) = picture else { return Ok(()) };
    connection
        .prepare_cached(
            "DELETE FROM pictures WHERE sha256 = ?1
             AND NOT EXISTS (SELECT 1 FROM profiles WHERE picture = ?1)
             AND NOT EXISTS (SELECT 1 FROM acquaintances WHERE picture = ?1)",
        )?
        .execute([hash])?;
    Ok(())
}

/// All names, and all that was shown, as changes.
pub(super) fn read(
    connection: &Connection,
    each: &mut impl FnMut(PeopleChange),
) -> Result<(), StoreError> {
    let at = Timestamp(0);
    rows(connection, "SELECT user, name FROM profiles WHERE name IS NOT NULL", |row| {
        let (user, name, guessed) = (user(row, 0)?, called(row, 1)?, false);
        each(PeopleChange::Name { user, name, guessed, at });
        Ok(())
    })?;
    rows(connection, "SELECT owner, other, name FROM acquaintances", |row| {
        let (owner, other, name) = (user(row, 0)?, user(row, 1)?, row.get(2)?);
        each(PeopleChange::Met { owner, other, name, at });
        Ok(())
    })
}

/// How a user is called and looks.
pub(super) fn portrait(connection: &Connection, user: &UserId) -> Result<Portrait, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT name, source, picture FROM profiles WHERE user = ?")?;
    let found = select.query_row([user.to_string()], |row| {
        Ok(Portrait { name: called(row, 0)?, source: row.get(1)?, picture: hash(row, 2)? })
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// As what one was last shown to another: the name, and the picture.
pub(super) fn shown(
    connection: &Connection,
    owner: &UserId,
    other: &UserId,
) -> Result<(Option<String>, Option<Arc<Picture>>), StoreError> {
    let mut select = connection
        .prepare_cached("SELECT name, picture FROM acquaintances WHERE owner = ? AND other = ?")?;
    let found = select
        .query_row([owner.to_string(), other.to_string()], |row| Ok((row.get(0)?, hash(row, 1)?)))
        .optional()?;
    let Some((name, hash)) = found else { return Ok((None, None)) };
    let picture = hash.map(|hash| picture(connection, hash)).transpose()?;
    Ok((name, picture.flatten()))
}

/// A picture.
pub(super) fn picture(
    connection: &Connection,
    sha256: Sha256,
) -> Result<Option<Arc<Picture>>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT mime, bytes FROM pictures WHERE sha256 = ?")?;
    let found = select.query_row([sha256.0], |row| {
        Ok(Arc::new(Picture { mime: row.get(0)?, sha256, bytes: row.get(1)? }))
    });
    Ok(found.optional()?)
}

/// What is to be looked at for users of a network, the oldest first.
pub(super) fn due(
    connection: &Connection,
    network: &NetworkId,
    now: Timestamp,
    limit: usize,
) -> Result<Dues, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT owner, other, rev, acquaintances.name, acquaintances.picture,
             profiles.name, source, profiles.picture, told
         FROM acquaintances LEFT JOIN profiles ON user = other
         WHERE network = ? AND due <= ? ORDER BY due LIMIT ?",
    )?;
    let mut rows = select.query(params![network.as_str(), now.0, limit])?;
    let mut dues = Vec::new();
    while let Some(row) = rows.next()? {
        dues.push(Due {
            owner: user(row, 0)?,
            other: user(row, 1)?,
            rev: row.get(2)?,
            name: row.get(3)?,
            picture: hash(row, 4)?,
            told: row.get(8)?,
            now: Portrait { name: called(row, 5)?, source: row.get(6)?, picture: hash(row, 7)? },
        });
    }
    let mut first = connection
        .prepare_cached("SELECT MIN(due) FROM acquaintances WHERE network = ? AND due > ?")?;
    let next: Option<i64> = first.query_row(params![network.as_str(), now.0], |row| row.get(0))?;
    Ok(Dues { dues, next: next.map(Timestamp) })
}

/// A name, unless it is one that was told to be none.
fn called(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let name: Option<String> = row.get(column)?;
    Ok(name.filter(|name| !name.is_empty()))
}

fn hash(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<Sha256>> {
    let Some(hash) = row.get::<_, Option<Vec<u8>>>(column)? else { return Ok(None) };
    let wrong = |_| rusqlite::Error::InvalidColumnType(column, "hash".to_owned(), Type::Blob);
    hash.try_into().map(|hash| Some(Sha256(hash))).map_err(wrong)
}
