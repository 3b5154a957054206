//! An adapter for the line network: right, or with one flaw of choice.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use drawbridge_adapter::{
    Acceptance, Adapter, AddressError, Addressing, Answer, Bridge, Capabilities, Code, Command,
    Connection, Content, Delivered, Delivery, DeliveryError, Descriptor, Destination, Event,
    EventId, Fatal, Feature, Gesture, Incoming, Kind, Level, Marks, NetworkId, Party, Refusal,
    Repeats, ReplyPath, Signal, StatusNeeds, Text, TextLimits, UserId,
};
use futures_util::{StreamExt, stream};

use crate::content::KINDS;
use crate::flaws::Flaw;
use crate::server::{Act, BRIDGE, DORA, Frame, Look, PASSWORD, Server, State, Wish};

pub(crate) const TOKEN: &str = "s3cret-of-the-line";
const MAX_ADDRESS: usize = 600;

#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) network: NetworkId,
    pub(crate) server: Arc<Server>,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) bridge: Arc<OnceLock<Bridge>>,
}

impl Line {
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn event(&self, bridge: &Bridge, frame: &Frame) -> Event {
        let id = match self.flaw {
            Some(Flaw::NewIds) => format!("new-{}", bridge.random()),
            Some(Flaw::IdsOfTexts) => frame.text.clone(),
            _ => frame.id.clone(),
        };
        let text = match self.flaw {
            Some(Flaw::TrimsIn) => frame.text.trim(),
            Some(Flaw::CutsIn) => frame.text.get(..4000).unwrap_or(&frame.text),
            _ => &frame.text,
        };
        let sender = if self.has(Flaw::WrongSender) { "mallory" } else { DORA };
        let mut marks = Marks {
            sticker: frame.kind == Kind::Sticker,
            disappearing: frame.kind == Kind::Disappearing,
        };
        let edited = matches!(frame.act, Act::Edits(_));
        if self.has(if edited { Flaw::BlindToEditedStickers } else { Flaw::BlindToStickers }) {
            marks.sticker = false;
        }
        if self.has(if edited { Flaw::BlindToEditedTimers } else { Flaw::BlindToTimers }) {
            marks.disappearing = false;
        }
        Event {
            id: EventId::new(id).unwrap(),
            repeats: Repeats::Always,
            sender: Party {
                user: UserId::new(self.network.clone(), sender).unwrap(),
                name: Some("Dora".to_owned()),
            },
            to: match frame.to.as_str() {
                BRIDGE if self.has(Flaw::AsksCarol) => {
                    Destination::Direct("elsewhere:carol".parse().unwrap())
                }
                BRIDGE => Destination::Bridge,
                address => Destination::Direct(self.user_at(address).unwrap()),
            },
            sent_at: bridge.now(),
            content: self.content(frame, text),
            reply: self.reply(frame),
            marks,
            reply_path: ReplyPath(frame.id.clone()),
        }
    }

