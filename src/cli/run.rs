//! `drawbridge run`: the daemon, until it is asked to stop.

use std::error::Error;
use std::time::Duration;

use tracing::{error, info, warn};

use super::Exit;
use crate::config::{Finding, Loaded, Network};
use crate::daemon::{self, DaemonError};
use crate::gate::Role;
use crate::operator::logging;
use crate::store::StoreError;

/// `load` reads the configuration again.
pub(super) fn run(loaded: Loaded, load: impl Fn() -> Result<Loaded, Vec<Finding>>) -> Exit {
    let log = logging::start(loaded.log_format, &loaded.log_levels);
    info!(version = env!("CARGO_PKG_VERSION"), "starting");
    warn_of_open_networks(&loaded.networks);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(error = &error as &dyn Error, "the runtime cannot be started");
            return Exit::Failed;
        }
    };
    let ended = runtime.block_on(daemon::run(loaded, load, log));
    // A look-up of a name that never ends must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => exit_of(&error),
    }
}

fn warn_of_open_networks(networks: &[Network]) {
    for network in networks {
        if network.role == Role::ThirdParty && network.policy.open_without_consent {
            warn!(
                network = network.id.as_str(),
                "OPEN WITHOUT CONSENT: this third-party network reaches every user, and nobody was asked"
            );
        }
    }
}

fn exit_of(error: &DaemonError) -> Exit {
    if let DaemonError::Configuration(findings) = error {
        for finding in findings {
            let origin = finding.origin.as_ref().map(ToString::to_string);
            error!(
                key = finding.key,
                origin,
                what = finding.what,
                "the configuration does not work"
            );
        }
        return Exit::Configuration;
    }
    error!(error = error as &dyn Error, "ended");
    match error {
        DaemonError::Store(StoreError::Locked(_)) => Exit::Locked,
        _ => Exit::Failed,
    }
}
