//! Users of XMPP, on slixmpp.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use drawbridge_adapter::There;
use serde_json::{Value, json};

use crate::script::{Reader, Script, text};
use crate::xmpp_server::COMPONENT;
use crate::{Addresses, Child, Deed, Heard, Installed, PATIENCE, Sight, Told, User, workspace};

mod chat;
mod profile;
mod things;

/// The program that all users of one server share.
pub struct XmppClients {
    script: Arc<Script>,
    addresses: Arc<Addresses>,
}

impl XmppClients {
    /// Starts it; what goes wrong in it is written to `log`.
    pub fn start(
        installed: &Installed,
        server: SocketAddr,
        log: &Path,
        addresses: &Arc<Addresses>,
    ) -> Result<Self> {
        let mut command = Child::command(&installed.clients);
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(workspace().join("tests/clients/xmpp_client.py"))
            .args([server.ip().to_string(), server.port().to_string()])
            .arg(log.with_extension("files"));
        let script = Arc::new(Script::start("the XMPP clients", command, log)?);
        Ok(Self { script, addresses: Arc::clone(addresses) })
    }

    /// Logs an account in; its local part must be nobody else's, whatever the domain.
    pub fn login(&self, jid: &str, password: &str) -> Result<XmppUser> {
        let name = jid.split('@').next().unwrap_or_default().to_owned();
        self.login_as(name, jid, password)
    }

    /// Logs an account in once more, on a client with a resource of its own.
    pub fn login_again(&self, user: &XmppUser) -> Result<XmppUser> {
        self.login_as(format!("{} again", user.name), &user.jid, &user.password)
    }

    fn login_as(&self, name: String, jid: &str, password: &str) -> Result<XmppUser> {
        let command = json!({"do": "login", "as": name, "jid": jid, "password": password});
        self.script.ask(command)?;
        Ok(XmppUser {
            name,
            password: password.to_owned(),
            jid: jid.to_owned(),
            id: format!("xmpp:{jid}"),
            script: Arc::clone(&self.script),
            reader: Reader::new(Arc::clone(&self.script)),
            addresses: Arc::clone(&self.addresses),
        })
    }
}

/// A user of XMPP, with one device, who comes back when the server does.
pub struct XmppUser {
    name: String,
    password: String,
    jid: String,
    id: String,
    script: Arc<Script>,
    reader: Reader,
    addresses: Arc<Addresses>,
}

/// An answer to an IQ.
#[derive(Debug, Clone)]
pub struct Answer {
    /// `result` or `error`.
    pub kind: String,
    /// The defined condition of an error.
    pub condition: String,
    /// The whole stanza.
    pub xml: String,
}

/// A field of a command's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// Its type (XEP-0004): `text-single`, `list-single`, …
    pub kind: String,
    /// What may be picked.
    pub options: Vec<String>,
}

/// An item of a roster (RFC 6121, 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its groups, sorted.
    pub groups: Vec<String>,
    /// The name that the user gave it.
    pub name: String,
    /// `none`, `to`, `from` or `both`.
    pub subscription: String,
}

/// A report, as those who run the server get it (XEP-0377).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The stanza's id, by which a repeat is known.
    pub id: String,
    /// Who sent it.
    pub from: String,
    /// What it says to people.
    pub words: String,
    /// Its reason, as the standard names it.
    pub reason: String,
    /// The messages that it names: each id, after who gave it.
    pub ids: Vec<(String, String)>,
    /// The whole stanza.
    pub xml: String,
}

impl XmppUser {
    /// The password: for a client of somebody else's.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The bare JID.
    pub fn jid(&self) -> &str {
        &self.jid
    }

    fn ask(&self, mut command: Value) -> Result<Value> {
        command["as"] = json!(self.name);
        self.script.ask(command)
    }

    fn is(&self, line: &Value, event: &str) -> bool {
        line["event"] == event && line["as"] == self.name.as_str()
    }

    /// Sends a stanza as it stands.
    pub fn sends(&self, xml: &str) -> Result<()> {
        self.ask(json!({"do": "raw", "xml": xml}))?;
        Ok(())
    }

