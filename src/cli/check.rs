//! `drawbridge check`: everything that is wrong with the configuration, at once.

use std::path::Path;

use super::{Exit, load, summary};
use crate::config::AdapterType;

pub(super) fn check(path: &Path, adapters: &[AdapterType]) -> Exit {
    let (findings, exit) = match load(path, adapters) {
        Ok(loaded) => (loaded.warnings(), Exit::Done),
        Err(findings) => (findings, Exit::Configuration),
    };
    for finding in &findings {
        println!("{finding}");
    }
    println!("{}: {}", path.display(), summary(&findings));
    exit
}
