//! The example partner app in Python, for one user.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::partner::{ISSUER, reference, shows};
use crate::script::{Reader, Script, text};
use crate::things::to_wire;
use crate::{Addresses, Child, Deed, Heard, Installed, PATIENCE, Sight, Told, User, workspace};

/// What it takes to start the program.
pub(crate) struct PythonApp {
    pub(crate) python: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
}

impl PythonApp {
    pub(crate) fn new(installed: &Installed, folder: &Path, bridge: std::net::SocketAddr) -> Self {
        let python = installed.partner.clone();
        Self { python, folder: folder.to_owned(), url: format!("ws://{bridge}/partner/v1") }
    }

    fn start(&self, name: &str) -> Result<Arc<Script>> {
        let mut command = Child::command(&self.python);
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(workspace().join("examples/partner-python/client.py"))
            .args(["--url", &self.url, "--issuer", ISSUER, "--user", name, "--name", name, "--key"])
            .arg(self.folder.join("birdychat.private.jwk.json"))
            .arg("--state")
            .arg(self.folder.join(format!("{name}.sqlite")));
        let log = self.folder.join("partner-python.log");
        Ok(Arc::new(Script::start("the Python client", command, &log)?))
    }
}

/// A user of the partner's, on the Python client.
pub struct PythonUser {
    app: PythonApp,
    name: String,
    id: String,
    /// The program, and how far it was read; `None` while it does not run.
    line: Mutex<Option<(Arc<Script>, Reader)>>,
    addresses: Arc<Addresses>,
}

impl PythonUser {
    pub(crate) fn new(app: PythonApp, name: &str, addresses: &Arc<Addresses>) -> Result<Self> {
        let user = Self {
            app,
            name: name.to_owned(),
            id: format!("{ISSUER}:{name}"),
            line: Mutex::default(),
            addresses: Arc::clone(addresses),
        };
        user.starts()?;
        Ok(user)
    }

    /// Starts the program on its state file, and waits until the user is enlisted.
    pub fn starts(&self) -> Result<()> {
        let script = self.app.start(&self.name)?;
        script.find(0, PATIENCE, "enlisted", |line| line["type"] == "enlisted")?;
        *self.lock() = Some((Arc::clone(&script), Reader::new(script)));
        Ok(())
    }

    /// Kills the program (SIGKILL).
    pub fn is_killed(&self) {
        *self.lock() = None;
    }

    /// Waits until the bridge says that the other network's server has this message.
    pub fn sees_accepted(&self, id: &str) -> Result<()> {
        let is = |line: &Value| {
            line["type"] == "status" && line["event"] == id && line["state"] == "accepted"
        };
        self.script()?.find(0, PATIENCE, "the status accepted", is)?;
        Ok(())
    }

    /// Says something to the bridge itself, and gives its answer.
    pub fn asks_bridge(&self, words: &str) -> Result<String> {
        let id = self.does(&json!({"type": "command", "text": words}))?;
        let answers = |line: &Value| line["type"] == "notice" && line["in_reply_to"] == id;
        let what = format!("the bridge's answer to “{words}”");
        Ok(text(&self.script()?.find(0, PATIENCE, &what, answers)?.1, "text"))
    }

    /// Does something about another user, such as a `block`; durable with the bridge when it returns.
    /// What stands in `frame` besides is sent with it.
    pub fn wants(&self, what: &str, other: &dyn User, mut frame: Value) -> Result<()> {
        (frame["type"], frame["other"]) = (json!(what), json!(self.address_of(other)?));
        let id = self.does(&frame)?;
        let answers = |line: &Value| {
            let ids = line["ids"].as_array();
            line["type"] == "ack" && ids.is_some_and(|ids| ids.iter().any(|one| *one == id))
        };
        self.script()?.find(0, PATIENCE, &format!("the ack of {what}"), answers)?;
        Ok(())
    }

    /// Whether this message, which came, is one that makes no noise.
    pub fn is_silent(&self, heard: &Heard) -> bool {
        let found = |line: &Value| line["type"] == "event" && line["id"] == heard.id;
        self.all(found).iter().any(|line| line["silent"] == true)
    }

