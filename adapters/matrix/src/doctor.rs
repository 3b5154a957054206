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
    pub(crate) ephemeral: bool,
    /// The homeserver, spoken to as whichever user is named, if the operator lets the bridge.
    pub(crate) puppets: Option<&'a Homeserver>,
}

impl Patient<'_> {
    pub(crate) async fn examine(&self, around: Circumstances<'_>) -> Vec<Diagnosis> {
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
        found.push(self.files().await);
        found.push(self.ephemeral());
        if let Some(puppets) = self.puppets {
            found.push(self.as_everybody(puppets).await);
        }
        found.push(self.way_back(around).await);
        found
    }

    /// Whether the homeserver has read the operator's second registration file, and whether that
    /// holds its users. Any name does: the user need not exist.
    async fn as_everybody(&self, puppets: &Homeserver) -> Diagnosis {
        let somebody = format!("@somebody:{}", self.names.server());
        let seen = match puppets.look(WHOAMI, Some(&somebody)).await {
            Ok(seen) => seen,
            Err(error) => return unreachable(&error),
        };
        match seen.status {
            // Synapse's words, as above.
            403 if seen.error.contains("masquerade") => Diagnosis::doubt(
                "the regex in the homeserver's copy of puppet_registration_file does not hold all \
                 local users: of the others the bridge sees no lists",
                "let it be '@.*:' and the server's name, and restart Synapse; or leave it, if \
                 you mean only some",
            ),
            200 | 403 => Diagnosis::well("the bridge may speak as every user of the homeserver"),
            401 => Diagnosis::trouble(
                "the homeserver does not know the as_token in puppet_registration_file",
                REGISTRATION,
            ),
            status => Diagnosis::doubt(
                format!("whether the bridge may speak as every user is unknown: HTTP {status}"),
                "look into the homeserver's log",
            ),
        }
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

    /// Whether files can cross: the bridge reads them by the addresses of Matrix 1.11.
    async fn files(&self) -> Diagnosis {
        let seen = match self.homeserver.look(MEDIA, Some(self.names.bot())).await {
            Ok(seen) => seen,
            Err(error) => return unreachable(&error),
        };
        match seen.status {
            200 => Diagnosis::well("the homeserver takes files, and gives them out"),
            404 => Diagnosis::doubt(
                "the homeserver does not have authenticated media: no files come from it",
                "let it be of Matrix 1.11 or later; Synapse is since 1.111",
            ),
            status => Diagnosis::doubt(
                format!("whether files can cross is unknown: HTTP {status}"),
                "look into the homeserver's log",
            ),
        }
    }

    /// Whether typing and receipts are asked for. Only in our copy of the registration file: the
    /// homeserver tells of its own by no API.
    fn ephemeral(&self) -> Diagnosis {
        if self.ephemeral {
            return Diagnosis::well("the registration file asks for typing and receipts");
        }
        Diagnosis::doubt(
            "the registration file is of an earlier version: it does not ask for typing and \
             receipts, and nobody on the other networks sees those of this homeserver's users",
            "write `receive_ephemeral: true` into both copies of the file, and restart Synapse",
        )
    }

    /// Whether the homeserver reaches the bridge, and proves itself to it.
    async fn way_back(&self, around: Circumstances<'_>) -> Diagnosis {
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

const MEDIA: &str = "/_matrix/client/v1/media/config";
const WHOAMI: &str = "/_matrix/client/v3/account/whoami";

fn unreachable(error: &CallError) -> Diagnosis {
    let found = match error {
        CallError::Unreachable => "nothing takes connections at homeserver_url, or its TLS fails",
        _ => "the homeserver does not answer",
    };
    Diagnosis::trouble(found, "start the homeserver, or correct homeserver_url")
}

fn clocks(seen: &Seen, around: Circumstances<'_>) -> Option<Diagnosis> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use std::time::SystemTime;

    use drawbridge_adapter::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::stub;

    /// What is found of a homeserver where all is well, by a machine whose clock differs by this.
    async fn found(by: Duration, ephemeral: bool) -> Vec<Diagnosis> {
        found_with_files(by, ephemeral, 200).await
    }

    /// The same of one that answers so when it is asked for files.
    async fn found_with_files(by: Duration, ephemeral: bool, files: u16) -> Vec<Diagnosis> {
        let pong = move |call: &stub::Call| match () {
            () if call.path.contains("/media/config") => Some((files, json!({}))),
            () => call.path.contains("/ping").then(|| (200, json!({ "duration_ms": 1 }))),
        };
        let stub = stub::Stub::start(pong).await;
        let secret = Secret::new("token");
        let patient = Patient {
            names: &stub.core.names,
            homeserver: &stub.core.homeserver,
            appservice: "drawbridge",
            listen: ([127, 0, 0, 1], 0).into(),
            from_homeserver: &secret,
            ephemeral,
            puppets: Some(&stub.core.homeserver),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + by;
        let now = Timestamp(i64::try_from(now.as_millis()).unwrap());
        patient.examine(Circumstances { running: true, now, local_domains: &[] }).await
    }

    #[tokio::test]
    async fn a_clock_that_is_wrong_is_in_doubt() {
        let all = found(Duration::ZERO, true).await;
        assert!(all.iter().all(|one| one.advice.is_none()), "{all:?}");
        let agree = "the homeserver's clock and this machine's agree";
        assert!(all.iter().any(|one| one.found == agree), "{all:?}");

        // The answer may come a little later than the time was taken.
        let all = found(Duration::from_mins(10), true).await;
        let wrong: Vec<_> = all.iter().filter(|one| one.advice.is_some()).collect();
        let [Diagnosis { found, advice: Some(advice), grave: false }] = wrong[..] else {
            panic!("{all:?}");
        };
        assert!(found.contains("differ by 600 s") || found.contains("differ by 599 s"), "{found}");
        assert!(advice.contains("set-ntp"), "{advice}");
    }

    #[tokio::test]
    async fn a_registration_of_earlier_is_in_doubt() {
        let all = found(Duration::ZERO, false).await;
        let wrong: Vec<_> = all.iter().filter(|one| one.advice.is_some()).collect();
        let [one] = wrong[..] else { panic!("{all:?}") };
        assert!(
            one.found.contains("typing and receipts") && !one.grave && one.advice.is_some(),
            "{one:?}"
        );
    }

    #[tokio::test]
    async fn a_homeserver_without_files_is_in_doubt() {
        for (status, word) in [(404, "authenticated media"), (500, "HTTP 500")] {
            let all = found_with_files(Duration::ZERO, true, status).await;
            let wrong: Vec<_> = all.iter().filter(|one| one.advice.is_some()).collect();
            let [one] = wrong[..] else { panic!("{all:?}") };
            assert!(one.found.contains(word) && !one.grave, "{one:?}");
        }
    }

    #[test]
    fn a_clock_may_differ_by_half_a_minute() {
        let seen = |seconds| Seen {
            status: 200,
            date: Some(UNIX_EPOCH + Duration::from_secs(seconds)),
            error: String::new(),
        };
        let around =
            Circumstances { running: false, now: Timestamp(1_000_000_999), local_domains: &[] };
        for (theirs, well) in
            [(999_970, true), (1_000_030, true), (999_969, false), (1_000_031, false)]
        {
            let told = clocks(&seen(theirs), around).unwrap();
            assert_eq!(told.advice.is_none(), well, "{told:?}");
        }
        assert_eq!(clocks(&Seen { date: None, ..seen(0) }, around), None);
    }
}
