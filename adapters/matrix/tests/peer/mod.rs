//! A Matrix user, played over the plain client-server API.

mod acts;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use drawbridge_adapter::{Code, Content, Kind, NetworkId, Secret, UserId, async_trait};
use drawbridge_testkit::{Deed, Heard, Peer, Sight, Tried};
use reqwest::Method;
use serde_json::{Value, json};

use crate::post::Post;
use crate::stage::Keeper;

const PASSWORD: &str = "open sesame";

pub(crate) struct MatrixPeer {
    user: UserId,
    token: String,
    url: String,
    http: reqwest::Client,
    post: Post,
    synapse: Keeper,
    since: Option<String>,
    /// Invites are kept here until they are answered, by inviter; else they are followed at once.
    pub(crate) invites: Option<HashMap<String, String>>,
    /// The spaces that were joined, in order.
    pub(crate) folders: Vec<String>,
    /// The rooms shared with ghosts.
    rooms: HashMap<String, String>,
    /// What is to be heard, each with its event.
    heard: VecDeque<(Heard, String)>,
    /// The event of the latest message that was heard.
    latest: String,
    /// The event of the latest message that was said.
    said: String,
    /// The reactions to it: each with its event.
    reacted: HashMap<String, String>,
    /// All that others did, in order, of the rooms that were joined.
    pub(crate) seen: Vec<Value>,
    /// Which events others have read.
    read: HashSet<(String, String)>,
    /// Who writes, by room.
    typing: HashMap<String, Vec<String>>,
    /// Notices, each with the room it was shown in.
    pub(crate) notices: VecDeque<(String, String)>,
    outcomes: HashMap<String, Code>,
    last: String,
    sent: u32,
    /// The texts of what was sent, by event.
    texts: HashMap<String, String>,
    /// How many of the homeserver's reports were looked at.
    reported: usize,
    /// The files that were shown, by address.
    files: HashMap<String, Vec<u8>>,
}

impl MatrixPeer {
    pub(crate) async fn new(
        network: NetworkId,
        name: &str,
        url: String,
        post: Post,
        synapse: Keeper,
    ) -> Result<Self> {
        let user = UserId::new(network, format!("@{name}:hs.test"))?;
        let mut peer = Self::of(user, "", url, post, synapse);
        let registered = json!({
            "username": name, "password": PASSWORD, "auth": { "type": "m.login.dummy" },
        });
        let answer = peer.call(Method::POST, "register", registered).await?;
        answer["access_token"].as_str().context("no token")?.clone_into(&mut peer.token);
        Ok(peer)
    }

    pub(crate) fn of(user: UserId, token: &str, url: String, post: Post, synapse: Keeper) -> Self {
        Self {
            user,
            token: token.to_owned(),
            url,
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            post,
            synapse,
            since: None,
            invites: None,
            folders: Vec::new(),
            rooms: HashMap::new(),
            heard: VecDeque::new(),
            latest: String::new(),
            said: String::new(),
            reacted: HashMap::new(),
            seen: Vec::new(),
            read: HashSet::new(),
            typing: HashMap::new(),
            notices: VecDeque::new(),
            outcomes: HashMap::new(),
            last: String::new(),
            sent: 0,
            texts: HashMap::new(),
            reported: 0,
            files: HashMap::new(),
        }
    }

