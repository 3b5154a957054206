//! What a Matrix client does and shows besides plain texts.

use std::collections::HashSet;

use anyhow::{Context, Result};
use drawbridge_adapter::{Content, Kind, Location, MediaKind, Poll};
use drawbridge_testkit::{Deed, Sample, Sight, Tried};
use reqwest::Method;
use serde_json::{Value, json};

use super::MatrixPeer;

impl MatrixPeer {
    /// Sends a message of its own.
    pub(super) async fn speaks(&mut self, to: &str, content: Value) -> Result<()> {
        self.sends(to, "m.room.message", content).await?;
        self.said.clone_from(&self.last);
        Ok(())
    }

    /// Replaces the content of the latest message that was said.
    async fn replaces(&mut self, to: &str, new: Value) -> Result<()> {
        let body = new["body"].as_str().unwrap_or_default();
        let content = json!({
            "msgtype": "m.text", "body": format!("* {body}"), "m.new_content": new,
            "m.relates_to": { "rel_type": "m.replace", "event_id": self.said },
        });
        self.sends(to, "m.room.message", content).await
    }

    async fn uploads(&self, sample: &Sample) -> Result<String> {
        self.takes_up(&sample.name, &sample.mime, &sample.bytes).await
    }

    async fn takes_up(&self, name: &str, mime: &str, bytes: &[u8]) -> Result<String> {
        let name = [("filename", name)];
        let url = format!("{}/_matrix/media/v3/upload", self.url);
        let request = self.http.post(reqwest::Url::parse_with_params(&url, name)?);
        let request = request.header("content-type", mime).bearer_auth(&self.token);
        let answer = request.body(bytes.to_vec()).send().await?.error_for_status()?;
        let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
        Ok(answer["content_uri"].as_str().context("no address")?.to_owned())
    }

    /// Downloads what was shown and is not at hand yet.
    pub(super) async fn downloads_files(&mut self) -> Result<()> {
        for event in &self.seen {
            let content = &event["content"];
            for at in [&content["url"], &content["info"]["thumbnail_url"]] {
                let Some(at) = at.as_str() else { continue };
                if !self.files.contains_key(at) && event["type"] == "m.room.message" {
                    let bytes = self.fetches(at).await?;
                    self.files.insert(at.to_owned(), bytes);
                }
            }
        }
        Ok(())
    }

    async fn fetches(&self, at: &str) -> Result<Vec<u8>> {
        let path = at.strip_prefix("mxc://").context("no address of a file")?;
        let url = format!("{}/_matrix/client/v1/media/download/{path}", self.url);
        let answer = self.http.get(url).bearer_auth(&self.token).send().await?;
        Ok(answer.error_for_status()?.bytes().await?.to_vec())
    }

    /// Sets a field of the account's own profile.
    async fn is_known_by(&self, field: &str, value: &str) -> Result<()> {
        let path = format!("profile/{}/{field}", self.user.id());
        self.call(Method::PUT, &path, json!({ field: value })).await.map(drop)
    }

    /// Whether a ghost is called so, or wears this, in the room shared with it.
    pub(super) async fn looks(&self, ghost: &str, sight: &Sight) -> Result<bool> {
        let Some(room) = self.rooms.get(ghost) else { return Ok(false) };
        let path = format!("rooms/{room}/state/m.room.member/{ghost}");
        let member = self.call(Method::GET, &path, Value::Null).await?;
        let at = member["avatar_url"].as_str().filter(|at| !at.is_empty());
        Ok(match (sight, at) {
            (Sight::Name(name), _) => {
                member["displayname"] == format!("{name} ({})", drawbridge_testkit::ELSEWHERE)
            }
            (Sight::Face(Some(face)), Some(at)) => self.fetches(at).await? == *face,
            (Sight::Face(face), at) => face.is_none() && at.is_none(),
            _ => false,
        })
    }

    /// Takes an event back.
    pub(crate) async fn redacts(&mut self, to: &str, event: &str) -> Result<()> {
        let room = self.room(to).await?;
        self.sent += 1;
        let path = format!("rooms/{room}/redact/{event}/txn{}", self.sent);
        let done = self.call(Method::PUT, &path, json!({})).await?;
        done["event_id"].as_str().context("no event id")?.clone_into(&mut self.last);
        Ok(())
    }

