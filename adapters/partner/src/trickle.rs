//! How much that is fleeting one connection may bring.

use std::time::Duration;

use tokio::time::Instant;

/// How many of them at a time, after a pause.
const MOST: u32 = 1000;

/// How long it takes until there is room for one more.
const EACH: Duration = Duration::from_millis(1);

/// Room for so many, which comes back with time.
pub(crate) struct Trickle {
    /// When all the room will be back.
    full_at: Instant,
}

impl Default for Trickle {
    fn default() -> Self {
        Self { full_at: Instant::now() }
    }
}

impl Trickle {
    /// Takes room for one; false if there is none.
    pub(crate) fn take(&mut self) -> bool {
        let now = Instant::now();
        let full_at = self.full_at.max(now) + EACH;
        let fits = full_at - now <= EACH * MOST;
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_at_once_and_then_one_in_its_time() {
        let mut trickle = Trickle::default();
        let mut taken = || (0..5 * MOST).filter(|_| trickle.take()).count();
        assert_eq!(taken(), 1000);
        assert_eq!(taken(), 0);
        tokio::time::advance(EACH * 7).await;
        assert_eq!(taken(), 7);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(taken(), 1000);
    }
}