    /// Sends an IQ and waits for the answer.
    pub fn queries(&self, xml: &str) -> Result<Answer> {
        let answer = self.ask(json!({"do": "iq", "xml": xml}))?;
        Ok(Answer {
            kind: text(&answer, "type"),
            condition: text(&answer, "condition"),
            xml: text(&answer, "xml"),
        })
    }

    /// The type of the next presence from this address.
    pub fn sees_presence(&self, from: &str) -> Result<String> {
        let is = |line: &Value| self.is(line, "presence") && bare(&text(line, "from")) == from;
        let line = self.reader.next("presence", PATIENCE, "a presence", is)?;
        Ok(text(&line, "type"))
    }

    /// Writes to the bridge's own user; gives the text of its answer.
    pub fn asks_bridge(&self, command: &str) -> Result<String> {
        self.reader.skip("notice");
        self.writes(COMPONENT, command)?;
        let is = |line: &Value| self.is(line, "notice");
        let what = format!("the bridge's answer to “{command}”");
        let line = self.reader.next("notice", PATIENCE, &what, is)?;
        Ok(text(&line, "body"))
    }

    /// The next text of the bridge's own user, which it says unasked.
    pub fn hears_bridge(&self) -> Result<String> {
        Ok(self.next_of_bridge(PATIENCE)?.body)
    }

    /// The same with its id, by which a repeat is known.
    pub fn next_of_bridge(&self, patience: Duration) -> Result<Heard> {
        let is = |line: &Value| self.is(line, "notice");
        let line = self.reader.next("notice", patience, "a word of the bridge's", is);
        line.map(|line| heard(&line))
    }

    /// Everything that the bridge's own user has said so far.
    pub fn everything_of_bridge(&self) -> Vec<String> {
        let lines = self.script.all(|line| self.is(line, "notice"));
        lines.iter().map(|line| text(line, "body")).collect()
    }

    /// The names of the commands that the bridge offers to this client's menu (XEP-0050).
    pub fn sees_commands(&self) -> Result<Vec<String>> {
        let answer = self.ask(json!({"do": "commands", "of": COMPONENT}))?;
        Ok(texts(&answer["nodes"]))
    }

    /// Runs a command from this client's menu (XEP-0050), filling its form in, if it has one;
    /// gives the text of the answer.
    pub fn runs_command(&self, node: &str, fields: &[(&str, &str)]) -> Result<String> {
        let fields: serde_json::Map<String, Value> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let command = json!({"do": "command", "of": COMPONENT, "node": node, "fields": fields});
        Ok(text(&self.ask(command)?, "note"))
    }

    /// What a command's form asks for.
    pub fn sees_form(&self, node: &str) -> Result<Vec<Asked>> {
        let answer = self.ask(json!({"do": "form", "of": COMPONENT, "node": node}))?;
        let fields = answer["fields"].as_array().into_iter().flatten();
        let field = |field: &Value| Asked {
            name: text(field, "name"),
            kind: text(field, "type"),
            options: texts(&field["options"]),
        };
        Ok(fields.map(field).collect())
    }

    /// The contact with this address, as the server holds it; `None` if it is none.
    pub fn contact(&self, address: &str) -> Result<Option<Contact>> {
        let answer = self.ask(json!({"do": "roster"}))?;
        let item = answer["items"].get(address);
        Ok(item.map(|item| Contact {
            groups: texts(&item["groups"]),
            name: text(item, "name"),
            subscription: text(item, "subscription"),
        }))
    }

    /// Whether this address is a contact in this group.
    pub fn is_in_group(&self, address: &str, group: &str) -> Result<bool> {
        Ok(self.contact(address)?.is_some_and(|contact| contact.groups.iter().any(|g| g == group)))
    }

    /// Makes this address a contact under a name, in these groups alone.
    pub fn keeps(&self, address: &str, name: &str, groups: &[&str]) -> Result<()> {
        let group = |group: &&str| format!("<group>{}</group>", escape(group));
        let groups = groups.iter().map(group).collect::<Vec<_>>().concat();
        let answer = self.queries(&format!(
            "<iq xmlns='jabber:client' type='set'><query xmlns='jabber:iq:roster'>\
             <item jid='{}' name='{}'>{groups}</item></query></iq>",
            escape(address),
            escape(name)
        ))?;
        ensure!(answer.kind == "result", "the server takes no contact: {answer:?}");
        Ok(())
    }

