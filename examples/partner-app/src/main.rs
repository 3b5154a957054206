//! A partner's app, as small as it can be and still right: it speaks `drawbridge.partner.v1` (see
//! `docs/partner-protocol.md`) for several users from one terminal or script.
//!
//! Commands come in as JSON lines on the standard input, everything that happens goes out as JSON
//! lines on the standard output. A real app has a database where this one has memory.

mod app;
mod command;
mod files;
mod keys;
mod line;
mod listen;
mod outbox;
mod profile;
mod show;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use app::App;
use files::Files;
use keys::{BridgeKeys, Key};
use line::Way;
use listen::Door;
use show::Show;

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
    /// Connects to the bridge, or listens for it, and stays connected.
    ///
    /// Reads commands from the standard input, one JSON object a line:
    ///
    /// {"do":"send","from":"carol","to":"matrix:@alice:hs.test","body":"hi"}
    /// {"do":"send","from":"carol","to":"matrix:@alice:hs.test","body":"hi","markdown":"**hi**","in_reply_to":{"bridge":"9b1d…"}}
    /// {"do":"send","from":"carol","to":"matrix:@alice:hs.test","body":"hi","thread":{"app":"m1"}}
    /// {"do":"edit","from":"carol","to":"matrix:@alice:hs.test","of":{"app":"m1"},"body":"hello"}
    /// {"do":"retract","from":"carol","to":"matrix:@alice:hs.test","of":{"app":"m1"}}
    /// {"do":"react","from":"carol","to":"matrix:@alice:hs.test","of":{"bridge":"9b1d…"},"emojis":[]}
    /// {"do":"location","from":"carol","to":"matrix:@alice:hs.test","latitude":52.37,"longitude":4.89,"name":"The pier"}
    /// {"do":"contact","from":"carol","to":"matrix:@alice:hs.test","name":"Zoë","phones":["+31 20 123"]}
    /// {"do":"poll","from":"carol","to":"matrix:@alice:hs.test","question":"Tea?","answers":["yes","no"]}
    /// {"do":"file","from":"carol","to":"matrix:@alice:hs.test","type":"image","path":"/tmp/pier.jpg","mime":"image/jpeg","caption":"The pier"}
    /// {"do":"file","from":"carol","to":"matrix:@alice:hs.test","type":"voice","path":"/tmp/v.ogg","mime":"audio/ogg","duration_ms":2500,"hosted":true}
    /// {"do":"read","from":"carol","to":"matrix:@alice:hs.test","of":{"bridge":"9b1d…"}}
    /// {"do":"typing","from":"carol","to":"matrix:@alice:hs.test","typing":true}
    /// {"do":"presence","from":"carol","to":"matrix:@alice:hs.test","state":"away"}
    /// {"do":"sticker","from":"carol","to":"xmpp:bob@p.test"}
    /// {"do":"disappearing","from":"carol","to":"xmpp:bob@p.test","body":"hi","expires_in":60}
    /// {"do":"ask","from":"carol","text":"help"}
    /// {"do":"accept","from":"carol","other":"matrix:@alice:hs.test"}
    /// {"do":"decline","from":"carol","other":"matrix:@alice:hs.test"}
    /// {"do":"block","from":"carol","other":"matrix:@alice:hs.test"}
    /// {"do":"unblock","from":"carol","other":"matrix:@alice:hs.test"}
    /// {"do":"enlist","user":"dave","name":"Dave"}
    /// {"do":"delist","user":"dave"}
    /// {"do":"profile","user":"carol","name":"Carol","avatar":"/tmp/carol.png"}
    /// {"do":"profile","user":"carol","avatar":null}
    /// {"do":"send_raw","frame":{"type":"event"}}
    /// {"do":"disconnect"}
    /// {"do":"quit"}
    ///
    /// Whatever has a "from" also takes an "id", and so does "profile". The end of the input ends nothing.
    #[command(verbatim_doc_comment)]
    #[expect(clippy::doc_link_with_quotes, reason = "they are JSON")]
    Run(Box<Run>),
}

#[derive(clap::Args)]
struct Run {
    /// The bridge's address, if it is the app that connects.
    #[arg(long, default_value = "ws://127.0.0.1:8482/partner/v1", conflicts_with = "listen")]
    url: String,
    /// Where the app waits for a bridge that connects (`dial` in its configuration).
    #[arg(long, value_name = "ADDRESS:PORT", requires = "bridge_keys")]
    listen: Option<SocketAddr>,
    /// With --listen: the path of the URL that the bridge dials.
    #[arg(long, default_value = "/drawbridge")]
    path: String,
    /// With --listen: the bridge's public keys, as `drawbridge registration` prints them.
    #[arg(long, value_name = "FILE")]
    bridge_keys: Option<PathBuf>,
    /// With --listen: the server's certificate with its chain, in PEM. Without it, plain `ws`.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// With --tls-cert: its key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The partner's name: the `iss` of its proofs.
    #[arg(long, default_value = "birdychat")]
    issuer: String,
    /// The bridge's name: the `aud` of the proofs, and the `iss` of the bridge's own.
    #[arg(long, default_value = "drawbridge")]
    audience: String,
    /// The private key, as `keys` wrote it.
    #[arg(long, default_value = "birdychat.private.jwk.json")]
    key: PathBuf,
    /// A user to enlist, with a display name after an equals sign; may be given several times.
    #[arg(long = "user", value_name = "USER[=NAME]")]
    users: Vec<String>,
    /// Takes and sends files: what comes is put into this folder.
    #[arg(long, value_name = "FOLDER")]
    files: Option<PathBuf>,
    /// With --files: where the app shows the files that it hosts (`"hosted":true`), in plain HTTP.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    host: SocketAddr,
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
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run.app())
        }
    }
}

impl Run {
    async fn app(self) -> anyhow::Result<()> {
        let show = Show::new(self.human);
        let way = match (self.listen, self.bridge_keys) {
            (Some(at), Some(keys)) => {
                let bridge = BridgeKeys::read(&keys, &self.audience, &self.issuer)?;
                let tls = self.tls_cert.zip(self.tls_key);
                Door { at, path: self.path, tls, bridge }.open(show).await?
            }
            _ => Way::Dial(self.url),
        };
        let key = Key::read(&self.key, self.issuer, self.audience)?;
        let files = match self.files {
            Some(folder) => {
                let (files, passed) = Files::open(folder, self.host).await?;
                show.note("hosts", files.host_name());
                Some((files, passed))
            }
            None => None,
        };
        App::new(way, key, show, files, &self.users)?.run(command::from_stdin()).await
    }
}
