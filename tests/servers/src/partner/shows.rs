//! What the example app shows to a user of its.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{PartnerUser, content_of, reference};
use crate::script::text;
use crate::things::{from_wire, state_of};
use crate::{SampleFile, Sight, User};

impl PartnerUser {
    /// See [`User::is_shown`].
    pub(super) fn shows(&self, by: &dyn User, sight: &Sight<'_>) -> Result<bool> {
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
                let (from, file) =
                    (self.address_of(by)?, file.between(by.network(), self.network()));
                let came = self.script.all(|line| {
                    self.is_event(line) && line["frame"]["from"] == from && line["file"].is_string()
                });
                came.iter()
                    .map(|line| is_file(line, &file))
                    .find(|is| !matches!(is, Ok(false)))
                    .unwrap_or(Ok(false))?
            }
            Sight::Name(name) => {
                let (shown, _) = self.meets(by)?;
                shown.is_some_and(|shown| shown == **name)
            }
            Sight::Face(face) => self.meets(by)?.1.as_deref() == *face,
            _ => shows(&self.frames("event", by)?, sight),
        })
    }

    /// How somebody is called, and looks, as the app was told last.
    fn meets(&self, other: &dyn User) -> Result<(Option<String>, Option<Vec<u8>>)> {
        let lines = self.lines("profile", other)?;
        let Some(line) = lines.last() else { return Ok((None, None)) };
        let name = line["frame"]["name"].as_str().map(str::to_owned);
        Ok((name, line["file"].as_str().map(fs::read).transpose()?))
    }

    /// The frames of this type that came from somebody, oldest first.
    fn frames(&self, saw: &str, by: &dyn User) -> Result<Vec<Value>> {
        Ok(self.lines(saw, by)?.into_iter().map(|mut line| line["frame"].take()).collect())
    }

    /// The same, with what the app says of them.
    fn lines(&self, saw: &str, by: &dyn User) -> Result<Vec<Value>> {
        let from = self.address_of(by)?;
        let is = |line: &Value| {
            let frame = &line["frame"];
            line["saw"] == saw && frame["to"] == self.name.as_str() && frame["from"] == from
        };
        Ok(self.script.all(is))
    }
}

/// Whether the app got this file by this event.
fn is_file(line: &Value, file: &SampleFile) -> Result<bool> {
    let content = &line["frame"]["content"];
    let said = content_of(file);
    let said = said.as_object().into_iter().flatten();
    let same = said.into_iter().all(|(key, said)| content[key] == *said);
    if content["type"] != file.kind.kind().as_str() || !same {
        return Ok(false);
    }
    Ok(file.is_same_as(Path::new(&text(line, "file")))?
        && file.has_small(line["thumbnail"].as_str().map(Path::new))?)
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
        Sight::Thread(root, text) => of_type("text")
            .iter()
            .any(|frame| is(&frame["thread"], root) && frame["content"]["body"] == **text),
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
