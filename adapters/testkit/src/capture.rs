//! Everything that is logged in this process, for the search for what must not be logged.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The lines of one process. Tasks hop between threads, so nothing less than a global subscriber
/// sees them all.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<Vec<Line>>>);

struct Line {
    target: &'static str,
    words: String,
}

impl Capture {
    /// The capture of this process; an error if another subscriber was there first.
    pub(crate) fn start() -> Result<Self> {
        static CAPTURE: OnceLock<Result<Capture, String>> = OnceLock::new();
        let started = CAPTURE.get_or_init(|| {
            let capture = Capture::default();
            let subscriber = tracing_subscriber::registry().with(capture.clone());
            let set = tracing::subscriber::set_global_default(subscriber);
            set.map(|()| capture).map_err(|error| error.to_string())
        });
        let started = started.clone().map_err(anyhow::Error::msg);
        started.context("the log cannot be captured: leave the global subscriber to the testkit")
    }

    /// The lines under `target` so far which hold `needle`, in any case.
    pub(crate) fn lines_with(&self, target: &str, needle: &str) -> Vec<String> {
        let needle = needle.to_lowercase();
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = lines.iter().filter(|line| line.target.starts_with(target));
        own.filter(|line| line.words.to_lowercase().contains(&needle))
            .map(|line| line.words.clone())
            .collect()
    }

    fn write(&self, target: &'static str, words: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(Line { target, words });
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        self.write(event.metadata().target(), words.0);
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: LayerContext<'_, S>) {
        let mut words = Words::default();
        span.record(&mut words);
        self.write(span.metadata().target(), words.0);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: LayerContext<'_, S>) {
        let mut words = Words::default();
        values.record(&mut words);
        let target = context.metadata(id).map_or("", |metadata| metadata.target());
        self.write(target, words.0);
    }
}

#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, "{}={value} ", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
