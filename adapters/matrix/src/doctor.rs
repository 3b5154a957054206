//! Tries what the bridge needs of the homeserver: for `drawbridge doctor`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use drawbridge_adapter::{Addressing, Circumstances, Diagnosis, NetworkId, Secret, UserId};
use ruma::api::client::appservice::request_ping;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;

use crate::address::MatrixAddressing;
use crate::homeserver::{As, CallError, Homeserver, Seen};
use crate::inbound::bearer;

/// By how much the clocks may differ.
const SKEW: Duration = Duration::from_secs(30);

const REGISTRATION: &str = "put the registration file's path into app_service_config_files of \
     homeserver.yaml, let Synapse read the file, and restart Synapse; it reads the file at its \
     start only";

/// What is examined.
pub(crate) struct Patient<'a> {
    pub(crate) names: &'a MatrixAddressing,
    pub(crate) homeserver: &'a Homeserver,
    pub(crate) appservice: &'a str,
    pub(crate) listen: SocketAddr,
    pub(crate) from_homeserver: &'a Secret,
}

impl Patient<'_> {
    pub(crate) async fn examine(&self, around: Circumstances) -> Vec<Diagnosis> {
        let versions = self.homeserver.look("/_matrix/client/versions", None).await;
        let seen = match versions {
            Ok(seen) if seen.status == 200 => seen,
            Ok(seen) => {
                return vec![Diagnosis::trouble(
                    format!(
                        "what answers at homeserver_url is no homeserver: HTTP {}",
                        seen.status
                    ),
                    "set homeserver_url to the address of the client-server API",
                )];
            }
            Err(error) => return vec![unreachable(&error)],
        };
        let mut found = vec![Diagnosis::well("the homeserver answers")];
        found.extend(clocks(&seen, around));
        if let Err(trouble) = self.token().await {
            found.push(trouble);
            return found;
        }
        found.push(Diagnosis::well("the homeserver knows the registration file's as_token"));
        found.push(self.namespaces().await);
        found.push(self.way_back(around).await);
        found
    }

    /// Whether the homeserver knows the token, and the bot by its name.
    async fn token(&self) -> Result<(), Diagnosis> {
        let seen = self.homeserver.look(WHOAMI, Some(self.names.bot())).await;
        let seen = seen.map_err(|error| unreachable(&error))?;
        match seen.status {
            200 => Ok(()),
            401 => Err(Diagnosis::trouble(
                "the homeserver does not know the registration file's as_token",
                REGISTRATION,
            )),
            403 => Err(Diagnosis::trouble(
                "the bot is another one in the homeserver's copy of the registration file",
                REGISTRATION,
            )),
            status => Err(Diagnosis::trouble(
                format!("the homeserver refuses the bridge: HTTP {status}"),
                "look into the homeserver's log",
            )),
        }
    }

    /// Whether the homeserver's copy of the registration file lets the bridge speak as a ghost.
    /// The ghost need not exist.
    async fn namespaces(&self) -> Diagnosis {
        let nobody = NetworkId::new("doctor").ok().and_then(|id| UserId::new(id, "nobody").ok());
        let ghost = nobody.and_then(|user| self.names.address_of(&user).ok()).unwrap_or_default();
        let seen = match self.homeserver.look(WHOAMI, Some(&ghost)).await {
            Ok(seen) => seen,
            Err(error) => return unreachable(&error),
        };
        // Synapse's words: the code is the same for a ghost that is not made yet.
        if seen.status == 403 && seen.error.contains("masquerade") {
            return Diagnosis::trouble(
                "the namespaces in the homeserver's copy of the registration file do not hold \
                 the bridge's ghosts: server_name or ghost_prefix is another one there",
                REGISTRATION,
            );
        }
        if matches!(seen.status, 200 | 403) {
            return Diagnosis::well("the registration's namespaces hold the bridge's ghosts");
        }
        Diagnosis::doubt(
            format!("whether the bridge may speak as a ghost is unknown: HTTP {}", seen.status),
            "look into the homeserver's log",
        )
    }

    /// Whether the homeserver reaches the bridge, and proves itself to it.
    async fn way_back(&self, around: Circumstances) -> Diagnosis {
        let mut stub = None;
        if !around.running {
            match Stub::listen(self.listen, self.from_homeserver).await {
                Ok(listens) => stub = Some(listens),
                Err(error) => {
                    return Diagnosis::trouble(
                        format!("the bridge cannot listen on {}: {error}", self.listen),
                        "end what listens there, or choose another address for `listen`, and make \
                         the registration file anew",
                    );
                }
            }
        }
        let ping = request_ping::v1::Request::new(self.appservice.to_owned());
        let answer = self.homeserver.call(As::Bot, ping).await;
        let strange = stub.is_some_and(|stub| stub.strange.load(Ordering::Relaxed));
        let listen = self.listen;
        let Err(error) = answer else {
            return Diagnosis::well(
                "the homeserver reaches the bridge, with the registration file's hs_token",
            );
        };
        if strange || error.says("M_BAD_STATUS") {
            return Diagnosis::trouble(
                "the homeserver reaches the bridge, but with another hs_token",
                REGISTRATION,
            );
        }
        if error.says("M_CONNECTION_FAILED") || error.says("M_CONNECTION_TIMEOUT") {
            return Diagnosis::trouble(
                "the homeserver does not reach the bridge",
                format!(
                    "let `url` in the registration file be an address at which the homeserver's \
                     machine reaches {listen}, open the firewall, and restart Synapse"
                ),
            );
        }
        if error.says("M_URL_NOT_SET") {
            return Diagnosis::trouble("the registration file has no `url`", REGISTRATION);
        }
        if error.is_forbidden() {
            return Diagnosis::trouble(
                "appservice_id is not the `id` in the homeserver's copy of the registration file",
                REGISTRATION,
            );
        }
        Diagnosis::doubt(
            "whether the homeserver reaches the bridge is unknown: it does not answer the ping",
            "look into the homeserver's log; Synapse knows the ping since 1.84",
        )
    }
}

