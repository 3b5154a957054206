//! What the operator sees of the daemon: its log, its health, its metrics, its queue.
//!
//! It asks the crossing for its report, and gives it a form. What is not here: what is logged and
//! counted, which every room does for itself; any decision about messages.

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod codes;
pub(crate) mod control;
#[cfg(test)]
mod features;
pub(crate) mod health;
mod http;
mod journal;
pub mod logging;
mod metrics;
pub(crate) mod notify;
#[cfg(test)]
mod tests;
pub(crate) mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;

use drawbridge_adapter::{Timestamp, log};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::config;
use crate::crossing::Crossing;
use crate::log::HEALTH_LISTENS;
use control::server::{self, Socket};

/// Why the operator would see nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    /// The address of health and metrics is taken, or not this machine's.
    #[error("operator.listen: cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The socket of the commands cannot be made.
    #[error("operator.socket: cannot listen on {0}")]
    Socket(String, #[source] std::io::Error),
}

/// What is shown.
struct Seen {
    crossing: Arc<Crossing>,
    started: Timestamp,
}

/// The listeners that answer the operator.
pub(crate) struct Operator {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Operator {
    /// Listens, and answers what is asked about the crossing.
    pub(crate) async fn start(
        settings: &config::Operator,
        crossing: Arc<Crossing>,
    ) -> Result<Self, OperatorError> {
        let seen = Arc::new(Seen { crossing, started: clock::now() });
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        let socket = Socket::bind(&settings.socket)
            .map_err(|error| OperatorError::Socket(settings.socket.display().to_string(), error))?;
        tasks.spawn(server::serve(socket, Arc::clone(&seen), stopping.clone()));
        if let Some(listen) = settings.listen {
            let listener =
                http::bind(listen).await.map_err(|error| OperatorError::Listen(listen, error))?;
            log!(HEALTH_LISTENS, %listen);
            tasks.spawn(http::serve(listener, Arc::clone(&seen), stopping.clone()));
        }
        Ok(Self { tasks, stopping })
    }

    /// Answers nobody any more.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
