//! What is forgotten: events of long ago, and rows that nobody can read any more.

use drawbridge_adapter::{NetworkId, Timestamp, log};
use rusqlite::{OptionalExtension, params};

use super::Writing;
use crate::log::ROW_GIVEN_UP;
use crate::store::{StoreError, chunk};

/// How many events one call of `forget` takes away, so that no commit grows long.
const FORGET: usize = 1000;

/// By how many milliseconds the commands of the outbox may stand out of the order of time.
const AROUND: i64 = 60_000;

/// How many rows of the outbox one call of `forget` looks at, whether they can be read.
const LOOKED_AT: i64 = 100;

impl Writing {
    /// A damaged row is never delivered and never expires: it would be the oldest for ever.
    fn forget_unreadable(&mut self, before: Timestamp) -> Result<(), StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT seq, network, items, payload, accepted_at FROM outbox ORDER BY seq LIMIT ?",
        )?;
        let mut rows = select.query([LOOKED_AT])?;
        let mut gone = Vec::new();
        while let Some(row) = rows.next()?
            && row.get::<_, i64>(4)? < before.0
        {
            let (seq, payload) = (row.get(0)?, row.get_ref(3)?.as_str().unwrap_or_default());
            if chunk::numbers(seq, payload).is_err() {
                gone.push((seq, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
            }
        }
        drop(rows);
        drop(select);
        for (seq, network, items) in gone {
            self.connection.prepare_cached("DELETE FROM outbox WHERE seq = ?")?.execute([seq])?;
            if let Ok(network) = NetworkId::new(&network) {
                self.changes.grow(&network, -items);
            }
            log!(ROW_GIVEN_UP, seq);
        }
        Ok(())
    }

    /// Forgets a piece of what was accepted before `before` and waits no more. Tells how many events.
    pub(super) fn forget(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        self.forget_unreadable(before)?;
        // What waits is kept, and so is all that came after it.
        let oldest = |sql: &str| {
            let mut select = self.connection.prepare_cached(sql)?;
            select.query_row([], |row| row.get::<_, i64>(0)).optional().map_err(StoreError::from)
        };
        let queued = oldest("SELECT accepted_at FROM outbox ORDER BY seq LIMIT 1")?;
        let held = oldest("SELECT at FROM held ORDER BY at LIMIT 1")?;
        let oldest = queued.into_iter().chain(held).min();
        let before = oldest.map_or(before.0, |at| before.0.min(at.saturating_sub(AROUND)));
        self.connection
            .prepare_cached(
                "DELETE FROM ids WHERE inbox IN
                     (SELECT seq FROM inbox WHERE accepted_at < ? ORDER BY accepted_at LIMIT ?)",
            )?
            .execute(params![before, FORGET])?;
        self.connection
            .prepare_cached(
                "DELETE FROM reactions WHERE about IN
                     (SELECT seq FROM inbox WHERE accepted_at < ? ORDER BY accepted_at LIMIT ?)",
            )?
            .execute(params![before, FORGET])?;
        let forgotten = self
            .connection
            .prepare_cached(
                "DELETE FROM inbox WHERE seq IN
                     (SELECT seq FROM inbox WHERE accepted_at < ? ORDER BY accepted_at LIMIT ?)",
            )?
            .execute(params![before, FORGET])?;
        Ok(forgotten)
    }
}
