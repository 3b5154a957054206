//! What XMPP users do in a chat besides writing plain texts, and what their client shows of it.

use anyhow::{Result, bail};
use drawbridge_adapter::Content;
use serde_json::{Value, json};

use super::things::{is_file, place};
use super::{XmppUser, bare, profile, shown, texts};
use crate::files::SMALL;
use crate::script::text;
use crate::{Deed, Sight, User as _};

impl XmppUser {
    /// Does something in the chat with whom this address names; gives its id, if it has one.
    pub fn acts(&self, to: &str, deed: &Deed<'_>) -> Result<String> {
        let mut command = match *deed {
            Deed::SaysBold(body) => return self.writes(to, &format!("*{body}*")),
            Deed::Replies(of, body) => {
                let quoted = self.everything_heard().into_iter().find(|heard| heard.id == of);
                let author = if quoted.is_some() { to } else { &self.jid };
                let quote = quoted.map(|heard| heard.body);
                json!({"do": "reply", "of": of, "body": body, "author": author, "quote": quote})
            }
            Deed::Threads(root, body) => json!({"do": "thread", "root": root, "body": body}),
            Deed::Edits(of, body) => json!({"do": "edit", "of": of, "body": body}),
            Deed::Retracts(of) => json!({"do": "retract", "of": of}),
            Deed::Reacts(of, emojis) => json!({"do": "react", "of": of, "emojis": emojis}),
            Deed::Reads(of) => json!({"do": "displayed", "of": of}),
            Deed::Types(types) => {
                json!({"do": "state", "state": if types { "composing" } else { "paused" }})
            }
            Deed::Sends(Content::Location(ref place)) => json!({
                "do": "place", "body": place.to_geo(), "lat": place.latitude(), "lon": place.longitude(),
                "accuracy": place.uncertainty, "text": place.name,
            }),
            Deed::SendsFile(file) => json!({
                "do": "file", "path": file.path, "name": file.name, "mime": file.mime,
                "kind": file.kind, "caption": file.caption,
                "length": file.duration.map(|duration| duration.as_millis()),
                "width": file.width, "height": file.height, "blurhash": file.blurhash,
                "small": file.thumbnail, "small_mime": SMALL,
            }),
            Deed::CallsItself(name) => json!({"do": "call_itself", "name": name}),
            Deed::Wears(picture) => profile::wears(picture),
            Deed::Sends(_) => bail!("this client cannot: {deed:?}"),
            Deed::Is(there) => {
                self.befriends(to)?;
                json!({"do": "there", "show": shown(there)})
            }
        };
        command["to"] = json!(to);
        Ok(text(&self.ask(command)?, "id"))
    }

    /// Whether the client shows this in the chat with whom this address names.
    pub fn shows(&self, from: &str, sight: &Sight<'_>) -> bool {
        let all = |event: &str, of: Option<&str>| {
            let is = |line: &Value| {
                self.is(line, event)
                    && bare(&text(line, "from")) == from
                    && of.is_none_or(|of| line["of"] == of)
            };
            self.script.all(is)
        };
        match *sight {
            Sight::Bold(body) => {
                let body = format!("*{body}*");
                all("message", None).iter().any(|line| line["body"] == body && line["bold"] == true)
            }
            Sight::Reply(of, body) => {
                let is = |line: &Value| line["answers"] == of && line["body"] == body;
                all("message", None).iter().any(is)
            }
            Sight::Thread(root, body) => {
                let is = |line: &Value| line["thread"] == root && line["body"] == body;
                all("message", None).iter().any(is)
            }
            Sight::Edited(of, body) => {
                all("edited", Some(of)).last().is_some_and(|line| line["body"] == body)
            }
            Sight::Retracted(of) => !all("retracted", Some(of)).is_empty(),
            Sight::Reactions(of, emojis) => {
                let shown = all("reactions", Some(of));
                let mut shown = shown.last().map_or_else(Vec::new, |line| texts(&line["emojis"]));
                let mut emojis = emojis.to_vec();
                shown.sort_unstable();
                emojis.sort_unstable();
                shown == emojis
            }
            Sight::Read(of) => !all("marker", Some(of)).is_empty(),
            Sight::Typing(types) => {
                let state = all("state", None).pop().map(|line| text(&line, "state"));
                (state.as_deref() == Some("composing")) == types
            }
            Sight::Shows(ref content) => {
                let is =
                    |line: &Value| place(line).map(Content::Location).as_ref() == Some(content);
                all("place", None).iter().any(is)
            }
            Sight::Name(_) | Sight::Face(_) => profile::shows(sight, |event| all(event, None)),
            Sight::ShowsFile(file) => all("file", None).iter().any(|line| is_file(line, file)),
            Sight::Presence(there) => {
                let mut all = all("presence", None).into_iter().rev();
                let last = all.find(|line| {
                    ["available", "unavailable"]
                        .contains(&line["type"].as_str().unwrap_or_default())
                });
                last.is_some_and(|line| line["show"] == shown(there))
            }
        }
    }
}
