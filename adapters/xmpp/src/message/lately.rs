//! Which files users sent lately: an edit of what is written with one names the file again, and nothing
//! else tells it from an edit that brings another.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use drawbridge_adapter::{EventId, Reference, Was};
use lru::LruCache;
use sha2::{Digest, Sha256};

use super::names::name_of;

/// How many are remembered.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("is not zero");

/// The hash of a link.
type Link = [u8; 32];

/// The latest files, by the names of their messages.
pub(crate) struct Lately(Mutex<LruCache<String, Link>>);

impl Default for Lately {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl Lately {
    fn lock(&self) -> MutexGuard<'_, LruCache<String, Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This event brought the file under this link.
    pub(super) fn came(&self, event: &EventId, link: &str) {
        self.lock().put(name_of(event).to_owned(), hash(link));
    }

    /// Whether that message brought the file under this link.
    pub(super) fn was(&self, message: &Reference, link: &str) -> bool {
        message.was == Was::Sent && self.lock().get(message.id.as_str()) == Some(&hash(link))
    }

    /// A message's new text, without the link of the file that it brought; `None` if it has no such link.
    pub(super) fn without_link(&self, message: &Reference, body: &str) -> Option<String> {
        let known = *self.lock().get(message.id.as_str()).filter(|_| message.was == Was::Sent)?;
        let lines: Vec<_> = body.split('\n').collect();
        let is_it = |line: &str| line.starts_with("http") && hash(line) == known;
        let left: Vec<_> = lines.iter().copied().filter(|line| !is_it(line.trim())).collect();
        let left = Some(left).filter(|left| left.len() < lines.len())?.join("\n");
        Some(if left.trim().is_empty() {
            String::new()
        } else {
            left.trim_matches('\n').to_owned()
        })
    }
}

fn hash(link: &str) -> Link {
    Sha256::digest(link).into()
}
