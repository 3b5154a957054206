//! A reload: the configuration is read and checked whole, and taken over as far as a running
//! daemon can; or nothing of it is.

use std::sync::atomic::{AtomicBool, Ordering};

use drawbridge_adapter::{NetworkId, log};
use tokio::signal::unix::Signal;

use crate::config::{Finding, Loaded, Network, Values};
use crate::crossing::{Crossing, NetworkRules};
use crate::daemon;
use crate::log::{RELOAD_REFUSED, RELOADED};
use crate::operator::logging::LogLevel;
use crate::operator::notify::{Notice, Notifier};

/// What a reload needs.
pub(crate) struct Reloader<F> {
    load: F,
    log: LogLevel,
    /// What the daemon runs with.
    running: Values,
    refused: AtomicBool,
}

impl<F: Fn() -> Result<Loaded, Vec<Finding>>> Reloader<F> {
    /// `load` reads the configuration, `running` is what the daemon was started with.
    pub(crate) fn new(load: F, log: LogLevel, running: Values) -> Self {
        Self { load, log, running, refused: AtomicBool::new(false) }
    }

    /// Whether the last reload was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Reloads at each signal.
    pub(crate) async fn run(&self, mut asked: Signal, notifier: &Notifier, crossing: &Crossing) {
        let mut running = self.running.clone();
        while asked.recv().await.is_some() {
            notifier.tell(&[Notice::Reloading]);
            match self.reload(&running, crossing) {
                Ok(values) => {
                    running = values;
                    self.refused.store(false, Ordering::Relaxed);
                }
                Err(findings) => {
                    for finding in findings {
                        let origin = finding.origin.as_ref().map(ToString::to_string);
                        let (key, what) = (finding.key, finding.what);
                        log!(RELOAD_REFUSED, key, origin, what);
                    }
                    self.refused.store(true, Ordering::Relaxed);
                }
            }
            notifier.tell(&[Notice::Ready]);
        }
    }

    fn reload(&self, running: &Values, crossing: &Crossing) -> Result<Values, Vec<Finding>> {
        let loaded = (self.load)()?;
        let changed = loaded.values.changes(running)?;
        self.log.set(&loaded.log_levels);
        let limits = daemon::limits(&loaded);
        crossing.change(limits, loaded.networks.into_iter().map(rules).collect());
        log!(RELOADED, changed = changed.join(", "));
        Ok(loaded.values)
    }
}

fn rules(network: Network) -> (NetworkId, NetworkRules) {
    let Network { id, local_domains, policy, hosts, .. } = network;
    (id, NetworkRules { local_domains, policy, hosts })
}
