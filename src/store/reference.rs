//! What later events refer to: which message is meant, what the other network calls it, and who has
//! reacted to it.

use drawbridge_adapter::{Emojis, EventId, NetworkId, Tag, Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::{NewRow, Payload, Retracted, StoreError, place};

/// An event of before, to which another may refer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its inbox row.
    pub(crate) inbox: i64,
    pub(crate) network: NetworkId,
    pub(crate) event: EventId,
    /// When it was accepted.
    pub(crate) at: Timestamp,
    /// What stands for sender and recipient; below zero if that one is not to see it.
    pub(crate) pair: i64,
    /// Whether it was refused, or failed later.
    pub(crate) failed: bool,
}

/// By what an event of before is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Sought {
    pub(crate) network: NetworkId,
    /// Its name: see [`drawbridge_adapter::Repeats::name_of`].
    pub(crate) name: String,
    /// What stands for the name.
    pub(crate) tag: Tag,
    /// When it was sent, if that is known.
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) now: Timestamp,
}

/// An event of before, as the network shows it that it was delivered to.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) found: Found,
    /// What that network calls it, if that is not the key under which it was delivered.
    pub(crate) id: Option<EventId>,
    /// The reactions that were asked for, each with its id there.
    pub(crate) gone: Vec<(String, Option<EventId>)>,
}

/// Somebody's reactions to a message change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reacting {
    /// To which message, an inbox row.
    pub(crate) about: i64,
    /// Whose.
    pub(crate) by: UserId,
    pub(crate) new: Vec<String>,
    pub(crate) gone: Vec<String>,
}

/// What a network has made of somebody's reactions to a message.
#[derive(Debug, Clone)]
pub(crate) struct Reacted {
    /// To which message, an inbox row.
    pub(crate) about: i64,
    /// Whose.
    pub(crate) by: UserId,
    /// Those that are new, each with its id there.
    pub(crate) shown: Vec<(String, EventId)>,
    /// Those that are gone, each with the id that it had there.
    pub(crate) gone: Vec<(String, Option<EventId>)>,
}

const FOUND: &str = "SELECT seq, network, event, accepted_at, pair,
    answer IS NOT NULL OR failed IS NOT NULL FROM inbox";

fn found(row: &SqlRow<'_>) -> Result<Option<Found>, StoreError> {
    let (network, event) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
    let (Ok(network), Ok(event)) = (NetworkId::new(&network), EventId::new(event)) else {
        return Ok(None);
    };
    Ok(Some(Found {
        inbox: row.get(0)?,
        network,
        event,
        at: Timestamp(row.get(3)?),
        pair: row.get(4)?,
        failed: row.get(5)?,
    }))
}

/// The last event of this name.
pub(super) fn named(connection: &Connection, sought: &Sought) -> Result<Option<Found>, StoreError> {
    let sql = format!(
        "{FOUND} WHERE place = ?1 AND network = ?2
             AND (event = ?3 OR substr(event, 1, length(?3) + 1) = ?3 || '/')
         ORDER BY seq DESC LIMIT 1"
    );
    let mut select = connection.prepare_cached(&sql)?;
    for place in place::of_name(sought.tag, sought.sent_at, sought.now) {
        let mut rows = select.query(params![place, sought.network.as_str(), sought.name])?;
        if let Some(row) = rows.next()? {
            return found(row);
        }
    }
    Ok(None)
}

/// The events that were accepted when this key was made.
pub(super) fn beside(connection: &Connection, key: &str) -> Result<Vec<Found>, StoreError> {
    let Some(at) = place::moment_of_key(key) else { return Ok(Vec::new()) };
    let mut select = connection.prepare_cached(&format!("{FOUND} WHERE accepted_at = ?"))?;
    let mut rows = select.query([at.0])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.extend(found(row)?);
    }
    Ok(all)
}

/// The event of this inbox row.
pub(super) fn of(connection: &Connection, inbox: i64) -> Result<Option<Found>, StoreError> {
    let mut select = connection.prepare_cached(&format!("{FOUND} WHERE seq = ?"))?;
    let mut rows = select.query([inbox])?;
    rows.next()?.map_or(Ok(None), found)
}

/// What the network that it was delivered to calls the message of this inbox row, if that is not the
/// key under which it was.
pub(super) fn shown_as(connection: &Connection, inbox: i64) -> Result<Option<EventId>, StoreError> {
    let mut select = connection.prepare_cached("SELECT event FROM ids WHERE inbox = ?")?;
    let event = select.query_row([inbox], |row| row.get::<_, String>(0)).optional()?;
    Ok(event.and_then(|event| EventId::new(event).ok()))
}

