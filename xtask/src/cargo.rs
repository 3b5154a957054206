//! What is done by calling cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use drawbridge_servers::{install, workspace};

/// The version of cargo-deny that deny.toml is written for.
const CARGO_DENY: &str = "0.20.2";

/// Installs the servers, builds everything at once, and runs every test.
pub(crate) fn test() -> Result<()> {
    install()?;
    // The scenarios start the example partner app: with all targets it is among what is built,
    // and the tests below build nothing again.
    run(cargo().args(["build", "--workspace", "--all-targets"]))?;
    if succeeds(cargo().args(["nextest", "--version"])) {
        run(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]))?;
        return run(cargo().args(["test", "--workspace", "--doc"]));
    }
    run(cargo().args(["test", "--workspace", "--no-fail-fast"]))
}

/// Lets the tests that hold generated files against their sources write them instead.
pub(crate) fn generate() -> Result<()> {
    let mut tests = cargo();
    tests.args(["test", "--quiet", "--workspace", "--lib", "--test", "fresh"]);
    tests.env("DRAWBRIDGE_REGENERATE", "1");
    run(&mut tests)
}

/// Runs cargo-deny. Not the advisories: they are fetched from elsewhere each time, and a check of
/// the same sources must not answer differently tomorrow.
pub(crate) fn deny() -> Result<()> {
    let deny = tool("cargo-deny", CARGO_DENY, &[])?;
    run(Command::new(deny).current_dir(workspace()).args(["check", "bans", "licenses", "sources"]))
}

/// A program that cargo installs, of this version: the machine's, or one of our own.
pub(crate) fn tool(name: &str, version: &str, arguments: &[&str]) -> Result<PathBuf> {
    let tools = workspace().join("target/tools");
    let ours = tools.join("bin").join(name);
    let is_right = |program: &PathBuf| {
        let answer = Command::new(program).arg("--version").output();
        answer.is_ok_and(|answer| answer.stdout.trim_ascii_end().ends_with(version.as_bytes()))
    };
    for program in [PathBuf::from(name), ours.clone()] {
        if is_right(&program) {
            return Ok(program);
        }
    }
    eprintln!("[install] {name} {version} into {}", tools.display());
    let mut build = cargo();
    // Unoptimised and without debug information: it is built on each new machine, and runs for a
    // second.
    build.args(["install", "--locked", "--debug", "--version", version]).args(arguments);
    build.env("CARGO_PROFILE_DEV_DEBUG", "0");
    run(build.arg("--root").arg(&tools).arg(name))?;
    Ok(ours)
}

/// Builds the daemon and the example partner app, and gives the folder that they are in.
pub(crate) fn build_programs() -> Result<PathBuf> {
    run(cargo().args(["build", "--package", "drawbridge", "--package", "partner-app"]))?;
    // Beside this very program: cargo put them into the same folder.
    let here = std::env::current_exe()?;
    Ok(here.parent().context("this program is in no folder")?.to_owned())
}

/// Builds these packages as they are shipped, and gives the folder that their programs are in.
pub(crate) fn build_released(packages: &[&str]) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release"]);
    build.args(packages.iter().flat_map(|package| ["--package", package]));
    run(&mut build)?;
    Ok(target()?.join("release"))
}

/// The build's folder: this program is in that of a profile below it.
pub(crate) fn target() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let target = here.parent().and_then(Path::parent);
    Ok(target.context("this program is in no folder")?.to_owned())
}

pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(workspace());
    command
}

/// Runs it, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
