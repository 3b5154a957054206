//! What one network saw since the start: a few numbers, and none of them says who or what.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Acceptance, Answer, Code, Timestamp};

use crate::count::{Distribution, Histogram};

/// The ranges of the time from acceptance to delivery, in milliseconds.
const MILLISECONDS: &[u64] = &[
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000,
];

/// Counts by code. Codes are few; refusals are not the way that must be fast.
#[derive(Default)]
struct ByCode(Mutex<BTreeMap<String, u64>>);

impl ByCode {
    /// With a count of zero for this code.
    fn of(code: Code) -> Self {
        Self(Mutex::new(BTreeMap::from([(code.to_string(), 0)])))
    }

    fn count(&self, code: Code) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(code.to_string()).or_default() += 1;
    }

    fn read(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The counters of one network.
pub(super) struct Tally {
    accepted: AtomicU64,
    repeated: AtomicU64,
    refused: ByCode,
    crossed: AtomicU64,
    failed: ByCode,
    returned: ByCode,
    swallowed: AtomicU64,
    put_off: AtomicU64,
    file_bytes: AtomicU64,
    connects: AtomicU64,
    disconnects: AtomicU64,
    milliseconds: Histogram,
    /// When something was last taken from it, and last delivered to it; zero for never.
    heard: AtomicI64,
    delivered: AtomicI64,
}

/// What a [`Tally`] held at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tallied {
    /// Events of this network's users that were accepted.
    pub(crate) accepted: u64,
    /// Events that had been handed over before.
    pub(crate) repeated: u64,
    /// Events of this network's users that were refused at once, by code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Messages that this network took.
    pub(crate) crossed: u64,
    /// Messages for this network that failed after they had been accepted, by code.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Messages that this network had taken and sent back, by code.
    pub(crate) returned: BTreeMap<String, u64>,
    /// Messages for this network's users that their blocks swallowed.
    pub(crate) swallowed: u64,
    /// Tries after which a conversation had to wait for another.
    pub(crate) put_off: u64,
    /// The bytes of files that this network took.
    pub(crate) file_bytes: u64,
    /// How often the connection came.
    pub(crate) connects: u64,
    /// How often the connection was lost.
    pub(crate) disconnects: u64,
    /// Milliseconds from acceptance to delivery, of messages that crossed.
    pub(crate) milliseconds: Distribution,
    /// When an event of this network was last taken in.
    pub(crate) last_heard: Option<Timestamp>,
    /// When a command was last delivered to this network.
    pub(crate) last_delivered: Option<Timestamp>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            accepted: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            refused: ByCode::default(),
            crossed: AtomicU64::new(0),
            // There from the start: an alert sees no increase in what has just come into being.
            failed: ByCode::of(Code::Expired),
            returned: ByCode::default(),
            swallowed: AtomicU64::new(0),
            put_off: AtomicU64::new(0),
            file_bytes: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            disconnects: AtomicU64::new(0),
            milliseconds: Histogram::new(MILLISECONDS),
            heard: AtomicI64::new(0),
            delivered: AtomicI64::new(0),
        }
    }

    /// Events were answered.
    pub(super) fn answered(&self, answers: &[Acceptance], at: Timestamp) {
        let (mut accepted, mut repeated) = (0, 0);
        for acceptance in answers {
            match acceptance.answer {
                _ if acceptance.repeat => repeated += 1,
                Answer::Accepted => accepted += 1,
                Answer::Refused(refusal) => self.refused.count(refusal.code),
            }
        }
        self.accepted.fetch_add(accepted, Ordering::Relaxed);
        self.repeated.fetch_add(repeated, Ordering::Relaxed);
        self.heard.fetch_max(at.0, Ordering::Relaxed);
    }

    /// A message was taken by the network, so long after it was accepted.
    pub(super) fn crossed(&self, after: Duration) {
        self.crossed.fetch_add(1, Ordering::Relaxed);
        self.milliseconds.observe(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    }

    /// The network took a command, of whatever kind.
    pub(super) fn delivered(&self, at: Timestamp) {
        self.delivered.fetch_max(at.0, Ordering::Relaxed);
    }

    /// A block swallowed a message.
    pub(super) fn swallowed(&self) {
        self.swallowed.fetch_add(1, Ordering::Relaxed);
    }

    /// A message failed for good.
    pub(super) fn failed(&self, code: Code) {
        self.failed.count(code);
    }

    /// A message that the network had taken came back.
    pub(super) fn returned(&self, code: Code) {
        self.returned.count(code);
    }

    /// A conversation must wait for another try.
    pub(super) fn put_off(&self) {
        self.put_off.fetch_add(1, Ordering::Relaxed);
    }

    /// The network took a file of so many bytes.
    pub(super) fn carried(&self, bytes: u64) {
        self.file_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The connection came, or was lost.
    pub(super) fn switched(&self, up: bool) {
        let counter = if up { &self.connects } else { &self.disconnects };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Tallied {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let time = |at: &AtomicI64| match at.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Timestamp(at)),
        };
        Tallied {
            accepted: count(&self.accepted),
            repeated: count(&self.repeated),
            refused: self.refused.read(),
            crossed: count(&self.crossed),
            failed: self.failed.read(),
            returned: self.returned.read(),
            swallowed: count(&self.swallowed),
            put_off: count(&self.put_off),
            file_bytes: count(&self.file_bytes),
            connects: count(&self.connects),
            disconnects: count(&self.disconnects),
            milliseconds: self.milliseconds.read(),
            last_heard: time(&self.heard),
            last_delivered: time(&self.delivered),
        }
    }
}
