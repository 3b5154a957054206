//! What came through, and when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use memchr::memmem;
use tokio::sync::Notify;

/// How long is waited for the next message.
const PATIENCE: Duration = Duration::from_secs(30);

/// One message: which conversation, which number within it, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) conversation: usize,
    pub(crate) number: usize,
    pub(crate) at: Instant,
}

/// What a stub has heard since it was last cleared.
#[derive(Default)]
pub(crate) struct Arrivals {
    heard: Mutex<Vec<Arrival>>,
    more: Notify,
}

/// What is wrong with what came through.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Flaws {
    pub(crate) twice: usize,
    pub(crate) reordered: usize,
}

/// The text of a message: found again by [`Arrivals::note`], and of an everyday length.
pub(crate) fn text(conversation: usize, number: usize) -> String {
    format!(
        "bench:{conversation}:{number}: the quick brown fox jumps over the lazy dog, and back again"
    )
}

fn parse(bytes: &[u8]) -> Option<(usize, usize)> {
    let start = memmem::find(bytes, b"bench:")? + 6;
    let mut numbers = bytes[start..].split(|byte| *byte == b':');
    let mut number = || std::str::from_utf8(numbers.next()?).ok()?.parse().ok();
    Some((number()?, number()?))
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes each of the messages in `wires`.
    pub(crate) fn note<'a>(&self, wires: impl IntoIterator<Item = &'a [u8]>) {
        let at = Instant::now();
        let found = wires.into_iter().filter_map(parse);
        let mut heard = self.lock();
        heard.extend(found.map(|(conversation, number)| Arrival { conversation, number, at }));
        drop(heard);
        self.more.notify_one();
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Waits until `count` messages have come; fails when none comes any more.
    pub(crate) async fn wait(&self, count: usize) -> Result<Vec<Arrival>> {
        let mut before = 0;
        loop {
            let now = self.lock().len();
            if now >= count {
                return Ok(self.lock().clone());
            }
            let more = tokio::time::timeout(PATIENCE, self.more.notified()).await;
            if more.is_err() && now == before {
                bail!("{} of {count} messages never came", count - now);
            }
            before = now;
        }
    }
}

/// Looks for repeats, and for what overtook another of its conversation.
pub(crate) fn flaws(arrivals: &[Arrival]) -> Flaws {
    let mut next: HashMap<usize, usize> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    let mut flaws = Flaws::default();
    for arrival in arrivals {
        if !seen.insert((arrival.conversation, arrival.number)) {
            flaws.twice += 1;
            continue;
        }
        let expected = next.entry(arrival.conversation).or_default();
        if arrival.number == *expected {
            *expected += 1;
        } else {
            flaws.reordered += 1;
            *expected = (*expected).max(arrival.number + 1);
        }
    }
    flaws
}
