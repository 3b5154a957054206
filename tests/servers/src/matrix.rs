//! Users of Matrix, on matrix-nio.

mod things;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use drawbridge_adapter::Content;
use serde::Deserialize;
use serde_json::{Value, json};

use things::{file_of, html, is_file, is_place, place_of, poll_of};

use crate::script::{Reader, Script, text};
use crate::{
    Addresses, Child, Deed, Heard, Installed, PATIENCE, Sight, Told, User, until, workspace,
};

/// The program that all users of one homeserver share.
pub struct MatrixClients {
    script: Arc<Script>,
    addresses: Arc<Addresses>,
}

impl MatrixClients {
    /// Starts it; what goes wrong in it is written to `log`, and files that are shown lie beside that.
    pub fn start(
        installed: &Installed,
        homeserver: SocketAddr,
        log: &Path,
        addresses: &Arc<Addresses>,
    ) -> Result<Self> {
        let files = log.with_extension("files");
        std::fs::create_dir_all(&files)?;
        let mut command = Child::command(&installed.clients);
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(workspace().join("tests/clients/matrix_client.py"))
            .arg(format!("http://{homeserver}"))
            .arg(files);
        let script = Arc::new(Script::start("the Matrix clients", command, log)?);
        Ok(Self { script, addresses: Arc::clone(addresses) })
    }

    /// Registers a user and logs in.
    pub fn register(&self, name: &str, password: &str) -> Result<MatrixUser> {
        let command = json!({"do": "login", "as": name, "password": password});
        let answer = self.script.ask(command)?;
        Ok(MatrixUser {
            name: name.to_owned(),
            password: password.to_owned(),
            token: text(&answer, "token"),
            id: format!("matrix:{}", text(&answer, "user")),
            script: Arc::clone(&self.script),
            reader: Reader::new(Arc::clone(&self.script)),
            addresses: Arc::clone(&self.addresses),
        })
    }
}

/// The bridge's own user.
const BOT: &str = "@drawbridge:hs.test";

/// A user of Matrix. Joins every room that they are invited to, unless they hold their invites.
pub struct MatrixUser {
    name: String,
    password: String,
    token: String,
    id: String,
    script: Arc<Script>,
    reader: Reader,
    addresses: Arc<Addresses>,
}

impl MatrixUser {
    /// The password: for a client of somebody else's.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// What the client proves itself with to the homeserver: a secret.
    pub fn token(&self) -> &str {
        &self.token
    }

    fn ask(&self, mut command: Value) -> Result<Value> {
        command["as"] = json!(self.name);
        self.script.ask(command)
    }

    fn is(&self, line: &Value, event: &str) -> bool {
        line["event"] == event && line["as"] == self.name.as_str()
    }

    fn next(&self, event: &'static str, patience: Duration) -> Result<Value> {
        self.reader.next(event, patience, event, |line| self.is(line, event))
    }

    /// Opens a room and invites these users, without waiting for them; gives its id.
    pub fn creates(&self, invite: &[&str], encrypted: bool) -> Result<String> {
        let command = json!({"do": "create", "invite": invite, "encrypted": encrypted});
        Ok(text(&self.ask(command)?, "room"))
    }

    /// Waits until a user has joined a room; fails if they decline.
    pub fn sees_join(&self, room: &str, user: &str) -> Result<()> {
        self.ask(json!({"do": "wait_for", "to": room, "user": user}))?;
        Ok(())
    }

    /// Leaves the direct chat with this user, and forgets it.
    pub fn leaves(&self, address: &str) -> Result<()> {
        self.ask(json!({"do": "leave", "to": address}))?;
        Ok(())
    }

    /// Sends an event of any type and content, to a user or into a room; gives its id.
    pub fn sends(&self, to: &str, kind: &str, content: &Value) -> Result<String> {
        let command = json!({"do": "raw", "to": to, "type": kind, "content": content});
        Ok(text(&self.ask(command)?, "id"))
    }

    /// Sets a state event; gives its id.
    pub fn sets(&self, to: &str, kind: &str, content: &Value) -> Result<String> {
        let command = json!({"do": "state", "to": to, "type": kind, "content": content});
        Ok(text(&self.ask(command)?, "id"))
    }

    /// Invites somebody into the chat with this user, or into a room.
    pub fn invites(&self, to: &str, user: &str) -> Result<()> {
        self.ask(json!({"do": "invite", "to": to, "user": user}))?;
        Ok(())
    }