    /// The id of what was said last.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    /// Another client of the same user's.
    pub(crate) async fn logs_in_again(&mut self) -> Result<()> {
        self.token.clear();
        let user = json!({ "type": "m.id.user", "user": self.user.id() });
        let login = json!({
            "type": "m.login.password", "identifier": user, "password": PASSWORD,
        });
        let answer = self.call(Method::POST, "login", login).await?;
        answer["access_token"].as_str().context("no token")?.clone_into(&mut self.token);
        Ok(())
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let url = format!("{}/_matrix/client/v3/{path}", self.url);
        let mut request = self.http.request(method.clone(), url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if method != Method::GET {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.bytes().await?)?;
        if !status.is_success() {
            bail!("{method} {path}: {status} {body}");
        }
        Ok(body)
    }

    /// The room shared with a ghost, who is there.
    pub(crate) async fn room(&mut self, ghost: &str) -> Result<String> {
        if let Some(room) = self.rooms.get(ghost) {
            return Ok(room.clone());
        }
        let wanted = json!({
            "preset": "trusted_private_chat", "is_direct": true, "invite": [ghost],
        });
        let made = self.call(Method::POST, "createRoom", wanted).await?;
        let room = made["room_id"].as_str().context("no room")?.to_owned();
        self.sees(&room, ghost, "join").await?;
        self.rooms.insert(ghost.to_owned(), room.clone());
        Ok(room)
    }

    pub(crate) async fn sends(&mut self, to: &str, of_type: &str, content: Value) -> Result<()> {
        let room = self.room(to).await?;
        self.sent += 1;
        let path = format!("rooms/{room}/send/{of_type}/txn{}", self.sent);
        let text = content["body"].as_str().unwrap_or_default().to_owned();
        let sent = self.call(Method::PUT, &path, content).await?;
        sent["event_id"].as_str().context("no event id")?.clone_into(&mut self.last);
        self.texts.insert(self.last.clone(), text);
        Ok(())
    }

    /// Leaves the room shared with a ghost.
    pub(crate) async fn leaves(&mut self, ghost: &str) -> Result<String> {
        let room = self.rooms.remove(ghost).context("no room with this ghost")?;
        self.call(Method::POST, &format!("rooms/{room}/leave"), json!({})).await?;
        Ok(room)
    }

    /// Waits for a ghost's invite; gives its room.
    pub(crate) async fn is_invited(&mut self, by: &str) -> Result<String> {
        loop {
            if let Some(room) = self.invites.as_ref().and_then(|invites| invites.get(by)) {
                return Ok(room.clone());
            }
            self.listens().await?;
        }
    }

    /// Waits until a ghost has taken its invite back.
    pub(crate) async fn is_not_invited(&mut self, by: &str) -> Result<()> {
        while self.invites.as_ref().is_some_and(|invites| invites.contains_key(by)) {
            self.listens().await?;
        }
        Ok(())
    }

    /// Joins the room of a held invite.
    pub(crate) async fn joins(&mut self, by: &str) -> Result<String> {
        let room = self.is_invited(by).await?;
        self.call(Method::POST, &format!("rooms/{room}/join"), json!({})).await?;
        if let Some(invites) = &mut self.invites {
            invites.remove(by);
        }
        self.rooms.insert(by.to_owned(), room.clone());
        Ok(room)
    }

    /// The next notice that is shown, and its room.
    pub(crate) async fn reads_notice(&mut self) -> Result<(String, String)> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            self.listens().await?;
        }
    }

    /// Waits until a ghost is, or is not, in a room.
    pub(crate) async fn sees(&self, room: &str, ghost: &str, membership: &str) -> Result<()> {
        let path = format!("rooms/{room}/state/m.room.member/{ghost}");
        let seen = async {
            // A sync of its own, which ends when something happens behind the one before.
            let mut sync = "sync?timeout=0".to_owned();
            loop {
                let news = self.call(Method::GET, &sync, Value::Null).await?;
                let since = news["next_batch"].as_str().context("no next batch")?;
                sync = format!("sync?timeout=10000&since={since}");
                let member = self.call(Method::GET, &path, Value::Null).await?;
                if member["membership"] == membership {
                    return Ok(());
                }
            }
        };
        let seen = tokio::time::timeout(Duration::from_mins(1), seen).await;
        seen.with_context(|| format!("{ghost} is not seen to {membership}"))?
    }

    /// Whether this room is in a joined space of this name.
    async fn is_in_folder(&self, folder: &str, room: &str) -> Result<bool> {
        for space in &self.folders {
            let path = format!("rooms/{space}/state");
            let state = self.call(Method::GET, &path, Value::Null).await?;
            let of = |kind: &str, key: &str| {
                let mut state = state.as_array().into_iter().flatten();
                let event = state.find(|e| e["type"] == kind && e["state_key"] == key);
                event.map(|event| event["content"].clone()).unwrap_or_default()
            };
            let child = of("m.space.child", room);
            if of("m.room.name", "")["name"] == folder && !child["via"].is_null() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One sync: invites are followed, messages and outcomes kept.
    pub(crate) async fn listens(&mut self) -> Result<()> {
        let since = self.since.as_ref().map(|since| format!("&since={since}")).unwrap_or_default();
        let filter = "%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:500%7D%7D%7D";
        let path = format!("sync?timeout=10000&filter={filter}{since}");
        let news = self.call(Method::GET, &path, Value::Null).await?;
        self.since = news["next_batch"].as_str().map(str::to_owned);
        for (room, invite) in news["rooms"]["invite"].as_object().into_iter().flatten() {
            let state = invite["invite_state"]["events"].as_array().cloned().unwrap_or_default();
            if state.iter().any(|e| e["content"]["type"] == "m.space") {
                self.call(Method::POST, &format!("rooms/{room}/join"), json!({})).await?;
                self.folders.push(room.clone());
                continue;
            }
            let inviter = state.iter().find(|e| e["state_key"] == self.user.id());
            let inviter = inviter.and_then(|e| e["sender"].as_str()).context("no inviter")?;
            if let Some(invites) = &mut self.invites {
                invites.insert(inviter.to_owned(), room.clone());
                continue;
            }
            self.call(Method::POST, &format!("rooms/{room}/join"), json!({})).await?;
            self.rooms.insert(inviter.to_owned(), room.clone());
        }
        for room in news["rooms"]["leave"].as_object().into_iter().flatten() {
            if let Some(invites) = &mut self.invites {
                invites.retain(|_, invite| invite != room.0);
            }
        }
        for (id, room) in news["rooms"]["join"].as_object().into_iter().flatten() {
            for event in room["timeline"]["events"].as_array().into_iter().flatten() {
                self.takes(id, event);
            }
            for event in room["ephemeral"]["events"].as_array().into_iter().flatten() {
                self.notices_passing(id, event);
            }
        }
        Ok(())
    }

    fn takes(&mut self, room: &str, event: &Value) {
        let (content, sender) = (&event["content"], event["sender"].as_str().unwrap_or_default());
        if sender == self.user.id() {
            return;
        }
        self.seen.push(event.clone());
        let edit = content["m.relates_to"]["rel_type"] == "m.replace";
        if event["type"] == "m.room.message" && content["msgtype"] == "m.text" && !edit {
            let text = content["body"].as_str().unwrap_or_default().to_owned();
            let id = event["event_id"].as_str().unwrap_or_default().to_owned();
            self.heard.push_back((Heard { from: sender.to_owned(), text }, id));
        }
        if event["type"] == "m.room.message" && content["msgtype"] == "m.notice" {
            let text = content["body"].as_str().unwrap_or_default().to_owned();
            self.notices.push_back((room.to_owned(), text));
        }
        if event["type"] == "com.beeper.message_send_status" {
            let of = content["m.relates_to"]["event_id"].as_str().unwrap_or_default();
            let code = content["reason"].as_str().and_then(|code| code.parse().ok());
            self.outcomes.extend(code.map(|code| (of.to_owned(), code)));
        }
    }
}

#[async_trait]
impl Peer for MatrixPeer {
    fn user(&self) -> UserId {
        self.user.clone()
    }

    async fn says(&mut self, to: &str, text: &str) -> Result<()> {
        self.speaks(to, json!({ "msgtype": "m.text", "body": text })).await
    }

    async fn hears(&mut self) -> Result<Heard> {
        loop {
            if let Some((heard, id)) = self.heard.pop_front() {
                self.latest = id;
                self.reacted.clear();
                return Ok(heard);
            }
            self.listens().await?;
        }
    }

    async fn is_told(&mut self) -> Result<String> {
        Ok(self.reads_notice().await?.1)
    }

    async fn learns(&mut self) -> Result<Code> {
        loop {
            if let Some(code) = self.outcomes.get(&self.last) {
                return Ok(*code);
            }
            self.listens().await?;
        }
    }

    async fn says_again(&mut self) -> Result<Tried> {
        self.post.again(&self.last).await?;
        Ok(Tried::Done)
    }

    async fn does(&mut self, to: &str, kind: Kind) -> Result<Tried> {
        match kind {
            Kind::Sticker => {
                let content = json!({ "body": "a cat", "url": "mxc://hs.test/cat", "info": {} });
                self.sends(to, "m.sticker", content).await?;
            }
            Kind::Disappearing => {
                let timer = json!({ "type": "after_read", "timer": 5000 });
                let content = json!({
                    "msgtype": "m.text", "body": "psst", "com.beeper.disappearing_timer": timer,
                });
                self.sends(to, "m.room.message", content).await?;
            }
            _ => return Ok(Tried::Impossible),
        }
        Ok(Tried::Done)
    }

    async fn performs(&mut self, to: &str, deed: &Deed) -> Result<Tried> {
        self.acts(to, deed).await
    }

    async fn is_shown(&mut self, from: &str, sight: &Sight) -> Result<Tried> {
        let place = |thing: &Content| matches!(thing, Content::Location(_));
        if matches!(sight, Sight::Shows(thing) if !place(thing)) {
            return Ok(Tried::Impossible);
        }
        if matches!(sight, Sight::Name(_) | Sight::Face(_)) {
            while !self.looks(from, sight).await? {
                self.listens().await?;
            }
            return Ok(Tried::Done);
        }
        while !self.shows(from, sight) {
            self.listens().await?;
            self.downloads_files().await?;
        }
        Ok(Tried::Done)
    }

    async fn asks_bridge(&mut self, text: &str) -> Result<Tried> {
        self.says("@drawbridge:hs.test", text).await?;
        Ok(Tried::Done)
    }

    async fn answers_request(&mut self, from: &str, accepts: bool) -> Result<Tried> {
        self.invites.get_or_insert_default();
        let room = self.is_invited(from).await?;
        if accepts {
            MatrixPeer::joins(self, from).await?;
        } else {
            self.call(Method::POST, &format!("rooms/{room}/leave"), json!({})).await?;
            self.is_not_invited(from).await?;
        }
        Ok(Tried::Done)
    }

    async fn sees_in_folder(&mut self, folder: &str, address: &str, inside: bool) -> Result<Tried> {
        let room = self.rooms.get(address).context("no room with this ghost")?.clone();
        while self.is_in_folder(folder, &room).await? != inside {
            self.listens().await?;
        }
        Ok(Tried::Done)
    }

    async fn is_reported(&mut self) -> Result<Option<Vec<String>>> {
        let reports = self.synapse.reports().await?;
        let news = &reports[self.reported..];
        let picked = news.iter().take_while(|report| report.of == "event");
        let texts = picked.map(|report| self.texts.get(&report.id).cloned().context("not hers"));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        // One about the user alone is one row too.
        ensure!(!news.is_empty(), "nothing new was reported");
        self.reported += texts.len().max(1);
        Ok(Some(texts))
    }

    async fn gives_access(&mut self) -> Result<Option<Secret>> {
        Ok(Some(Secret::new(self.token.clone())))
    }

    async fn taken(&mut self) -> Result<Option<Vec<String>>> {
        let events = self.post.taken();
        let own = events.iter().filter(|event| event["sender"] == self.user.id());
        let texts = own.filter_map(|event| event["content"]["body"].as_str().map(str::to_owned));
        Ok(Some(texts.collect()))
    }

    async fn files_shown(&mut self) -> Result<Option<usize>> {
        let file = |event: &&Value| {
            event["type"] == "m.room.message"
                && event["content"]["url"].is_string()
                && event["content"]["m.relates_to"]["rel_type"] != "m.replace"
        };
        Ok(Some(self.seen.iter().filter(file).count()))
    }

    async fn network_goes_away(&mut self) -> Result<Tried> {
        self.synapse.stops().await?;
        Ok(Tried::Done)
    }

    async fn network_comes_back(&mut self) -> Result<()> {
        self.synapse.starts().await
    }
}
