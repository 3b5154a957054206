//! `cargo xtask bench`: builds the daemon and the benchmark as they are shipped, and runs it.

use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo;

/// Prints the figures as a table, or as JSON; `quick` ones are fewer and rougher, and `only` names a part.
pub(crate) fn run(json: bool, quick: bool, only: Option<&str>) -> Result<()> {
    let programs = cargo::build_released(&["drawbridge", "drawbridge-bench", "partner-app"])?;
    let mut bench = Command::new(programs.join("drawbridge-bench"));
    bench.arg("run").arg("--daemon").arg(programs.join("drawbridge"));
    bench.arg("--app").arg(programs.join("partner-app"));
    bench.args(json.then_some("--json")).args(quick.then_some("--quick"));
    bench.args(only.into_iter().flat_map(|part| ["--only", part]));
    cargo::run(&mut bench).context("the benchmark did not come to its end")
}