/// How somebody has reacted to a message so far.
pub(super) fn reactions(
    connection: &Connection,
    about: i64,
    by: &UserId,
) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT emoji FROM reactions WHERE about = ? AND user = ? AND NOT gone ORDER BY put, emoji",
    )?;
    let rows = select.query_map(params![about, by.to_string()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// To which message, and with what, the event of this inbox row reacted, if it is one of `by`'s.
pub(super) fn reaction_of(
    connection: &Connection,
    put: i64,
    by: &UserId,
) -> Result<Option<(i64, String)>, StoreError> {
    let sql = "SELECT about, emoji FROM reactions WHERE put = ? AND user = ? AND NOT gone";
    let mut select = connection.prepare_cached(sql)?;
    let found = select
        .query_row(params![put, by.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found)
}

/// What the other network calls reactions of somebody's to a message.
pub(super) fn reactions_shown(
    connection: &Connection,
    about: i64,
    by: &UserId,
    emojis: &[String],
) -> Result<Vec<(String, Option<EventId>)>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT shown FROM reactions WHERE about = ? AND user = ? AND emoji = ?")?;
    let mut all = Vec::with_capacity(emojis.len());
    for emoji in emojis {
        let shown = select
            .query_row(params![about, by.to_string(), emoji], |row| row.get::<_, Option<String>>(0))
            .optional()?;
        let shown = shown.flatten().and_then(|shown| EventId::new(shown).ok());
        all.push((emoji.clone(), shown));
    }
    Ok(all)
}

/// Writes how somebody reacts from now on, by the event of the inbox row `put`.
pub(super) fn react(
    connection: &Connection,
    put: i64,
    reacting: &Reacting,
) -> Result<(), StoreError> {
    let Reacting { about, by, new, gone } = reacting;
    let by = by.to_string();
    let mut insert = connection.prepare_cached(
        "INSERT INTO reactions (about, user, emoji, put) VALUES (?, ?, ?, ?)
         ON CONFLICT (about, user, emoji) DO UPDATE SET put = excluded.put, gone = 0",
    )?;
    for emoji in new {
        insert.execute(params![about, by, emoji, put])?;
    }
    let mut update = connection.prepare_cached(
        "UPDATE reactions SET gone = 1 WHERE about = ? AND user = ? AND emoji = ?",
    )?;
    for emoji in gone {
        update.execute(params![about, by, emoji])?;
    }
    Ok(())
}

/// Writes what a network has made of reactions.
pub(super) fn reacted(connection: &Connection, reacted: &Reacted) -> Result<(), StoreError> {
    let Reacted { about, by, shown, gone } = reacted;
    let by = by.to_string();
    let mut forget = connection.prepare_cached(
        "DELETE FROM reactions WHERE about = ? AND user = ? AND emoji = ? AND gone",
    )?;
    let mut anew = connection.prepare_cached(
        "UPDATE reactions SET shown = NULL
         WHERE about = ? AND user = ? AND emoji = ? AND shown = ?",
    )?;
    for (emoji, id) in gone {
        forget.execute(params![about, by, emoji])?;
        // It has come again since.
        if let Some(id) = id {
            anew.execute(params![about, by, emoji, id.as_str()])?;
        }
    }
    let mut update = connection.prepare_cached(
        "UPDATE reactions SET shown = ? WHERE about = ? AND user = ? AND emoji = ?",
    )?;
    for (emoji, id) in shown {
        update.execute(params![id.as_str(), about, by, emoji])?;
    }
    Ok(())
}

/// Forgets the reactions that an event has brought which did not cross.
pub(super) fn unreact(connection: &Connection, put: i64) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM reactions WHERE put = ?")?.execute([put])?;
    Ok(())
}

/// By how many milliseconds the commands of the outbox may stand out of the order of time.
const AROUND: i64 = 60_000;

/// Takes what a message that is taken back, its edits and quotes of it say out of all that waits: of
/// the lane of `row`, and of what waits for a word of its recipient.
pub(super) fn hollow(
    connection: &Connection,
    taken: &Retracted,
    row: &NewRow,
) -> Result<(), StoreError> {
    let Retracted { inbox, by, to, at } = taken;
    let marks = [format!("\"inbox\":{inbox},"), format!("\"about\":{inbox}")];
    let mut select = connection.prepare_cached(
        "SELECT seq, payload FROM outbox
         WHERE network = ? AND lane = ? AND accepted_at > ?
             AND (instr(payload, ?) OR instr(payload, ?))",
    )?;
    let lane = params![row.network.as_str(), row.lane, at.0 - AROUND, marks[0], marks[1]];
    let chunks =
        select.query_map(lane, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    for (seq, payload) in chunks.collect::<Result<Vec<_>, _>>()? {
        let hollow = super::chunk::after_taking_back(seq, &payload, *inbox)?;
        connection
            .prepare_cached("UPDATE outbox SET payload = ? WHERE seq = ?")?
            .execute(params![hollow, seq])?;
    }
    let mut select = connection
        .prepare_cached("SELECT seq, inbox, payload FROM held WHERE owner = ? AND other = ?")?;
    let held = select.query_map(params![to.to_string(), by.to_string()], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    })?;
    for (seq, of, payload) in held.collect::<Result<Vec<_>, _>>()? {
        let payload: Payload =
            serde_json::from_str(&payload).map_err(|_| StoreError::Corrupt(seq))?;
        let Some(hollow) = payload.after_taking_back(of, *inbox) else { continue };
        let hollow = serde_json::to_string(&hollow).map_err(|_| StoreError::Unwritable)?;
        connection
            .prepare_cached("UPDATE held SET payload = ? WHERE seq = ?")?
            .execute(params![hollow, seq])?;
    }
    Ok(())
}

impl Reacting {
    /// What changes if somebody whose reactions were `before` does this, and all that there are
    /// then.
    pub(crate) fn from(
        about: i64,
        by: &UserId,
        before: &[String],
        emojis: &Emojis,
    ) -> (Self, Vec<String>) {
        let mut all: Vec<String> = match emojis {
            Emojis::One(_) => before.to_vec(),
            Emojis::All(_) | Emojis::Now { .. } => Vec::new(),
        };
        for emoji in emojis.shown() {
            if !all.contains(emoji) {
                all.push(emoji.clone());
            }
        }
        (Self::to(about, by, before, &all), all)
    }

    /// What changes if somebody's reactions were `before`, and are `all` from now on.
    pub(crate) fn to(about: i64, by: &UserId, before: &[String], all: &[String]) -> Self {
        let without = |some: &[String], others: &[String]| {
            some.iter().filter(|one| !others.contains(one)).cloned().collect::<Vec<_>>()
        };
        let (new, gone) = (without(all, before), without(before, all));
        Self { about, by: by.clone(), new, gone }
    }
}