    /// Hands some frames over, and acknowledges them when they are safe.
    async fn take(&self, bridge: &Bridge, mut frames: Vec<Frame>) {
        self.log(&frames);
        self.peeks(&frames);
        self.greets(&frames);
        let acknowledged = frames.clone();
        if self.has(Flaw::AcknowledgesFirst) || self.has(Flaw::AcknowledgesTwice) {
            self.server.acknowledge(&acknowledged);
        }
        if self.has(Flaw::ReversesIn) {
            frames.reverse();
        }
        frames.retain(|frame| !match &frame.act {
            Act::Says => frame.kind == Kind::Sticker && self.has(Flaw::DropsStickers),
            Act::Retracts(_) => {
                self.has(Flaw::DropsRetractionsIn) || self.has(Flaw::PilesReactionsIn)
            }
            _ => false,
        });
        let events: Vec<_> = frames.iter().map(|frame| self.event(bridge, frame)).collect();
        if self.has(Flaw::TwoAtOnce) {
            let (one, other) = events.split_at(events.len() / 2);
            let _ = tokio::join!(bridge.accept(one.to_vec()), bridge.accept(other.to_vec()));
            self.server.acknowledge(&acknowledged);
            return;
        }
        loop {
            if let Ok(answers) = bridge.accept(events.clone()).await {
                self.tell(&events, &answers);
                break;
            }
            match self.flaw {
                Some(Flaw::AcknowledgesFirst) => return,
                Some(Flaw::AcknowledgesTwice) => {}
                // The frames stay where they are, and are read again.
                _ => return tokio::time::sleep(Duration::from_millis(10)).await,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !self.has(Flaw::AcknowledgesFirst) && !self.has(Flaw::AcknowledgesTwice) {
            self.server.acknowledge(&acknowledged);
        }
    }

    /// Tells what the status will tell: once too often.
    fn tell(&self, events: &[Event], answers: &[Acceptance]) {
        for (event, answer) in events.iter().zip(answers) {
            if let (Answer::Refused(refusal), true) = (answer.answer, self.has(Flaw::TellsTwice)) {
                let outcome = (event.reply_path.0.clone(), refusal.code);
                self.server.with(|state| state.outcomes.push_back(outcome));
            }
        }
    }

    fn log(&self, frames: &[Frame]) {
        let frame = &frames[0];
        tracing::event!(target: "line_right", tracing::Level::DEBUG, count = frames.len(), "frames read");
        match self.flaw {
            Some(Flaw::LogsBodies) => {
                tracing::event!(target: "line_bodies", tracing::Level::TRACE, text = frame.text, "a frame was read");
            }
            Some(Flaw::LogsAddressesInSpans) => {
                let _span = tracing::trace_span!(target: "line_spans", "read", to = frame.to);
            }
            Some(Flaw::LogsTokens) => {
                tracing::event!(target: "line_tokens", tracing::Level::TRACE, token = ?TOKEN, "a frame was read");
            }
            _ => {}
        }
    }

    /// Tells the bridge what Dora wants, for ever.
    async fn gesture(&self, bridge: &Bridge) {
        loop {
            let (wish, address) = self.server.wait(|state| state.gestures.front().cloned()).await;
            let other = self.user_at(&address).unwrap();
            let gesture = match wish {
                Wish::Accept => Gesture::Accept(other),
                Wish::Decline => Gesture::Decline(other),
                Wish::Block => Gesture::Block(other),
                Wish::Unblock => Gesture::Unblock(other),
                Wish::Mute(length) => Gesture::Mute(other, length),
                Wish::Unmute => Gesture::Unmute(other),
            };
            let is_deaf = match wish {
                Wish::Accept | Wish::Decline => self.has(Flaw::DeafToAnswers),
                Wish::Block | Wish::Unblock => self.has(Flaw::DeafToBlocks),
                Wish::Mute(_) | Wish::Unmute => self.has(Flaw::DeafToMutes),
            };
            let dora = UserId::new(self.network.clone(), DORA).unwrap();
            if is_deaf || bridge.gesture(&dora, gesture).await.is_ok() {
                self.server.with(|state| _ = state.gestures.pop_front());
            }
        }
    }

    async fn next(&self) -> Vec<Frame> {
        self.server
            .wait(|state| {
                let some = state.waiting.iter().take(10).cloned().collect::<Vec<_>>();
                (state.online && !some.is_empty()).then_some(some)
            })
            .await
    }

    async fn watch(&self, bridge: &Bridge) {
        if !self.has(Flaw::NeverWaits) {
            bridge.report(Connection::Waiting);
        }
        loop {
            self.server.wait(|state| state.online.then_some(())).await;
            if !self.has(Flaw::NeverUp) {
                bridge.report(Connection::Up);
            }
            self.server.wait(|state| (!state.online).then_some(())).await;
            bridge.report(Connection::Down { why: "the line is cut" });
            if self.has(Flaw::GivesUp) {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What the network keeps for Dora, or is told of her.
    fn write_down(&self, key: &str, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
        match &delivery.command {
            Command::Block(entry) => {
                let address = self.address_of(&entry.other).unwrap();
                self.server.with(|state| match entry.blocked {
                    true if !self.has(Flaw::DropsBlocks) => _ = state.blocked.insert(address),
                    false if !self.has(Flaw::KeepsBlocks) => _ = state.blocked.remove(&address),
                    _ => {}
                });
            }
            Command::Mute(entry) => {
                let address = self.address_of(&entry.other).unwrap();
                self.server.with(|state| match entry.muted {
                    Some(length) if self.has(Flaw::EchoesMutes) => {
                        state.gestures.push_back((Wish::Mute(length), address));
                    }
                    Some(_) if !self.has(Flaw::DropsMutes) => _ = state.muted.insert(address),
                    None if !self.has(Flaw::KeepsMutes) => _ = state.muted.remove(&address),
                    _ => {}
                });
            }
            Command::Folder(folder) => {
                let networks = folder.networks.iter().map(ToString::to_string).collect::<Vec<_>>();
                self.server.with(|state| match networks.is_empty() {
                    true if !self.has(Flaw::KeepsFolders) => state.folder = None,
                    false if !self.has(Flaw::DropsFolders) => {
                        state.folder = Some((folder.name.clone(), networks));
                    }
                    _ => {}
                });
            }
            Command::Report(report) => {
                let mut ids: Vec<_> =
                    report.messages.iter().map(|id| id.as_str().to_owned()).collect();
                if self.has(Flaw::ReportsAll) {
                    let id = |frame: &Frame| frame.id.clone();
                    let all = |state: &mut State| {
                        state.taken.iter().chain(&state.waiting).map(id).collect()
                    };
                    ids = self.server.with(all);
                }
                match self.flaw {
                    Some(Flaw::DropsReports) => {}
                    Some(Flaw::RepeatsReports) => {
                        self.server.report(&format!("{key} {}", delivery.attempt), ids);
                    }
                    _ => self.server.report(key, ids),
                }
            }
            Command::Access(access) => {
                let opens = access.secret.as_ref().is_none_or(|one| one.expose() == PASSWORD);
                if !opens && !self.has(Flaw::OpensToAll) {
                    let refusal = Refusal::from(Code::Forbidden);
                    return Err(DeliveryError::Refused { refusal, why: "it opens nothing" });
                }
            }
            _ => unreachable!("nothing to write down"),
        }
        Ok(Delivered::default())
    }

    async fn carry_out(&self, delivery: &Delivery) -> Result<Delivered, DeliveryError> {
        if !self.has(Flaw::ClaimsOffline) && !self.server.with(|state| state.online) {
            return Err(DeliveryError::Disconnected);
        }
        let key = match self.flaw {
            Some(Flaw::ForgetsKeys) => format!("{} {}", delivery.key, delivery.attempt),
            _ => delivery.key.clone(),
        };
        match &delivery.command {
            Command::Message(message) => {
                if message.to.id() != DORA && !self.has(Flaw::TakesForNobody) {
                    let refusal = Refusal::from(Code::NotReachable);
                    return Err(DeliveryError::Refused { refusal, why: "no such account" });
                }
                let from = match self.flaw {
                    Some(Flaw::WrongGhost) => "elsewhere~carlo".to_owned(),
                    _ => self.address_of(&message.from.user).unwrap(),
                };
                self.chat(&message.from.user, &from, &message.to).await?;
                if let (Content::Media(media), Some(attached)) =
                    (&message.content, &delivery.attached)
                {
                    return self.show_file(&key, delivery.attempt, from, media, attached).await;
                }
                let Content::Text(Text { body, rich }) = &message.content else {
                    return Ok(self.change(&key, from, &message.content, message.words.as_deref()));
                };
                self.look(body, rich.is_some(), message.reply.as_ref());
                let text = match self.flaw {
                    Some(Flaw::TrimsOut) => body.trim(),
                    Some(Flaw::CutsOut) => body.get(..4000).unwrap_or(body),
                    _ => body,
                };
                let key = if self.has(Flaw::KeysOfTexts) { body } else { &key };
                self.server.show(key, from, text.to_owned());
            }
            Command::Notice(notice) => match self.flaw {
                Some(Flaw::DropsNotices) => {}
                Some(Flaw::RepeatsNotices) => {
                    let key = format!("{key} {}", delivery.attempt);
                    self.server.tell(&key, notice.text.clone());
                }
                Some(Flaw::ShowsNotices) => {
                    self.server.tell(&key, notice.text.clone());
                    let ghost = "elsewhere~carol".to_owned();
                    self.server.show(&format!("{key} too"), ghost, notice.text.clone());
                }
                _ => self.server.tell(&key, notice.text.clone()),
            },
            Command::Request(request) => {
                let from = self.address_of(&request.from.user).unwrap();
                if !self.has(Flaw::DropsRequests) {
                    self.server.with(|state| state.requests.push_back(from));
                }
            }
            Command::RequestOver(over) => {
                let from = self.address_of(&over.from).unwrap();
                self.server.with(|state| state.requests.retain(|one| *one != from));
            }
            Command::Block(_)
            | Command::Mute(_)
            | Command::Folder(_)
            | Command::Report(_)
            | Command::Access(_) => return self.write_down(&key, delivery),
            Command::Profile(profile) => return self.portray(profile, delivery.attempt).await,
            Command::Status(status) => {
                let Some(refusal) = status.state.refusal() else {
                    if self.has(Flaw::ShowsStates) {
                        let from = self.address_of(status.recipient.as_ref().unwrap()).unwrap();
                        self.server.show(&key, from, status.state.as_str().to_owned());
                    }
                    return Ok(Delivered::default());
                };
                let code = match self.flaw {
                    Some(Flaw::OneCode) => Code::NotReachable,
                    _ => refusal.code,
                };
                if !self.has(Flaw::SilentRefusals) {
                    let outcome = (status.reply_path.0.clone(), code);
                    self.server.with(|state| state.outcomes.push_back(outcome));
                }
            }
        }
        Ok(Delivered::under(EventId::new(key).ok()))
    }
}

#[async_trait]
impl Adapter for Line {
    fn describe(&self) -> Descriptor {
        let window = if self.has(Flaw::NoWindow) { 65 } else { 64 };
        let status = StatusNeeds::default();
        Descriptor { adapter: "line", version: "1", window, concurrency: 4, status }
    }

    fn capabilities(&self) -> Capabilities {
        let limits = TextLimits { max_bytes: 65_536, controls: true };
        let mut content = Capabilities::new(limits);
        for kind in KINDS {
            content = content.with(kind, Level::Full);
        }
        for feature in Feature::ALL {
            if feature != Feature::Reply || !self.has(Flaw::DeclaresThreadsAlone) {
                content = content.bearing(feature, Level::Full);
            }
        }
        if self.has(Flaw::CarriesTextAlone) {
            content = Capabilities::new(limits).with(Kind::Text, Level::Full);
        }
        if self.has(Flaw::ShowsThingsInWords) {
            for kind in [Kind::Location, Kind::Contact, Kind::Poll] {
                content = content.with(kind, Level::Fallback);
            }
        }
        let people = content.showing_requests().keeping_block_lists();
        people.muting().keeping_folders().taking_reports().taking_access()
    }

    async fn run(&self, bridge: Bridge) -> Result<(), Fatal> {
        let watch = self.watch(&bridge);
        let gesture = self.gesture(&bridge);
        let passes = self.passes(&bridge);
        let tells = self.tells(&bridge);
        let _ = self.bridge.set(bridge.clone());
        tokio::pin!(watch, gesture, passes, tells);
        let mut buffered = Vec::new();
        if self.has(Flaw::WaitsForWork) {
            self.server.wait(|state| (!state.waiting.is_empty()).then_some(())).await;
        }
        loop {
            let frames = tokio::select! {
                biased;
                () = bridge.stopping(), if !self.has(Flaw::NeverStops) => break,
                () = &mut watch => break,
                () = &mut gesture => break,
                () = &mut passes => break,
                () = &mut tells => break,
                frames = self.next() => frames,
            };
            if self.has(Flaw::Buffers) {
                self.server.acknowledge(&frames);
                buffered.extend(frames);
                let first = buffered.remove(0);
                let _ = bridge.accept(vec![self.event(&bridge, &first)]).await;
                continue;
            }
            self.take(&bridge, frames).await;
        }
        if self.has(Flaw::EndsBadly) {
            return Err(Fatal::new("the line was not closed in order"));
        }
        assert!(!self.has(Flaw::Panics), "at the end");
        Ok(())
    }

    fn signal(&self, signal: Signal) -> bool {
        match signal {
            Signal::Accepted(status) if self.has(Flaw::ShowsSignals) => {
                let from = self.address_of(status.recipient.as_ref().unwrap()).unwrap();
                self.server.show("signal", from, status.state.as_str().to_owned());
            }
            Signal::Receipt(receipt) if receipt.read && !self.has(Flaw::DropsReadsOut) => {
                let of = receipt.of.id.as_str().to_owned();
                self.server.with(|state| state.looks.push(Look::Read(of)));
            }
            Signal::Typing(typing) if !self.has(Flaw::DropsTypingOut) => {
                self.server.with(|state| state.typing = Some(typing.typing));
            }
            Signal::Presence(presence) if !self.has(Flaw::DropsPresenceOut) => {
                self.server.with(|state| state.there = Some(presence.is));
            }
            _ => {}
        }
        true
    }

    async fn open(&self, at: &str) -> Result<Incoming, DeliveryError> {
        self.opens(at)
    }

    async fn picture(&self, _of: &UserId, at: &str) -> Result<Vec<u8>, DeliveryError> {
        self.portrait(at)
    }

    fn max_media(&self) -> u64 {
        self.largest()
    }

    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        if self.has(Flaw::RefusesEarly) {
            let refusal = Refusal::from(Code::NetworkUnreachable);
            return vec![Err(DeliveryError::Refused { refusal, why: "not connected" })];
        }
        if self.has(Flaw::AnswersOnce) {
            return vec![self.carry_out(&batch[0]).await];
        }
        if self.has(Flaw::ReversesOut) {
            let answers = stream::iter(batch.iter().rev());
            return answers.then(|delivery| self.carry_out(delivery)).collect().await;
        }
        let mut answers = Vec::new();
        for delivery in batch {
            let answer = self.carry_out(delivery).await;
            let ends = matches!(&answer, Err(e) if !matches!(e, DeliveryError::Refused { .. }));
            answers.push(answer);
            if ends && !self.has(Flaw::GoesOn) {
                break;
            }
        }
        answers
    }
}

impl Addressing for Line {
    fn canonical(&self, id: &str) -> Result<UserId, AddressError> {
        let invalid = AddressError::Invalid("1 to 32 printable characters without upper case");
        let bad = |c: char| c.is_control() || c.is_whitespace() || c.is_ascii_uppercase();
        let lenient = self.has(Flaw::TakesControls);
        if id.len() > 32 || (id.chars().any(bad) && !lenient) {
            return Err(invalid);
        }
        let id = if self.has(Flaw::NeverCanonical) { format!("{id}.") } else { id.to_owned() };
        let mut id = id;
        while id.contains("..") {
            id = id.replace("..", ".");
        }
        UserId::new(self.network.clone(), id).map_err(|_| invalid)
    }

    fn domain<'a>(&self, _user: &'a UserId) -> Option<&'a str> {
        None
    }

    fn address_of(&self, foreign: &UserId) -> Result<String, AddressError> {
        let id = match self.flaw {
            Some(Flaw::LosesCase) => foreign.id().to_lowercase(),
            _ => foreign.id().to_owned(),
        };
        let address = format!("{}~{id}", foreign.network());
        if address.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong(MAX_ADDRESS));
        }
        Ok(address)
    }

    fn user_at(&self, address: &str) -> Result<UserId, AddressError> {
        if self.has(Flaw::PanicsAtAddresses) {
            assert!(address.contains('~'), "an address");
        }
        let (network, id) = address.split_once('~').ok_or(AddressError::NotOurs)?;
        if address.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong(MAX_ADDRESS));
        }
        let network = NetworkId::new(network).map_err(|_| AddressError::NotOurs)?;
        UserId::new(network, id).map_err(|_| AddressError::NotOurs)
    }
}
