//! Commands that came together and wait together: what one row of the outbox holds.
//!
//! A row, its index entry and its erasure cost the same for one command as for a few.

use std::borrow::Cow;
use std::iter::Peekable;

use drawbridge_adapter::{NetworkId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Chunk, NewRow, Payload, Row, StoreError};

/// The most commands in one chunk. A divisor of the adapters' windows: a window that ends within a
/// chunk makes the rest of it be written again.
pub(super) const ITEMS: i64 = 16;

/// From this many bytes on a chunk takes no more.
const BYTES: usize = 64 * 1024;

/// A command as it is written down.
#[derive(Serialize, Deserialize)]
struct Item<'a> {
    seq: i64,
    inbox: i64,
    key: Cow<'a, str>,
    at: i64,
    payload: Cow<'a, Payload>,
}

/// A chunk, ready to be written.
pub(super) struct Written {
    pub(super) items: i64,
    pub(super) payload: String,
}

/// The next chunk of a lane: commands off `rows`, each with its inbox row, whose numbers begin at
/// `seq`.
pub(super) fn next<'a>(
    rows: &mut Peekable<impl Iterator<Item = &'a (i64, NewRow)>>,
    seq: i64,
) -> Result<Written, StoreError> {
    let mut payload = String::new();
    let mut items = 0;
    while items < ITEMS
        && payload.len() < BYTES
        && let Some((inbox, row)) = rows.next()
    {
        payload.push(if items == 0 { '[' } else { ',' });
        let (key, held) = (Cow::Borrowed(row.key.as_str()), Cow::Borrowed(&row.payload));
        let item = Item { seq: seq + items, inbox: *inbox, key, at: row.at.0, payload: held };
        payload += &serde_json::to_string(&item).map_err(|_| StoreError::Unwritable)?;
        items += 1;
    }
    payload.push(']');
    Ok(Written { items, payload })
}

/// The numbers of the commands of a chunk.
pub(super) fn numbers(chunk: i64, payload: &str) -> Result<Vec<i64>, StoreError> {
    Ok(read(chunk, payload)?.iter().map(|item| item.seq).collect())
}

/// What is left of a chunk if only the commands of these numbers stay.
pub(super) fn only(chunk: i64, payload: &str, stay: &[i64]) -> Result<Written, StoreError> {
    let mut items = read(chunk, payload)?;
    items.retain(|item| stay.contains(&item.seq));
    let payload = serde_json::to_string(&items).map_err(|_| StoreError::Unwritable)?;
    Ok(Written { items: count(&items), payload })
}

/// The same chunk, in which nothing is said any more of the message of this inbox row, which its
/// sender has taken back.
pub(super) fn after_taking_back(
    chunk: i64,
    payload: &str,
    taken: i64,
) -> Result<String, StoreError> {
    let mut items = read(chunk, payload)?;
    for item in &mut items {
        let payload = item.payload.clone().into_owned();
        if let Some(payload) = payload.after_taking_back(item.inbox, taken) {
            item.payload = Cow::Owned(payload);
        }
    }
    serde_json::to_string(&items).map_err(|_| StoreError::Unwritable)
}

/// The commands of a chunk.
pub(super) fn rows(
    seq: i64,
    network: &NetworkId,
    lane: &str,
    payload: &str,
) -> Result<Vec<Row>, StoreError> {
    let items = read(seq, payload)?;
    let chunk = Chunk { seq, items: count(&items) };
    let row = |item: Item<'static>| Row {
        seq: item.seq,
        chunk,
        inbox: item.inbox,
        network: network.clone(),
        lane: lane.to_owned(),
        key: item.key.into_owned(),
        at: Timestamp(item.at),
        payload: item.payload.into_owned(),
    };
    Ok(items.into_iter().map(row).collect())
}

fn count(items: &[Item<'_>]) -> i64 {
    items.iter().map(|_| 1).sum()
}

fn read(chunk: i64, payload: &str) -> Result<Vec<Item<'static>>, StoreError> {
    serde_json::from_str(payload).map_err(|_| StoreError::Corrupt(chunk))
}
