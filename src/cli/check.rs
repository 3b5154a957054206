//! `drawbridge check`: everything that is wrong with the configuration, at once.

use std::path::Path;

use super::{Exit, load, summary};

pub(super) fn check(path: &Path) -> Exit {
    let (findings, exit) = match load(path) {
        Ok(loaded) => (loaded.missing_files(), Exit::Done),
        Err(findings) => (findings, Exit::Configuration),
    };
    for finding in &findings {
        println!("{finding}");
    }
    println!("{}: {}", path.display(), summary(&findings));
    exit
}
