//! A partner's app, as small as it can be and still right: it speaks `drawbridge.partner.v1` (see
//! `docs/partner-protocol.md`) for several users from one terminal or script.
//!
//! Commands come in as JSON lines on the standard input, everything that happens goes out as JSON
//! lines on the standard output. A real app has a database where this one has memory.

mod app;
mod command;
mod keys;
mod outbox;
mod show;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// An example of a partner's app for Drawbridge.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a key pair: `<issuer>.jwks.json` is for the bridge, `<issuer>.private.jwk.json` for
    /// this app alone.
    Keys {
        /// The folder for the two files.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// The partner's name.
        #[arg(long, default_value = "birdychat")]
        issuer: String,
    },
    /// Connects to the bridge, and stays connected.
    ///
    /// Reads commands from the standard input, one JSON object a line:
    ///
    /// {"do":"send","from":"carol","to":"matrix:@alice:hs.test","body":"hi"}
    /// {"do":"sticker","from":"carol","to":"xmpp:bob@p.test"}
    /// {"do":"disappearing","from":"carol","to":"xmpp:bob@p.test","body":"hi","expires_in":60}
    /// {"do":"enlist","user":"dave","name":"Dave"}
    /// {"do":"delist","user":"dave"}
    /// {"do":"send_raw","frame":{"type":"event"}}
    /// {"do":"disconnect"}
    /// {"do":"quit"}
    ///
    /// `send`, `sticker` and `disappearing` also take an "id". The end of the input ends nothing.
    #[command(verbatim_doc_comment)]
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// The bridge's address.
    #[arg(long, default_value = "ws://127.0.0.1:8482/partner/v1")]
    url: String,
    /// The partner's name: the `iss` of its proofs.
    #[arg(long, default_value = "birdychat")]
    issuer: String,
    /// To whom the proofs are addressed: the `aud`.
    #[arg(long, default_value = "drawbridge")]
    audience: String,
    /// The private key, as `keys` wrote it.
    #[arg(long, default_value = "birdychat.private.jwk.json")]
    key: PathBuf,
    /// A user to enlist, with a display name after an equals sign; may be given several times.
    #[arg(long = "user", value_name = "USER[=NAME]")]
    users: Vec<String>,
    /// Writes for people instead of JSON.
    #[arg(long)]
    human: bool,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Keys { dir, issuer } => {
            let (public, private) = keys::make(&dir, &issuer)?;
            println!("for the bridge (jwks_file): {}", public.display());
            println!("for the app (--key):        {}", private.display());
            Ok(())
        }
        Command::Run(run) => {
            let key = keys::Key::read(&run.key, run.issuer, run.audience)?;
            let show = show::Show::new(run.human);
            let app = app::App::new(run.url, key, show, &run.users)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(app.run(command::from_stdin()))
        }
    }
}
