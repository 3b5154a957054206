//! What becomes of one request for a file, or with one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::body::{Body, BodyDataStream, Bytes};
use drawbridge_adapter::{DeliveryError, Incoming, Refusal, Spooled, log};
use futures_util::StreamExt;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, RANGE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Files, Waiting, hash};
use crate::log::FILE_REFUSED;

/// How many pieces of a file of the app's wait for the daemon.
const AHEAD: usize = 4;

/// One connection's way through the door.
#[derive(Clone)]
pub(super) struct Passage {
    files: Arc<Files>,
    /// How many bytes of a file have passed.
    moved: Arc<AtomicU64>,
    let_in: Arc<AtomicBool>,
}

impl Passage {
    pub(super) fn new(files: Arc<Files>, moved: Arc<AtomicU64>) -> Self {
        Self { files, moved, let_in: Arc::default() }
    }

    /// Whether it has shown a token.
    pub(super) fn is_let_in(&self) -> bool {
        self.let_in.load(Ordering::Relaxed)
    }
}

/// What a token was for.
enum Found {
    Wanted(oneshot::Sender<Result<Incoming, DeliveryError>>),
    Offered(Spooled, CancellationToken),
}

/// Lets a file through, or says why not.
pub(super) async fn answer(
    passage: Passage,
    request: Request<hyper::body::Incoming>,
) -> Response<Body> {
    let gone_through = match find(&passage, &request) {
        Ok((Found::Offered(file, over), room)) => {
            Ok(get(&passage, request.headers(), &file, over, room))
        }
        Ok((Found::Wanted(taker), _room)) => put(&passage, taker, request).await,
        Err(no) => Err(no),
    };
    gone_through.unwrap_or_else(|(status, why)| {
        log!(FILE_REFUSED, status = status.as_u16(), why);
        bare(status)
    })
}

/// Why a file did not get through: what the app is told, and for the log.
type No = (StatusCode, &'static str);

fn find<B>(passage: &Passage, request: &Request<B>) -> Result<(Found, OwnedSemaphorePermit), No> {
    const UNKNOWN: No = (StatusCode::NOT_FOUND, "there is no such token, or none any more");
    if !matches!(*request.method(), Method::GET | Method::PUT) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "neither GET nor PUT"));
    }
    // What stands before the token is the proxy's business.
    let hash = hash(request.uri().path().rsplit('/').next().unwrap_or_default());
    let mut waiting = passage.files.waiting();
    let is_put = request.method() == Method::PUT;
    match waiting.get(&hash) {
        Some(Waiting::Wanted(_)) if is_put => {}
        Some(Waiting::Offered(..)) if !is_put => {}
        _ => return Err(UNKNOWN),
    }
    let room = Arc::clone(&passage.files.room).try_acquire_owned();
    let room =
        room.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "there are too many transfers"))?;
    passage.let_in.store(true, Ordering::Relaxed);
    let found = match waiting.get(&hash) {
        Some(Waiting::Offered(file, over)) => Found::Offered(file.clone(), over.clone()),
        _ => match waiting.remove(&hash) {
            Some(Waiting::Wanted(taker)) => Found::Wanted(taker),
            _ => return Err(UNKNOWN),
        },
    };
    Ok((found, room))
}

/// The file from where the app wants it.
fn get(
    passage: &Passage,
    headers: &HeaderMap,
    file: &Spooled,
    over: CancellationToken,
    room: OwnedSemaphorePermit,
) -> Response<Body> {
    let size = file.size();
    let start = headers.get(RANGE).and_then(|range| range.to_str().ok()).and_then(start_of);
    if start.is_some_and(|start| start >= size) {
        let mut response = bare(StatusCode::RANGE_NOT_SATISFIABLE);
        set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
        return response;
    }
    let from = start.unwrap_or(0);
    let moved = Arc::clone(&passage.moved);
    let pieces = file.from(from).inspect(move |piece| {
        let _until_the_end = &room;
        let length = piece.as_ref().map_or(0, Bytes::len);
        moved.fetch_add(length as u64, Ordering::Relaxed);
    });
    let mut response = Response::new(Body::from_stream(pieces.take_until(over.cancelled_owned())));
    if start.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        set(&mut response, CONTENT_RANGE, &format!("bytes {from}-{}/{size}", size - 1));
    }
    set(&mut response, CONTENT_LENGTH, &(size - from).to_string());
    set(&mut response, CONTENT_TYPE, "application/octet-stream");
    set(&mut response, ACCEPT_RANGES, "bytes");
    guard(&mut response);
    response
}

