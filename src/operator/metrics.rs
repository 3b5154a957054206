//! What `GET /metrics` says, in Prometheus's text format 0.0.4.
//!
//! Invariant: labels are networks' ids, codes and states. Nothing that a user chose is in one, and
//! their number is bounded by the configuration and the list of codes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use drawbridge_adapter::Timestamp;

use super::health::{Health, NetworkState, Standing};
use crate::count::Distribution;
use crate::crossing::{NetworkReport, Report};

/// The media type of the page.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric: the name, its type, and what it means.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// For the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the documentation names them"))]
    pub(super) labels: &'static str,
    pub(super) help: &'static str,
}

/// The types of Prometheus that are used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Counter,
    Gauge,
    Histogram,
}

impl Form {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($constant:ident: $form:ident $name:literal [$labels:literal] $help:literal;)*) => {
        $(const $constant: Metric = Metric {
            name: $name,
            form: Form::$form,
            labels: $labels,
            help: $help,
        };)*
        /// All of them, in the order of the page.
        #[cfg(test)]
        pub(super) const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    BUILD: Gauge "drawbridge_build_info" ["version"] "Always 1, for the version.";
    STARTED: Gauge "process_start_time_seconds" [""] "When the daemon started, as a Unix time.";
    MEMORY: Gauge "process_resident_memory_bytes" [""] "The memory that the daemon holds.";
    HEALTH: Gauge "drawbridge_health" ["status"] "1 for the status that /health tells, 0 for the others.";
    STALLS: Gauge "drawbridge_stalls" [""] "How many things are due and do not move.";
    STATE: Gauge "drawbridge_network_state" ["network, state"] "1 for the state of the connection, 0 for the others.";
    SINCE: Gauge "drawbridge_network_state_since_seconds" ["network"] "Since when the network is up, or since when it is not, as a Unix time.";
    CONNECTS: Counter "drawbridge_network_connects_total" ["network"] "How often the connection came.";
    DISCONNECTS: Counter "drawbridge_network_disconnects_total" ["network"] "How often the connection was lost.";
    ACCEPTED: Counter "drawbridge_events_accepted_total" ["network"] "Events of the network's users that were accepted, and are on disk.";
    REFUSED: Counter "drawbridge_events_refused_total" ["network, code"] "Events of the network's users that were refused at once.";
    REPEATED: Counter "drawbridge_events_repeated_total" ["network"] "Events that the network handed over again, and that did nothing.";
    CROSSED: Counter "drawbridge_messages_crossed_total" ["network"] "Messages that the network took.";
    FAILED: Counter "drawbridge_messages_failed_total" ["network, code"] "Messages for the network that failed after they were accepted; their senders were told.";
    RETURNED: Counter "drawbridge_messages_returned_total" ["network, code"] "Messages that the network took and sent back; their senders were told.";
    SWALLOWED: Counter "drawbridge_messages_swallowed_total" ["network"] "Messages for the network's users that their blocks swallowed.";
    PUT_OFF: Counter "drawbridge_deliveries_put_off_total" ["network"] "Tries to deliver after which a conversation waits for another.";
    FILE_BYTES: Counter "drawbridge_file_bytes_total" ["network"] "The bytes of files that the network took.";
    LATENCY: Histogram "drawbridge_delivery_seconds" ["network"] "Time from a message's acceptance until the network took it.";
    HEARD: Gauge "drawbridge_last_heard_seconds" ["network"] "When an event last came from the network, as a Unix time.";
    DELIVERED: Gauge "drawbridge_last_delivered_seconds" ["network"] "When the network last took something, as a Unix time.";
    QUEUED: Gauge "drawbridge_queue_messages" ["network"] "What waits for the network: messages, and words to senders.";
    LIMIT: Gauge "drawbridge_queue_limit_messages" ["network"] "How much may wait for the network.";
    OLDEST: Gauge "drawbridge_queue_oldest_age_seconds" ["network"] "For how long the oldest of what waits has waited; 0 if nothing does.";
    LANES: Gauge "drawbridge_conversations" ["network, state"] "Conversations that are not at rest: due, running or waiting for their next try.";
    COMMIT_JOBS: Histogram "drawbridge_commit_jobs" [""] "How many jobs shared one commit.";
    COMMIT_TIME: Histogram "drawbridge_commit_seconds" [""] "How long a commit took.";
    COMMIT_FAILED: Counter "drawbridge_commit_failures_total" [""] "Commits that the disk or the database refused.";
    STORED: Gauge "drawbridge_store_bytes" [""] "The bytes of the database and its log on disk.";
    SPOOLED: Gauge "drawbridge_spool_bytes" [""] "The bytes of files on their way that lie on disk.";
}

