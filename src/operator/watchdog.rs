//! The service manager's picture of the daemon: its status line, and a sign of life as long as
//! all that is due moves.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use drawbridge_adapter::log;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::notify::{Notice, Notifier};
use crate::log::{STALL_BEGAN, STALL_OVER};

/// How often is looked, at most.
const EACH: Duration = Duration::from_secs(1);

/// What is looked at.
pub(crate) trait Watched {
    /// One line on how the networks stand.
    fn status(&self) -> String;
    /// All that is due and does not move.
    fn stalled(&self) -> Vec<impl Display>;
}

/// Looks, and tells, for ever.
///
/// A stalled daemon is not fed, and the service manager starts it anew; all that was accepted is
/// on disk. One that waits for its networks has nothing due, and is fed.
pub(crate) async fn watch(notifier: &Notifier, watched: &impl Watched) -> Infallible {
    let within = notifier.watchdog();
    // Two looks in each half of the time: one that comes late does no harm.
    let each = within.map_or(EACH, |within| EACH.min(within / 4).max(Duration::from_millis(10)));
    let mut ticks = interval(each);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fed: Option<Instant> = None;
    let mut told = String::new();
    let mut stood = 0;
    loop {
        ticks.tick().await;
        let stalls = watched.stalled();
        if stalls.is_empty() {
            let due = |within: Duration| fed.is_none_or(|fed| fed.elapsed() + each > within / 2);
            if within.is_some_and(due) {
                notifier.tell(&[Notice::Alive]);
                fed = Some(Instant::now());
            }
        }
        report(&stalls, &mut stood);
        let status = match stalls.first() {
            Some(stall) => format!("STALLED: {stall}"),
            None => watched.status(),
        };
        if status != told {
            notifier.tell(&[Notice::Status(&status)]);
            told = status;
        }
    }
}

/// Logs stalls when one more begins, and when the last is over.
fn report(stalls: &[impl Display], stood: &mut usize) {
    if stalls.len() > *stood {
        for stall in stalls {
            log!(STALL_BEGAN, %stall);
        }
    } else if stalls.is_empty() && *stood > 0 {
        log!(STALL_OVER);
    }
    *stood = stalls.len();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::net::UnixDatagram;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A daemon that stalls when it is told to.
    struct Patient(AtomicBool);

    impl Watched for Patient {
        fn status(&self) -> String {
            "well".to_owned()
        }

        fn stalled(&self) -> Vec<impl Display> {
            if self.0.load(Ordering::Relaxed) { vec!["the heart stands still"] } else { vec![] }
        }
    }

    /// All that came until now.
    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let next = || {
            let mut told = [0; 256];
            let size = manager.recv(&mut told).ok()?;
            Some(String::from_utf8(told[..size].to_vec()).unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_daemon_is_not_fed_and_says_why() {
        let (manager, socket) = UnixDatagram::pair().unwrap();
        manager.set_nonblocking(true).unwrap();
        let notifier = Notifier::of(socket, Some(Duration::from_mins(1)));
        let patient = Patient(AtomicBool::new(false));
        let hour = |stalled: bool| {
            patient.0.store(stalled, Ordering::Relaxed);
            tokio::time::timeout(Duration::from_mins(10), watch(&notifier, &patient))
        };
        let fed = |told: &[String]| told.iter().filter(|one| *one == "WATCHDOG=1\n").count();

        assert!(hour(false).await.is_err());
        let told = heard(&manager);
        // Each half minute, or a little more often.
        assert!((20..=22).contains(&fed(&told)), "{told:?}");
        assert!(told.contains(&"STATUS=well\n".to_owned()), "{told:?}");

        assert!(hour(true).await.is_err());
        assert_eq!(heard(&manager), ["STATUS=STALLED: the heart stands still\n"]);
    }
}
