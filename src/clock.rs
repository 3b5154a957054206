//! The one place that asks the machine for the time and for randomness.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drawbridge_adapter::Timestamp;
use serde::{Deserialize, Serialize};

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// How the machine's clocks stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// What anybody may set.
    wall: Timestamp,
    /// Which start of the machine this is, and the time since then, also while it slept; `None`
    /// where the machine does not tell.
    since_start: Option<(String, Duration)>,
}

impl Machine {
    /// One that was started so long ago, and whose clock stands still.
    #[cfg(test)]
    pub(crate) fn started(start: &str, ago: Duration) -> Self {
        Self { wall: Timestamp(0), since_start: Some((start.to_owned(), ago)) }
    }

    /// As they stand now.
    pub(crate) fn now() -> Self {
        let up = std::fs::read_to_string("/proc/uptime").ok();
        let up = up.and_then(|text| text.split(' ').next()?.parse().ok());
        let up = up.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let start = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let since_start = start.map(|start| start.trim().to_owned()).zip(up);
        Self { wall: now(), since_start }
    }
}

/// The bridge's own clock, which nobody sets: it begins at the machine's time, and counts on by
/// what has passed since, across restarts. Only while the machine is off it has no better word
/// than the machine's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnClock {
    /// What it showed, when the machine's clocks stood so.
    shown: Timestamp,
    machine: Machine,
}

impl OwnClock {
    pub(crate) fn begin(machine: Machine) -> Self {
        Self { shown: machine.wall, machine }
    }

    /// What it showed when it was kept.
    pub(crate) fn shown(&self) -> Timestamp {
        self.shown
    }

    /// What it shows.
    pub(crate) fn read(&self, machine: &Machine) -> Timestamp {
        let by_start = match (&self.machine.since_start, &machine.since_start) {
            (Some((start, then)), Some((same, now))) if start == same => now.checked_sub(*then),
            _ => None,
        };
        let passed = by_start.unwrap_or_else(|| machine.wall.since(self.machine.wall));
        self.shown.plus(passed)
    }

    /// The same clock, to be kept: what happens to the machine's clock from now on is known.
    pub(crate) fn kept(&self, machine: Machine) -> Self {
        Self { shown: self.read(&machine), machine }
    }

    /// How long ago it was kept.
    pub(crate) fn age(&self, machine: &Machine) -> Duration {
        self.read(machine).since(self.shown)
    }
}

/// An unpredictable number. Without the kernel's randomness nothing here can be safe: it waits
/// for it at start, and has it ever after.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    while getrandom::fill(&mut bytes).is_err() {
        std::thread::yield_now();
    }
    u64::from_le_bytes(bytes)
}

/// A number that no person has: of 2^64, nobody draws one twice.
pub(crate) fn random_person() -> i64 {
    i64::from_ne_bytes(random().to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn machine(wall: u64, start: &str, up: u64) -> Machine {
        let wall = Timestamp(0).plus(HOUR * u32::try_from(wall).unwrap_or(0));
        let up = HOUR * u32::try_from(up).unwrap_or(0);
        Machine { wall, since_start: (!start.is_empty()).then(|| (start.to_owned(), up)) }
    }

    #[test]
    fn the_own_clock_follows_what_passes_and_no_jump() {
        let clock = OwnClock::begin(machine(1000, "a", 10));
        for (now, shown, why) in [
            (machine(1000, "a", 10), 1000, "nothing passed"),
            (machine(1005, "a", 15), 1005, "five hours passed"),
            (machine(1009, "a", 10), 1000, "the machine's clock was set forward"),
            (machine(500, "a", 15), 1005, "it was set back meanwhile"),
            (machine(1009, "b", 1), 1009, "the machine was started anew"),
            (machine(900, "b", 1), 1000, "and its clock stands before: it never runs back"),
            (machine(1009, "a", 5), 1009, "its count began anew"),
            (machine(1009, "", 0), 1009, "it does not tell"),
        ] {
            assert_eq!(clock.read(&now), Timestamp(0).plus(HOUR * shown), "{why}");
        }
    }

    #[test]
    fn a_jump_that_was_seen_does_not_count_after_a_start() {
        let clock = OwnClock::begin(machine(1000, "a", 10)).kept(machine(2000, "a", 11));
        assert_eq!(clock.age(&machine(2000, "a", 12)), HOUR);
        let after = machine(2002, "b", 0);
        assert_eq!(clock.read(&after), Timestamp(0).plus(HOUR * 1003));
    }
}
