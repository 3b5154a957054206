//! The door: from a TCP connection to a WebSocket of a partner that has proved who it is.
//!
//! The request is read here, and not by the WebSocket library: that one answers nothing to what is
//! no upgrade, and takes no permit between the proof and the answer.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{Bridge, log};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{
    ErrorResponse, Request, Response, create_response, write_response,
};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::adapter::Shared;
use crate::frame::{PATH, SUBPROTOCOL};
use crate::log::{CONNECTION_TURNED_AWAY, PROOF_INVALID};
use crate::proof::Subject;
use crate::session::{CLOSE_WITHIN, Line, Socket, drain, limits};

/// How long the upgrade may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest request, in bytes: room for a proof and the headers of a proxy.
const MAX_REQUEST: usize = 16 * 1024;

/// Why a connection is turned away: the status, and the code in the body.
type No = (StatusCode, &'static str);

/// Upgrades a connection, once there is room for one more; `None` if it was no partner's.
pub(crate) async fn upgrade(
    shared: &Shared,
    bridge: &Bridge,
    stream: TcpStream,
    room: &Arc<Semaphore>,
) -> Option<(Socket, OwnedSemaphorePermit)> {
    let upgraded = timeout(PATIENCE, knock(shared, bridge, stream, room)).await;
    let upgraded = upgraded.ok().flatten();
    if upgraded.is_none() {
        log!(CONNECTION_TURNED_AWAY);
    }
    upgraded
}

async fn knock(
    shared: &Shared,
    bridge: &Bridge,
    mut stream: TcpStream,
    room: &Arc<Semaphore>,
) -> Option<(Socket, OwnedSemaphorePermit)> {
    let mut read = Vec::new();
    let request = loop {
        if let 0 = stream.read_buf(&mut read).await.ok()? {
            return None;
        }
        match Request::try_parse(&read) {
            Ok(Some((size, request))) => {
                read.drain(..size);
                break Ok(request);
            }
            Ok(None) if read.len() < MAX_REQUEST => {}
            _ => break Err((StatusCode::BAD_REQUEST, "bad_request")),
        }
    };
    shared.keys.refresh(bridge.now()).await;
    let mut answer = Vec::new();
    let response = match request.and_then(|request| admit(shared, bridge, &request)) {
        Ok(response) => response,
        Err((status, code)) => {
            let no = turned_away(status, code);
            write_response(&mut answer, &no).ok()?;
            answer.extend_from_slice(no.body().as_deref().unwrap_or_default().as_bytes());
            turn_away(stream, &answer).await;
            return None;
        }
    };
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    write_response(&mut answer, &response).ok()?;
    stream.write_all(&answer).await.ok()?;
    let line: Box<dyn Line> = Box::new(stream);
    let socket = WebSocketStream::from_partially_read(line, read, Role::Server, Some(limits()));
    Some((socket.await, permit))
}

/// Answers, and waits until that was read: it is lost if the socket is dropped with bytes unread.
async fn turn_away(mut stream: TcpStream, answer: &[u8]) {
    if stream.write_all(answer).await.is_ok() && stream.shutdown().await.is_ok() {
        let _ = timeout(CLOSE_WITHIN, drain(&mut stream)).await;
    }
}

fn admit(shared: &Shared, bridge: &Bridge, request: &Request) -> Result<Response, No> {
    if request.uri().path() != PATH {
        return Err((StatusCode::NOT_FOUND, "not_found"));
    }
    let upgrade = create_response(request);
    let mut response = upgrade.map_err(|_| (StatusCode::UPGRADE_REQUIRED, "upgrade_required"))?;
    let bearer = request.headers().get(header::AUTHORIZATION);
    let token = bearer.and_then(|value| value.to_str().ok()).and_then(bearer_token);
    let proof = token.ok_or("there is no bearer token");
    let proof = proof.and_then(|token| shared.keys.check(token, Subject::Partner, bridge.now()));
    if let Err(doubt) = proof {
        if shared.rarely.may_because(&PROOF_INVALID, doubt) {
            log!(PROOF_INVALID, doubt);
        }
        return Err((StatusCode::UNAUTHORIZED, "unauthorized"));
    }
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.iter().filter_map(|value| value.to_str().ok());
    if !offered.flat_map(|value| value.split(',')).any(|one| one.trim() == SUBPROTOCOL) {
        return Err((StatusCode::BAD_REQUEST, "subprotocol_required"));
    }
    let chosen = HeaderValue::from_static(SUBPROTOCOL);
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, chosen);
    Ok(response)
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn turned_away(status: StatusCode, code: &str) -> ErrorResponse {
    let body = format!("{{\"error\":\"{code}\"}}\n");
    let length = HeaderValue::from(body.len());
    let mut response = ErrorResponse::new(Some(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        let websocket = HeaderValue::from_static("websocket");
        response.headers_mut().insert(header::UPGRADE, websocket);
    }
    response
}
