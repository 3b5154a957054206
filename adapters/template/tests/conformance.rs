//! The conformance suite, against a small server of the line protocol.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use drawbridge_adapter::{
    Code, Configuration, Kind, NetworkId, Place, SecretFile, UserId, async_trait,
};
use drawbridge_template::LineConfig;
use drawbridge_testkit::{Heard, Peer, Scene, Stage, Tried};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

const SECRET: &str = "open sesame";

struct Loopback;

#[async_trait]
impl Stage for Loopback {
    async fn set(&self) -> Result<Scene> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("lines.secret"), SECRET)?;
        let place = Place { config_dir: folder.path().to_owned(), credentials_dir: None };
        let config = LineConfig { server: address, secret_file: SecretFile("lines.secret".into()) };
        let network = NetworkId::new("lines")?;
        let addressing = config.addressing(&network);
        let adapter = config.build(network.clone(), &place);
        let server = Arc::new(Server::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(Arc::clone(&server), listener));
        Ok(Scene {
            network,
            adapter: adapter.map_err(|problems| anyhow!("{problems:?}"))?,
            addressing,
            peer: Box::new(Dora { server, said: 0 }),
            nobody: Some("lines:nobody".parse()?),
            log_target: "drawbridge_template",
            secrets: vec![SECRET.to_owned(), address.to_string()],
            // They end with the scene.
            props: Box::new((tasks, folder)),
        })
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        let none = "the line protocol has nothing of the kind";
        let checks = ["request_out", "block_in", "block_out", "mute_in", "mute_out", "folder_out"];
        checks.into_iter().chain(["report_out", "access"]).map(|check| (check, none)).collect()
    }
}

/// What dora said: a line for the bridge, and whether it was answered `ok`.
#[derive(Clone)]
struct Said {
    id: String,
    line: String,
    text: String,
    taken: bool,
}

/// What the server remembers. A real one has this on disk.
#[derive(Default)]
struct State {
    away: bool,
    connected: bool,
    said: Vec<Said>,
    /// The ids of what dora was shown, so that nothing is shown twice.
    shown: HashSet<String>,
    heard: VecDeque<Heard>,
    /// What the bridge itself said.
    told: VecDeque<String>,
    /// Of which message, and the code.
    refusals: Vec<(String, String)>,
}

#[derive(Default)]
struct Server {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.send_replace(());
        changed
    }

    async fn wait<T>(&self, mut find: impl FnMut(&mut State) -> Option<T>) -> Result<T> {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = find(&mut self.state()) {
                return Ok(found);
            }
            changed.changed().await?;
        }
    }

    /// Takes a line of the bridge's, and gives what the server answers.
    fn takes(&self, line: &str) -> Result<String> {
        // Once it is away it takes no line more, though one be there already.
        ensure!(!self.state().away, "it is away");
        let words: Vec<_> = line.splitn(7, ' ').collect();
        match *words {
            ["answer", id, how] => {
                ensure!(how == "ok", "answered with {how}");
                self.change(|state| {
                    let said = state.said.iter_mut().find(|said| said.id == id && !said.taken);
                    said.context("an answer to nothing").map(|said| said.taken = true)
                })?;
                Ok(String::new())
            }
            ["message", id, "text", from, "dora", _, text] => {
                let heard = Heard { from: from.to_owned(), text: serde_json::from_str(text)? };
                self.change(|state| {
                    if state.shown.insert(id.to_owned()) {
                        state.heard.push_back(heard);
                    }
                });
                Ok(format!("answer {id} ok\n"))
            }
            ["notice", id, "dora", ref words @ ..] => {
                let text = serde_json::from_str(&words.join(" "))?;
                self.change(|state| {
                    if state.shown.insert(id.to_owned()) {
                        state.told.push_back(text);
                    }
                });
                Ok(format!("answer {id} ok\n"))
            }
            ["message", id, ..] => Ok(format!("answer {id} not_reachable\n")),
            ["outcome", id, of, _, code] => {
                let refusal = (of.to_owned(), code.to_owned());
                self.change(|state| state.refusals.extend((!code.is_empty()).then_some(refusal)));
                Ok(format!("answer {id} ok\n"))
            }
            _ => bail!("not a line of the bridge's"),
        }
    }
}

