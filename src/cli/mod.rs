//! The command line: arguments in, one command carried out, an exit code out.
//!
//! One file a command. A command prints its product on standard output, and what went wrong on
//! standard error. What is not here: what the commands are about.

mod address;
mod ask;
mod blocks;
mod check;
mod doctor;
mod exit;
#[cfg(test)]
mod pages;
mod people;
mod queue;
mod registration;
mod requests;
mod run;
mod status;
mod version;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use drawbridge_adapter::NetworkId;

pub use exit::Exit;

use crate::config::{self, AdapterType, Finding, Loaded, Severity};
use blocks::BlocksCommand;
use exit::EXIT_CODES;
use people::PeopleCommand;
use queue::QueueCommand;
use requests::RequestsCommand;

/// Where the configuration is, unless the command line or `DRAWBRIDGE_CONFIG` says otherwise.
const DEFAULT_CONFIG: &str = "/etc/drawbridge/drawbridge.toml";

const CONFIG_VARIABLE: &str = "DRAWBRIDGE_CONFIG";

/// A self-hosted bridge between chat networks that decides who and what may cross.
#[derive(Parser)]
#[command(name = "drawbridge", version, after_help = EXIT_CODES)]
struct Arguments {
    /// The configuration file [default: $DRAWBRIDGE_CONFIG, else /etc/drawbridge/drawbridge.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the bridge until SIGTERM or SIGINT
    Run,
    /// Find everything that is wrong with the configuration
    Check,
    /// Try every connection, file and right that the daemon needs, and say what to do
    Doctor,
    /// Print how the running bridge is
    Status {
        /// For machines: the same as `GET /health`
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        socket: Socket,
    },
    /// Look at what waits in the running bridge, hurry it, or take it out
    Queue {
        #[command(subcommand)]
        command: QueueCommand,
        #[command(flatten)]
        socket: Socket,
    },
    /// See whom users of the running bridge do not want to hear from, and change it
    Blocks {
        #[command(subcommand)]
        command: BlocksCommand,
        #[command(flatten)]
        socket: Socket,
    },
    /// See what users of the running bridge want, change it, take it out and bring it back
    People {
        #[command(subcommand)]
        command: PeopleCommand,
        #[command(flatten)]
        socket: Socket,
    },
    /// See which strangers wait for a user's word, and give it
    Requests {
        #[command(subcommand)]
        command: RequestsCommand,
        #[command(flatten)]
        socket: Socket,
    },
    /// Write the file that a network's own server needs to let the bridge in
    Registration {
        /// The network's id, as in `[networks.<id>]`
        #[arg(value_parser = NetworkId::new)]
        network: NetworkId,
        /// Replace the file if there is one: the server then needs the new one too
        #[arg(long)]
        force: bool,
    },
    /// Print under which address a user is reached on another network, or who is behind one
    Address {
        /// A user, as in `xmpp:bob@example.net`, or an address of the network given by --on
        user: String,
        /// The network on which the user is reached
        #[arg(long, value_name = "NETWORK", value_parser = NetworkId::new)]
        on: NetworkId,
    },
    /// Print the version, and which adapters are built in
    Version,
}

/// Where the running bridge is asked.
#[derive(Args)]
struct Socket {
    /// Its socket [default: as the configuration says]
    #[arg(long, global = true, value_name = "FILE")]
    socket: Option<PathBuf>,
}

/// Carries out what the process's arguments say, with these adapters:
/// [`ADAPTERS`](config::ADAPTERS), or those and one's own.
pub fn main(adapters: &[AdapterType]) -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            // Help and version come this way too. If nobody reads it, nobody is to be told.
            let _ = message.print();
            return if message.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let path = config_path(arguments.config);
    let with_config = |then: &dyn Fn(Loaded) -> Exit| with_config(&path, adapters, then);
    // The configuration is not needed where the socket is named: it may be broken just then.
    let asking = |named: Socket, then: &dyn Fn(&Path) -> Exit| match named.socket {
        Some(socket) => then(&socket),
        None => with_config(&|loaded| then(&loaded.operator.socket)),
    };
    match arguments.command {
        Command::Version => version::print(adapters),
        Command::Check => check::check(&path, adapters),
        Command::Run => with_config(&|loaded| run::run(loaded, || load(&path, adapters))),
        Command::Doctor => with_config(&doctor::examine),
        Command::Status { json, socket } => asking(socket, &|socket| status::print(socket, json)),
        Command::Queue { command, socket } => {
            asking(socket, &|socket| queue::run(socket, &command))
        }
        Command::Blocks { command, socket } => {
            asking(socket, &|socket| blocks::run(socket, &command))
        }
        Command::People { command, socket } => {
            asking(socket, &|socket| people::run(socket, &command))
        }
        Command::Requests { command, socket } => {
            asking(socket, &|socket| requests::run(socket, &command))
        }
        Command::Registration { network, force } => {
            with_config(&|loaded| registration::write(&loaded, &network, force))
        }
        Command::Address { user, on } => with_config(&|loaded| address::print(&loaded, &user, &on)),
    }
}

fn config_path(argument: Option<PathBuf>) -> PathBuf {
    let variable = || std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
    argument.or_else(variable).unwrap_or_else(|| DEFAULT_CONFIG.into())
}

fn load(path: &Path, adapters: &[AdapterType]) -> Result<Loaded, Vec<Finding>> {
    config::load(path, std::env::vars_os().collect(), adapters)
}

fn with_config(path: &Path, adapters: &[AdapterType], then: &dyn Fn(Loaded) -> Exit) -> Exit {
    match load(path, adapters) {
        Ok(loaded) => then(loaded),
        Err(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            eprintln!("{}: {}", path.display(), summary(&findings));
            Exit::Configuration
        }
    }
}

/// `2 errors, 1 warning`.
fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let several =
        |count: usize, word| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let errors = several(count(Severity::Error), "error");
    let warnings = several(count(Severity::Warning), "warning");
    format!("{errors}, {warnings}")
}
