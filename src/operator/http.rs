//! `GET /health` and `GET /metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Rarely, log};
use http::{Method, Request, Response, StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::health::{self, Standing};
use super::{Seen, metrics};
use crate::log::{BETWEEN_COMPLAINTS, HEALTH_ANSWER_FAILED, HEALTH_LISTENER_FAILED};

/// The most connections at a time; more wait.
const CONNECTIONS: usize = 16;

/// How long a client may take to ask, and may stay without asking.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest request head, in bytes.
const HEAD: usize = 16 * 1024;

/// Takes the address to listen on.
pub(super) async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Answers until the daemon stops.
pub(super) async fn serve(listener: TcpListener, seen: Arc<Seen>, stopping: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let rarely = Rarely::each(BETWEEN_COMPLAINTS);
    while let Some(Ok(place)) =
        stopping.run_until_cancelled(Arc::clone(&places).acquire_owned()).await
    {
        let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await else { return };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if rarely.may(&HEALTH_LISTENER_FAILED) {
                    log!(HEALTH_LISTENER_FAILED, %error);
                }
                // It may be out of files: at once again would only burn the processor.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (seen, stopping) = (Arc::clone(&seen), stopping.clone());
        tokio::spawn(async move {
            let _place = place;
            let _ = stopping.run_until_cancelled(talk(stream, seen)).await;
        });
    }
}

async fn talk(stream: TcpStream, seen: Arc<Seen>) {
    let service = service_fn(|request| {
        let seen = Arc::clone(&seen);
        async move { Ok::<_, Infallible>(answer(&request, &seen).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        log!(HEALTH_ANSWER_FAILED, %error);
    }
}

async fn answer<B>(request: &Request<B>, seen: &Seen) -> Response<String> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned());
        refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/health" => {
            let health = health::judge(&seen.crossing.report().await, seen.started);
            let status = match health.status {
                Standing::Ok | Standing::Degraded => StatusCode::OK,
                Standing::Failing => StatusCode::SERVICE_UNAVAILABLE,
            };
            // Numbers and texts always have a written form.
            let body = serde_json::to_string_pretty(&health).unwrap_or_default();
            page(status, "application/json", body + "\n")
        }
        "/metrics" => {
            let report = seen.crossing.report().await;
            let health = health::judge(&report, seen.started);
            let body = metrics::page(&report, &health, seen.started);
            page(StatusCode::OK, metrics::MEDIA_TYPE, body)
        }
        _ => page(StatusCode::NOT_FOUND, TEXT, "there are /health and /metrics\n".to_owned()),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn page(status: StatusCode, media_type: &'static str, body: String) -> Response<String> {
    let mut page = Response::new(body);
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    page
}