/// One connection after the other. While the server is away, it hangs up at once.
async fn serve(server: Arc<Server>, listener: TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        if server.state().away {
            continue;
        }
        server.change(|state| state.connected = true);
        tokio::select! {
            biased;
            _ = server.wait(|state| state.away.then_some(())) => {}
            _ = talk(&server, stream) => {}
        }
        server.change(|state| state.connected = false);
    }
}

async fn talk(server: &Server, stream: TcpStream) -> Result<()> {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    let hello = lines.next_line().await?;
    ensure!(hello == Some(format!("hello {SECRET}")), "a stranger");
    to.write_all(b"welcome\n").await?;
    // First what was not answered on an earlier connection, then what is new.
    let mut at = 0;
    let mut next = move |state: &mut State| {
        let rest = state.said.iter().skip(at);
        let before = rest.clone().take_while(|said| said.taken).count();
        let line = rest.map(|said| said.line.clone()).nth(before)?;
        at += before + 1;
        Some(line)
    };
    loop {
        let line = tokio::select! {
            line = server.wait(&mut next) => line?,
            line = lines.next_line() => server.takes(&line?.context("it hung up")?)?,
        };
        // If the bridge has hung up, what it said before is still to be read.
        let _ = to.write_all(line.as_bytes()).await;
    }
}

/// A user of the network.
struct Dora {
    server: Arc<Server>,
    said: usize,
}

impl Dora {
    fn sends(&mut self, kind: Kind, to: &str, text: &str) {
        self.said += 1;
        let id = format!("m{}", self.said);
        let words = serde_json::Value::from(text);
        let line = format!("message {id} {kind} dora {to} 1763722801000 {words}\n");
        let said = Said { id, line, text: text.to_owned(), taken: false };
        self.server.change(|state| state.said.push(said));
    }
}

#[async_trait]
impl Peer for Dora {
    fn user(&self) -> UserId {
        "lines:dora".parse().expect("a user")
    }

    async fn says(&mut self, to: &str, text: &str) -> Result<()> {
        self.sends(Kind::Text, to, text);
        Ok(())
    }

    async fn hears(&mut self) -> Result<Heard> {
        self.server.wait(|state| state.heard.pop_front()).await
    }

    async fn is_told(&mut self) -> Result<String> {
        self.server.wait(|state| state.told.pop_front()).await
    }

    async fn learns(&mut self) -> Result<Code> {
        let id = format!("m{}", self.said);
        let find = |state: &mut State| state.refusals.iter().find(|(of, _)| *of == id).cloned();
        let (_, code) = self.server.wait(find).await?;
        code.parse().map_err(anyhow::Error::msg)
    }

    async fn says_again(&mut self) -> Result<Tried> {
        self.server.change(|state| {
            let last = state.said.last().context("nothing was said yet")?;
            state.said.push(Said { taken: false, ..last.clone() });
            Ok(Tried::Done)
        })
    }

    async fn does(&mut self, to: &str, kind: Kind) -> Result<Tried> {
        self.sends(kind, to, "a text beside it");
        Ok(Tried::Done)
    }

    async fn asks_bridge(&mut self, text: &str) -> Result<Tried> {
        self.sends(Kind::Text, "bridge", text);
        Ok(Tried::Done)
    }

    async fn taken(&mut self) -> Result<Option<Vec<String>>> {
        // If the bridge hangs up, what it said before counts; if it does not, that is all.
        let hangs_up = self.server.wait(|state| (!state.connected).then_some(()));
        let _ = timeout(Duration::from_secs(3), hangs_up).await;
        let state = self.server.state();
        let taken = state.said.iter().filter(|said| said.taken);
        Ok(Some(taken.map(|said| said.text.clone()).collect()))
    }

    async fn network_goes_away(&mut self) -> Result<Tried> {
        self.server.change(|state| state.away = true);
        Ok(Tried::Done)
    }

    async fn network_comes_back(&mut self) -> Result<()> {
        self.server.change(|state| state.away = false);
        Ok(())
    }
}

drawbridge_testkit::conformance!(Loopback);
