//! The template keeps its promises: it is small, and docs/adapter-guide.md shows this very text.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of code, without comments and blank lines.
const MOST: usize = 200;

/// The files that the guide shows whole, by their names there, and here.
const SHOWN: [(&str, &str); 2] = [
    ("drawbridge-template/src/lib.rs", "src/lib.rs"),
    ("drawbridge-template/tests/conformance.rs", "tests/conformance.rs"),
];

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn the_whole_adapter_has_at_most_two_hundred_lines_of_code() {
    let mut count = 0;
    for file in fs::read_dir(here("src")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        count += text.lines().filter(code).count();
    }
    assert!(count <= MOST, "{count} lines of code");
}

#[test]
fn the_guide_shows_the_template_as_it_is() {
    let guide = here("../../docs/adapter-guide.md");
    let found = fs::read_to_string(&guide).unwrap();
    let mut fresh = found.clone();
    for (name, file) in SHOWN {
        let head = format!("\n`{name}`:\n\n```rust\n");
        let start = fresh.find(&head).expect(name) + head.len();
        // The fence on a line of its own: those in the doc comments are not.
        let end = start + fresh[start - 1..].find("\n```\n").expect("an end");
        fresh.replace_range(start..end, &fs::read_to_string(here(file)).unwrap());
    }
    if std::env::var_os("DRAWBRIDGE_REGENERATE").is_some() {
        fs::write(&guide, &fresh).unwrap();
    }
    assert!(
        found == fresh || std::env::var_os("DRAWBRIDGE_REGENERATE").is_some(),
        "docs/adapter-guide.md is stale: DRAWBRIDGE_REGENERATE=1 writes it anew"
    );
}