    /// The next report to this user.
    pub fn hears_report(&self) -> Result<Reported> {
        let is = |line: &Value| self.is(line, "report");
        let line = self.reader.next("report", PATIENCE, "a report", is)?;
        let ids = line["ids"].as_array().into_iter().flatten();
        Ok(Reported {
            id: text(&line, "id"),
            from: text(&line, "from"),
            words: text(&line, "body"),
            reason: text(&line, "reason"),
            ids: ids.map(|one| (text(one, "by"), text(one, "id"))).collect(),
            xml: text(&line, "xml"),
        })
    }

    /// How many reports have come to this user so far.
    pub fn reports_heard(&self) -> usize {
        self.script.all(|line| self.is(line, "report")).len()
    }

    /// The types of all presences from this address so far.
    pub fn everything_shown_by(&self, address: &str) -> Vec<String> {
        let is = |line: &Value| self.is(line, "presence") && bare(&text(line, "from")) == address;
        self.script.all(is).iter().map(|line| text(line, "type")).collect()
    }

    /// Waits until this address asks to see the user's presence.
    pub fn is_asked_by(&self, address: &str) -> Result<()> {
        let is = |line: &Value| {
            self.is(line, "presence")
                && bare(&text(line, "from")) == address
                && line["type"] == "subscribe"
        };
        self.reader.next("subscribe", PATIENCE, "a request of subscription", is)?;
        Ok(())
    }

    /// Lets this address see the user's presence, as it asked.
    pub fn accepts(&self, address: &str) -> Result<()> {
        self.presents("subscribed", address)
    }

    /// Does not let this address see the user's presence.
    pub fn declines(&self, address: &str) -> Result<()> {
        self.presents("unsubscribed", address)
    }

    /// Asks to see the presence of this address: adds it as a contact.
    pub fn adds(&self, address: &str) -> Result<()> {
        self.presents("subscribe", address)
    }

    fn presents(&self, kind: &str, address: &str) -> Result<()> {
        self.sends(&format!(
            "<presence xmlns='jabber:client' type='{kind}' to='{}'/>",
            escape(address)
        ))
    }

    /// Puts this address on the list of those whom the user blocks (XEP-0191).
    pub fn blocks(&self, address: &str) -> Result<()> {
        self.ask(json!({"do": "block", "jid": address}))?;
        Ok(())
    }

    /// Takes this address off that list.
    pub fn unblocks(&self, address: &str) -> Result<()> {
        self.ask(json!({"do": "unblock", "jid": address}))?;
        Ok(())
    }

    /// That list, as the server holds it, sorted.
    pub fn block_list(&self) -> Result<Vec<String>> {
        let answer = self.ask(json!({"do": "block_list"}))?;
        Ok(texts(&answer["jids"]))
    }

    /// Makes this address a contact: each sees how the other is there, as most clients have it when their
    /// user adds somebody.
    pub fn befriends(&self, address: &str) -> Result<()> {
        let subscription =
            || Ok::<_, anyhow::Error>(self.contact(address)?.map(|it| it.subscription));
        if subscription()?.as_deref() == Some("both") {
            return Ok(());
        }
        self.adds(address)?;
        crate::until(&format!("{address} to be a contact"), PATIENCE, || {
            let seen = subscription()?;
            if seen.as_deref() == Some("to")
                && self.everything_shown_by(address).iter().any(|it| it == "subscribe")
            {
                self.accepts(address)?;
            }
            Ok((seen.as_deref() == Some("both")).then_some(()))
        })
    }

    /// Goes away, connected or not: the server stores what comes, until the user
    /// [returns](XmppUser::returns).
    pub fn goes_away(&self) -> Result<()> {
        self.ask(json!({"do": "away"}))?;
        Ok(())
    }

    /// Is available again, and gets what was stored.
    pub fn returns(&self) -> Result<()> {
        self.ask(json!({"do": "back"}))?;
        Ok(())
    }

    /// Waits until the connection, which was lost, is there again.
    pub fn comes_back(&self) -> Result<()> {
        self.reader.next("offline", PATIENCE, "the loss of the connection", |line| {
            self.is(line, "offline")
        })?;
        let seen = self.script.all(|line| self.is(line, "offline")).len();
        crate::until("the connection to come back", PATIENCE, || {
            let back = self.script.all(|line| self.is(line, "online")).len();
            Ok((back > seen).then_some(()))
        })
    }

