//! The HTTP side of an application service (Matrix application service API).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use drawbridge_adapter::{Fatal, Rarely, Secret, log};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::sequence::Sequence;
use crate::core::Core;
use crate::log::{HS_TOKEN_WRONG, TRANSACTION_MISSING};
use crate::wire::Transaction;

/// The largest transaction, in bytes: well above 100 events of 64 KiB.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// The longest a body may take to come in.
const BODY: Duration = Duration::from_secs(30);
/// The longest that open requests are waited for at the end.
const DRAIN: Duration = Duration::from_secs(4);
const BETWEEN_COMPLAINTS: Duration = Duration::from_mins(1);

struct Shared {
    core: Arc<Core>,
    token: Secret,
    /// Synapse sends one transaction at a time; events of one room must not be handed over by
    /// two at once, whoever sends.
    order: Mutex<Sequence>,
    rarely: Rarely,
}

/// Takes the address to listen on.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener, Fatal> {
    let listener = TcpListener::bind(listen).await;
    listener.map_err(|error| Fatal::because(format!("cannot listen on {listen}"), error))
}

/// Answers the homeserver until the daemon stops; open requests are answered first.
pub(crate) async fn serve(
    listener: TcpListener,
    core: Arc<Core>,
    token: Secret,
) -> Result<(), Fatal> {
    let bridge = core.bridge.clone();
    let shared = Arc::new(Shared {
        core,
        token,
        order: Mutex::default(),
        rarely: Rarely::each(BETWEEN_COMPLAINTS),
    });
    let router = Router::new()
        .route("/_matrix/app/v1/transactions/{txn}", put(transaction))
        .route("/_matrix/app/v1/users/{user}", get(user))
        .route("/_matrix/app/v1/rooms/{alias}", get(not_found))
        .route("/_matrix/app/v1/ping", post(ping))
        .fallback(unrecognized)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), only_the_homeserver))
        .with_state(shared);
    let stopping = bridge.clone();
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopping.stopping().await })
        .into_future();
    let drained = async {
        bridge.stopping().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server => ended.map_err(|error| Fatal::because("the listener ended", error)),
        () = drained => Ok(()),
    }
}

fn error(status: StatusCode, errcode: &str) -> Response {
    (status, Json(json!({ "errcode": errcode, "error": status.canonical_reason() })))
        .into_response()
}

async fn only_the_homeserver(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    match bearer(request.headers()) {
        None => error(StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED"),
        Some(token) if bool::from(token.ct_eq(shared.token.expose().as_bytes())) => {
            next.run(request).await
        }
        Some(_) => {
            if shared.rarely.may(&HS_TOKEN_WRONG) {
                log!(HS_TOKEN_WRONG);
            }
            error(StatusCode::FORBIDDEN, "M_FORBIDDEN")
        }
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ")
}

async fn transaction(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let body = match tokio::time::timeout(BODY, Bytes::from_request(request, &())).await {
        Err(_) => return error(StatusCode::REQUEST_TIMEOUT, "M_UNKNOWN"),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE");
        }
        Ok(Err(_)) => return error(StatusCode::BAD_REQUEST, "M_NOT_JSON"),
        Ok(Ok(body)) => body,
    };
    let Ok(transaction) = serde_json::from_slice::<Transaction>(&body) else {
        return error(StatusCode::BAD_REQUEST, "M_BAD_JSON");
    };
    let mut sequence = shared.order.lock().await;
    if !sequence.takes(&id, shared.core.bridge.now()) {
        log!(TRANSACTION_MISSING);
        return error(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN");
    }
    match shared.core.take(&transaction.events).await {
        Ok(()) => {
            sequence.took(&id);
            shared.core.take_fleeting(transaction.ephemeral.as_deref());
            Json(json!({})).into_response()
        }
        Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    }
}

/// The homeserver asks whether a ghost exists: alike whether the far account does.
async fn user(State(shared): State<Arc<Shared>>, Path(mxid): Path<String>) -> Response {
    let core = &shared.core;
    let found = core.known_ghost(&mxid);
    let Some((ghost, account)) = found else { return not_found().await };
    match core.ghosts.ensure(&core.homeserver, &ghost, &account).await {
        Ok(()) => Json(json!({})).into_response(),
        Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    }
}

async fn ping() -> Response {
    Json(json!({})).into_response()
}

async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "M_NOT_FOUND")
}

async fn unrecognized() -> Response {
    error(StatusCode::NOT_FOUND, "M_UNRECOGNIZED")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_is_what_follows_the_scheme(
            value in prop::collection::vec(b' '..=b'~', 0..40),
            scheme in prop::sample::select(&["Bearer ", "Bearer", "bearer ", "Basic ", ""][..]),
        ) {
            let mut headers = HeaderMap::new();
            prop_assert_eq!(bearer(&headers), None);
            let header = [scheme.as_bytes(), &value].concat();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(&header).unwrap());
            let found = bearer(&headers);
            if scheme == "Bearer " {
                prop_assert_eq!(found, Some(&value[..]));
            } else if !header.starts_with(b"Bearer ") {
                prop_assert_eq!(found, None);
            }
        }
    }
}
