//! `drawbridge check`: everything that is wrong with the configuration, at once.

use std::path::Path;

use super::{Exit, load, summary};
use crate::config::{AdapterType, Severity};

pub(super) fn check(path: &Path, adapters: &[AdapterType]) -> Exit {
    let findings = match load(path, adapters) {
        Ok(loaded) => loaded.findings(),
        Err(findings) => findings,
    };
    let unusable = findings.iter().any(|finding| finding.severity == Severity::Error);
    let exit = if unusable { Exit::Configuration } else { Exit::Done };
    for finding in &findings {
        println!("{finding}");
    }
    println!("{}: {}", path.display(), summary(&findings));
    exit
}