const WHOAMI: &str = "/_matrix/client/v3/account/whoami";

fn unreachable(error: &CallError) -> Diagnosis {
    let found = match error {
        CallError::Unreachable => "nothing takes connections at homeserver_url, or its TLS fails",
        _ => "the homeserver does not answer",
    };
    Diagnosis::trouble(found, "start the homeserver, or correct homeserver_url")
}

fn clocks(seen: &Seen, around: Circumstances) -> Option<Diagnosis> {
    let theirs = seen.date?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let ours = u64::try_from(around.now.0).ok()? / 1000;
    let apart = theirs.abs_diff(ours);
    if apart <= SKEW.as_secs() {
        return Some(Diagnosis::well("the homeserver's clock and this machine's agree"));
    }
    Some(Diagnosis::doubt(
        format!("the homeserver's clock and this machine's differ by {apart} seconds"),
        "let both machines keep time by NTP: `timedatectl set-ntp true`",
    ))
}

/// Stands in for the daemon: answers the ping, and puts everything else off.
struct Stub {
    /// A ping came with another token.
    strange: Arc<AtomicBool>,
    _until_dropped: DropGuard,
}

impl Stub {
    async fn listen(listen: SocketAddr, token: &Secret) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let strange = Arc::new(AtomicBool::new(false));
        let state = (token.clone(), Arc::clone(&strange));
        let router = Router::new()
            .route("/_matrix/app/v1/ping", post(answer))
            .fallback(async || StatusCode::SERVICE_UNAVAILABLE)
            .with_state(state);
        let stop = tokio_util::sync::CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(stopped).into_future());
        Ok(Self { strange, _until_dropped: stop.drop_guard() })
    }
}

async fn answer(
    State((token, strange)): State<(Secret, Arc<AtomicBool>)>,
    request: Request,
) -> (StatusCode, &'static str) {
    let shown = bearer(request.headers()).unwrap_or_default();
    if bool::from(shown.ct_eq(token.expose().as_bytes())) {
        return (StatusCode::OK, "{}");
    }
    strange.store(true, Ordering::Relaxed);
    (StatusCode::FORBIDDEN, "{}")
}
