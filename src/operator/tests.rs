//! Health, metrics and the socket over a crossing without networks; the dashboard and the alerts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use drawbridge_adapter::{Connection, NetworkId, Timestamp};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::health::{Health, ReasonCode, Standing, judge};
use super::*;
use crate::crossing::{Limits, NetworkReport, Rates, Report};
use crate::generated;

/// A crossing without networks, and what shows it.
pub(super) struct House {
    pub(super) dir: TempDir,
    crossing: Arc<Crossing>,
    operator: Operator,
    listen: SocketAddr,
}

impl House {
    pub(super) async fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let limits = Limits {
            queue: 10,
            expire_after: Duration::from_hours(1),
            pending_after: Duration::from_hours(1),
            keep_ids: Duration::from_hours(1),
            max_file: 1 << 20,
            rates: Rates::FREE,
        };
        let crossing = Crossing::open(dir.path(), Vec::new(), limits, 2 << 20).await.unwrap();
        crossing.start();
        // A port that was free a moment ago; nobody else takes it by its number.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings =
            config::Operator { listen: Some(free), socket: dir.path().join("control.sock") };
        let operator = Operator::start(&settings, Arc::clone(&crossing)).await.unwrap();
        Self { dir, crossing, operator, listen: free }
    }

    /// What the operator's listener answers to these bytes, to the end.
    async fn answers(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.listen).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        answer
    }

    async fn gets(&self, path: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = self.answers(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    pub(super) async fn ends(self) {
        self.operator.stop().await;
        self.crossing.stop_delivering(Duration::from_secs(5)).await;
        self.crossing.close().await.unwrap();
    }
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn ago(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 - i64::try_from(seconds).unwrap() * 1000)
}

/// A report of one network, to be changed.
async fn report() -> Report {
    let house = House::open().await;
    let mut report = house.crossing.report().await;
    house.ends().await;
    report.at = NOW;
    report.stalls.clear();
    let none = crate::crossing::Tallied::default();
    report.networks = vec![NetworkReport {
        id: NetworkId::new("xmpp").unwrap(),
        adapter: "xmpp",
        connection: Connection::Up,
        since: ago(3600),
        queued: 0,
        queue_limit: 100,
        oldest: None,
        due: 0,
        running: 0,
        waiting: 0,
        tallied: none,
    }];
    report
}

fn judged(report: &Report) -> (Standing, Vec<ReasonCode>) {
    let health = judge(report, ago(7200));
    (health.status, health.reasons.iter().map(|reason| reason.code).collect())
}

#[tokio::test]
async fn health_says_what_is_wrong_and_how_bad_it_is() {
    let well = report().await;
    assert_eq!(judged(&well), (Standing::Ok, vec![]));
    let with = |change: &dyn Fn(&mut NetworkReport)| {
        let mut report = well.clone();
        change(&mut report.networks[0]);
        judged(&report)
    };
    let down = Connection::Down { why: "refused" };
    let degraded = |code| (Standing::Degraded, vec![code]);
    let failing = |code| (Standing::Failing, vec![code]);

    let since =
        |seconds| with(&|network| (network.connection, network.since) = (down, ago(seconds)));
    assert_eq!(since(60), degraded(ReasonCode::NetworkDown));
    assert_eq!(since(301), failing(ReasonCode::NetworkDown));

    let waiting = |queued, oldest: Option<u64>| {
        with(&|network| {
            network.connection = Connection::Waiting;
            (network.queued, network.oldest) = (queued, oldest.map(ago));
        })
    };
    assert_eq!(waiting(0, None), (Standing::Ok, vec![]));
    assert_eq!(waiting(1, Some(60)), degraded(ReasonCode::NetworkAwaited));
    assert_eq!(waiting(1, Some(301)), failing(ReasonCode::NetworkAwaited));

    let queued = |queued, oldest| {
        with(&|network| (network.queued, network.oldest) = (queued, Some(ago(oldest))))
    };
    assert_eq!(queued(79, 1), (Standing::Ok, vec![]));
    assert_eq!(queued(80, 1), degraded(ReasonCode::QueueFilling));
    assert_eq!(queued(100, 1), failing(ReasonCode::QueueFull));
    assert_eq!(queued(1, 601), degraded(ReasonCode::MessagesWait));

    let mut broken = well.clone();
    broken.writes.failing_since = Some(ago(5));
    assert_eq!(judged(&broken), failing(ReasonCode::StoreFailing));
}

#[tokio::test]
async fn what_is_worst_stands_first_and_is_the_status() {
    let mut report = report().await;
    report.networks[0].connection = Connection::Down { why: "refused" };
    report.networks[0].since = ago(10);
    (report.networks[0].queued, report.networks[0].oldest) = (100, Some(ago(9)));
    let health = judge(&report, ago(7200));
    assert_eq!(health.status, Standing::Failing);
    let said: Vec<_> = health.reasons.iter().map(|reason| reason.says.as_str()).collect();
    assert_eq!(said, ["100 wait for it, and no more may", "not connected: refused"]);
    let xmpp = &health.networks["xmpp"];
    assert_eq!((xmpp.since.as_str(), xmpp.seconds), ("2027-01-15T07:59:50Z", 10));
    assert_eq!(xmpp.oldest_waiting_seconds, Some(9));
}

#[tokio::test]
async fn health_is_answered_with_its_status() {
    let house = House::open().await;
    let (head, body) = house.gets("/health").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let health: Health = serde_json::from_str(&body).unwrap();
    assert_eq!((health.status, health.store.writes), (Standing::Ok, true));

    // A store that ended is a stall, and a stall shows.
    house.crossing.close().await.unwrap();
    let stalled = async {
        loop {
            let (head, body) = house.gets("/health").await;
            if head.starts_with("HTTP/1.1 503") {
                return serde_json::from_str::<Health>(&body).unwrap();
            }
        }
    };
    let health = tokio::time::timeout(Duration::from_secs(20), stalled).await.unwrap();
    assert_eq!(health.reasons[0].code, ReasonCode::Stalled);
    assert_eq!(health.reasons[0].says, "the store does not write");
}

#[tokio::test]
async fn only_what_is_there_is_answered() {
    let house = House::open().await;
    assert!(house.gets("/").await.0.starts_with("HTTP/1.1 404"));
    assert!(house.gets("/health/").await.0.starts_with("HTTP/1.1 404"));
    let post = "POST /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let answer = house.answers(post).await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: GET, HEAD"), "{answer}");
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(60_000));
    assert!(!house.answers(&long).await.starts_with("HTTP/1.1 2"));
    assert!(house.answers("\0\u{1}nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    house.ends().await;
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let house = House::open().await;
    let settings = config::Operator {
        listen: Some(house.listen),
        socket: house.dir.path().join("other.sock"),
    };
    let error = Operator::start(&settings, Arc::clone(&house.crossing)).await.err().unwrap();
    assert_eq!(error.to_string(), format!("operator.listen: cannot listen on {}", house.listen));
    house.ends().await;
}

/// A page on which every metric has a sample.
async fn whole_page() -> String {
    let mut report = report().await;
    let network = &mut report.networks[0];
    let counts = BTreeMap::from([("unsupported_kind:sticker".to_owned(), 2)]);
    network.tallied.refused = counts.clone();
    network.tallied.failed = counts.clone();
    network.tallied.returned = counts;
    network.tallied.last_heard = Some(ago(1));
    network.tallied.last_delivered = Some(ago(2));
    let health = judge(&report, ago(7200));
    metrics::page(&report, &health, ago(7200))
}

#[tokio::test]
async fn every_metric_is_on_the_page_and_in_the_documentation_and_no_other() {
    let page = whole_page().await;
    let typed: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let known: Vec<_> = metrics::ALL
        .iter()
        .map(|metric| format!("{} {}", metric.name, metric.form.as_str()))
        .collect();
    assert_eq!(
        typed.iter().map(ToString::to_string).collect::<BTreeSet<_>>(),
        known.iter().cloned().collect::<BTreeSet<_>>()
    );
    assert_eq!(typed.len(), known.len(), "a metric has one head");
    for metric in metrics::ALL {
        let sample = page.lines().find(|line| line.starts_with(metric.name)).unwrap();
        for label in metric.labels.split(", ").filter(|label| !label.is_empty()) {
            assert!(sample.contains(&format!("{label}=\"")), "{sample}");
        }
    }
    generated::assert_fresh("docs/metrics.md", &documentation());
}

const HEAD: &str = "\
# Metrics

What `GET /metrics` says, in Prometheus's text format. Counters start at 0 with the daemon. No label
holds a name, an address or an id of anybody's: `network` is the id in `[networks.<id>]`, `code` one of
[codes.md](codes.md).

This file is made from the code; `DRAWBRIDGE_REGENERATE=1 cargo test -p drawbridge` writes it anew.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
";

fn documentation() -> String {
    let mut page = HEAD.to_owned();
    for metric in metrics::ALL {
        let metrics::Metric { name, form, labels, help } = metric;
        writeln!(page, "| `{name}` | {} | {labels} | {help} |", form.as_str()).unwrap();
    }
    page
}

/// The names of metrics in a text, without what a histogram adds to them.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("drawbridge_") || word.starts_with("process_"));
    ours.map(|word| {
        let is_histogram = |base: &str| {
            metrics::ALL.iter().any(|m| m.name == base && m.form == metrics::Form::Histogram)
        };
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| word.strip_suffix(end).filter(|base| is_histogram(base)));
        base.unwrap_or(word).to_owned()
    })
    .collect()
}

#[test]
fn every_alert_and_every_reason_is_explained() {
    let read = |file: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
    };
    let (rules, page) = (read("docs/alerts.rules.yml"), read("docs/operations.md"));
    let alerts: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(page.contains(&format!("\n| {alert} |")), "{alert}");
    }
    for code in [
        ReasonCode::Stalled,
        ReasonCode::StoreFailing,
        ReasonCode::QueueFull,
        ReasonCode::NetworkDown,
        ReasonCode::NetworkAwaited,
        ReasonCode::QueueFilling,
        ReasonCode::MessagesWait,
    ] {
        let name = serde_json::to_value(code).unwrap();
        assert!(page.contains(&format!("\n| `{}` |", name.as_str().unwrap())), "{name}");
    }
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_what_there_is() {
    let known: BTreeSet<_> = metrics::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    for file in ["docs/grafana/drawbridge.json", "docs/alerts.rules.yml", "docs/operations.md"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
        let named = names_in(&text.unwrap());
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty() && !named.is_empty(), "{file}: {unknown:?}");
    }
}
