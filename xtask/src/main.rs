//! The project's own commands: `cargo xtask test`, `demo`, `bench`, `generate`,
//! `package`, `deny`.
//!
//! What is not here: anything that the daemon needs to run.

mod bench;
mod cargo;
mod demo;
mod package;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Drawbridge's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs the servers that the tests need, once, and runs every test.
    Test,
    /// Shows the bridge at work between a real Synapse, a real Prosody and the example partner
    /// app, all on this machine and on loopback.
    Demo {
        /// Ends afterwards, instead of staying up for clients of your own.
        #[arg(long)]
        once: bool,
    },
    /// Measures the daemon beside a bare relay, between stubs of both servers; see
    /// docs/performance.md.
    Bench {
        /// Prints JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// One rough run instead of three.
        #[arg(long)]
        quick: bool,
        /// Only this part: crossing, portals, people, fairness or media.
        #[arg(long, value_name = "PART")]
        only: Option<String>,
    },
    /// Writes the generated files anew: config/drawbridge.toml, and what is generated in docs.
    Generate,
    /// Makes a Debian package of the optimised daemon, with cargo-deb, which it installs if it must.
    Package {
        /// Packs the daemon as the tests build it instead, and follows docs/install.md with it in a
        /// Debian of its own: installs, configures, upgrades and purges it. As root, on a Debian.
        #[arg(long = "try")]
        try_out: bool,
    },
    /// Checks licences, sources and banned crates with cargo-deny, which it installs if it must.
    Deny,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Test => cargo::test(),
        Command::Demo { once } => return demo::run(once),
        Command::Bench { json, quick, only } => bench::run(json, quick, only.as_deref()),
        Command::Generate => cargo::generate(),
        Command::Package { try_out: false } => package::package(),
        Command::Package { try_out: true } => package::try_out(),
        Command::Deny => cargo::deny(),
    }?;
    Ok(ExitCode::SUCCESS)
}