    /// The next invitation: who invites.
    pub fn is_invited(&self) -> Result<String> {
        Ok(text(&self.next("invited", PATIENCE)?, "from"))
    }

    /// The next notice by a ghost.
    pub fn sees_notice(&self) -> Result<Heard> {
        let is = |line: &Value| self.is(line, "notice") && line["from"] != BOT;
        self.reader.next("notice", PATIENCE, "a notice", is).map(|line| heard(&line))
    }

    /// Every notice by a ghost so far.
    pub fn notices(&self) -> Vec<Heard> {
        let is = |line: &Value| self.is(line, "notice") && line["from"] != BOT;
        self.script.all(is).iter().map(heard).collect()
    }

    /// Writes to the bridge's own user, and gives what it says next. What it said before counts
    /// as heard.
    pub fn asks_bridge(&self, text: &str) -> Result<String> {
        self.reader.skip("bridge");
        self.writes(BOT, text)?;
        self.hears_bridge().map_err(|error| error.context(format!("the answer to “{text}”")))
    }

    /// What the bridge's own user says next.
    pub fn hears_bridge(&self) -> Result<String> {
        let is = |line: &Value| self.is(line, "notice") && line["from"] == BOT;
        self.reader.next("bridge", PATIENCE, "the bridge's own words", is).map(|l| text(&l, "body"))
    }

    /// Everything that the bridge's own user said so far.
    pub fn everything_of_bridge(&self) -> Vec<String> {
        let is = |line: &Value| self.is(line, "notice") && line["from"] == BOT;
        self.script.all(is).iter().map(|line| text(line, "body")).collect()
    }

    /// From now on invites wait for an answer: see [`Self::is_invited`].
    pub fn holds_invites(&self) -> Result<()> {
        self.ask(json!({"do": "hold", "holds": true}))?;
        Ok(())
    }

    /// Joins the room to which this user's held invite leads.
    pub fn accepts_invite(&self, of: &str) -> Result<()> {
        self.ask(json!({"do": "answer", "to": of, "accept": true}))?;
        Ok(())
    }

    /// Turns away this user's held invite.
    pub fn declines_invite(&self, of: &str) -> Result<()> {
        self.ask(json!({"do": "answer", "to": of, "accept": false}))?;
        Ok(())
    }

    /// The next held invite that its sender takes back: whose.
    pub fn sees_invite_withdrawn(&self) -> Result<String> {
        Ok(text(&self.next("withdrawn", PATIENCE)?, "from"))
    }

    /// Puts a user on the account's list of ignored users, as clients do.
    pub fn ignores(&self, user: &str) -> Result<()> {
        self.ask(json!({"do": "ignore", "user": user, "ignored": true}))?;
        Ok(())
    }

    /// Takes a user off that list.
    pub fn unignores(&self, user: &str) -> Result<()> {
        self.ask(json!({"do": "ignore", "user": user, "ignored": false}))?;
        Ok(())
    }

    /// Who is on that list.
    pub fn ignored(&self) -> Result<Vec<String>> {
        let answer = self.ask(json!({"do": "ignored"}))?;
        let users = answer["users"].as_array().into_iter().flatten();
        Ok(users.filter_map(|user| user.as_str().map(str::to_owned)).collect())
    }

    /// Waits until the list, as the user's client is told of it, holds a user or does not.
    pub fn sees_ignored(&self, user: &str, ignored: bool) -> Result<()> {
        let is = |line: &Value| {
            let mut users = line["users"].as_array().into_iter().flatten();
            self.is(line, "ignored") && users.any(|one| one == user) == ignored
        };
        self.reader.next("ignored", PATIENCE, "a change of the ignored users", is)?;
        Ok(())
    }

    /// Gives the bridge's own user the client's own login, and waits until it works.
    pub fn logs_in_to_bridge(&self) -> Result<()> {
        self.asks_bridge(&format!("login {}", self.token))?;
        let tried = self.hears_bridge()?;
        ensure!(tried.contains("It works"), "the login does not work: {tried}");
        Ok(())
    }

