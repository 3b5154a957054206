//! A file's way to its place, by HTTP.

use std::future::Future;
use std::time::Duration;

use drawbridge_adapter::{Code, DeliveryError, Spooled};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Body, Client, Response};
use tokio::time::sleep;

use super::slot::Slot;
use super::{later, refused};

/// How long nothing of the file may be read, or the service may be silent behind its end. A large file
/// takes as long as it takes.
const STANDSTILL: Duration = Duration::from_secs(90);
/// The longest time that a service may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Puts the file there.
pub(super) async fn put(
    http: &Client,
    slot: Slot,
    mime: &str,
    file: &Spooled,
) -> Result<(), DeliveryError> {
    let request = http
        .put(slot.put)
        .headers(slot.headers)
        .header(CONTENT_TYPE, mime)
        .header(CONTENT_LENGTH, file.size())
        .body(Body::wrap_stream(file.body()));
    match while_it_moves(file, request.send()).await {
        Some(Ok(answer)) => outcome(&answer),
        Some(Err(error)) if error.is_connect() => Err(later("the upload service is out of reach")),
        Some(Err(_)) => Err(later("the upload broke off")),
        None => Err(later("the upload stood still")),
    }
}

/// What comes of it, unless nothing of the file was read for a while.
async fn while_it_moves<T>(file: &Spooled, work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    let mut seen = file.read_so_far();
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            () = sleep(STANDSTILL) => {}
        }
        let now = file.read_so_far();
        if now == seen {
            return None;
        }
        seen = now;
    }
}

/// What the service's answer means. Its body is not read.
fn outcome(answer: &Response) -> Result<(), DeliveryError> {
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        // What it said before would have been enough: how much is, nobody knows.
        413 => {
            let why = "the upload service calls the file too large";
            Err(refused(Code::MediaTooLarge.into(), why))
        }
        429 | 503 => {
            let after = answer.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
            let after = after.and_then(|after| after.trim().parse().ok()).map(Duration::from_secs);
            let after = after.map(|after| after.min(LONGEST_WAIT));
            Err(DeliveryError::Retry { after, why: "the upload service asks to wait" })
        }
        // The place may have been taken back meanwhile: the next one is another.
        401 | 404 | 408..=410 | 500.. => Err(later("the upload service failed")),
        300..=399 => {
            let why = "the upload service sends the file elsewhere";
            Err(refused(Code::Forbidden.into(), why))
        }
        _ => Err(refused(Code::Forbidden.into(), "the upload service does not take the file")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use std::future::pending;

    use drawbridge_testkit::spooled;
    use futures_util::StreamExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_upload_lasts_for_as_long_as_it_moves() {
        let file = spooled(&vec![7; 1_000_000]).unwrap();
        let began = Instant::now();
        assert_eq!(while_it_moves(&file, pending::<()>()).await, None);
        assert_eq!(began.elapsed(), STANDSTILL);

        let slow = async {
            for start in (0..file.size()).step_by(128 * 1024) {
                sleep(STANDSTILL.saturating_sub(Duration::from_secs(1))).await;
                assert!(file.from(start).next().await.unwrap().is_ok());
            }
        };
        assert_eq!(while_it_moves(&file, slow).await, Some(()));
        assert!(began.elapsed() > STANDSTILL * 8);
    }
}
