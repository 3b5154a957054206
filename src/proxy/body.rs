//! A file on its way: no longer and no slower than it may be.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use drawbridge_adapter::Body;
use futures_util::StreamExt;
use reqwest::Response;
use tokio::time::{Instant, timeout};

use super::Pace;

/// What is smaller is gathered for a moment: a host that sends every byte for itself does not have every byte
/// written for itself.
const PIECE: usize = 64 * 1024;
const MOMENT: Duration = Duration::from_millis(50);

/// Reads an answer of at most `most` bytes, not slower than the pace.
pub(super) fn read(answer: Response, most: u64, pace: Pace) -> Body {
    let reading =
        Reading { answer, left: most, pace, received: 0, waited: Duration::ZERO, end: None };
    let pieces = futures_util::stream::unfold(reading, |mut reading| async move {
        let piece = reading.next().await.transpose()?;
        Some((piece, reading))
    });
    Box::pin(pieces.fuse())
}

struct Reading {
    answer: Response,
    left: u64,
    pace: Pace,
    received: u64,
    /// For the host alone: how long the file is written does not count.
    waited: Duration,
    /// How it ended, if it did.
    end: Option<io::Result<()>>,
}

impl Reading {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut gathered = BytesMut::new();
        let mut began = None;
        while self.end.is_none() && gathered.len() < PIECE {
            let moment = began.map(|began: Instant| MOMENT.saturating_sub(began.elapsed()));
            match self.wait(moment).await {
                Ok(Some(piece)) if piece.len() >= PIECE && gathered.is_empty() => {
                    return Ok(Some(piece));
                }
                Ok(Some(piece)) => gathered.extend_from_slice(&piece),
                Ok(None) if moment.is_some_and(|moment| moment.is_zero()) => break,
                Ok(None) => {}
                Err(error) => self.end = Some(Err(error)),
            }
            began = began.or_else(|| Some(Instant::now()));
        }
        if !gathered.is_empty() {
            return Ok(Some(gathered.freeze()));
        }
        // What is said once is not said again.
        self.end.replace(Ok(())).unwrap_or(Ok(())).map(|()| None)
    }

    /// What comes next; nothing if it does not come in this moment, or if there is no more.
    async fn wait(&mut self, moment: Option<Duration>) -> io::Result<Option<Bytes>> {
        let patience = self.pace.allows(self.received).saturating_sub(self.waited);
        let patience = patience.min(self.pace.idle);
        let began = Instant::now();
        let piece = timeout(moment.unwrap_or(patience), self.answer.chunk()).await;
        self.waited += began.elapsed();
        match piece {
            Err(_) if moment.is_some() => Ok(None),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the file comes too slowly")),
            // What the client says names the link: it goes no further.
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file broke off")),
            Ok(Ok(None)) => {
                self.end = Some(Ok(()));
                Ok(None)
            }
            Ok(Ok(Some(piece))) => {
                let length = piece.len() as u64;
                let large = || io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large");
                self.left = self.left.checked_sub(length).ok_or_else(large)?;
                self.received += length;
                Ok(Some(piece))
            }
        }
    }
}
