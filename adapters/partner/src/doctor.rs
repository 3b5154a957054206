//! Tries the way between the bridge and the app, for `drawbridge doctor`: the whole of it where the
//! bridge dials. The key set was read when the adapter was built.

use std::net::SocketAddr;

use drawbridge_adapter::{Circumstances, Diagnosis};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::adapter::Shared;
use crate::dial::{Dialler, TO_CONNECT};
use crate::session::{End, HELLO_WITHIN};
use crate::{hello, identity};

/// Whether the app can come.
pub(crate) async fn door(
    at: SocketAddr,
    around: Circumstances<'_>,
    key: &'static str,
) -> Diagnosis {
    if around.running {
        return match TcpStream::connect(at).await {
            Ok(_) => Diagnosis::well(format!("the daemon listens on {at}")),
            Err(error) => Diagnosis::trouble(
                format!("the daemon runs, and does not listen on {at}: {error}"),
                "restart the daemon: this configuration is not the one that it was started with",
            ),
        };
    }
    match TcpListener::bind(at).await {
        Ok(_) => Diagnosis::well(format!("the bridge can listen on {at}")),
        Err(error) => Diagnosis::trouble(
            format!("the bridge cannot listen on {at}: {error}"),
            format!("end what listens there, or choose another address for `{key}`"),
        ),
    }
}

/// What is found on the way to the app, as far as it leads. Where no daemon runs it leads to the
/// app's `hello`, and no further; a daemon that runs has the one connection there may be.
pub(crate) async fn way(
    dialler: &Dialler,
    shared: &Shared,
    around: Circumstances<'_>,
) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    if let Err(end) = walk(dialler, shared, around, &mut found).await {
        found.push(end);
    }
    found
}

async fn walk(
    dialler: &Dialler,
    shared: &Shared,
    around: Circumstances<'_>,
    found: &mut Vec<Diagnosis>,
) -> Result<(), Diagnosis> {
    let deadline = Instant::now() + TO_CONNECT;
    let stream = step(deadline, dialler.reach(), UNREACHED).await?;
    found.push(Diagnosis::well("the partner's server takes connections"));
    let line = step(deadline, dialler.secure(stream), UNTRUSTED).await?;
    if dialler.is_secure() {
        found.push(Diagnosis::well("the certificate of the partner's server holds"));
    }
    if around.running {
        let what =
            "the proofs are the daemon's business, which is running: see `drawbridge status`";
        found.push(Diagnosis::well(what));
        return Ok(());
    }
    let nonce = identity::nonce();
    let mut socket = step(deadline, dialler.upgrade(line, &nonce, around.now), REFUSED).await?;
    found.push(Diagnosis::well("the partner takes the bridge's proof"));
    let greeted = async {
        let hello = hello::heard(shared, &mut socket).await?;
        hello::proved(shared, &hello, &nonce, around.now).await
    };
    let greeted = timeout(HELLO_WITHIN, greeted).await.unwrap_or(Err((None, End::NoHello)));
    match greeted {
        Ok(()) => {
            hello::turn_away(socket, None, End::Stopping).await;
            found.push(Diagnosis::well("the app proves that it is the partner's"));
            Ok(())
        }
        Err((error, end)) => {
            let trouble = ungreeted(error.as_ref().map(|error| error.message), end);
            hello::turn_away(socket, error, end).await;
            Err(trouble)
        }
    }
}

fn ungreeted(said: Option<&str>, end: End) -> Diagnosis {
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    if end == End::NoProof {
        return Diagnosis::trouble(
            format!("the app's partner proof does not hold{said}"),
            "compare `jwks_file`, `issuer`, `audience` and the clocks with the partner's",
        );
    }
    Diagnosis::trouble(
        format!("the app says no hello that can be taken{said}"),
        "tell the partner: its app says hello first, within ten seconds",
    )
}

/// A step that must be done by then.
async fn step<T>(
    deadline: Instant,
    step: impl Future<Output = Result<T, &'static str>>,
    advice: &str,
) -> Result<T, Diagnosis> {
    let done = timeout_at(deadline, step).await.unwrap_or(Err("the partner does not answer"));
    done.map_err(|why| Diagnosis::trouble(why, advice))
}

const UNREACHED: &str = "ask the partner whether its server runs; let `dial` be its address, and \
                         the firewall let the bridge out";

const UNTRUSTED: &str = "let `dial` name the host as the certificate does, and `dial_ca_file` hold \
                         the authority that signed it; or the partner renews it";

const REFUSED: &str = "let `dial` be the address of the partner's WebSocket; if it is, ask the \
                       partner what it refuses: it must know the bridge's public key, and \
                       `audience` and `issuer` as they stand here";
