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

/// What of a file must pass in each span of time, in bytes: all that is left of it, or this.
const LEAST: u64 = 256 * 1024;

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
        let mut passed = 0;
        loop {
            tokio::select! {
                served = &mut connection => break served,
                // Somebody without a token may have to make room for others.
                () = place.cancelled(), if !passage.is_let_in() => return,
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
