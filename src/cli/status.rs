//! `drawbridge status`: how the running daemon is.

use std::fmt::Write as _;
use std::path::Path;

use super::Exit;
use super::ask::{age, ask, json, unexpected};
use crate::operator::control::{Request, Response};
use crate::operator::health::{Health, NetworkHealth, Standing};

pub(super) fn print(socket: &Path, as_json: bool) -> Exit {
    let health = match ask(socket, &Request::Status) {
        Ok(Response::Health(health)) => health,
        Ok(_) => return unexpected(),
        Err(exit) => return exit,
    };
    if as_json {
        return json(&health);
    }
    print!("{}", readable(&health));
    Exit::Done
}

fn readable(health: &Health) -> String {
    let mut text = String::new();
    let status = match health.status {
        Standing::Ok => "ok",
        Standing::Degraded => "degraded",
        Standing::Failing => "failing",
    };
    // Writing to a text does not fail.
    let _ = writeln!(text, "{status}, version {}, since {}", health.version, health.started);
    for reason in &health.reasons {
        let network = reason.network.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
        let _ = writeln!(text, "  {network}{} (for {})", reason.says, age(reason.seconds));
    }
    let width = health.networks.keys().map(String::len).max().unwrap_or(0);
    for (id, network) in &health.networks {
        let _ = writeln!(text, "{id:width$}  {}", line(network));
    }
    text
}

fn line(network: &NetworkHealth) -> String {
    let mut line = format!("{:7} for {:8}", network.state.as_str(), age(network.seconds));
    let _ = match (network.queued, network.oldest_waiting_seconds) {
        (0, _) => write!(line, "  nothing waits"),
        (queued, Some(oldest)) => write!(line, "  {queued} wait, the oldest for {}", age(oldest)),
        (queued, None) => write!(line, "  {queued} wait"),
    };
    if let Some(last) = &network.last_success {
        let _ = write!(line, ", last delivery {last}");
    }
    line
}
