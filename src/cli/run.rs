//! `drawbridge run`: the daemon, until it is asked to stop.

use std::error::Error;
use std::time::Duration;

use drawbridge_adapter::log;

use super::Exit;
use crate::config::{Finding, Loaded};
use crate::daemon::{self, DaemonError};
use crate::log::{CONFIGURATION_UNUSABLE, DAEMON_ENDED, DAEMON_STARTING, RUNTIME_FAILED};
use crate::operator::logging;
use crate::store::StoreError;

/// `load` reads the configuration again.
pub(super) fn run(loaded: Loaded, load: impl Fn() -> Result<Loaded, Vec<Finding>>) -> Exit {
    let level = logging::start(loaded.log_format, &loaded.log_levels);
    log!(DAEMON_STARTING, version = env!("CARGO_PKG_VERSION"));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log!(RUNTIME_FAILED, error = &error as &dyn Error);
            return Exit::Failed;
        }
    };
    let ended = runtime.block_on(daemon::run(loaded, load, level));
    // A look-up of a name that never ends must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => exit_of(&error),
    }
}

fn exit_of(error: &DaemonError) -> Exit {
    if let DaemonError::Configuration(findings) = error {
        for finding in findings {
            let origin = finding.origin.as_ref().map(ToString::to_string);
            log!(CONFIGURATION_UNUSABLE, key = finding.key, origin, what = finding.what);
        }
        return Exit::Configuration;
    }
    log!(DAEMON_ENDED, error = error as &dyn Error);
    match error {
        DaemonError::Store(StoreError::Locked(_)) => Exit::Locked,
        _ => Exit::Failed,
    }
}
