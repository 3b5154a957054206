//! The door for files: plain HTTP/1.1, one request a connection, behind the operator's proxy.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drawbridge_adapter::{Rarely, log};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Files;
use super::answer::{Passage, answer};
use crate::crowd::Crowd;
use crate::log::{CONNECTION_NOT_TAKEN, FILE_TOO_SLOW};
use crate::session::{CLOSE_WITHIN, drain};

/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// The longest head, in bytes; also how much is read at once.
const HEAD: usize = 64 * 1024;

/// What of a file must pass in each span of time, in bytes: all that is left of it, or this. It is half
/// of what the protocol says, since the system takes in gulps what goes out.
const LEAST: u64 = 1024 * 1024;

/// Such a span.
const SPAN: Duration = Duration::from_mins(1);

/// How much waits in the system to be sent, in bytes: what is larger would hide how fast the app reads.
const UNSENT: u32 = 256 * 1024;

/// How many connections the system keeps until they are taken.
const BACKLOG: u32 = 256;

/// The pause after an error that may pass by itself.
const PAUSE: Duration = Duration::from_secs(1);

impl Files {
    /// Takes the address to listen on.
    pub(crate) fn bind(&self) -> std::io::Result<(TcpListener, SocketAddr)> {
        let socket = if self.at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(UNSENT)?;
        socket.bind(self.at)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        self.listening.send_replace(Some(address));
        Ok((listener, address))
    }