/// Where `bytes=n-` begins; anything else is as good as nothing.
fn start_of(range: &str) -> Option<u64> {
    let start = range.trim().strip_prefix("bytes=")?.strip_suffix('-')?;
    let digits = !start.is_empty() && start.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| start.parse().unwrap_or(u64::MAX))
}

/// Hands the bytes over as they come, no faster than they are taken.
async fn put(
    passage: &Passage,
    taker: oneshot::Sender<Result<Incoming, DeliveryError>>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Body>, No> {
    const UNWANTED: No = (StatusCode::CONFLICT, "the daemon wants no more of it");
    const TOO_LARGE: No = (StatusCode::PAYLOAD_TOO_LARGE, "larger than a file may be");
    let max = passage.files.max_bytes;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let size = length.and_then(|length| length.parse::<u64>().ok());
    if size.is_some_and(|size| size > max) {
        let (refusal, why) = (Refusal::too_large(max), "the app's file is too large");
        let _ = taker.send(Err(DeliveryError::Refused { refusal, why }));
        return Err(TOO_LARGE);
    }
    let (pieces, body) = arriving();
    taker.send(Ok(Incoming { size, body })).map_err(|_| UNWANTED)?;
    let mut bytes: BodyDataStream = Body::new(request.into_body()).into_data_stream();
    let mut count = 0;
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|_| (StatusCode::BAD_REQUEST, "it broke off"))?;
        passage.moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
        count += piece.len() as u64;
        // Also what is too much: the daemon counts for itself, and tells the sender.
        pieces.send(Arriving::Piece(piece)).await.map_err(|_| UNWANTED)?;
        if count > max {
            return Err(TOO_LARGE);
        }
    }
    pieces.send(Arriving::End).await.map_err(|_| UNWANTED)?;
    Ok(bare(StatusCode::NO_CONTENT))
}

/// What comes of a file.
enum Arriving {
    Piece(Bytes),
    /// That was all: without it, it broke off.
    End,
}

fn arriving() -> (mpsc::Sender<Arriving>, drawbridge_adapter::Body) {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let next = |pieces: Option<mpsc::Receiver<Arriving>>| async move {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Arriving::Piece(piece)) => Some((Ok(piece), Some(pieces))),
            Some(Arriving::End) => None,
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    };
    (sender, Box::pin(futures_util::stream::unfold(Some(pieces), next)))
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        set(&mut response, RETRY_AFTER, "5");
    }
    guard(&mut response);
    response
}

/// Nobody keeps it, and no browser makes anything of it.
fn guard(response: &mut Response<Body>) {
    set(response, CACHE_CONTROL, "no-store");
    set(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::start_of;

    #[test]
    fn a_range_has_a_beginning_and_no_end() {
        assert_eq!(start_of("bytes=0-"), Some(0));
        assert_eq!(start_of(" bytes=1234- "), Some(1234));
        assert_eq!(start_of("bytes=99999999999999999999999-"), Some(u64::MAX));
        for other in ["", "bytes=-5", "bytes=1-2", "bytes=+1-", "bytes=1-,5-", "lines=1-", "bytes="]
        {
            assert_eq!(start_of(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_range_panics(range in ".{0,40}") {
            let _ = start_of(&range);
        }
    }
}
