//! The log: lines for people or JSON for machines, on standard error, in UTC; or fields for systemd's
//! journal.
//!
//! Invariant: what foreign crates say below WARN is never written, whatever the operator asks
//! for: at their lower levels they print frames, stanzas and headers.

use std::io::IsTerminal;
use std::path::Path;

use drawbridge_adapter::log;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::journal::{self, Journal};
use crate::config::{LogFormat, LogLevels};
use crate::log::{JOURNAL_UNREACHABLE, LOG_STARTED_TWICE, PANICKED};

/// Foreign crates that quote what they carry even in their warnings.
const QUOTING: &[&str] = &["xmpp_parsers", "minidom", "tungstenite", "tokio_tungstenite"];

/// How much is logged, which may change while the process runs.
pub struct LogLevel(reload::Handle<Targets, Registry>);

impl LogLevel {
    /// From now on this much is logged.
    pub fn set(&self, levels: &LogLevels) {
        // Fails only if the log never started, which was said then.
        let _ = self.0.reload(filter(levels));
    }
}

/// Starts the log of this process. Once a process.
pub fn start(format: LogFormat, levels: &LogLevels) -> LogLevel {
    let journald = match format {
        LogFormat::Auto => journal::is_stderr(),
        LogFormat::Journald => true,
        LogFormat::Human | LogFormat::Json => false,
    };
    let journal = journald.then(|| Journal::open(Path::new(journal::SOCKET)));
    let (layer, unreachable) = match journal {
        Some(Ok(journal)) => (journal.boxed(), None),
        Some(Err(error)) => (lines(format), Some(error)),
        None => (lines(format), None),
    };
    let (filter, level) = reload::Layer::new(filter(levels));
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    // The usual one prints what the panic says, which may quote what people wrote.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        log!(PANICKED, place);
    }));
    if started.is_err() {
        log!(LOG_STARTED_TWICE);
    }
    if let Some(error) = unreachable {
        log!(JOURNAL_UNREACHABLE, %error);
    }
    LogLevel(level)
}

/// Lines on standard error.
fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if format == LogFormat::Json {
        return lines.json().flatten_event(true).boxed();
    }
    lines.with_ansi(std::io::stderr().is_terminal()).boxed()
}

fn filter(levels: &LogLevels) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets(QUOTING.iter().map(|target| (*target, LevelFilter::OFF)))
        .with_target("drawbridge", levels.all)
        .with_targets(levels.parts.iter().cloned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tracing::Level;

    use super::*;

    fn levels(text: &str) -> LogLevels {
        LogLevels::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn the_operators_level_is_for_our_own_parts() {
        let filter = filter(&levels("trace"));
        assert!(filter.would_enable("drawbridge", &Level::TRACE));
        assert!(filter.would_enable("drawbridge::crossing::lane", &Level::TRACE));
        assert!(filter.would_enable("drawbridge_matrix::inbound", &Level::TRACE));
    }

    #[test]
    fn foreign_crates_never_say_more_than_warnings() {
        let filter = filter(&levels("trace"));
        for target in ["hyper::proto", "reqwest::connect", "rustls", "h2", "rusqlite", "axum"] {
            assert!(!filter.would_enable(target, &Level::INFO), "{target}");
            assert!(filter.would_enable(target, &Level::WARN), "{target}");
        }
    }

    #[test]
    fn crates_that_quote_stanzas_and_frames_say_nothing() {
        let filter = filter(&levels("trace"));
        for target in ["minidom::element", "xmpp_parsers::message", "tungstenite::protocol"] {
            assert!(!filter.would_enable(target, &Level::ERROR), "{target}");
        }
    }

    #[test]
    fn a_part_has_a_level_of_its_own() {
        let filter = filter(&levels("warn,drawbridge_xmpp=debug"));
        assert!(filter.would_enable("drawbridge_xmpp::stream", &Level::DEBUG));
        assert!(!filter.would_enable("drawbridge::crossing", &Level::INFO));
    }

    #[test]
    fn a_foreign_part_cannot_be_named() {
        assert!(LogLevels::try_from("info,hyper=trace".to_owned()).is_err());
        assert!(LogLevels::try_from("verbose".to_owned()).is_err());
        assert!(LogLevels::try_from(String::new()).is_err());
    }
}
