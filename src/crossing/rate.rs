//! How much may come from a third-party network: token buckets for the network as a whole, for each
//! of its senders, and for each recipient that it writes to.
//!
//! A bucket is one moment: when it will be full again if nothing more is taken. One that is full is
//! forgotten, so that there are never more than what came lately.

use std::collections::HashMap;
use std::time::Duration;

use drawbridge_adapter::UserId;
use tokio::time::Instant;

/// The fewest buckets of one kind that are worth looking through for full ones.
const FEW: usize = 1024;

/// The size of a bucket, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// After what time there is one token more; nothing for a bucket that never empties.
    pub(crate) every: Duration,
    /// How many tokens it holds; at least one.
    pub(crate) burst: u32,
}

impl Rate {
    /// So many a minute, and so many at once. None a minute is no limit.
    pub(crate) fn per_minute(tokens: u32, burst: u32) -> Self {
        let every = Duration::from_mins(1).checked_div(tokens).unwrap_or_default();
        Self { every, burst: burst.max(1) }
    }

    /// Takes one token out of a bucket that is full at `full_at`: when it is full after that, or how
    /// long until there is one.
    fn take(self, full_at: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
        let after = full_at.map_or(now, |full_at| full_at.max(now)) + self.every;
        let missing = after.saturating_duration_since(now);
        missing
            .checked_sub(self.every * self.burst)
            .filter(|wait| !wait.is_zero())
            .map_or(Ok(after), Err)
    }
}

/// The rates of everything that comes from one third-party network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Of the network as a whole.
    pub(crate) network: Rate,
    /// Of each of its senders.
    pub(crate) sender: Rate,
    /// Towards each recipient, from all of its senders together.
    pub(crate) recipient: Rate,
}

#[cfg(test)]
impl Rates {
    /// No limits.
    pub(crate) const FREE: Self = {
        let free = Rate { every: Duration::ZERO, burst: 1 };
        Self { network: free, sender: free, recipient: free }
    };
}

/// The buckets of one network.
#[derive(Default)]
pub(crate) struct Buckets {
    network: Option<Instant>,
    senders: Pool,
    recipients: Pool,
}

impl Buckets {
    /// Takes one token out of each bucket, or none out of any: then it is known how long until all
    /// have one. So whoever floods empties their own bucket alone.
    pub(crate) fn take(
        &mut self,
        sender: &UserId,
        recipient: Option<&UserId>,
        rates: &Rates,
        now: Instant,
    ) -> Result<(), Duration> {
        let network = rates.network.take(self.network, now);
        let from = rates.sender.take(self.senders.full_at(sender), now);
        let to = recipient.map(|to| (to, rates.recipient.take(self.recipients.full_at(to), now)));
        let waits = [network.err(), from.err(), to.and_then(|(_, taken)| taken.err())];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        self.network = network.ok();
        if let Ok(full_at) = from {
            self.senders.put(sender, full_at, now);
        }
        if let Some((to, Ok(full_at))) = to {
            self.recipients.put(to, full_at, now);
        }
        Ok(())
    }
}

/// The buckets of one kind.
#[derive(Default)]
struct Pool {
    full_at: HashMap<UserId, Instant>,
    /// So many are looked through for those that are full again.
    crowd: usize,
}

impl Pool {
    fn full_at(&self, user: &UserId) -> Option<Instant> {
        self.full_at.get(user).copied()
    }

    fn put(&mut self, user: &UserId, full_at: Instant, now: Instant) {
        if full_at <= now {
            return;
        }
        if let Some(known) = self.full_at.get_mut(user) {
            *known = full_at;
            return;
        }
        if self.full_at.len() >= self.crowd.max(FEW) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.full_at.shrink_to(FEW);
            // Each look is paid for by as many newcomers as it found users.
            self.crowd = 2 * self.full_at.len();
        }
        self.full_at.insert(user.clone(), full_at);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use proptest::prelude::*;

    fn user(id: &str) -> UserId {
        format!("birdychat:{id}").parse().unwrap()
    }

    fn rates(network: Rate, sender: Rate, recipient: Rate) -> Rates {
        Rates { network, sender, recipient }
    }

    const WIDE: Rate = Rate { every: Duration::ZERO, burst: 1 };

