//! docs/adapter-guide.md, followed to the letter in an empty folder outside of the workspace.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use drawbridge_servers::{Daemon, PATIENCE, until, workspace};

/// What the guide calls the checkout.
const CHECKOUT: &str = "/path/to/drawbridge";

/// The one command of the guide that runs until it is ended.
const RUN: &str = "cargo run -p bridge -- run --config drawbridge.toml\n";

/// A fenced block, with the line before it.
struct Block {
    lead: String,
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut lead) = (Vec::new(), String::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                line.clone_into(&mut lead);
            }
            continue;
        };
        let text = lines.by_ref().take_while(|line| *line != "```");
        let text = text.map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
        let language = language.to_owned();
        blocks.push(Block { lead: std::mem::take(&mut lead), language, text });
    }
    blocks
}

/// The folder that the guide starts in, empty, and the target folder, which is the workspace's:
/// so what both build alike is built once.
struct Reader {
    folder: PathBuf,
    target: PathBuf,
    _alone: File,
}

impl Reader {
    fn new() -> Result<Self> {
        let binary = Path::new(env!("CARGO_BIN_EXE_drawbridge"));
        let target = binary.parent().and_then(Path::parent).context("no target folder")?;
        // The same folder each time: under a new one cargo would keep a new copy of everything.
        let mut name = DefaultHasher::new();
        target.hash(&mut name);
        let name = format!("drawbridge-guide-{:016x}", name.finish());
        let folder = std::env::temp_dir().join(&name);
        let alone = File::create(folder.with_extension("lock"))?;
        alone.lock()?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(Self { folder, target: target.to_owned(), _alone: alone })
    }

    fn writes(&self, file: &str, text: &str) -> Result<()> {
        let checkout = workspace();
        let checkout = checkout.to_str().context("the workspace's path is not UTF-8")?;
        let file = self.folder.join(file);
        fs::write(&file, text.replace(CHECKOUT, checkout))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Runs what stands behind `$`; what stands below must be in its output.
    fn types(&self, console: &str) -> Result<()> {
        for part in format!("\n{console}").split("\n$ ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
            let checkout = workspace();
            let mut shell = Command::new("sh");
            shell.args(["-euc", &command.replace(CHECKOUT, &checkout.to_string_lossy())]);
            shell.current_dir(&self.folder);
            for (name, _) in std::env::vars_os() {
                let text = name.to_string_lossy();
                // What cargo tells a test of itself, some build scripts would take to heart.
                let keep = ["CARGO_HOME", "CARGO_INCREMENTAL"].contains(&&*text);
                if (text.starts_with("CARGO") && !keep) || text.starts_with("DRAWBRIDGE_") {
                    shell.env_remove(&name);
                }
            }
            shell.env_remove("LD_LIBRARY_PATH");
            shell.env("CARGO_TARGET_DIR", &self.target).env("CARGO_NET_OFFLINE", "true");
            let output = shell.output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{command}: {}\n{text}{errors}", output.status);
            for line in expected.lines() {
                ensure!(text.contains(line), "{command}: printed no {line:?}, but\n{text}");
            }
        }
        Ok(())
    }

    /// The daemon that the guide built, with its servers at other ports than the guide's.
    fn starts(&self, servers: &HashMap<&str, TcpListener>) -> Result<Daemon> {
        let binary = self.target.join("debug/bridge");
        let (config, log) = (self.folder.join("drawbridge.toml"), self.folder.join("bridge.log"));
        let mut daemon = Daemon::new(&binary, &config, &log, Vec::new());
        for (network, server) in servers {
            let key = format!("DRAWBRIDGE_NETWORKS__{}__SERVER", network.to_uppercase());
            daemon.set(&key, &server.local_addr()?.to_string());
        }
        daemon.start()?;
        Ok(daemon)
    }
}

/// Plays the servers' side of a conversation, line by line, as it stands in the guide.
fn talk(conversation: &str, servers: &HashMap<&str, TcpListener>) -> Result<()> {
    let mut lines: HashMap<&str, BufReader<TcpStream>> = HashMap::new();
    let mut ids: HashMap<&str, String> = HashMap::new();
    for step in conversation.lines() {
        let (network, step) = step.split_once(' ').context("no network")?;
        if !lines.contains_key(network) {
            lines.insert(network, comes(servers.get(network).context("no such network")?)?);
        }
        let connection = lines.get_mut(network).context("no connection")?;
        let id = ids.entry(network).or_default();
        if let Some(line) = step.trim_start().strip_prefix("→ ") {
            writeln!(connection.get_mut(), "{}", line.replace('…', id))?;
        } else if let Some(line) = step.trim_start().strip_prefix("← ") {
            let mut heard = String::new();
            connection.read_line(&mut heard).with_context(|| format!("waiting for {step}"))?;
            if line.contains('…') {
                heard.split(' ').nth(1).context("no id")?.clone_into(id);
            }
            ensure!(heard.trim_end() == line.replace('…', id), "{heard:?} came, and not {line:?}");
        } else {
            bail!("neither → nor ←: {step}");
        }
    }
    Ok(())
}

fn comes(server: &TcpListener) -> Result<BufReader<TcpStream>> {
    server.set_nonblocking(true)?;
    let (stream, _) = until("the bridge to dial", PATIENCE, || Ok(server.accept().ok()))?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

#[test]
fn the_guide_leads_from_an_empty_folder_to_a_message() -> Result<()> {
    let page = fs::read_to_string(workspace().join("docs/adapter-guide.md"))?;
    let reader = Reader::new()?;
    let (mut started, mut talked) = (false, false);
    for block in blocks(&page) {
        let file = block.lead.strip_prefix('`').and_then(|lead| lead.strip_suffix("`:"));
        match (&*block.language, file) {
            (_, Some(file)) => reader.writes(file, &block.text)?,
            ("console", None) => reader.types(&block.text)?,
            ("sh", None) => {
                ensure!(block.text == RUN, "the test starts the daemon, and nothing else");
                started = true;
            }
            ("text", None) => {
                ensure!(started, "the daemon was not started yet");
                let server = || TcpListener::bind("127.0.0.1:0");
                let servers = HashMap::from([("red", server()?), ("blue", server()?)]);
                let mut daemon = reader.starts(&servers)?;
                let ended = talk(&block.text, &servers);
                ended.with_context(|| format!("the log: {}", daemon.log().unwrap_or_default()))?;
                daemon.stop()?;
                talked = true;
            }
            other => bail!("nothing is known to do with a block of {}", other.0),
        }
    }
    ensure!(talked, "nobody talked");
    fs::remove_dir_all(&reader.folder)?;
    Ok(())
}
