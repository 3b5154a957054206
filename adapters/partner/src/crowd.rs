//! Who stands at a door and has not shown yet that they may come in.

use std::collections::VecDeque;

use tokio_util::sync::CancellationToken;

/// The most connections that have not proved yet whose they are.
const AT_THE_DOOR: usize = 256;

/// Who stands at the door, the oldest first: a place is cancelled when it is left, or lost.
#[derive(Default)]
pub(crate) struct Crowd(VecDeque<CancellationToken>);

impl Crowd {
    /// A place for one more. If there is none, the oldest loses theirs: whoever has a proof shows
    /// it at once, so that a crowd without one keeps nobody out.
    pub(crate) fn join(&mut self) -> CancellationToken {
        self.0.retain(|place| !place.is_cancelled());
        if self.0.len() >= AT_THE_DOOR
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.cancel();
        }
        let place = CancellationToken::new();
        self.0.push_back(place.clone());
        place
    }
}