    /// Waits until the bridge's own user has taken away what was said to it.
    pub fn sees_taken_back(&self, id: &str) -> Result<()> {
        let is = |line: &Value| {
            let of = |of: &Value| *of == id;
            self.is(line, "redacted") && line["from"] == BOT && of(&line["of"])
        };
        self.reader.next("redaction", PATIENCE, "a redaction", is)?;
        Ok(())
    }

    /// Lets the chat with this user, or the room, make no noise but when the user is named, as
    /// clients do.
    pub fn mutes(&self, to: &str) -> Result<()> {
        self.ask(json!({"do": "mute", "to": to, "muted": true, "override": false}))?;
        Ok(())
    }

    /// Lets it make no noise at all: clients write it in another way.
    pub fn mutes_all(&self, to: &str) -> Result<()> {
        self.ask(json!({"do": "mute", "to": to, "muted": true, "override": true}))?;
        Ok(())
    }

    /// Lets it make noise again.
    pub fn unmutes(&self, to: &str) -> Result<()> {
        self.ask(json!({"do": "mute", "to": to, "muted": false, "override": false}))?;
        Ok(())
    }

    /// Waits until the chat with this user, or the room, makes no noise, or noise, on all clients.
    pub fn sees_muted(&self, to: &str, muted: bool) -> Result<()> {
        let wanted = if muted { "the chat to be muted" } else { "the chat to make noise" };
        until(wanted, PATIENCE, || {
            let now = self.ask(json!({"do": "muted", "to": to}))?;
            Ok((now["muted"] == muted).then_some(()))
        })
    }

    /// The folders (spaces) that the user has joined.
    pub fn folders(&self) -> Result<Vec<MatrixFolder>> {
        let answer = self.ask(json!({"do": "folders"}))?;
        Ok(serde_json::from_value(answer["folders"].clone())?)
    }

    /// Waits until the chat with this user stands in the user's one folder, or does not.
    pub fn sees_in_folder(&self, address: &str, there: bool) -> Result<()> {
        let room = text(&self.ask(json!({"do": "room", "to": address}))?, "room");
        until("the folder to be as wished", PATIENCE, || {
            let folders = self.folders()?;
            let [folder] = &folders[..] else { return Ok(None) };
            Ok((folder.rooms.contains(&room) == there).then_some(()))
        })
    }

    /// Leaves a folder.
    pub fn leaves_folder(&self, folder: &MatrixFolder) -> Result<()> {
        self.ask(json!({"do": "leave_folder", "room": folder.room}))?;
        Ok(())
    }

    /// How many messages a client would show as unread in the chat with this user.
    pub fn unread(&self, address: &str) -> Result<u64> {
        let answer = self.ask(json!({"do": "unread", "to": address}))?;
        answer["count"].as_u64().context("no count")
    }

    /// How many messages of a flood are written so far.
    pub fn has_written(&self, prefix: &str) -> usize {
        let start = format!("{prefix} ");
        self.script
            .all(|line| self.is(line, "sent") && text(line, "body").starts_with(&start))
            .len()
    }

    /// What a ghost did, in order: all of these.
    fn of_ghost(&self, by: &dyn User, event: &str) -> Result<Vec<Value>> {
        let from = self.address_of(by)?;
        Ok(self.script.all(|line| self.is(line, event) && line["from"] == from.as_str()))
    }

    /// How a ghost looks now, as this client was told.
    fn looks(&self, by: &dyn User) -> Result<Option<Value>> {
        Ok(self.of_ghost(by, "looks")?.pop())
    }

    fn wears(&self, picture: Option<&[u8]>) -> Result<String> {
        let Some(bytes) = picture else {
            self.ask(json!({"do": "wear", "path": null}))?;
            return Ok(String::new());
        };
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), bytes)?;
        self.ask(json!({"do": "wear", "path": file.path()}))?;
        Ok(String::new())
    }

    /// Whether an event is taken back, as this client was told.
    fn is_redacted(&self, id: &str) -> bool {
        !self.script.all(|line| self.is(line, "redacted") && line["of"] == id).is_empty()
    }

    /// Whether a ghost writes, in any room.
    fn writes_now(&self, ghost: &str) -> bool {
        let mut rooms = HashMap::new();
        for line in self.script.all(|line| self.is(line, "typing")) {
            let mut users = line["users"].as_array().into_iter().flatten();
            rooms.insert(text(&line, "room"), users.any(|user| user == ghost));
        }
        rooms.into_values().any(|writes| writes)
    }
}

