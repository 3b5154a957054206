//! The example partner app, and its users.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::script::{Reader, Script, text};
use crate::things::{from_wire, state_of, to_wire};
use crate::{Addresses, Child, Deed, Heard, PATIENCE, SampleFile, Sight, Told, User};

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
        Ok(Self { script: Arc::new(Script::start("the partner app", command, &log)?) })
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

    /// The frames of this type that came from somebody, oldest first.
    fn frames(&self, saw: &str, by: &dyn User) -> Result<Vec<Value>> {
        let from = self.address_of(by)?;
        let is = |line: &Value| {
            let frame = &line["frame"];
            line["saw"] == saw && frame["to"] == self.name.as_str() && frame["from"] == from
        };
        Ok(self.script.all(is).into_iter().map(|mut line| line["frame"].take()).collect())
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

    /// The next request must be this user's; gives the first text, if it was one.
    pub fn hears_request(&self, from: &dyn User) -> Result<Heard> {
        let is =
            |line: &Value| line["saw"] == "request" && line["frame"]["to"] == self.name.as_str();
        let line = self.reader.next("request", PATIENCE, "a request", is)?;
        let frame = &line["frame"];
        let address = self.address_of(from)?;
        ensure!(frame["from"] == address, "a request of {address} was expected, and came: {frame}");
        Ok(Heard { from: address, body: text(frame, "text"), id: text(frame, "id") })
    }

    /// Waits until the request of this user is over; gives whether it was accepted.
    pub fn sees_request_over(&self, from: &dyn User) -> Result<bool> {
        let address = self.address_of(from)?;
        let is = |line: &Value| {
            let frame = &line["frame"];
            line["saw"] == "request_over"
                && frame["to"] == self.name.as_str()
                && frame["from"] == address
        };
        let line = self.reader.next("request_over", PATIENCE, "the end of a request", is)?;
        Ok(line["frame"]["accepted"] == true)
    }

    /// Wants to hear from this user; durable with the bridge when it returns, like the next three.
    pub fn accepts(&self, other: &dyn User) -> Result<()> {
        self.wants("accept", other)
    }

    /// Turns this user's request away.
    pub fn declines(&self, other: &dyn User) -> Result<()> {
        self.wants("decline", other)
    }

    /// Blocks this user in the partner's app.
    pub fn blocks(&self, other: &dyn User) -> Result<()> {
        self.wants("block", other)
    }

    /// Lifts the block in the partner's app.
    pub fn unblocks(&self, other: &dyn User) -> Result<()> {
        self.wants("unblock", other)
    }

    fn wants(&self, what: &str, other: &dyn User) -> Result<()> {
        let other = self.address_of(other)?;
        self.gesture(json!({"do": what, "other": other}))
    }

    /// Wants no noise from the chat with this user, for `8h`, `1w`, `1y` or `always`; durable with
    /// the bridge when it returns, like the next two.
    pub fn mutes(&self, other: &dyn User, length: &str) -> Result<()> {
        let other = self.address_of(other)?;
        self.gesture(json!({"do": "mute", "other": other, "for": length}))
    }

    /// Wants noise from that chat again.
    pub fn unmutes(&self, other: &dyn User) -> Result<()> {
        self.wants("unmute", other)
    }

    /// Reports this user, for `spam`, `abuse` or `other`, with the latest `count` messages that
    /// came from there.
    pub fn reports(&self, about: &dyn User, reason: &str, count: usize) -> Result<()> {
        let about = self.address_of(about)?;
        let mut messages: Vec<_> = self.everything_heard();
        messages.retain(|heard| heard.from == about);
        let latest = messages.len().saturating_sub(count);
        let messages: Vec<_> = messages.split_off(latest).into_iter().map(|one| one.id).collect();
        ensure!(messages.len() == count, "there are only {} messages", messages.len());
        self.gesture(json!({"do": "report", "about": about, "reason": reason,
                            "messages": messages}))
    }

    /// Does this in the app, and waits until it is durable with the bridge.
    fn gesture(&self, mut frame: Value) -> Result<()> {
        let (what, id) = (text(&frame, "do"), self.new_id()?);
        (frame["id"], frame["from"]) = (json!(id), json!(self.name));
        self.script.tell(&frame)?;
        let answers = |line: &Value| {
            let ids = line["frame"]["ids"].as_array();
            line["saw"] == "ack" && ids.is_some_and(|ids| ids.iter().any(|one| *one == id))
        };
        self.script.find(0, PATIENCE, &format!("the ack of {what}"), answers)?;
        Ok(())
    }

    /// Waits until the bridge puts this user on the app's own list of blocked people.
    pub fn sees_block(&self, of: &dyn User) -> Result<()> {
        self.sees_list("block", of)?;
        Ok(())
    }

    /// Waits until the bridge takes this user off that list.
    pub fn sees_unblock(&self, of: &dyn User) -> Result<()> {
        self.sees_list("unblock", of)?;
        Ok(())
    }

    /// Waits until the bridge mutes the chat with this user in the app; gives for how long.
    pub fn sees_muted(&self, other: &dyn User) -> Result<String> {
        Ok(text(&self.sees_list("mute", other)?, "for"))
    }

    /// Waits until that chat makes noise in the app again.
    pub fn sees_unmuted(&self, other: &dyn User) -> Result<()> {
        self.sees_list("unmute", other)?;
        Ok(())
    }

    /// Whether this message, which came, is one that makes no noise.
    pub fn is_silent(&self, heard: &Heard) -> bool {
        let found = |line: &Value| self.is_message(line) && line["frame"]["id"] == heard.id;
        self.script.all(found).iter().any(|line| line["frame"]["silent"] == true)
    }

    /// The networks whose chats stand in a folder of their own, as the bridge next says.
    pub fn sees_inbox(&self) -> Result<Vec<String>> {
        let is = |line: &Value| line["saw"] == "inbox" && line["frame"]["of"] == self.name.as_str();
        let line = self.reader.next("inbox", PATIENCE, "an inbox", is)?;
        let networks = line["frame"]["networks"].as_array().into_iter().flatten();
        Ok(networks.filter_map(|one| one.as_str().map(str::to_owned)).collect())
    }

    /// The next report about this user that the app's moderators get, as it came.
    pub fn hears_report(&self) -> Result<Value> {
        let is =
            |line: &Value| line["saw"] == "report" && line["frame"]["about"] == self.name.as_str();
        let mut line = self.reader.next("report", PATIENCE, "a report", is)?;
        Ok(line["frame"].take())
    }

    fn sees_list(&self, kind: &'static str, other: &dyn User) -> Result<Value> {
        let address = self.address_of(other)?;
        let is = |line: &Value| {
            let frame = &line["frame"];
            line["saw"] == kind && frame["of"] == self.name.as_str() && frame["other"] == address
        };
        let mut line = self.reader.next(kind, PATIENCE, &format!("the {kind} of {address}"), is)?;
        Ok(line["frame"].take())
    }

    /// Waits until the bridge says that this message waits for its recipient's acceptance.
    pub fn sees_held(&self, id: &str) -> Result<()> {
        let is = |line: &Value| {
            let frame = &line["frame"];
            self.is_status(line) && frame["event"] == id && frame["code"] == "request_pending"
        };
        self.script.find(0, PATIENCE, "the code request_pending", is)?;
        Ok(())
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
            Deed::CallsItself(_) | Deed::Wears(_) => anyhow::bail!("the app cannot: {deed:?}"),
        };
        let id = self.new_id()?;
        (command["from"], command["to"]) = (json!(self.name), json!(self.address_of(to)?));
        command["id"] = json!(id);
        self.script.tell(&command)?;
        Ok(id)
    }

    fn is_shown(&self, by: &dyn User, sight: &Sight<'_>) -> Result<bool> {
        Ok(match sight {
            Sight::Read(id) => {
                let read = |frame: &Value| frame["state"] == "read" && frame["of"]["app"] == **id;
                self.frames("receipt", by)?.iter().any(read)
            }
            Sight::Typing(typing) => {
                self.frames("typing", by)?.last().is_some_and(|frame| frame["typing"] == *typing)
            }
            Sight::Presence(is) => {
                let all = self.frames("presence", by)?;
                all.last().is_some_and(|frame| frame["state"] == state_of(*is))
            }
            Sight::ShowsFile(file) => {
                let from = self.address_of(by)?;
                let came = self.script.all(|line| {
                    self.is_event(line) && line["frame"]["from"] == from && line["file"].is_string()
                });
                came.iter()
                    .map(|line| is_file(line, file))
                    .find(|is| !matches!(is, Ok(false)))
                    .unwrap_or(Ok(false))?
            }
            _ => shows(&self.frames("event", by)?, sight),
        })
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
           "duration_ms": file.duration.map(|duration| duration.as_millis())})
}

