//! What dave's client does and shows besides plain texts.

use std::collections::{BTreeSet, HashMap, HashSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use drawbridge_adapter::{Content, There};
use drawbridge_testkit::{Deed, Sample, Sight};
use serde_json::{Value, json};

use super::texts;
use super::things::{from_wire, state_of, to_wire};

/// The frame by which dave is called or looks otherwise.
pub fn looks(deed: &Deed) -> Option<Value> {
    let mut frame = json!({"type": "profile", "user": "dave"});
    match deed {
        Deed::CallsItself(name) => frame["name"] = json!(name),
        Deed::Wears(None) => frame["avatar"] = Value::Null,
        Deed::Wears(Some(picture)) => {
            frame["avatar"] = json!({"data": BASE64_STANDARD.encode(picture)});
        }
        _ => return None,
    }
    Some(frame)
}

/// A chat, with the ids of its latest messages.
#[derive(Default)]
pub struct Chat {
    pub said: String,
    pub heard: String,
    bold: HashSet<String>,
    /// What answers which message of dave's.
    answers: HashSet<(String, String)>,
    /// What stands in the thread that begins with which message of dave's.
    threads: HashSet<(String, String)>,
    edited: HashMap<String, String>,
    gone: HashSet<String>,
    reactions: HashMap<String, BTreeSet<String>>,
    read: HashSet<String>,
    typing: HashMap<String, bool>,
    /// The latest place, contact card or poll.
    shown: Option<Content>,
    there: HashMap<String, There>,
    /// How others are called, and look.
    faces: HashMap<String, (Option<String>, Option<Vec<u8>>)>,
    /// The files that came.
    pub files: Vec<Sample>,
}

impl Chat {
    /// The frame of something that is no event.
    pub fn passing(&self, to: &str, deed: &Deed) -> Option<Value> {
        match deed {
            Deed::Reads => Some(json!({"type": "receipt", "of": {"bridge": self.heard},
                                       "from": "dave", "to": to, "state": "read"})),
            Deed::Types(typing) => {
                Some(json!({"type": "typing", "from": "dave", "to": to, "typing": typing}))
            }
            Deed::Is(is) => Some(json!({"type": "presence", "from": "dave", "to": to,
                                        "state": state_of(*is)})),
            _ => None,
        }
    }

    pub fn content(&self, deed: &Deed) -> Value {
        match deed {
            Deed::SaysBold(text) => {
                json!({"type": "text", "body": text, "markdown": format!("**{text}**")})
            }
            Deed::Replies(text) | Deed::Threads(text) => json!({"type": "text", "body": text}),
            Deed::Edits(text) => json!({"type": "edit", "of": {"app": self.said}, "body": text}),
            Deed::EditsInto(_) => {
                json!({"type": "edit", "of": {"app": self.said}, "body": "beside it"})
            }
            Deed::Retracts => json!({"type": "retraction", "of": {"app": self.said}}),
            Deed::Reacts(emojis) => {
                json!({"type": "reaction", "to": {"bridge": self.heard}, "emojis": emojis})
            }
            Deed::Sends(thing) => to_wire(thing),
            Deed::Reads
            | Deed::Types(_)
            | Deed::Is(_)
            | Deed::SendsFile(_)
            | Deed::CallsItself(_)
            | Deed::Wears(_) => Value::Null,
        }
    }

    /// What stands in the frame besides its content.
    pub fn add_to(&self, frame: &mut Value, deed: &Deed) {
        match deed {
            Deed::Replies(_) => frame["in_reply_to"] = json!({"bridge": self.heard}),
            Deed::Threads(_) => frame["thread"] = json!({"bridge": self.heard}),
            Deed::EditsInto(drawbridge_adapter::Kind::Sticker) => {
                frame["content"]["sticker"] = json!({"pack": "waves"});
            }
            Deed::EditsInto(_) => frame["content"]["expires_in"] = json!(60),
            _ => {}
        }
    }

    /// Takes note of an event; gives its text, if it is a new message.
    pub fn shows(&mut self, frame: &Value) -> Option<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let content = &frame["content"];
        let body = text(&content["body"]);
        match text(&content["type"]).as_str() {
            "text" => {
                if content["markdown"] == format!("**{body}**") {
                    self.bold.insert(body.clone());
                }
                if let Some(answered) = frame["in_reply_to"]["app"].as_str() {
                    self.answers.insert((answered.to_owned(), body.clone()));
                }
                if let Some(root) = frame["thread"]["app"].as_str() {
                    self.threads.insert((root.to_owned(), body.clone()));
                }
                return Some(body);
            }
            "edit" => _ = self.edited.insert(text(&content["of"]["bridge"]), body),
            "retraction" => _ = self.gone.insert(text(&content["of"]["bridge"])),
            "reaction" => {
                let all = texts(&content["emojis"]).into_iter().collect();
                self.reactions.insert(text(&content["to"]["app"]), all);
            }
            _ => {
                self.shown = from_wire(content);
                return self.shown.is_some().then(|| text(&frame["words"]));
            }
        }
        None
    }

    pub fn passes(&mut self, frame: &Value) {
        let from = frame["from"].as_str().unwrap_or_default().to_owned();
        if let Some(typing) = frame["typing"].as_bool() {
            self.typing.insert(from, typing);
        } else if frame["type"] == "presence" {
            let all = [There::Online, There::Away, There::Offline];
            let is = all.into_iter().find(|is| frame["state"] == state_of(*is));
            self.there.extend(is.map(|is| (from, is)));
        } else if frame["state"] == "read" {
            self.read.insert(frame["of"]["app"].as_str().unwrap_or_default().to_owned());
        }
    }

    /// Takes note of how somebody is called and looks: all of it, each time.
    pub fn meets(&mut self, frame: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let picture = text(&frame["avatar"]["data"]);
        let picture = picture.map(|data| BASE64_STANDARD.decode(data).expect("base64"));
        let from = text(&frame["from"]).expect("somebody");
        self.faces.insert(from, (text(&frame["name"]), picture));
    }

    pub fn is_shown(&self, from: &str, sight: &Sight) -> bool {
        match sight {
            Sight::Name(name) => {
                self.faces.get(from).is_some_and(|(shown, _)| shown.as_ref() == Some(name))
            }
            Sight::Face(face) => self.faces.get(from).is_some_and(|(_, shown)| shown == face),
            Sight::Bold(text) => self.bold.contains(text),
            Sight::Reply(text) => self.answers.contains(&(self.said.clone(), text.clone())),
            Sight::Thread(text) => self.threads.contains(&(self.said.clone(), text.clone())),
            Sight::Edited(text) => self.edited.get(&self.heard) == Some(text),
            Sight::Retracted => self.gone.contains(&self.heard),
            Sight::Reactions(all) => {
                let shown = self.reactions.get(&self.said).cloned().unwrap_or_default();
                shown == all.iter().cloned().collect()
            }
            Sight::Read => self.read.contains(&self.said),
            Sight::Typing(typing) => self.typing.get(from) == Some(typing),
            Sight::Shows(thing) => self.shown.as_ref() == Some(thing),
            Sight::ShowsFile(sample) => self.files.contains(sample),
            Sight::Presence(is) => self.there.get(from) == Some(is),
        }
    }
}