    /// How many messages of a flood are written so far.
    pub fn has_written(&self, prefix: &str) -> usize {
        let start = format!("{prefix} ");
        self.script
            .all(|line| self.is(line, "sent") && text(line, "body").starts_with(&start))
            .len()
    }

    /// What the messages of a flood said, by their ids.
    pub fn written(&self, prefix: &str) -> Vec<(String, String)> {
        let start = format!("{prefix} ");
        let is = |line: &Value| self.is(line, "sent") && text(line, "body").starts_with(&start);
        let lines = self.script.all(is);
        lines.iter().map(|line| (text(line, "id"), text(line, "body"))).collect()
    }
}

impl User for XmppUser {
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
        // 0.004: quick for a person, and slow enough for the daemon to die in the middle.
        self.ask(json!({
            "do": "send_many", "to": to, "prefix": prefix, "first": 1, "count": count,
            "pause": 0.004,
        }))?;
        Ok(())
    }

    fn sends_sticker(&self, to: &str) -> Result<String> {
        let id = format!("sticker-{}", self.script.count());
        self.sends(&format!(
            "<message xmlns='jabber:client' type='chat' id='{id}' to='{}'>\
             <body>a bird</body><sticker xmlns='urn:xmpp:stickers:0' pack='birds'/></message>",
            escape(to)
        ))?;
        Ok(id)
    }

    fn sends_disappearing(&self, to: &str, body: &str) -> Result<String> {
        let id = format!("timer-{}", self.script.count());
        self.sends(&format!(
            "<message xmlns='jabber:client' type='chat' id='{id}' to='{}'><body>{}</body>\
             <ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/></message>",
            escape(to),
            escape(body)
        ))?;
        Ok(id)
    }

    fn writes_marked(&self, to: &dyn User, source: &str) -> Result<String> {
        let (id, to) = (format!("marked-{}", self.script.count()), self.address_of(to)?);
        self.sends(&format!(
            "<message xmlns='jabber:client' type='chat' id='{id}' to='{}'>{source}</message>",
            escape(&to)
        ))?;
        Ok(id)
    }

    fn shows_marked(&self, id: &str) -> Result<String> {
        let came = self.script.all(|line| self.is(line, "message") && line["id"] == id);
        Ok(came.first().map(|line| text(line, "says")).unwrap_or_default())
    }

    fn performs(&self, to: &dyn User, deed: &Deed<'_>) -> Result<String> {
        self.acts(&self.address_of(to)?, deed)
    }

    fn is_shown(&self, by: &dyn User, sight: &Sight<'_>) -> Result<bool> {
        Ok(self.shows(&self.address_of(by)?, sight))
    }

    fn next_message(&self, patience: Duration) -> Result<Heard> {
        let is = |line: &Value| self.is(line, "message");
        self.reader.next("message", patience, "a message", is).map(|line| heard(&line))
    }

    fn everything_heard(&self) -> Vec<Heard> {
        self.script.all(|line| self.is(line, "message")).iter().map(heard).collect()
    }

    fn next_failure(&self, patience: Duration) -> Result<Told> {
        let is = |line: &Value| self.is(line, "error");
        self.reader.next("error", patience, "an error", is).map(|line| told(&line))
    }

    fn everything_failed(&self) -> Vec<Told> {
        self.script.all(|line| self.is(line, "error")).iter().map(told).collect()
    }
}

/// Text, for an attribute or an element of a stanza.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// How a client shows it.
fn shown(there: There) -> &'static str {
    match there {
        There::Online => "online",
        There::Away => "away",
        There::Offline => "offline",
    }
}

fn bare(jid: &str) -> &str {
    jid.split('/').next().unwrap_or(jid)
}

fn heard(line: &Value) -> Heard {
    let from = bare(&text(line, "from")).to_owned();
    Heard { from, body: text(line, "body"), id: text(line, "id") }
}

fn told(line: &Value) -> Told {
    Told { of: text(line, "id"), code: text(line, "code"), words: text(line, "text") }
}
