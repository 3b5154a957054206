//! The example partner app, and its users.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::files::SMALL;
use crate::script::{Reader, Script, text};
use crate::things::{state_of, to_wire};
use crate::{Addresses, Child, Deed, Heard, PATIENCE, SampleFile, Sight, Told, User};

mod shows;
mod wishes;

pub(crate) use shows::shows;

/// The name of the partner, and of its network.
pub(crate) const ISSUER: &str = "birdychat";

/// Files of an app that the bridge dials.
pub(crate) const AUTHORITY: &str = "authority.pem";
pub(crate) const BRIDGE_KEYS: &str = "bridge.jwks.json";
const CERTIFICATE: &str = "partner.pem";
const CERTIFICATE_KEY: &str = "partner.key.pem";

/// The example partner app, running: all users of one partner share its connection.
pub struct PartnerApp {
    script: Arc<Script>,
    /// The folder for its files.
    files: PathBuf,
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

    /// Starts it, with keys from `folder`: it connects to the bridge.
    pub(crate) fn start(binary: &Path, folder: &Path, bridge: SocketAddr) -> Result<Self> {
        let url = format!("ws://{bridge}/partner/v1");
        Self::run(binary, folder, |command| command.args(["--url", &url]))
    }

    /// The same, but it waits for the bridge, over TLS: with keys and certificates from `folder`.
    pub(crate) fn listen(binary: &Path, folder: &Path, at: SocketAddr) -> Result<Self> {
        Self::run(binary, folder, |command| {
            command.arg("--listen").arg(at.to_string());
            command.arg("--bridge-keys").arg(folder.join(BRIDGE_KEYS));
            command.arg("--tls-cert").arg(folder.join(CERTIFICATE));
            command.arg("--tls-key").arg(folder.join(CERTIFICATE_KEY))
        })
    }

    fn run(
        binary: &Path,
        folder: &Path,
        way: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Self> {
        let mut command = Child::command(binary);
        command.arg("run").args(["--issuer", ISSUER]).arg("--key").arg(key_of(folder));
        let files = folder.join("partner-app.files");
        fs::create_dir_all(&files)?;
        command.arg("--files").arg(&files);
        way(&mut command);
        let log = folder.join("partner-app.log");
        let script = Arc::new(Script::start("the partner app", command, &log)?);
        Ok(Self { script, files })
    }

    /// Makes what a server needs that the bridge dials as `localhost`: a certificate, and the
    /// authority that signed it.
    pub(crate) fn make_certificate(folder: &Path) -> Result<()> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "the town's authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["localhost".to_owned()])?;
        let certificate = certificate.signed_by(&key, &authority)?;
        fs::write(folder.join(AUTHORITY), authority.pem())?;
        fs::write(folder.join(CERTIFICATE), certificate.pem())?;
        fs::write(folder.join(CERTIFICATE_KEY), key.serialize_pem())?;
        Ok(())
    }

    /// Ends it at once (SIGKILL).
    pub fn is_killed(&self) -> Result<()> {
        self.script.kill()
    }

    /// Waits until the bridge has welcomed it.
    pub fn is_welcomed(&self) -> Result<()> {
        self.sees("welcome", |_| true)?;
        Ok(())
    }

    /// Tells the app to do something; see the app's own help.
    pub fn does(&self, command: &Value) -> Result<()> {
        self.script.tell(command)
    }

    /// Sends a frame as it stands, in the app's name.
    pub fn sends(&self, frame: &Value) -> Result<()> {
        self.does(&json!({"do": "send_raw", "frame": frame}))
    }

    /// The first frame of a type, among those that came and those to come, that `is`.
    pub fn sees(&self, kind: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let what = format!("a frame of the type {kind}");
        let found = |line: &Value| line["saw"] == kind && is(&line["frame"]);
        Ok(self.script.find(0, PATIENCE, &what, found)?.1["frame"].take())
    }

    /// Waits for something that happened on the app's own side, and gives its details.
    pub fn notes(&self, what: &str) -> Result<String> {
        let (_, line) = self.script.find(0, PATIENCE, what, |line| line["saw"] == what)?;
        Ok(text(&line, "detail"))
    }

    /// How many frames of a type came so far.
    pub fn count(&self, kind: &str) -> usize {
        self.script.all(|line| line["saw"] == kind).len()
    }

    pub(crate) fn enlist(&self, name: &str, addresses: &Arc<Addresses>) -> Result<PartnerUser> {
        self.script.tell(&json!({"do": "enlist", "user": name}))?;
        self.sees("enlisted", |frame| frame["user"] == name)?;
        Ok(PartnerUser {
            name: name.to_owned(),
            id: format!("{ISSUER}:{name}"),
            script: Arc::clone(&self.script),
            files: self.files.clone(),
            reader: Reader::new(Arc::clone(&self.script)),
            addresses: Arc::clone(addresses),
        })
    }
}