    #[test]
    fn a_burst_passes_and_then_one_in_each_interval() {
        let (carol, now) = (user("carol"), Instant::now());
        let rates = rates(WIDE, Rate::per_minute(60, 3), WIDE);
        let mut buckets = Buckets::default();
        let mut take =
            |after: u64| buckets.take(&carol, None, &rates, now + Duration::from_millis(after));
        for _ in 0..3 {
            assert_eq!(take(0), Ok(()));
        }
        assert_eq!(take(0), Err(Duration::from_secs(1)));
        assert_eq!(take(400), Err(Duration::from_millis(600)));
        assert_eq!(take(1000), Ok(()));
        assert_eq!(take(1000), Err(Duration::from_secs(1)));
        // In a long rest it fills up, and no further.
        for _ in 0..3 {
            assert_eq!(take(3_600_000), Ok(()));
        }
        assert_eq!(take(3_600_000), Err(Duration::from_secs(1)));
    }

    #[test]
    fn who_is_refused_takes_nothing_from_others() {
        let (carol, dave, alice) = (user("carol"), user("dave"), user("alice"));
        let rates = rates(Rate::per_minute(1, 4), Rate::per_minute(1, 2), Rate::per_minute(1, 3));
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let mut take = |from: &UserId| buckets.take(from, Some(&alice), &rates, now).is_ok();
        let carols: Vec<_> = (0..100).map(|_| take(&carol)).collect();
        assert_eq!(carols.iter().filter(|taken| **taken).count(), 2);
        // One is left for alice, two of the network as a whole.
        assert!(take(&dave));
        assert!(!take(&dave));
        let mut take = |from| buckets.take(&user(from), None, &rates, now).is_ok();
        assert!(take("erik"));
        assert!(!take("frida"));
    }

    #[test]
    fn without_a_rate_nothing_is_refused_and_nothing_is_kept() {
        let none = Rate::per_minute(0, 1);
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let (carol, alice) = (user("carol"), user("alice"));
        for _ in 0..10_000 {
            let rates = rates(none, none, none);
            assert_eq!(buckets.take(&carol, Some(&alice), &rates, now), Ok(()));
        }
        assert!(buckets.senders.full_at.is_empty() && buckets.recipients.full_at.is_empty());
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let rates = rates(WIDE, Rate::per_minute(60, 10), WIDE);
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        for number in 0..100_000_u64 {
            // A thousand a second, each somebody else: a bucket is full again after a second.
            let now = start + Duration::from_millis(number);
            assert_eq!(buckets.take(&user(&number.to_string()), None, &rates, now), Ok(()));
            assert!(buckets.senders.full_at.len() <= 2 * FEW, "{number}");
        }
    }

    proptest! {
        /// In no span of time more passes than the burst and what fills up meanwhile; and whoever
        /// waits for as long as they are told, passes.
        #[test]
        fn a_bucket_keeps_its_promise(
            per_minute in 1_u32..6000,
            burst in 1_u32..50,
            pauses in proptest::collection::vec(0_u64..5000, 1..200),
        ) {
            let rate = Rate::per_minute(per_minute, burst);
            let (mut now, mut full_at) = (Instant::now(), None);
            let mut taken = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause);
                match rate.take(full_at, now) {
                    Ok(after) => {
                        full_at = Some(after);
                        taken.push(now);
                    }
                    Err(wait) => {
                        prop_assert!(rate.take(full_at, now + wait).is_ok());
                        let sooner = now + wait - Duration::from_nanos(1);
                        prop_assert!(rate.take(full_at, sooner).is_err());
                    }
                }
            }
            for (first, start) in taken.iter().enumerate() {
                for (last, end) in taken.iter().enumerate().skip(first) {
                    let filled = (*end - *start).div_duration_f64(rate.every).floor();
                    let count = f64::from(u32::try_from(last - first + 1).unwrap());
                    prop_assert!(count <= f64::from(burst) + filled + 1e-6);
                }
            }
        }

        /// Whatever others do, a quiet sender within the rate is not refused, as long as the network
        /// as a whole has room.
        #[test]
        fn a_flood_of_one_does_not_refuse_another(
            flood in proptest::collection::vec(0_u64..20, 1..300),
        ) {
            let rates = rates(WIDE, Rate::per_minute(60, 2), WIDE);
            let (loud, quiet) = (user("loud"), user("quiet"));
            let (mut buckets, mut now) = (Buckets::default(), Instant::now());
            let mut next = now;
            for pause in flood {
                now += Duration::from_millis(pause);
                let _ = buckets.take(&loud, None, &rates, now);
                if now >= next {
                    prop_assert_eq!(buckets.take(&quiet, None, &rates, now), Ok(()));
                    next = now + Duration::from_secs(1);
                }
            }
        }
    }
}
