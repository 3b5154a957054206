//! How a command ends: it leaves the outbox, its fate is written down, and later it may come back.

use drawbridge_adapter::{EventId, NetworkId, State, Status, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::{Tell, Writing};
use crate::store::{Back, Fate, Settlement, StoreError, chunk, place, reference, schema};

impl Writing {
    pub(super) fn settle_all(&mut self, settlements: Vec<Settlement>) -> Result<usize, StoreError> {
        let told_up_to = schema::told_up_to(&self.connection)?;
        let mut gone = Vec::with_capacity(settlements.len());
        for together in settlements.chunk_by(|one, next| one.chunk == next.chunk) {
            self.erase(together, &mut gone)?;
        }
        let mut settled = 0;
        for (settlement, gone) in settlements.into_iter().zip(gone) {
            if gone {
                self.changes.grow(&settlement.network, -1);
                self.settle(settlement, told_up_to)?;
                settled += 1;
            }
        }
        Ok(settled)
    }

    /// Takes commands of one chunk out of the outbox, and tells of each whether it still waited.
    fn erase(&self, settlements: &[Settlement], gone: &mut Vec<bool>) -> Result<(), StoreError> {
        let Some(chunk) = settlements.first().map(|first| first.chunk) else { return Ok(()) };
        // Commands only ever leave a chunk. If all that were read from it are settled, and as many
        // are still there, these are they.
        let all = usize::try_from(chunk.items).is_ok_and(|items| items == settlements.len());
        if all && settlements.is_sorted_by(|one, next| one.seq < next.seq) {
            let mut delete =
                self.connection.prepare_cached("DELETE FROM outbox WHERE seq = ? AND items = ?")?;
            if delete.execute(params![chunk.seq, chunk.items])? > 0 {
                gone.extend(settlements.iter().map(|_| true));
                return Ok(());
            }
        }
        let chunk = chunk.seq;
        let payload = self.payload(chunk)?;
        let mut waiting = match &payload {
            Some(payload) => chunk::numbers(chunk, payload)?,
            None => Vec::new(),
        };
        let before = waiting.len();
        for settlement in settlements {
            let place = waiting.iter().position(|seq| *seq == settlement.seq);
            gone.push(place.is_some());
            place.map(|place| waiting.swap_remove(place));
        }
        let Some(payload) = payload.filter(|_| waiting.len() < before) else { return Ok(()) };
        if waiting.is_empty() {
            self.connection.prepare_cached("DELETE FROM outbox WHERE seq = ?")?.execute([chunk])?;
        } else {
            let left = chunk::only(chunk, &payload, &waiting)?;
            self.connection
                .prepare_cached("UPDATE outbox SET items = ?, payload = ? WHERE seq = ?")?
                .execute(params![left.items, left.payload, chunk])?;
        }
        Ok(())
    }

    /// Records the fate of a command that has left the outbox.
    fn settle(&mut self, settlement: Settlement, told_up_to: i64) -> Result<(), StoreError> {
        let Settlement { seq, inbox, network, fate, tell, only_after_pending, undo, met, .. } =
            settlement;
        for change in undo.into_iter().chain(met) {
            self.change_people(&[change], Timestamp(0))?;
        }
        match fate {
            Fate::Told => {}
            Fate::Delivered { id, reacted } => {
                if let Some((id, back)) = id {
                    self.delivered_as(inbox, &network, &id, back)?;
                }
                if let Some(reacted) = reacted {
                    reference::reacted(&self.connection, &reacted)?;
                }
            }
            Fate::Swallowed => {
                self.connection
                    .prepare_cached("UPDATE inbox SET pair = -pair WHERE seq = ? AND pair > 0")?
                    .execute([inbox])?;
                reference::unreact(&self.connection, inbox)?;
            }
            Fate::Failed(refusal) => {
                self.fail(inbox, &refusal.code.to_string())?;
                reference::unreact(&self.connection, inbox)?;
            }
        }
        if let Some(row) = tell
            && (!only_after_pending || seq <= told_up_to)
        {
            self.enqueue(inbox, row);
        }
        Ok(())
    }

    /// Keeps what a network calls a message, and the way back to its sender.
    fn delivered_as(
        &self,
        inbox: i64,
        network: &NetworkId,
        id: &EventId,
        back: Option<Back>,
    ) -> Result<(), StoreError> {
        let place = back.is_some().then(|| place::of_delivered(id));
        let write = |Back { status, .. }: Back| {
            let Status { sender, recipient, kind, reply_path, .. } = status;
            serde_json::to_string(&(sender, recipient, kind, reply_path))
        };
        let back = back.map(write).transpose().map_err(|_| StoreError::Unwritable)?;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO ids VALUES (?, ?, ?, ?, ?)")?
            .execute(params![inbox, place, network.as_str(), id.as_str(), back])?;
        Ok(())
    }

    pub(super) fn fail(&self, inbox: i64, how: &str) -> Result<(), StoreError> {
        let mut update =
            self.connection.prepare_cached("UPDATE inbox SET failed = ? WHERE seq = ?")?;
        update.execute(params![how, inbox])?;
        Ok(())
    }

    pub(super) fn bounce(
        &mut self,
        network: &NetworkId,
        id: &EventId,
        tell: Tell,
    ) -> Result<bool, StoreError> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT seq, back, inbox.network, inbox.event FROM ids JOIN inbox ON seq = inbox
                 WHERE ids.place = ? AND ids.event = ? AND ids.network = ?
                 ORDER BY seq DESC LIMIT 1",
            )?
            .query_row(params![place::of_delivered(id), id.as_str(), network.as_str()], |row| {
                let source = (row.get::<_, String>(2)?, row.get::<_, String>(3)?);
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, source))
            })
            .optional()?;
        let Some((inbox, Some(back), source)) = found else { return Ok(false) };
        let back = read_back(&back, &source).ok_or(StoreError::Corrupt(inbox))?;
        let Some(row) = tell(back) else { return Ok(false) };
        self.connection
            .prepare_cached("UPDATE ids SET back = NULL WHERE inbox = ?")?
            .execute([inbox])?;
        self.fail(inbox, "came back")?;
        reference::unreact(&self.connection, inbox)?;
        self.enqueue(inbox, row);
        Ok(true)
    }
}

/// The way back to the sender of an event, from what was written down of it.
fn read_back(back: &str, (network, event): &(String, String)) -> Option<Back> {
    let (sender, recipient, kind, reply_path) = serde_json::from_str(back).ok()?;
    let (network, event) = (NetworkId::new(network).ok()?, EventId::new(event.as_str()).ok()?);
    let state = State::Accepted;
    let status = Status { event, sender, recipient, kind, reply_path, state };
    Some(Back { network, status, waited: false })
}