fn key_of(folder: &Path) -> PathBuf {
    folder.join("birdychat.private.jwk.json")
}

/// A user of the partner's app.
pub struct PartnerUser {
    name: String,
    id: String,
    script: Arc<Script>,
    files: PathBuf,
    reader: Reader,
    addresses: Arc<Addresses>,
}

/// What the partner sees of one message.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The time until its ack, and until its outcome.
    pub times: [Duration; 2],
    /// Both frames, in the order in which they came, without the ids that each has for itself.
    pub frames: String,
}

impl PartnerUser {
    fn is_message(&self, line: &Value) -> bool {
        self.is_event(line) && line["frame"]["content"]["type"] == "text"
    }

    fn is_event(&self, line: &Value) -> bool {
        line["saw"] == "event" && line["frame"]["to"] == self.name.as_str()
    }

    fn is_status(&self, line: &Value) -> bool {
        line["saw"] == "status" && line["frame"]["from"] == self.name.as_str()
    }

    fn is_failure(&self, line: &Value) -> bool {
        self.is_status(line) && text(&line["frame"], "state").starts_with("failed")
    }

    /// Waits until the bridge says that the other network's server has this message.
    pub fn sees_accepted(&self, id: &str) -> Result<()> {
        let is = |line: &Value| {
            let frame = &line["frame"];
            self.is_status(line) && frame["event"] == id && frame["state"] == "accepted"
        };
        self.reader.next("accepted", PATIENCE, "the status accepted", is)?;
        Ok(())
    }

    /// Writes to somebody, and looks closely at what comes of it.
    pub fn probes(&self, to: &str, body: &str) -> Result<Probe> {
        let from = self.script.count();
        let sent = Instant::now();
        let id = self.writes(to, body)?;
        let is_ack = |line: &Value| {
            let ids = line["frame"]["ids"].as_array();
            line["saw"] == "ack" && ids.is_some_and(|ids| ids.iter().any(|one| *one == id))
        };
        let is_outcome = |line: &Value| self.is_status(line) && line["frame"]["event"] == id;
        let (mut at, mut ack, mut outcome) = (from, None, None);
        let mut frames = Vec::new();
        while ack.is_none() || outcome.is_none() {
            let is = |line: &Value| is_ack(line) || is_outcome(line);
            let (next, line) = self.script.find(at, PATIENCE, "an answer to a probe", is)?;
            at = next;
            let seen = if is_ack(&line) { &mut ack } else { &mut outcome };
            *seen = Some(sent.elapsed());
            let mut frame = line["frame"].clone();
            for own in ["id", "event", "ids", "to"] {
                frame.as_object_mut().map(|frame| frame.remove(own));
            }
            frames.push(frame.to_string());
        }
        let times = [ack.unwrap_or_default(), outcome.unwrap_or_default()];
        Ok(Probe { times, frames: frames.join(" ") })
    }

    /// Says something to the bridge itself, and gives its answer.
    pub fn asks_bridge(&self, words: &str) -> Result<String> {
        let id = self.new_id()?;
        self.script.tell(&json!({"do": "ask", "id": id, "from": self.name, "text": words}))?;
        let what = format!("the bridge's answer to “{words}”");
        let answers = |line: &Value| self.is_notice(line) && line["frame"]["in_reply_to"] == id;
        Ok(text(&self.script.find(0, PATIENCE, &what, answers)?.1["frame"], "text"))
    }

    /// The next thing that the bridge itself says unasked.
    pub fn hears_bridge(&self) -> Result<String> {
        let is = |line: &Value| self.is_notice(line) && line["frame"]["in_reply_to"].is_null();
        let line = self.reader.next("notice", PATIENCE, "a word of the bridge's own", is)?;
        Ok(text(&line["frame"], "text"))
    }

    /// Everything that the bridge itself has said so far.
    pub fn everything_of_bridge(&self) -> Vec<String> {
        let notices = self.script.all(|line| self.is_notice(line));
        notices.iter().map(|line| text(&line["frame"], "text")).collect()
    }

    fn is_notice(&self, line: &Value) -> bool {
        line["saw"] == "notice" && line["frame"]["to"] == self.name.as_str()
    }

    /// Sends a file that lies there for the bridge to find: under a URL of anybody's.
    pub fn sends_link(&self, to: &dyn User, url: &str, file: &SampleFile) -> Result<String> {
        let mut content = content_of(file);
        (content["type"], content["url"]) = (json!(file.kind.kind().as_str()), json!(url));
        let id = self.new_id()?;
        let to = self.address_of(to)?;
        self.script.tell(&json!({"do": "send_raw", "frame": {
            "type": "event", "id": id, "from": self.name, "to": to, "sent_at": 1,
            "content": content,
        }}))?;
        Ok(id)
    }

