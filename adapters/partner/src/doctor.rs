//! Tries the way between the bridge and the app, for `drawbridge doctor`. Not the proofs: only the
//! app itself could show its own. The key set was read when the adapter was built.

use std::net::SocketAddr;

use drawbridge_adapter::{Circumstances, Diagnosis};
use tokio::net::{TcpListener, TcpStream};

use crate::dial::Dialler;

/// Whether the app can come.
pub(crate) async fn door(at: SocketAddr, around: Circumstances) -> Diagnosis {
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
            "end what listens there, or choose another address for `listen`",
        ),
    }
}

/// Whether the app's server is there.
pub(crate) async fn way(dialler: &Dialler) -> Diagnosis {
    match dialler.reach().await {
        Ok(()) => Diagnosis::well("the partner's server takes connections"),
        Err(why) => Diagnosis::trouble(
            why,
            "ask the partner whether its server runs; let `dial` be its address, and the firewall \
             let the bridge out",
        ),
    }
}
