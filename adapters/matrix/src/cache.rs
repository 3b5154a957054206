//! A bounded memory of what could also be asked again.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

/// Keeps what was used last.
pub(crate) struct Cache<K, V>(Mutex<LruCache<K, V>>);

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// Keeps at most `most` values; at least one.
    pub(crate) fn new(most: usize) -> Self {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        // Room is made as it is needed.
        let mut kept = LruCache::unbounded();
        kept.resize(most);
        Self(Mutex::new(kept))
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    pub(crate) fn put(&self, key: K, value: V) {
        self.lock().put(key, value);
    }

    pub(crate) fn forget(&self, key: &K) {
        self.lock().pop(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<K, V>> {
        // A panic elsewhere leaves the list itself whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
