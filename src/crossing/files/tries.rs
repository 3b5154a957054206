//! What is remembered of a file between two tries: since when it fails, and the file itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Attached, Media};
use tokio::time::Instant;

/// For how long it is tried to fetch a file, and to deliver it, from the first failure on: what stands
/// behind it waits.
const GIVEN_UP: Duration = Duration::from_mins(15);

/// The most files of which is known since when they fail.
const FAILING: usize = 4096;

/// How many files are kept between two tries to deliver them, and for how long.
const KEPT: usize = 4;
const KEPT_FOR: Duration = Duration::from_mins(10);

/// The tries of all files, by their rows' keys.
#[derive(Default)]
pub(crate) struct Tries {
    failing: Mutex<HashMap<String, Instant>>,
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    key: String,
    since: Instant,
    file: (Media, Attached),
}

impl Tries {
    /// Whether a file that has failed now fails for too long.
    pub(super) fn is_given_up(&self, key: &str) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if failing.len() >= FAILING {
            failing.retain(|_, since| now.duration_since(*since) < GIVEN_UP * 2);
        }
        if failing.len() >= FAILING && !failing.contains_key(key) {
            return false;
        }
        let since = *failing.entry(key.to_owned()).or_insert(now);
        now.duration_since(since) > GIVEN_UP
    }

    /// A file does not fail any more, or has done so for good.
    pub(super) fn forget(&self, key: &str) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Keeps a file for the next try to deliver it.
    pub(super) fn keep(&self, key: &str, file: (Media, Attached)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept { key: key.to_owned(), since: Instant::now(), file });
    }

    /// The file that was kept, which is kept no longer.
    pub(super) fn kept(&self, key: &str) -> Option<(Media, Attached)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|kept| kept.key == key)?;
        kept.remove(at).map(|kept| kept.file)
    }

    /// Lets go what was kept for too long, or all of it.
    pub(in crate::crossing) fn let_go(&self, all: bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| !all && kept.since.elapsed() < KEPT_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_for_long_is_given_up() {
        let tries = Tries::default();
        assert!(!tries.is_given_up("a"));
        tokio::time::advance(GIVEN_UP).await;
        assert!(!tries.is_given_up("a") && !tries.is_given_up("b"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(tries.is_given_up("a") && !tries.is_given_up("b"));
        // What came after all begins anew.
        tries.forget("a");
        assert!(!tries.is_given_up("a"));
    }
}
