//! The example partner app, and its users.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::script::{Reader, Script, text};
use crate::{Addresses, Child, Heard, PATIENCE, Told, User};

/// The name of the partner, and of its network.
pub(crate) const ISSUER: &str = "birdychat";

/// The example partner app, running: all users of one partner share its connection.
pub struct PartnerApp {
    script: Arc<Script>,
}

impl PartnerApp {
    /// Makes a key pair below `folder`, with the public half as the bridge wants it.
    pub(crate) fn make_keys(binary: &Path, folder: &Path) -> Result<()> {
        let output = Command::new(binary).arg("keys").arg("--dir").arg(folder).output();
        let output = output.with_context(|| format!("cannot start {}", binary.display()))?;
        ensure!(
            output.status.success(),
            "partner-app keys failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Starts it, with keys from `folder`.
    pub(crate) fn start(binary: &Path, folder: &Path, bridge: SocketAddr) -> Result<Self> {
        let mut command = Child::command(binary);
        command
            .arg("--url")
            .arg(format!("ws://{bridge}/partner/v1"))
            .args(["--issuer", ISSUER])
            .arg("--key")
            .arg(key_of(folder));
        let log = folder.join("partner-app.log");
        Ok(Self { script: Arc::new(Script::start("the partner app", command, &log)?) })
    }

    /// Waits until the bridge has welcomed it.
    pub fn is_welcomed(&self) -> Result<()> {
        let is = |line: &Value| line["event"] == "welcome";
        self.script.find(0, PATIENCE, "the bridge's welcome", is)?;
        Ok(())
    }

    /// Sends a frame as it stands, in the app's name.
    pub fn sends(&self, frame: &Value) -> Result<()> {
        self.script.tell(&json!({"do": "send_raw", "frame": frame}))
    }

    /// Everything that the app printed of one kind.
    pub fn printed(&self, event: &str) -> Vec<Value> {
        self.script.all(|line| line["event"] == event)
    }

    /// Waits for a line of one kind that `is`, among those to come and those that were printed.
    pub fn prints(&self, event: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = |line: &Value| line["event"] == event && is(line);
        Ok(self.script.find(0, PATIENCE, event, found)?.1)
    }

    pub(crate) fn enlist(&self, name: &str, addresses: &Arc<Addresses>) -> Result<PartnerUser> {
        self.script.tell(&json!({"do": "enlist", "user": name}))?;
        self.prints("enlisted", |line| line["user"] == name)?;
        Ok(PartnerUser {
            name: name.to_owned(),
            id: format!("{ISSUER}:{name}"),
            script: Arc::clone(&self.script),
            reader: Reader::new(Arc::clone(&self.script)),
            addresses: Arc::clone(addresses),
        })
    }
}

fn key_of(folder: &Path) -> PathBuf {
    folder.join("birdychat.key.json")
}

/// A user of the partner's app.
pub struct PartnerUser {
    name: String,
    id: String,
    script: Arc<Script>,
    reader: Reader,
    addresses: Arc<Addresses>,
}

impl PartnerUser {
    fn is_message(&self, line: &Value) -> bool {
        line["event"] == "event" && line["to"] == self.name.as_str()
    }

    fn is_failure(&self, line: &Value) -> bool {
        line["event"] == "status"
            && line["from"] == self.name.as_str()
            && text(line, "state").starts_with("failed")
    }

    fn new_id(&self) -> Result<String> {
        Ok(format!("{}-{:016x}", self.name, getrandom::u64()?))
    }
}

impl User for PartnerUser {
    fn id(&self) -> &str {
        &self.id
    }

    fn address_of(&self, other: &dyn User) -> Result<String> {
        self.addresses.of(other.id(), self.network())
    }

    fn writes(&self, to: &str, body: &str) -> Result<String> {
        let id = self.new_id()?;
        self.script
            .tell(&json!({"do": "send", "id": id, "from": self.name, "to": to, "body": body}))?;
        Ok(id)
    }

    fn floods(&self, to: &str, prefix: &str, count: usize) -> Result<()> {
        for number in 1..=count {
            self.writes(to, &format!("{prefix} {number}"))?;
        }
        Ok(())
    }

    fn sends_sticker(&self, to: &str) -> Result<String> {
        let id = self.new_id()?;
        self.script.tell(&json!({"do": "sticker", "id": id, "from": self.name, "to": to}))?;
        Ok(id)
    }

    fn sends_disappearing(&self, to: &str, body: &str) -> Result<String> {
        let id = self.new_id()?;
        self.script.tell(&json!({
            "do": "disappearing", "id": id, "from": self.name, "to": to, "body": body,
        }))?;
        Ok(id)
    }

    fn next_message(&self, patience: Duration) -> Result<Heard> {
        let is = |line: &Value| self.is_message(line);
        self.reader.next("event", patience, "a message", is).map(|line| heard(&line))
    }

    fn everything_heard(&self) -> Vec<Heard> {
        self.script.all(|line| self.is_message(line)).iter().map(heard).collect()
    }

    fn next_failure(&self, patience: Duration) -> Result<Told> {
        let is = |line: &Value| self.is_failure(line);
        self.reader.next("status", patience, "a failure", is).map(|line| told(&line))
    }

    fn everything_failed(&self) -> Vec<Told> {
        self.script.all(|line| self.is_failure(line)).iter().map(told).collect()
    }
}

fn heard(line: &Value) -> Heard {
    let body = text(&line["content"], "body");
    Heard { from: text(line, "from"), body, id: text(line, "id") }
}

fn told(line: &Value) -> Told {
    Told { of: text(line, "about"), code: text(line, "code") }
}
