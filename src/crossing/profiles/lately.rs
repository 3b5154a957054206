//! What was lately shown of people, or could not be had: in memory, and bounded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Sha256, UserId};
use tokio::time::Instant;

use super::FETCHED;

/// After how long a picture that could not be fetched is tried again, at most.
pub(super) const LATEST: Duration = Duration::from_mins(30);

/// How long a change is kept back that follows another one of the same user.
pub(super) const BETWEEN: Duration = Duration::from_secs(2);

/// Of how many it is known what was lately.
const MANY: usize = 4096;

/// What was lately, of users and pairs.
#[derive(Default)]
pub(in crate::crossing) struct Lately(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Pictures that could not be fetched, or are being fetched.
    tried: HashMap<UserId, Tried>,
    /// When the last change of a user is shown.
    changed: HashMap<UserId, Instant>,
    /// Under which key something was to be shown that was perhaps not taken.
    keys: HashMap<(UserId, UserId), (Told, String)>,
}

/// What one was told of another.
pub(super) type Told = (Option<String>, Option<Sha256>);

struct Tried {
    source: String,
    times: u32,
    /// When it may be tried again.
    from: Instant,
    /// Whether it is none.
    is_none: bool,
}

/// Why a picture is not there.
pub(super) enum Unfetched {
    /// It cannot be had now, but perhaps after this time.
    Later(Duration),
    /// It is none, or cannot be shown.
    Never,
}

impl Lately {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the picture may be fetched now.
    pub(super) fn begin(&self, user: &UserId, source: &str) -> Result<(), Unfetched> {
        let now = Instant::now();
        let all = &mut self.lock().tried;
        if all.len() >= MANY && !all.contains_key(user) {
            all.retain(|_, tried| tried.from > now);
            if all.len() >= MANY {
                return Err(Unfetched::Later(FETCHED));
            }
        }
        let source = source.to_owned();
        let new = || Tried { source: source.clone(), times: 0, from: now, is_none: false };
        let tried = all.entry(user.clone()).or_insert_with(new);
        if tried.source != source {
            // Another one may be had at once, but who has many is not asked more often for that.
            (tried.source, tried.is_none) = (source, false);
            tried.from = tried.from.min(now + BETWEEN);
        }
        if tried.from > now {
            let wait = tried.from - now;
            return Err(if tried.is_none { Unfetched::Never } else { Unfetched::Later(wait) });
        }
        tried.from = now + FETCHED + BETWEEN;
        Ok(())
    }

    /// It could not be fetched.
    pub(super) fn failed(&self, user: &UserId, is_none: bool) -> Unfetched {
        let all = &mut self.lock().tried;
        let Some(tried) = all.get_mut(user) else { return Unfetched::Later(LATEST) };
        let wait = Duration::from_secs(2).saturating_mul(1 << tried.times.min(10));
        let wait = if is_none { LATEST } else { wait.min(LATEST) };
        tried.times += 1;
        (tried.from, tried.is_none) = (Instant::now() + wait, is_none);
        if is_none { Unfetched::Never } else { Unfetched::Later(wait) }
    }

    pub(super) fn done(&self, user: &UserId) {
        self.lock().tried.remove(user);
    }

    /// After how long a change of a user is shown: those that come soon after it are shown with it.
    pub(super) fn kept_back(&self, user: &UserId) -> Duration {
        let now = Instant::now();
        let all = &mut self.lock().changed;
        if all.len() >= MANY {
            all.retain(|_, shown| *shown + BETWEEN > now);
        }
        let last = all.get(user).copied();
        let at = match last {
            Some(last) if last > now => last,
            Some(last) => now.max(last + BETWEEN),
            None => now,
        };
        all.insert(user.clone(), at);
        at - now
    }

    /// The key under which this was to be shown before, or else this new one.
    pub(super) fn key(&self, pair: (UserId, UserId), told: Told, new: String) -> String {
        let all = &mut self.lock().keys;
        if all.len() >= MANY {
            all.clear();
        }
        match all.get(&pair) {
            Some((before, key)) if *before == told => key.clone(),
            _ => {
                all.insert(pair, (told, new.clone()));
                new
            }
        }
    }

    pub(super) fn taken(&self, pair: &(UserId, UserId)) {
        self.lock().keys.remove(pair);
    }
}