/// A space, as a client shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct MatrixFolder {
    /// The space itself.
    pub room: String,
    /// Its name.
    pub name: String,
    /// The rooms in it.
    pub rooms: Vec<String>,
}

impl User for MatrixUser {
    fn id(&self) -> &str {
        &self.id
    }

    fn address_of(&self, other: &dyn User) -> Result<String> {
        self.addresses.of(other.id(), self.network())
    }

    fn writes(&self, to: &str, body: &str) -> Result<String> {
        Ok(text(&self.ask(json!({"do": "send", "to": to, "body": body}))?, "id"))
    }

    fn floods(&self, to: &str, prefix: &str, count: usize) -> Result<()> {
        let command =
            json!({"do": "send_many", "to": to, "prefix": prefix, "first": 1, "count": count});
        self.ask(command)?;
        Ok(())
    }

    fn sends_sticker(&self, to: &str) -> Result<String> {
        let content = json!({"body": "a bird", "url": "mxc://hs.test/bird", "info": {}});
        self.sends(to, "m.sticker", &content)
    }

    fn sends_disappearing(&self, to: &str, body: &str) -> Result<String> {
        let content = json!({
            "msgtype": "m.text",
            "body": body,
            "com.beeper.disappearing_timer": {"type": "after_read", "timer": 60_000},
        });
        self.sends(to, "m.room.message", &content)
    }

    fn writes_marked(&self, to: &dyn User, source: &str) -> Result<String> {
        let mut content: Value = serde_json::from_str(source)?;
        content["msgtype"] = json!("m.text");
        self.sends(&self.address_of(to)?, "m.room.message", &content)
    }

    fn shows_marked(&self, id: &str) -> Result<String> {
        let lines = self.script.all(|line| self.is(line, "message") && line["id"] == id);
        let mut content = lines.first().map(|line| line["content"].clone()).unwrap_or_default();
        if let Some(fields) = content.as_object_mut() {
            fields.retain(|name, _| {
                matches!(name.as_str(), "body" | "formatted_body" | "m.mentions")
            });
        }
        Ok(serde_json::to_string_pretty(&content)?)
    }

    fn performs(&self, to: &dyn User, deed: &Deed<'_>) -> Result<String> {
        let to = self.address_of(to)?;
        let does = |what: &str, of: &str| json!({"do": what, "to": to, "of": of});
        let message = |content: &Value| self.sends(&to, "m.room.message", content);
        let mut command = match *deed {
            Deed::SaysBold(body) => {
                let html = format!("<strong>{}</strong>", html(body));
                return message(&json!({
                    "msgtype": "m.text", "body": format!("**{body}**"),
                    "format": "org.matrix.custom.html", "formatted_body": html,
                }));
            }
            Deed::Replies(of, body) => {
                let relation = json!({"m.in_reply_to": {"event_id": of}});
                let content = json!({"msgtype": "m.text", "body": body, "m.relates_to": relation});
                return message(&content);
            }
            Deed::Threads(root, body) => {
                let last = json!({"event_id": root});
                let relation = json!({
                    "rel_type": "m.thread", "event_id": root, "is_falling_back": true,
                    "m.in_reply_to": last,
                });
                let content = json!({"msgtype": "m.text", "body": body, "m.relates_to": relation});
                return message(&content);
            }
            Deed::Edits(of, body) => {
                let mut command = does("edit", of);
                command["content"] = json!({"msgtype": "m.text", "body": body});
                command
            }
            Deed::Retracts(of) => does("redact", of),
            Deed::Reacts(of, emojis) => {
                let mut command = does("react", of);
                command["emojis"] = json!(emojis);
                command
            }
            Deed::Reads(of) => does("read", of),
            Deed::Types(typing) => json!({"do": "type", "to": to, "typing": typing}),
            Deed::Sends(Content::Location(ref place)) => return message(&place_of(place)),
            Deed::Sends(Content::Poll(ref poll)) => {
                return self.sends(&to, "org.matrix.msc3381.poll.start", &poll_of(poll));
            }
            Deed::CallsItself(name) => json!({"do": "call_itself", "name": name}),
            Deed::Wears(picture) => return self.wears(picture),
            Deed::SendsFile(file) => json!({
                "do": "send_file", "to": to, "path": file.path, "mime": file.mime,
                "content": file_of(file)?, "small": file.thumbnail,
            }),
            Deed::Sends(_) | Deed::Is(_) => bail!("Matrix clients cannot: {deed:?}"),
        };
        command["as"] = json!(self.name);
        let answer = self.script.ask(command)?;
        Ok(answer["id"].as_str().unwrap_or_default().to_owned())
    }