    pub(super) async fn acts(&mut self, to: &str, deed: &Deed) -> Result<Tried> {
        let text = |text: &str| json!({ "msgtype": "m.text", "body": text });
        match deed {
            Deed::SaysBold(words) => {
                let content = json!({
                    "msgtype": "m.text", "body": format!("**{words}**"),
                    "format": "org.matrix.custom.html",
                    "formatted_body": format!("<strong>{words}</strong>"),
                });
                self.speaks(to, content).await?;
            }
            Deed::Replies(words) => {
                let mut content = text(words);
                let answered = json!({ "event_id": self.latest });
                content["m.relates_to"] = json!({ "m.in_reply_to": answered });
                self.speaks(to, content).await?;
            }
            Deed::Threads(words) => {
                let mut content = text(words);
                content["m.relates_to"] = json!({
                    "rel_type": "m.thread", "event_id": self.latest, "is_falling_back": true,
                    "m.in_reply_to": { "event_id": self.latest },
                });
                self.speaks(to, content).await?;
            }
            Deed::Edits(words) => self.replaces(to, text(words)).await?,
            Deed::EditsInto(Kind::Sticker) => {
                let sticker =
                    json!({ "msgtype": "m.sticker", "body": "a cat", "url": "mxc://x/y" });
                self.replaces(to, sticker).await?;
            }
            Deed::EditsInto(Kind::Disappearing) => {
                let mut content = text("psst");
                content["com.beeper.disappearing_timer"] = json!({ "timer": 5000 });
                self.replaces(to, content).await?;
            }
            Deed::Retracts => {
                let said = self.said.clone();
                self.redacts(to, &said).await?;
            }
            Deed::Reacts(all) => {
                let gone = self.reacted.extract_if(|emoji, _| !all.contains(emoji));
                for (_, event) in gone.collect::<Vec<_>>() {
                    self.redacts(to, &event).await?;
                }
                for emoji in all {
                    if !self.reacted.contains_key(emoji) {
                        let relation = json!({
                            "rel_type": "m.annotation", "event_id": self.latest, "key": emoji,
                        });
                        self.sends(to, "m.reaction", json!({ "m.relates_to": relation })).await?;
                        self.reacted.insert(emoji.clone(), self.last.clone());
                    }
                }
            }
            Deed::Reads => {
                let path = format!("rooms/{}/receipt/m.read/{}", self.room(to).await?, self.latest);
                self.call(Method::POST, &path, json!({})).await?;
            }
            Deed::Types(typing) => {
                let path = format!("rooms/{}/typing/{}", self.room(to).await?, self.user.id());
                let state = json!({ "typing": typing, "timeout": 30_000 });
                self.call(Method::PUT, &path, state).await?;
            }
            Deed::Sends(Content::Location(place)) => self.speaks(to, place_of(place)).await?,
            Deed::Sends(Content::Poll(poll)) => {
                self.sends(to, "org.matrix.msc3381.poll.start", poll_of(poll)).await?;
                self.said.clone_from(&self.last);
            }
            Deed::SendsFile(sample) => {
                let mut content = file_of(sample, &self.uploads(sample).await?);
                if let Some(small) = &sample.thumbnail {
                    let at = self.takes_up("small.png", "image/png", small).await?;
                    content["info"]["thumbnail_url"] = json!(at);
                    content["info"]["thumbnail_info"] =
                        json!({ "mimetype": "image/png", "size": small.len(), "w": 2, "h": 2 });
                }
                self.speaks(to, content).await?;
            }
            Deed::CallsItself(name) => self.is_known_by("displayname", name).await?,
            Deed::Wears(picture) => {
                let at = match picture {
                    Some(bytes) => self.takes_up("me.png", "image/png", bytes).await?,
                    None => String::new(),
                };
                self.is_known_by("avatar_url", &at).await?;
            }
            Deed::EditsInto(_) | Deed::Sends(_) | Deed::Is(_) => return Ok(Tried::Impossible),
        }
        Ok(Tried::Done)
    }

    /// Whether the client shows this, by what it was told so far.
    pub(super) fn shows(&self, from: &str, sight: &Sight) -> bool {
        let theirs = || self.seen.iter().filter(|event| event["sender"] == from);
        let texts = || theirs().filter(|event| event["type"] == "m.room.message");
        let relates = |event: &Value, how: &str, to: &str| {
            let relation = &event["content"]["m.relates_to"];
            relation["rel_type"] == how && relation["event_id"] == to
        };
        match sight {
            Sight::Bold(words) => texts().any(|event| {
                let bold = format!("<strong>{words}</strong>");
                event["content"]["formatted_body"] == bold && event["content"]["body"] == **words
            }),
            Sight::Reply(words) => texts().any(|event| {
                let to = &event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"];
                *to == self.said && event["content"]["body"] == **words
            }),
            Sight::Thread(words) => texts().any(|event| {
                relates(event, "m.thread", &self.said) && event["content"]["body"] == **words
            }),
            Sight::Edited(words) => {
                let mut edits = texts().filter(|event| relates(event, "m.replace", &self.latest));
                edits
                    .next_back()
                    .is_some_and(|event| event["content"]["m.new_content"]["body"] == **words)
            }
            Sight::Retracted => self.is_gone(&self.latest),
            Sight::Reactions(all) => {
                let reactions = theirs().filter(|event| relates(event, "m.annotation", &self.said));
                let still = reactions
                    .filter(|event| event["event_id"].as_str().is_some_and(|id| !self.is_gone(id)));
                let shown: Vec<_> = still
                    .filter_map(|event| event["content"]["m.relates_to"]["key"].as_str())
                    .collect();
                let wanted: HashSet<_> = all.iter().map(String::as_str).collect();
                shown.len() == wanted.len() && shown.into_iter().collect::<HashSet<_>>() == wanted
            }
            Sight::Read => self.read.contains(&(from.to_owned(), self.said.clone())),
            Sight::Typing(typing) => {
                let room = self.rooms.get(from).and_then(|room| self.typing.get(room));
                room.is_some_and(|all| all.iter().any(|one| one == from) == *typing)
            }
            Sight::Shows(Content::Location(place)) => texts().any(|event| {
                let (content, name) = (&event["content"], place.name.as_deref());
                let extended = &content["org.matrix.msc3488.location"];
                content["msgtype"] == "m.location"
                    && content["geo_uri"] == place.to_geo()
                    && extended["uri"] == content["geo_uri"]
                    && extended["description"].as_str() == name
            }),
            Sight::ShowsFile(sample) => texts().any(|event| {
                let content = &event["content"];
                let at = |at: &Value| at.as_str().and_then(|at| self.files.get(at));
                at(&content["url"]) == Some(&sample.bytes)
                    && at(&content["info"]["thumbnail_url"]) == sample.thumbnail.as_ref()
                    && is_file(content, sample)
            }),
            Sight::Shows(_) | Sight::Presence(_) | Sight::Name(_) | Sight::Face(_) => false,
        }
    }