    fn does(&self, line: &Value) -> Result<String> {
        self.script()?.tell(line)?;
        Ok(text(&self.next("kept", PATIENCE, |_| true)?, "id"))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Arc<Script>, Reader)>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self) -> Result<Arc<Script>> {
        let line = self.lock();
        let (script, _) = line.as_ref().context("the Python client does not run")?;
        Ok(Arc::clone(script))
    }

    fn next(
        &self,
        kind: &'static str,
        patience: Duration,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let line = self.lock();
        let (_, reader) = line.as_ref().context("the Python client does not run")?;
        reader.next(kind, patience, kind, |line| line["type"] == kind && is(line))
    }

    fn all(&self, is: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.script().map(|script| script.all(is)).unwrap_or_default()
    }

    fn sends(&self, to: &str, content: &Value) -> Result<String> {
        self.does(&json!({"to": to, "content": content}))
    }
}

impl User for PythonUser {
    fn id(&self) -> &str {
        &self.id
    }

    fn address_of(&self, other: &dyn User) -> Result<String> {
        self.addresses.of(other.id(), self.network())
    }

    fn writes(&self, to: &str, body: &str) -> Result<String> {
        self.sends(to, &json!({"type": "text", "body": body}))
    }

    fn floods(&self, to: &str, prefix: &str, count: usize) -> Result<()> {
        for number in 1..=count {
            self.writes(to, &format!("{prefix} {number}"))?;
        }
        Ok(())
    }

    fn sends_sticker(&self, to: &str) -> Result<String> {
        self.sends(to, &json!({"type": "sticker"}))
    }

    fn sends_disappearing(&self, to: &str, body: &str) -> Result<String> {
        self.sends(to, &json!({"type": "text", "body": body, "expires_in": 60}))
    }

    fn performs(&self, to: &dyn User, deed: &Deed<'_>) -> Result<String> {
        let mut line = json!({"to": self.address_of(to)?});
        line["content"] = match deed {
            Deed::SaysBold(text) => {
                json!({"type": "text", "body": text, "markdown": format!("**{text}**")})
            }
            Deed::Replies(of, text) => {
                line["in_reply_to"] = reference(of);
                json!({"type": "text", "body": text})
            }
            Deed::Edits(of, text) => json!({"type": "edit", "of": reference(of), "body": text}),
            Deed::Retracts(of) => json!({"type": "retraction", "of": reference(of)}),
            Deed::Reacts(to, emojis) => {
                json!({"type": "reaction", "to": reference(to), "emojis": emojis})
            }
            Deed::Sends(thing) => to_wire(thing),
            Deed::Threads(..)
            | Deed::Reads(_)
            | Deed::Types(_)
            | Deed::Is(_)
            | Deed::SendsFile(_)
            | Deed::CallsItself(_)
            | Deed::Wears(_) => {
                bail!("the Python client cannot: {deed:?}")
            }
        };
        self.does(&line)
    }

    fn is_shown(&self, by: &dyn User, sight: &Sight<'_>) -> Result<bool> {
        if !matches!(sight, Sight::Reply(..) | Sight::Edited(..) | Sight::Retracted(_)) {
            bail!("the Python client cannot see: {sight:?}");
        }
        let from = self.address_of(by)?;
        let events = self.all(|line| line["type"] == "event" && line["from"] == from);
        Ok(shows(&events, sight))
    }

    fn next_message(&self, patience: Duration) -> Result<Heard> {
        self.next("event", patience, is_message).map(|line| heard(&line))
    }

    fn everything_heard(&self) -> Vec<Heard> {
        self.all(is_message).iter().map(heard).collect()
    }

    fn next_failure(&self, patience: Duration) -> Result<Told> {
        self.next("status", patience, is_failure).map(|line| told(&line))
    }

    fn everything_failed(&self) -> Vec<Told> {
        self.all(|line| line["type"] == "status" && is_failure(line)).iter().map(told).collect()
    }
}

fn is_message(line: &Value) -> bool {
    line["type"] == "event" && line["content"]["type"] == "text"
}

fn is_failure(line: &Value) -> bool {
    text(line, "state").starts_with("failed")
}

fn heard(line: &Value) -> Heard {
    Heard { from: text(line, "from"), body: text(&line["content"], "body"), id: text(line, "id") }
}

fn told(line: &Value) -> Told {
    Told { of: text(line, "event"), code: text(line, "code"), words: text(line, "message") }
}