    fn is_shown(&self, by: &dyn User, sight: &Sight<'_>) -> Result<bool> {
        let messages = || self.of_ghost(by, "message");
        Ok(match *sight {
            Sight::Bold(body) => {
                let bold = format!("<strong>{}</strong>", html(body));
                messages()?.iter().any(|line| line["content"]["formatted_body"] == bold)
            }
            Sight::Reply(of, body) => messages()?.iter().any(|line| {
                let to = &line["content"]["m.relates_to"]["m.in_reply_to"]["event_id"];
                *to == of && line["body"] == body
            }),
            Sight::Thread(root, body) => messages()?.iter().any(|line| {
                let to = &line["content"]["m.relates_to"];
                to["rel_type"] == "m.thread" && to["event_id"] == root && line["body"] == body
            }),
            Sight::Edited(of, body) => {
                let edits = self.of_ghost(by, "edited")?;
                let last = edits.iter().rfind(|line| line["of"] == of);
                last.is_some_and(|line| line["body"] == body)
            }
            Sight::Retracted(of) => self.is_redacted(of),
            Sight::Reactions(of, emojis) => {
                let all = self.of_ghost(by, "reaction")?;
                let still = all.iter().filter(|line| {
                    line["of"] == of && !self.is_redacted(line["id"].as_str().unwrap_or_default())
                });
                let shown: BTreeSet<_> = still.map(|line| text(line, "key")).collect();
                shown == emojis.iter().map(|emoji| (*emoji).to_owned()).collect()
            }
            Sight::Read(of) => self.of_ghost(by, "receipt")?.iter().any(|line| line["of"] == of),
            Sight::Typing(typing) => self.writes_now(&self.address_of(by)?) == typing,
            Sight::Shows(Content::Location(ref place)) => {
                messages()?.iter().any(|line| is_place(&line["content"], place))
            }
            Sight::ShowsFile(file) => {
                let file = file.between(by.network(), self.network());
                for line in self.of_ghost(by, "file")? {
                    let there = text(&line, "path");
                    if is_file(&line["content"], &file)?
                        && file.is_same_as(Path::new(&there))?
                        && file.has_small(line["small"].as_str().map(Path::new))?
                    {
                        return Ok(true);
                    }
                }
                false
            }
            Sight::Name(name) => {
                let label = format!(" ({})", by.network());
                let label = if by.network() == self.network() { "" } else { &*label };
                let named = format!("{name}{label}");
                self.looks(by)?.is_some_and(|line| line["name"] == named)
            }
            Sight::Face(face) => match (self.looks(by)?, face) {
                (Some(line), Some(face)) => {
                    let path = text(&line, "path");
                    !path.is_empty() && std::fs::read(path)? == face
                }
                (Some(line), None) => line["pictured"] == false,
                (None, _) => false,
            },
            Sight::Shows(_) | Sight::Presence(_) => {
                bail!("Matrix clients cannot see: {sight:?}")
            }
        })
    }

    fn next_message(&self, patience: Duration) -> Result<Heard> {
        self.next("message", patience).map(|line| heard(&line))
    }

    fn everything_heard(&self) -> Vec<Heard> {
        self.script.all(|line| self.is(line, "message")).iter().map(heard).collect()
    }

    fn next_failure(&self, patience: Duration) -> Result<Told> {
        let is = |line: &Value| self.is(line, "status") && failed(line);
        self.reader.next("status", patience, "a failure", is).map(|line| told(&line))
    }

    fn everything_failed(&self) -> Vec<Told> {
        let is = |line: &Value| self.is(line, "status") && failed(line);
        self.script.all(is).iter().map(told).collect()
    }
}

fn failed(line: &Value) -> bool {
    text(line, "state").starts_with("FAIL")
}

fn heard(line: &Value) -> Heard {
    Heard { from: text(line, "from"), body: text(line, "body"), id: text(line, "id") }
}

fn told(line: &Value) -> Told {
    let words = text(&line["content"], "message");
    Told { of: text(line, "of"), code: text(line, "code"), words }
}
