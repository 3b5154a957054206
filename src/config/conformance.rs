//! The report by which a third-party network is admitted: what the conformance suite wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;

/// The largest report that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// What the suite found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    /// The checks that showed their rule.
    passed: Vec<String>,
    /// The checks that were skipped, each with its reason.
    skipped: BTreeMap<String, String>,
    /// The checks that failed, each with how.
    failed: BTreeMap<String, String>,
}

/// What stands against a network with this report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is not there: it may come before the daemon starts.
    Missing(String),
    /// It does not admit the network.
    Refused(String),
}

impl Unfit {
    pub(super) fn what(self) -> String {
        match self {
            Self::Missing(what) | Self::Refused(what) => what,
        }
    }
}

/// Whether the report at `path` admits its network.
pub(super) fn check(path: &Path) -> Result<(), Unfit> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Unfit::Missing(format!("not there yet: {}", path.display())),
        _ => Unfit::Refused(format!("{}: {error}", path.display())),
    })?;
    read(path, file).map_err(Unfit::Refused)
}

fn read(path: &Path, file: File) -> Result<(), String> {
    let shown = path.display();
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| format!("{shown}: {error}"))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("{shown}: larger than {MAX_BYTES} bytes"));
    }
    judge(&text).map_err(|what| format!("{shown}: {what}"))
}

fn judge(text: &str) -> Result<(), String> {
    let report: Report = serde_json::from_str(text)
        .map_err(|error| format!("not a report of the conformance suite: {error}"))?;
    let Report { passed, skipped, failed } = report;
    if let Some((check, how)) = failed.first_key_value() {
        return Err(format!("the check {check} failed: {how}"));
    }
    if let Some((check, _)) = skipped.iter().find(|(_, why)| why.trim().is_empty()) {
        return Err(format!("the check {check} was skipped without a reason"));
    }
    if passed.is_empty() {
        return Err("no check passed".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_report_without_failures_admits() {
        for (text, expected) in [
            (r#"{"passed":["text_in"],"skipped":{},"failed":{}}"#, ""),
            (r#"{"passed":["text_in"],"skipped":{"drain":"no way back"},"failed":{}}"#, ""),
            (r#"{"passed":["text_in"],"skipped":{"drain":" "},"failed":{}}"#, "without a reason"),
            (r#"{"passed":[],"skipped":{},"failed":{}}"#, "no check passed"),
            (r#"{"passed":["a"],"skipped":{},"failed":{"order_in":"late"}}"#, "order_in failed"),
            (r#"{"passed":["a"]}"#, "not a report"),
            ("passed", "not a report"),
        ] {
            let judged = judge(text).err().unwrap_or_default();
            assert!(
                judged.contains(expected) && judged.is_empty() == expected.is_empty(),
                "{judged}"
            );
        }
    }
}