    /// Sends a file that the app itself hosts, on loopback.
    pub fn hosts_file(&self, to: &dyn User, file: &SampleFile) -> Result<String> {
        let mut command = sending(file)?;
        let id = self.new_id()?;
        (command["from"], command["to"]) = (json!(self.name), json!(self.address_of(to)?));
        (command["id"], command["hosted"]) = (json!(id), json!(true));
        self.script.tell(&command)?;
        Ok(id)
    }

    /// Puts a picture where the app finds it.
    fn keeps(&self, picture: &[u8]) -> Result<PathBuf> {
        let path = self.files.join(format!("{}.png", self.new_id()?));
        fs::write(&path, picture)?;
        Ok(path)
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

    fn writes_marked(&self, to: &dyn User, source: &str) -> Result<String> {
        let mut command: Value = serde_json::from_str(source)?;
        let id = self.new_id()?;
        (command["do"], command["id"], command["from"]) =
            (json!("send"), json!(id), json!(self.name));
        command["to"] = json!(self.address_of(to)?);
        self.script.tell(&command)?;
        Ok(id)
    }

    fn shows_marked(&self, id: &str) -> Result<String> {
        let came = self.script.all(|line| self.is_message(line) && line["frame"]["id"] == id);
        let content = came.first().map(|line| line["frame"]["content"].clone());
        Ok(serde_json::to_string_pretty(&content.unwrap_or_default())?)
    }

    fn performs(&self, to: &dyn User, deed: &Deed<'_>) -> Result<String> {
        let mut command = match deed {
            Deed::SaysBold(text) => {
                json!({"do": "send", "body": text, "markdown": format!("**{text}**")})
            }
            Deed::Replies(of, text) => {
                json!({"do": "send", "body": text, "in_reply_to": reference(of)})
            }
            Deed::Threads(root, text) => {
                json!({"do": "send", "body": text, "thread": reference(root)})
            }
            Deed::Edits(of, text) => json!({"do": "edit", "of": reference(of), "body": text}),
            Deed::Retracts(of) => json!({"do": "retract", "of": reference(of)}),
            Deed::Reacts(of, emojis) => {
                json!({"do": "react", "of": reference(of), "emojis": emojis})
            }
            Deed::Reads(of) => json!({"do": "read", "of": reference(of)}),
            Deed::Types(typing) => json!({"do": "typing", "typing": typing}),
            Deed::Sends(thing) => {
                let mut command = to_wire(thing);
                command["do"] = command["type"].take();
                command
            }
            Deed::Is(is) => json!({"do": "presence", "state": state_of(*is)}),
            Deed::SendsFile(file) => sending(file)?,
            Deed::CallsItself(name) => json!({"do": "profile", "user": self.name, "name": name}),
            Deed::Wears(picture) => {
                let picture = picture.map(|bytes| self.keeps(bytes)).transpose()?;
                json!({"do": "profile", "user": self.name, "avatar": picture})
            }
        };
        let id = self.new_id()?;
        (command["from"], command["to"]) = (json!(self.name), json!(self.address_of(to)?));
        command["id"] = json!(id);
        self.script.tell(&command)?;
        Ok(id)
    }

    fn is_shown(&self, by: &dyn User, sight: &Sight<'_>) -> Result<bool> {
        self.shows(by, sight)
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

/// What is said of a file.
fn content_of(file: &SampleFile) -> Value {
    json!({"name": file.name, "mime": file.mime, "caption": file.caption,
           "duration_ms": file.duration.map(|duration| duration.as_millis()),
           "width": file.width, "height": file.height, "blurhash": file.blurhash,
           "waveform": Some(&file.waveform).filter(|waveform| !waveform.is_empty())})
}

/// The app's command that sends a file.
fn sending(file: &SampleFile) -> Result<Value> {
    let mut command = content_of(file);
    (command["do"], command["type"]) = (json!("file"), json!(file.kind.kind().as_str()));
    command["path"] = json!(file.path.to_str().context("a path that is no text")?);
    if let Some(small) = &file.thumbnail {
        let path = small.to_str().context("a path that is no text")?;
        command["thumbnail"] = json!({"path": path, "mime": SMALL, "width": 1, "height": 1});
    }
    Ok(command)
}

/// How the app names a message with this id: the bridge's ids are 27 hexadecimal digits, those of its
/// own are not.
pub(crate) fn reference(id: &str) -> Value {
    let of_bridge = id.len() == 27 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if of_bridge { json!({"bridge": id}) } else { json!({"app": id}) }
}

fn heard(line: &Value) -> Heard {
    let frame = &line["frame"];
    let body = text(&frame["content"], "body");
    Heard { from: text(frame, "from"), body, id: text(frame, "id") }
}

fn told(line: &Value) -> Told {
    let frame = &line["frame"];
    Told { of: text(frame, "event"), code: text(frame, "code"), words: text(frame, "message") }
}
