//! What the app is told of frames that break the protocol.

use std::collections::VecDeque;
use std::future::pending;

use tokio::sync::mpsc;

use crate::frame::{ErrorFrame, FromBridge};
use crate::link::Out;
use crate::session::End;

/// How many frames may break the protocol before the connection ends.
const MAX_ERRORS: usize = 100;

/// The complaints of one connection. Those for which the writing side has no room yet wait here,
/// so that a busy connection does not end for one bad frame.
pub(crate) struct Complaints {
    out: mpsc::Sender<Out>,
    count: usize,
    owed: VecDeque<ErrorFrame>,
}

impl Complaints {
    pub(crate) fn new(out: mpsc::Sender<Out>) -> Self {
        Self { out, count: 0, owed: VecDeque::new() }
    }

    /// One more, after those that are owed; too many end the connection.
    pub(crate) fn add(&mut self, error: ErrorFrame) -> Option<End> {
        self.count += 1;
        self.owed.push_back(error);
        while !self.owed.is_empty()
            && let Ok(room) = self.out.try_reserve()
        {
            send(room, &mut self.owed);
        }
        (self.count >= MAX_ERRORS).then_some(End::TooManyErrors)
    }

    /// Tells the next one that is owed, as soon as there is room. Cancel-safe; never ends while
    /// nothing is owed.
    pub(crate) async fn told(&mut self) {
        if self.owed.is_empty() {
            return pending().await;
        }
        match self.out.reserve().await {
            Ok(room) => send(room, &mut self.owed),
            // The writing side is gone, and the session hears of that by itself.
            Err(_) => pending().await,
        }
    }
}

fn send(room: mpsc::Permit<'_, Out>, owed: &mut VecDeque<ErrorFrame>) {
    if let Some(error) = owed.pop_front() {
        room.send(Out::Frame(FromBridge::Error(error)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::frame::ErrorCode;

    fn error(about: usize) -> ErrorFrame {
        let about = Some(about.to_string());
        ErrorFrame { code: ErrorCode::Malformed, about, place: None, message: "bad" }
    }

    /// What the next frame is about.
    fn about(out: Option<Out>) -> Option<String> {
        match out {
            Some(Out::Frame(FromBridge::Error(error))) => error.about,
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_connection_with_much_to_write_ends_at_the_hundredth_bad_frame_and_not_before() {
        let (out, mut writing) = mpsc::channel(1);
        out.try_send(Out::Ping).unwrap();
        let mut complaints = Complaints::new(out);
        for number in 1..MAX_ERRORS {
            assert_eq!(complaints.add(error(number)), None, "{number}");
        }
        assert!(matches!(writing.recv().await, Some(Out::Ping)));
        for number in 1..50 {
            complaints.told().await;
            assert_eq!(about(writing.recv().await), Some(number.to_string()));
        }
        assert_eq!(complaints.add(error(MAX_ERRORS)), Some(End::TooManyErrors));
        assert_eq!(about(writing.recv().await).as_deref(), Some("50"));
    }
}
