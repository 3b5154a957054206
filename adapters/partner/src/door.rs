//! The door: from a TCP connection to a WebSocket of a partner that has proved who it is.

use std::time::Duration;

use drawbridge_adapter::Bridge;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::adapter::Shared;
use crate::frame::{MAX_FRAME, PATH, SUBPROTOCOL};
use crate::proof::Subject;

/// How long the upgrade may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Upgrades a connection; `None` if it was no partner's.
pub(crate) async fn upgrade(
    shared: &Shared,
    bridge: &Bridge,
    stream: TcpStream,
) -> Option<WebSocketStream<TcpStream>> {
    shared.keys.refresh(bridge.now()).await;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
        .read_buffer_size(64 * 1024)
        .write_buffer_size(64 * 1024);
    #[expect(clippy::result_large_err, reason = "tungstenite's own signature")]
    let callback = |request: &Request, response| admit(shared, bridge, request, response);
    let upgrade = tokio_tungstenite::accept_hdr_async_with_config(stream, callback, Some(config));
    match timeout(PATIENCE, upgrade).await {
        Ok(Ok(socket)) => Some(socket),
        Ok(Err(_)) => {
            tracing::debug!("a connection was no partner's");
            None
        }
        Err(_) => {
            tracing::debug!("a connection did not become a partner's in time");
            None
        }
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's own signature")]
fn admit(
    shared: &Shared,
    bridge: &Bridge,
    request: &Request,
    mut response: Response,
) -> Result<Response, ErrorResponse> {
    if request.uri().path() != PATH {
        return Err(turned_away(StatusCode::NOT_FOUND, "not_found"));
    }
    let bearer = request.headers().get(header::AUTHORIZATION);
    let token = bearer.and_then(|value| value.to_str().ok()).and_then(bearer_token);
    let proof = token.ok_or("there is no bearer token");
    let proof = proof.and_then(|token| shared.keys.check(token, Subject::Partner, bridge.now()));
    if let Err(doubt) = proof {
        // Anybody can knock as often as they like: the log must not fill up by that.
        if shared.may_complain(bridge.now()) {
            tracing::warn!(doubt, "a connection was turned away: its partner proof does not hold");
        }
        return Err(turned_away(StatusCode::UNAUTHORIZED, "unauthorized"));
    }
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.iter().filter_map(|value| value.to_str().ok());
    if !offered.flat_map(|value| value.split(',')).any(|one| one.trim() == SUBPROTOCOL) {
        return Err(turned_away(StatusCode::BAD_REQUEST, "subprotocol_required"));
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
    let mut response = ErrorResponse::new(Some(format!("{{\"error\":\"{code}\"}}\n")));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}