/// The app's command that sends a file.
fn sending(file: &SampleFile) -> Result<Value> {
    let mut command = content_of(file);
    (command["do"], command["type"]) = (json!("file"), json!(file.kind.kind().as_str()));
    command["path"] = json!(file.path.to_str().context("a path that is no text")?);
    Ok(command)
}

/// Whether the app got this file by this event.
fn is_file(line: &Value, file: &SampleFile) -> Result<bool> {
    let content = &line["frame"]["content"];
    let said = content_of(file);
    let same = ["name", "mime", "caption"].iter().all(|key| content[*key] == said[*key]);
    // Not every network that it came from knows how long it plays.
    let plays = &content["duration_ms"];
    let same = same && (plays.is_null() || *plays == said["duration_ms"]);
    if content["type"] != file.kind.kind().as_str() || !same {
        return Ok(false);
    }
    file.is_same_as(Path::new(&text(line, "file")))
}

/// How the app names a message with this id: the bridge's ids are 27 hexadecimal digits, those of its
/// own are not.
pub(crate) fn reference(id: &str) -> Value {
    let of_bridge = id.len() == 27 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if of_bridge { json!({"bridge": id}) } else { json!({"app": id}) }
}

/// Whether an app that got these events, all of one user, shows this.
pub(crate) fn shows(events: &[Value], sight: &Sight<'_>) -> bool {
    let of_type = |kind: &str| {
        let events = events.iter().filter(move |frame| frame["content"]["type"] == kind);
        events.collect::<Vec<_>>()
    };
    let is = |named: &Value, id: &str| *named == reference(id);
    match sight {
        Sight::Bold(text) => of_type("text").iter().any(|frame| {
            // The body is the sender's own, perhaps with marks of the sender's network in it.
            text_of(frame, "markdown").replace('\\', "") == format!("**{text}**")
        }),
        Sight::Reply(id, text) => of_type("text")
            .iter()
            .any(|frame| is(&frame["in_reply_to"], id) && frame["content"]["body"] == **text),
        Sight::Edited(id, text) => {
            let edits = of_type("edit");
            let last = edits.iter().rfind(|frame| is(&frame["content"]["of"], id));
            last.is_some_and(|frame| frame["content"]["body"] == **text)
        }
        Sight::Retracted(id) => {
            of_type("retraction").iter().any(|frame| is(&frame["content"]["of"], id))
        }
        Sight::Reactions(id, emojis) => {
            let reactions = of_type("reaction");
            let last = reactions.iter().rfind(|frame| is(&frame["content"]["to"], id));
            let shown = last.and_then(|frame| frame["content"]["emojis"].as_array());
            let shown: BTreeSet<_> =
                shown.into_iter().flatten().filter_map(Value::as_str).collect();
            shown == emojis.iter().copied().collect()
        }
        Sight::Shows(thing) => {
            events.iter().any(|frame| from_wire(&frame["content"]).as_ref() == Some(thing))
        }
        Sight::Read(_)
        | Sight::Typing(_)
        | Sight::Presence(_)
        | Sight::ShowsFile(_)
        | Sight::Name(_)
        | Sight::Face(_) => false,
    }
}

fn text_of(frame: &Value, field: &str) -> String {
    text(&frame["content"], field)
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
