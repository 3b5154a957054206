//! The figures, for people and as JSON.

use std::fmt::Write;
use std::fs;

use serde::Serialize;

use crate::arrivals::Flaws;
use crate::subject::Who;

/// One figure of all subjects.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) relay: Values,
    pub(crate) relay_full: Values,
    pub(crate) drawbridge: Values,
}

/// What the runs gave.
#[derive(Default, Serialize)]
#[serde(into = "Summary")]
#[derive(Clone)]
pub(crate) struct Values(Vec<f64>);

#[derive(Serialize)]
struct Summary {
    median: Option<f64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    runs: Vec<f64>,
}

impl Values {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self) -> Option<f64> {
        let values = self.sorted();
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some(f64::midpoint(values[middle - 1], values[middle])),
        }
    }
}

impl From<Values> for Summary {
    fn from(values: Values) -> Self {
        let (median, sorted) = (values.median(), values.sorted());
        Self {
            median,
            minimum: sorted.first().copied(),
            maximum: sorted.last().copied(),
            runs: values.0,
        }
    }
}

/// Everything.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Vec<String>,
    pub(crate) runs: usize,
    pub(crate) messages: usize,
    pub(crate) figures: Vec<Figure>,
    /// In all that the daemon carried.
    pub(crate) flaws: Flaws,
}

impl Report {
    /// Notes one value of one run.
    pub(crate) fn note(&mut self, name: &str, unit: &'static str, who: Who, value: f64) {
        let at = self.figures.iter().position(|figure| figure.name == name);
        let at = at.unwrap_or_else(|| {
            let [relay, relay_full, drawbridge] = Default::default();
            let name = name.to_owned();
            self.figures.push(Figure { name, unit, relay, relay_full, drawbridge });
            self.figures.len() - 1
        });
        let figure = &mut self.figures[at];
        let values = match who {
            Who::Relay => &mut figure.relay,
            Who::RelayFull => &mut figure.relay_full,
            Who::Daemon => &mut figure.drawbridge,
        };
        values.0.push(value);
    }

    /// As a table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| | relay | relay, FULL | drawbridge | ratio |\n| --- | ---: | ---: | ---: | ---: |\n",
        );
        for figure in &self.figures {
            let ratio = match (figure.drawbridge.median(), figure.relay_full.median()) {
                (Some(ours), Some(theirs)) if theirs > 0.0 => format!("{:.2}", ours / theirs),
                _ => String::new(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "| {}, {} | {} | {} | {} | {ratio} |",
                figure.name,
                figure.unit,
                cell(&figure.relay),
                cell(&figure.relay_full),
                cell(&figure.drawbridge)
            );
        }
        let Flaws { lost, twice, reordered } = self.flaws;
        let _ =
            writeln!(table, "\ndrawbridge: {lost} lost, {twice} twice, {reordered} out of order");
        table
    }
}

/// Median, minimum and maximum.
fn cell(values: &Values) -> String {
    let sorted = values.sorted();
    match (values.median(), sorted.first(), sorted.last()) {
        (Some(median), Some(least), Some(most)) if sorted.len() > 1 => {
            format!("{} ({}–{})", number(median), number(*least), number(*most))
        }
        (Some(only), ..) => number(only),
        _ => String::new(),
    }
}

fn number(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// What this machine is.
pub(crate) fn machine() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        format!("{cores} cores, {}", model.trim_start_matches([' ', '\t', ':'])),
        memory.lines().next().unwrap_or_default().to_owned(),
        format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("load average at the start {}", read("/proc/loadavg").trim()),
    ]
}