    /// Lets files through until the daemon stops.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        rarely: &Rarely,
        stop: &CancellationToken,
    ) {
        let mut connections = JoinSet::new();
        let mut crowd = Crowd::default();
        loop {
            while connections.try_join_next().is_some() {}
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                taken = listener.accept() => taken,
            };
            match taken {
                Ok((stream, _)) => {
                    connections.spawn(connected(Arc::clone(self), stream, crowd.join()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others may close theirs.
                    if rarely.may_because(&CONNECTION_NOT_TAKEN, "files") {
                        log!(CONNECTION_NOT_TAKEN, %error);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // What is on its way is tried again: by the daemon, or because the app asks again.
        connections.shutdown().await;
    }
}

async fn connected(files: Arc<Files>, mut stream: TcpStream, place: CancellationToken) {
    let _left = place.clone().drop_guard();
    // What is left of a file goes out at once.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let moved = Arc::new(AtomicU64::new(0));
    let passage = Passage::new(files, Arc::clone(&moved));
    let served = {
        let service = service_fn(|request| {
            let passage = passage.clone();
            async move { Ok::<_, Infallible>(answer(passage, request).await) }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .keep_alive(false)
                .max_buf_size(HEAD)
                .serve_connection(TokioIo::new(&mut stream), service)
        );
        let (mut passed, mut is_crowded_out) = (0, false);
        loop {
            tokio::select! {
                served = &mut connection => break served,
                // Somebody without a token may have to make room for others.
                () = place.cancelled(), if !is_crowded_out => {
                    if !passage.is_let_in() {
                        return;
                    }
                    is_crowded_out = true;
                }
                () = tokio::time::sleep(SPAN) => {
                    let now = moved.load(Ordering::Relaxed);
                    if now - passed < LEAST {
                        log!(FILE_TOO_SLOW);
                        return;
                    }
                    passed = now;
                }
            }
        }
    };
    // An answer is lost if the socket is dropped with bytes unread.
    if served.is_ok() {
        let _ = timeout(CLOSE_WITHIN, drain(&mut stream)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::Write;

    use drawbridge_adapter::{Attached, Sha256, Spooled};
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::super::TRANSFERS;
    use super::*;

    /// A door that is open, and where.
    fn open() -> (Arc<Files>, SocketAddr, tokio::task::JoinHandle<()>) {
        let files = Files::new(([127, 0, 0, 1], 0).into(), "http://bridge.test/", 8 << 20);
        let (listener, address) = files.bind().unwrap();
        let serving = Arc::clone(&files);
        let serving = tokio::spawn(async move {
            let rarely = Rarely::each(Duration::from_mins(1));
            serving.serve(listener, &rarely, &CancellationToken::new()).await;
        });
        (files, address, serving)
    }

    fn spooled(size: usize) -> Spooled {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; size]).unwrap();
        Spooled::new(file, size as u64, Sha256([0; 32]), ())
    }

    async fn asks(at: SocketAddr, method: &str, url: &str, headers: &str) -> TcpStream {
        let path = url.strip_prefix("http://bridge.test").unwrap();
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// How long it takes until the door has hung up.
    async fn hung_up(mut stream: TcpStream) -> Duration {
        let since = Instant::now();
        drain(&mut stream).await;
        since.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_puts_nothing_or_gets_nothing_is_dropped() {
        let (files, at, serving) = open();
        let silent = TcpStream::connect(at).await.unwrap();
        let silent = hung_up(silent).await;
        assert!(silent >= HEAD_WITHIN && silent <= 2 * HEAD_WITHIN, "{silent:?}");

        let wanted = files.want().unwrap();
        let mut stream = asks(at, "PUT", &wanted.url, "Content-Length: 9\r\n").await;
        stream.write_all(b"12345").await.unwrap();
        let mut incoming = wanted.arrives.await.unwrap().unwrap();
        assert_eq!(incoming.body.next().await.unwrap().unwrap(), "12345");
        let stalled = hung_up(stream).await;
        assert!(stalled >= SPAN / 2 && stalled <= 2 * SPAN, "{stalled:?}");
        assert!(incoming.body.next().await.unwrap().is_err());

        let file = spooled(6 << 20);
        let offer = files.offer(&Attached { file: file.clone(), thumbnail: None }).unwrap();
        let stream = asks(at, "GET", &offer.file.url, "").await;
        // Until nothing is read any more: then time passes.
        tokio::time::sleep(2 * SPAN + HEAD_WITHIN).await;
        assert!(file.read_so_far() < file.size());
        assert!(files.room.available_permits() == TRANSFERS, "it goes on");
        drop(stream);
        serving.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_moves_a_little_all_the_time_is_too_slow_and_who_moves_enough_is_not() {
        let (files, at, serving) = open();
        for (piece, comes) in [(100, false), (LEAST / 70, false), (LEAST / 50, true)] {
            let wanted = files.want().unwrap();
            let piece = vec![7; usize::try_from(piece).unwrap()];
            let length = format!("Content-Length: {}\r\n", 150 * piece.len());
            let mut stream = asks(at, "PUT", &wanted.url, &length).await;
            let mut incoming = wanted.arrives.await.unwrap().unwrap();
            let mut whole = true;
            for _ in 0..150 {
                whole &= stream.write_all(&piece).await.is_ok();
                let mut left = piece.len();
                while left > 0 && whole {
                    let next = incoming.body.next().await.and_then(Result::ok);
                    whole &= next.is_some();
                    left -= next.map_or(0, |next| next.len()).min(left);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(whole, comes, "{} bytes a second", piece.len());
        }
        serving.abort();
    }

    #[tokio::test]
    async fn there_are_so_many_transfers_at_a_time_and_no_more() {
        let (files, at, serving) = open();
        let mut going_on = Vec::new();
        for _ in 0..TRANSFERS {
            let wanted = files.want().unwrap();
            let stream = asks(at, "PUT", &wanted.url, "Content-Length: 9\r\n").await;
            going_on.push((stream, wanted.arrives.await.unwrap().unwrap()));
        }
        let answered = |mut stream: TcpStream| async move {
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        };
        let offer = files.offer(&Attached { file: spooled(5), thumbnail: None }).unwrap();
        let stream = asks(at, "GET", &offer.file.url, "").await;
        assert_eq!(answered(stream).await, "HTTP/1.1 503");
        let wanted = files.want().unwrap();
        let stream = asks(at, "PUT", &wanted.url, "Content-Length: 0\r\n").await;
        assert_eq!(answered(stream).await, "HTTP/1.1 503");
        going_on.clear();
        while files.room.available_permits() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It did not cost the token.
        let stream = asks(at, "PUT", &wanted.url, "Content-Length: 0\r\n").await;
        assert_eq!(answered(stream).await, "HTTP/1.1 204");
        serving.abort();
    }
}