    fn is_gone(&self, id: &str) -> bool {
        self.seen.iter().any(|event| event["redacts"] == id || event["content"]["redacts"] == id)
    }

    pub(super) fn notices_passing(&mut self, room: &str, event: &Value) {
        let content = &event["content"];
        if event["type"] == "m.typing" {
            let all = content["user_ids"].as_array().into_iter().flatten();
            let all = all.filter_map(|user| user.as_str().map(str::to_owned)).collect();
            self.typing.insert(room.to_owned(), all);
        }
        if event["type"] == "m.receipt" {
            for (id, receipts) in content.as_object().into_iter().flatten() {
                let by = receipts["m.read"].as_object().into_iter().flatten();
                self.read.extend(by.map(|(user, _)| (user.clone(), id.clone())));
            }
        }
    }
}

/// As Element writes a place.
fn place_of(place: &Location) -> Value {
    let uri = place.to_geo();
    json!({
        "msgtype": "m.location",
        "body": format!("Location {uri} at 2026-11-22T12:00:00.000Z"),
        "geo_uri": uri,
        "org.matrix.msc3488.location": { "uri": uri, "description": place.name },
        "org.matrix.msc3488.asset": { "type": "m.pin" },
        "org.matrix.msc3488.ts": 1_795_348_800_000_u64,
    })
}

/// As Element writes a poll.
fn poll_of(poll: &Poll) -> Value {
    const TEXT: &str = "org.matrix.msc1767.text";
    let answers = poll.answers.iter().enumerate();
    let answers = answers.map(|(id, text)| json!({ "id": format!("{id}"), TEXT: text }));
    json!({
        TEXT: format!("{} …", poll.question),
        "org.matrix.msc3381.poll.start": {
            "kind": "org.matrix.msc3381.poll.disclosed",
            "max_selections": poll.most,
            "question": { TEXT: poll.question, "body": poll.question, "msgtype": "m.text" },
            "answers": answers.collect::<Vec<_>>(),
        },
    })
}

/// As Element writes a file.
fn file_of(sample: &Sample, at: &str) -> Value {
    let duration = sample.duration.map(|duration| u64::try_from(duration.as_millis()).ok());
    let mut content = json!({
        "msgtype": msgtype(sample.kind), "url": at, "filename": sample.name,
        "body": sample.caption.as_ref().unwrap_or(&sample.name),
        "info": { "mimetype": sample.mime, "size": sample.bytes.len(), "duration": duration,
                  "w": sample.width, "h": sample.height },
    });
    if sample.kind == MediaKind::Voice {
        content["org.matrix.msc3245.voice"] = json!({});
        content["org.matrix.msc1767.audio"] =
            json!({ "duration": duration, "waveform": [0, 512, 1024] });
    }
    content
}

fn msgtype(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "m.image",
        MediaKind::Video => "m.video",
        MediaKind::Voice | MediaKind::Audio => "m.audio",
        MediaKind::Document => "m.file",
    }
}

/// Whether Element would show this as that file.
fn is_file(content: &Value, sample: &Sample) -> bool {
    let voice = content["org.matrix.msc3245.voice"].is_object();
    let milliseconds = |duration: std::time::Duration| {
        u64::try_from(duration.as_millis()).map_or(Value::Null, Value::from)
    };
    content["msgtype"] == msgtype(sample.kind)
        && voice == (sample.kind == MediaKind::Voice)
        && content["filename"] == *sample.name
        && content["body"] == **sample.caption.as_ref().unwrap_or(&sample.name)
        && content["info"]["mimetype"] == *sample.mime
        && content["info"]["size"] == sample.bytes.len()
        && content["info"]["w"] == json!(sample.width)
        && content["info"]["h"] == json!(sample.height)
        && content["info"]["duration"] == sample.duration.map_or(Value::Null, milliseconds)
}
