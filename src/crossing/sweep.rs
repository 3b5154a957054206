//! What time alone brings: a sender learns that a message waits, a message expires, ids are
//! forgotten, erased bodies leave the log of the database.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Timestamp, log};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Crossing;
use crate::clock;
use crate::log::QUEUE_UNSWEPT;
use crate::store::{Row, StoreError, Tiding};

/// How often is looked.
const EACH: Duration = Duration::from_secs(1);

/// How many rows one look takes on, so that none takes long.
const ROWS: usize = 256;

/// How many looks follow one another, while what is found belongs to networks that are up.
const PAGES: usize = 16;

/// How often the database's log is folded.
const FOLD: Duration = Duration::from_secs(30);

/// How often old ids are looked for.
const FORGET: Duration = Duration::from_mins(10);

/// How long after its delivery a message that comes back must still find its sender.
const COMES_BACK: Duration = Duration::from_hours(24);

/// Runs until no more deliveries are wanted.
pub(super) async fn run(crossing: Arc<Crossing>) {
    let mut ticks = interval(EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut folded, mut forgot) = (Instant::now(), Instant::now());
    let mut told_up_to = None;
    // There may be more to forget: a piece at each look, so that the rest does not wait for it.
    let mut more = false;
    loop {
        tokio::select! {
            () = crossing.stop_delivering.cancelled() => return,
            _ = ticks.tick() => {}
        }
        crossing.swept.send_replace(Instant::now());
        let mut swept = crossing.tell_pending(&mut told_up_to).await;
        swept = swept.and(crossing.expire_unreachable().await);
        swept = swept.and(crossing.end_mutes().await);
        crossing.show_presences();
        crossing.files.tries.let_go(false);
        if folded.elapsed() > FOLD {
            folded = Instant::now();
            swept = swept.and(crossing.store.fold().await);
        }
        if more || forgot.elapsed() > FORGET {
            forgot = Instant::now();
            swept = swept.and(crossing.end_requests(clock::now()).await);
            let forgotten = crossing.forget(clock::now()).await;
            more = forgotten.as_ref().is_ok_and(|count| *count > 0);
            swept = swept.and(forgotten.map(|_| ()));
        }
        if let Err(error) = swept
            && crossing.rarely.may(&QUEUE_UNSWEPT)
        {
            log!(QUEUE_UNSWEPT, error = &error as &dyn std::error::Error);
        }
    }
}

impl Crossing {
    /// Tells senders of messages that have waited too long to be called sent.
    async fn tell_pending(&self, told_up_to: &mut Option<i64>) -> Result<(), StoreError> {
        let mut after = match *told_up_to {
            Some(seq) => seq,
            None => self.store.told_up_to().await?,
        };
        loop {
            *told_up_to = Some(after);
            let now = clock::now();
            let before = earlier(now, self.limits().pending_after);
            let rows = self.store.oldest(after, before, ROWS).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { return Ok(()) };
            let tidings = rows.iter().filter_map(|row| {
                let back = row.payload.back()?;
                let source = self.networks.get(&back.network)?;
                let tiding = || Tiding {
                    seq: row.seq,
                    chunk: row.chunk,
                    inbox: row.inbox,
                    row: self.status_row(&back.network, back.status, now),
                };
                source.descriptor.status.pending.then(tiding)
            });
            self.store.tell(last, tidings.collect()).await?;
            after = last;
        }
    }

    /// Fails what has waited too long for a network that nobody delivers to now. Where a worker is
    /// on a conversation it does this itself: only it knows what is under way.
    async fn expire_unreachable(&self) -> Result<(), StoreError> {
        let limit = earlier(clock::now(), self.limits().expire_after);
        let mut after = 0;
        for _ in 0..PAGES {
            let mut rows = self.store.oldest(after, limit, ROWS).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.seq;
            rows.retain(|row: &Row| {
                let network = self.networks.get(&row.network);
                network
                    .is_none_or(|network| !network.is_up() && !network.lanes.is_running(&row.lane))
            });
            self.expire(&rows).await?;
        }
        Ok(())
    }

    /// Forgets a piece of the ids of what was accepted long before `now`. Tells how many.
    pub(super) async fn forget(&self, now: Timestamp) -> Result<usize, StoreError> {
        let limits = self.limits();
        let keep = limits.keep_ids.max(limits.expire_after.saturating_add(COMES_BACK));
        self.store.forget(earlier(now, keep)).await
    }
}

pub(super) fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
