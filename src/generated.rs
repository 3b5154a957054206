//! Files in the repository that are made from the code: fresh, or a test fails.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

/// Fails if the repository's `file` is not `content`; writes it if `DRAWBRIDGE_REGENERATE` is set.
pub(crate) fn assert_fresh(file: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("DRAWBRIDGE_REGENERATE").is_some() {
        std::fs::write(&path, content).expect("a generated file can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == content, "{file} is stale: DRAWBRIDGE_REGENERATE=1 writes it anew");
}