/// The page, of a report and the judgement on it.
pub(crate) fn page(report: &Report, health: &Health, started: Timestamp) -> String {
    let mut page = Page::default();
    page.one(&BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.one(&STARTED, &[], seconds(started));
    if let Some(memory) = memory() {
        page.one(&MEMORY, &[], memory);
    }
    page.head(&HEALTH);
    for (status, name) in
        [(Standing::Ok, "ok"), (Standing::Degraded, "degraded"), (Standing::Failing, "failing")]
    {
        page.sample(HEALTH.name, &[("status", name)], u8::from(health.status == status));
    }
    page.one(&STALLS, &[], report.stalls.len());
    page.networks(report);
    page.distribution(&COMMIT_JOBS, &[], &report.writes.jobs, 0);
    page.distribution(&COMMIT_TIME, &[], &report.writes.microseconds, 6);
    page.one(&COMMIT_FAILED, &[], report.writes.failures);
    if let Some(bytes) = report.stored_bytes {
        page.one(&STORED, &[], bytes);
    }
    page.one(&SPOOLED, &[], report.spooled_bytes);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    /// The last metric whose head was written: a histogram's samples come network by network.
    last: &'static str,
}

type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    fn networks(&mut self, report: &Report) {
        type Number = fn(&NetworkReport) -> u64;
        type Codes = fn(&NetworkReport) -> &BTreeMap<String, u64>;
        let connection = [NetworkState::Up, NetworkState::Waiting, NetworkState::Down];
        self.each(report, &STATE, |page, network, id| {
            for state in connection {
                let is = NetworkState::of(network.connection) == state;
                let labels = [("network", id), ("state", state.as_str())];
                page.sample(STATE.name, &labels, u8::from(is));
            }
        });
        self.each(report, &SINCE, |page, network, id| {
            page.sample(SINCE.name, &[("network", id)], seconds(network.since));
        });
        let numbers: [(&Metric, Number); 10] = [
            (&CONNECTS, |network| network.tallied.connects),
            (&DISCONNECTS, |network| network.tallied.disconnects),
            (&ACCEPTED, |network| network.tallied.accepted),
            (&REPEATED, |network| network.tallied.repeated),
            (&CROSSED, |network| network.tallied.crossed),
            (&SWALLOWED, |network| network.tallied.swallowed),
            (&PUT_OFF, |network| network.tallied.put_off),
            (&FILE_BYTES, |network| network.tallied.file_bytes),
            (&QUEUED, |network| network.queued),
            (&LIMIT, |network| network.queue_limit),
        ];
        for (metric, number) in numbers {
            self.each(report, metric, |page, network, id| {
                page.sample(metric.name, &[("network", id)], number(network));
            });
        }
        self.each(report, &OLDEST, |page, network, id| {
            let age = network.oldest.map_or(0, |oldest| report.at.since(oldest).as_secs());
            page.sample(OLDEST.name, &[("network", id)], age);
        });
        self.each(report, &HEARD, |page, network, id| {
            if let Some(at) = network.tallied.last_heard {
                page.sample(HEARD.name, &[("network", id)], seconds(at));
            }
        });
        self.each(report, &DELIVERED, |page, network, id| {
            if let Some(at) = network.tallied.last_delivered {
                page.sample(DELIVERED.name, &[("network", id)], seconds(at));
            }
        });
        self.each(report, &LANES, |page, network, id| {
            let states =
                [("due", network.due), ("running", network.running), ("waiting", network.waiting)];
            for (state, count) in states {
                page.sample(LANES.name, &[("network", id), ("state", state)], count);
            }
        });
        let counts: [(&Metric, Codes); 3] = [
            (&REFUSED, |network| &network.tallied.refused),
            (&FAILED, |network| &network.tallied.failed),
            (&RETURNED, |network| &network.tallied.returned),
        ];
        for (metric, counts) in counts {
            self.each(report, metric, |page, network, id| {
                for (code, count) in counts(network) {
                    page.sample(metric.name, &[("network", id), ("code", code)], *count);
                }
            });
        }
        for network in &report.networks {
            let labels = [("network", network.id.as_str())];
            self.distribution(&LATENCY, &labels, &network.tallied.milliseconds, 3);
        }
    }

    fn each(
        &mut self,
        report: &Report,
        metric: &Metric,
        write: impl Fn(&mut Self, &NetworkReport, &str),
    ) {
        self.head(metric);
        for network in &report.networks {
            write(self, network, network.id.as_str());
        }
    }

    fn one(&mut self, metric: &Metric, labels: Labels<'_>, value: impl std::fmt::Display) {
        self.head(metric);
        self.sample(metric.name, labels, value);
    }

    /// A histogram; `digits` of its values stand behind the point.
    fn distribution(
        &mut self,
        metric: &Metric,
        labels: Labels<'_>,
        values: &Distribution,
        digits: u32,
    ) {
        self.head(metric);
        let bucket = format!("{}_bucket", metric.name);
        for (bound, count) in &values.up_to {
            let bound = decimal(*bound, digits);
            let labels = [labels, &[("le", &bound)]].concat();
            self.sample(&bucket, &labels, *count);
        }
        let labels_of_all = [labels, &[("le", "+Inf")]].concat();
        self.sample(&bucket, &labels_of_all, values.count);
        self.sample(&format!("{}_sum", metric.name), labels, decimal(values.sum, digits));
        self.sample(&format!("{}_count", metric.name), labels, values.count);
    }

    fn head(&mut self, metric: &Metric) {
        if self.last == metric.name {
            return;
        }
        self.last = metric.name;
        let Metric { name, help, form, .. } = metric;
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", form.as_str());
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl std::fmt::Display) {
        self.text.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let start = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{start}{label}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// No value that is used needs it today; a format is kept all the same.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// `1500` with three digits behind the point: `1.5`.
fn decimal(value: u64, digits: u32) -> String {
    let scale = 10_u64.pow(digits);
    let (whole, rest) = (value / scale, value % scale);
    if rest == 0 {
        return whole.to_string();
    }
    let rest = format!("{rest:0width$}", width = digits as usize);
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

/// Milliseconds since the Unix epoch in seconds.
fn seconds(at: Timestamp) -> String {
    decimal(u64::try_from(at.0).unwrap_or(0), 3)
}

/// The memory that this process holds, in bytes, by the kernel's word.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
