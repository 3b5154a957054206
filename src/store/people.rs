//! What is remembered of people.

use drawbridge_adapter::{Timestamp, UserId};
use rusqlite::{Connection, params};

use super::StoreError;

/// That one account blocked another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) owner: UserId,
    pub(crate) blocked: UserId,
    pub(crate) at: Timestamp,
}

/// A change of what is remembered of people.
#[derive(Debug, Clone)]
pub(crate) enum PeopleChange {
    Block(Block),
    Unblock { owner: UserId, blocked: UserId },
}

/// Makes changes.
pub(super) fn write(connection: &Connection, changes: &[PeopleChange]) -> Result<(), StoreError> {
    for change in changes {
        match change {
            PeopleChange::Block(Block { owner, blocked, at }) => connection
                .prepare_cached("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)")?
                .execute(params![owner.to_string(), blocked.to_string(), at.0])?,
            PeopleChange::Unblock { owner, blocked } => connection
                .prepare_cached("DELETE FROM blocks WHERE owner = ? AND blocked = ?")?
                .execute(params![owner.to_string(), blocked.to_string()])?,
        };
    }
    Ok(())
}

/// All blocks, each handed to `each`. Called once, before anything else.
pub(super) fn read_blocks(
    connection: &Connection,
    mut each: impl FnMut(Block),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT owner, blocked, at FROM blocks")?;
    let mut rows = statement.query([])?;
    let mut number = 0;
    while let Some(row) = rows.next()? {
        number += 1;
        let user = |column| -> Result<UserId, StoreError> {
            let text: String = row.get(column)?;
            text.parse().map_err(|_| StoreError::Corrupt(number))
        };
        each(Block { owner: user(0)?, blocked: user(1)?, at: Timestamp(row.get(2)?) });
    }
    Ok(())
}
