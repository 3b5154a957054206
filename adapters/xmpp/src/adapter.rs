//! The adapter as the daemon sees it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use drawbridge_adapter::{
    Adapter, Addressing, Bridge, Capabilities, Circumstances, Code, Command, Content, Delivered,
    Delivery, DeliveryError, Descriptor, Diagnosis, EventId, Fatal, Feature, Kind, Level, Media,
    Message, Presence, Profile, Request, RequestOver, Secret, Signal, StatusNeeds, TextLimits,
    UserId, Was, async_trait, log,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::address::Addresses;
use crate::doctor::{self, Questions};
use crate::failure::Returned;
use crate::fleeting::{Fleeting, Receipts};
use crate::folders::{Folders, Want};
use crate::lists::{Lists, Work};
use crate::log::BOUNCE_SWALLOWED;
use crate::markup::MAX_BODY;
use crate::message::Lately;
use crate::outward::{Outward, Ready, Undelivered};
use crate::privilege::Grants;
use crate::profile::{Profiles, read, write};
use crate::reports::Reports;
use crate::uploads::{Chosen, Uploads};
use crate::xml::Xml;
use crate::{intake, link, message, presence};

/// The longest text, in bytes. Servers end the stream of a component that sends them a stanza of
/// more than 512 KiB; escaping makes at most five bytes of one, and addresses and a name add less
/// than 20 KB.
const MAX_TEXT: usize = MAX_BODY;
/// The longest stanza that is sent, in bytes, whatever went wrong before.
const MAX_STANZA: usize = 520_000;

/// One XMPP server, joined as a component.
pub(crate) struct XmppAdapter {
    server: (String, u16),
    secret: Secret,
    addresses: Arc<Addresses>,
    outward: Arc<Outward>,
    lists: Lists,
    folders: Folders,
    grants: Arc<Grants>,
    reports: Reports,
    uploads: Uploads,
    profiles: Profiles,
    lately: Lately,
    fleeting: Fleeting,
    work: Mutex<Option<(Work, mpsc::Receiver<Want>, Receipts)>>,
    bridge: OnceLock<Bridge>,
}

impl XmppAdapter {
    /// Connects nothing yet.
    pub(crate) fn new(
        server: (String, u16),
        addresses: Addresses,
        secret: Secret,
        report_to: Vec<String>,
        chosen: Chosen,
    ) -> Self {
        let outward = Arc::new(Outward::new(addresses.component().to_owned()));
        let addresses = Arc::new(addresses);
        let grants = Arc::new(Grants::default());
        let (lists, work) =
            Lists::new(Arc::clone(&addresses), Arc::clone(&outward), Arc::clone(&grants));
        let (folders, wants) =
            Folders::new(Arc::clone(&addresses), Arc::clone(&outward), Arc::clone(&grants));
        let (fleeting, receipts) = Fleeting::new();
        let work = Mutex::new(Some((work, wants, receipts)));
        let reports = Reports::new(Arc::clone(&addresses), Arc::clone(&outward), report_to);
        let uploads = Uploads::new(Arc::clone(&addresses), Arc::clone(&outward), chosen);
        let profiles = Profiles::new(Arc::clone(&addresses), Arc::clone(&outward));
        Self {
            server,
            secret,
            addresses,
            outward,
            lists,
            folders,
            grants,
            reports,
            uploads,
            profiles,
            lately: Lately::default(),
            fleeting,
            work,
            bridge: OnceLock::new(),
        }
    }

    /// The stanza for a command; `Ok(None)` if there is nothing to send.
    async fn prepare(
        &self,
        delivery: &Delivery,
        bridge: &Bridge,
    ) -> Result<Option<Ready>, DeliveryError> {
        let (wire, to) = match &delivery.command {
            Command::Status(status) => match message::status(status, &self.addresses) {
                Some(stanza) => (stanza.to_wire(), status.sender.id()),
                None => return Ok(None),
            },
            Command::Message(message) => {
                let shared = match &message.content {
                    Content::Media(_) => self.uploads.known(&delivery.key),
                    Content::Edit { of, .. } if of.was == Was::Delivered => {
                        self.uploads.recall(of.id.as_str(), bridge).await?
                    }
                    _ => None,
                };
                let (key, shared) = (&delivery.key, shared.as_deref());
                let written = message::write(message, key, &self.addresses, shared, bridge.now());
                let stanza = written.map_err(|code| {
                    let why = match code {
                        Code::NotReachable => "the sender has no address on this network",
                        Code::TargetNotFound => "the message that it is about has no id",
                        _ => "not declared",
                    };
                    refused(code, why)
                })?;
                (stanza.to_wire(), message.to.id())
            }
            Command::Notice(notice) => {
                let stanza = message::notice(notice, &delivery.key, &self.addresses);
                (stanza.to_wire(), notice.to.id())
            }
            Command::Request(Request { from, to, words, .. }) => {
                let said = message::say(words, to.id(), &delivery.key, &self.addresses);
                let asked = presence::ask(from, to, &self.addresses);
                let asked = asked.map(|stanza| stanza.to_wire()).unwrap_or_default();
                (said.to_wire() + &asked, to.id())
            }
            Command::RequestOver(RequestOver { from, to, accepted: false }) => {
                match presence::take_back(from, to, &self.addresses) {
                    Some(stanza) => (stanza.to_wire(), to.id()),
                    None => return Ok(None),
                }
            }
            Command::Profile(profile) => match self.shows(profile) {
                Some(wire) => (wire, profile.to.id()),
                None => return Ok(None),
            },
            // A request that was accepted stays as it is, and the others are carried out alone.
            Command::RequestOver(_)
            | Command::Block(_)
            | Command::Folder(_)
            | Command::Report(_) => return Ok(None),
            Command::Mute(_) | Command::Access(_) => {
                return Err(refused(Code::Malformed, "not declared"));
            }
        };
        if wire.len() > MAX_STANZA {
            return Err(refused(Code::TextTooLong, "the stanza would be too large"));
        }
        Ok(Some(Ready { key: delivery.key.clone(), to: to.to_owned(), wire }))
    }
}

fn refused(code: Code, why: &'static str) -> DeliveryError {
    DeliveryError::Refused { refusal: code.into(), why }
}

#[async_trait]
impl Adapter for XmppAdapter {
    fn describe(&self) -> Descriptor {
        Descriptor {
            adapter: "xmpp",
            version: env!("CARGO_PKG_VERSION"),
            window: 64,
            concurrency: 64,
            status: StatusNeeds { accepted: false, pending: false },
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(TextLimits { max_bytes: MAX_TEXT, controls: false })
            .with(Kind::Text, Level::Full)
            .with(Kind::Image, Level::Partial)
            .with(Kind::Video, Level::Partial)
            .with(Kind::Voice, Level::Partial)
            .with(Kind::Audio, Level::Partial)
            .with(Kind::Document, Level::Partial)
            .with(Kind::Edit, Level::Full)
            .with(Kind::Retraction, Level::Full)
            .with(Kind::Reaction, Level::Full)
            .with(Kind::Receipt, Level::Full)
            .with(Kind::Typing, Level::Full)
            .with(Kind::Presence, Level::Full)
            .with(Kind::Profile, Level::Full)
            .with(Kind::Location, Level::Full)
            .with(Kind::Contact, Level::Fallback)
            .with(Kind::Poll, Level::Fallback)
            .bearing(Feature::Formatting, Level::Partial)
            .bearing(Feature::Mention, Level::Fallback)
            .bearing(Feature::Reply, Level::Full)
            .bearing(Feature::Thread, Level::Partial)
            .bouncing()
            .showing_requests()
            .keeping_block_lists()
            .keeping_folders()
            .taking_reports()
    }

    async fn run(&self, bridge: Bridge) -> Result<(), Fatal> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((work, wants, receipts)) =
            work.filter(|_| self.bridge.set(bridge.clone()).is_ok())
        else {
            return Err(Fatal::new("the XMPP adapter was started twice"));
        };
        let (inlet, intake) = intake::channel();
        let link = link::Link {
            server: &self.server,
            secret: &self.secret,
            addresses: &self.addresses,
            outward: &self.outward,
            lists: &self.lists,
            folders: &self.folders,
            fleeting: &self.fleeting,
            grants: &self.grants,
            reports: &self.reports,
            uploads: &self.uploads,
            profiles: &self.profiles,
            lately: &self.lately,
            bridge: &bridge,
        };
        tokio::join!(
            link.keep(inlet),
            intake.run(&self.lists, &self.folders, &bridge),
            self.lists.run(work, &bridge),
            self.folders.run(wants, &bridge),
            self.fleeting.run(receipts, &bridge),
            self.uploads.run(&bridge),
            self.profiles.run(&bridge)
        );
        Ok(())
    }

    async fn examine(&self, around: Circumstances<'_>) -> Vec<Diagnosis> {
        let asks = self.reports.asks_servers();
        let questions = Questions {
            of_reports: if asks { around.local_domains } else { &[] },
            local: around.local_domains,
            uploads: self.uploads.chosen(),
        };
        let (server, running) = (&self.server, around.running);
        doctor::examine(server, &self.addresses, &self.secret, running, &questions).await
    }

    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        let Some(bridge) = self.bridge.get() else {
            return vec![Err(DeliveryError::Disconnected)];
        };
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut rest = batch;
        while let Some(next) = rest.first() {
            let of_stanzas = rest.iter().take_while(|one| !stands_alone(one)).count();
            let (window, after) = rest.split_at(of_stanzas.max(1));
            match &next.command {
                Command::Block(entry) => {
                    outcomes.push(self.lists.write(entry, bridge).await);
                    // What was shown of the ghost meanwhile, the server kept back.
                    let again = self.fleeting.availability.again(entry, &self.addresses);
                    if let Some(stanza) = again {
                        self.outward.mention(&stanza);
                        self.announces(&entry.other, &entry.owner);
                    }
                }
                Command::Folder(folder) => {
                    outcomes.push(self.folders.write(folder, bridge).await);
                }
                Command::Message(message) if let Content::Media(media) = &message.content => {
                    outcomes.push(self.hand_over(next, message, media, bridge).await);
                }
                Command::Report(report) => {
                    outcomes.push(self.reports.tell(report, &next.key, bridge).await);
                }
                _ => outcomes.extend(self.carry(window, bridge).await),
            }
            rest = after;
            // What failed for now holds back what stands behind it.
            if outcomes.iter().any(is_open) {
                break;
            }
        }
        for (delivery, outcome) in batch.iter().zip(&outcomes) {
            log(delivery, outcome);
        }
        outcomes
    }

    async fn picture(&self, of: &UserId, at: &str) -> Result<Vec<u8>, DeliveryError> {
        let bridge = self.bridge.get().ok_or(DeliveryError::Disconnected)?;
        self.profiles.fetch(of, at, bridge).await
    }

    fn max_media(&self) -> u64 {
        self.uploads.max()
    }

    fn signal(&self, signal: Signal) -> bool {
        let stanza = self.fleeting.write(&signal, &self.addresses);
        let taken = stanza.is_none_or(|stanza| self.outward.mention(&stanza));
        if let Signal::Presence(Presence { by, to, .. }) = &signal
            && taken
        {
            self.announces(by, to);
        }
        taken
    }
}

/// Whether it is still to be carried out.
fn is_open(outcome: &Result<Delivered, DeliveryError>) -> bool {
    outcome.as_ref().is_err_and(|error| !matches!(error, DeliveryError::Refused { .. }))
}

/// Whether it takes more than a stanza.
fn stands_alone(delivery: &Delivery) -> bool {
    match &delivery.command {
        Command::Block(_) | Command::Folder(_) | Command::Report(_) => true,
        Command::Message(message) => matches!(message.content, Content::Media(_)),
        _ => false,
    }
}

impl XmppAdapter {
    /// The stanzas that show a ghost to a user; `None` if it has no address here.
    fn shows(&self, profile: &Profile) -> Option<String> {
        let Profile { of, to, shown } = profile;
        let events = write::events(of, to, shown, &self.addresses)?;
        let photo = shown.picture.as_ref().map(|picture| read::id_of(&picture.bytes));
        let availability = &self.fleeting.availability;
        let presence = availability.wears(of, to, photo, &self.addresses);
        let announced = presence.is_some().then(|| write::announce(of, to, &self.addresses));
        let all = events.into_iter().chain(presence).chain(announced.flatten());
        Some(all.map(|stanza| stanza.to_wire()).collect())
    }

    /// After a ghost's presence its user's server has forgotten what it wants to be told.
    fn announces(&self, ghost: &UserId, user: &UserId) {
        if self.fleeting.availability.sees(ghost, user)
            && let Some(stanza) = write::announce(ghost, user, &self.addresses)
        {
            self.outward.mention(&stanza);
        }
    }

    /// Sends a file: first its bytes, then the message that says where they are.
    async fn hand_over(
        &self,
        delivery: &Delivery,
        message: &Message,
        media: &Media,
        bridge: &Bridge,
    ) -> Result<Delivered, DeliveryError> {
        let Ok(ghost) = self.addresses.address_of(&message.from.user) else {
            return Err(refused(Code::NotReachable, "the sender has no address on this network"));
        };
        let Some(attached) = &delivery.attached else {
            return Err(refused(Code::Malformed, "the file is not attached"));
        };
        self.uploads.share(&delivery.key, media, attached, &ghost, bridge).await?;
        let sent = self.carry(std::slice::from_ref(delivery), bridge).await.pop();
        sent.unwrap_or(Err(DeliveryError::Disconnected))
    }

    /// Carries out commands that are stanzas.
    async fn carry(
        &self,
        batch: &[Delivery],
        bridge: &Bridge,
    ) -> Vec<Result<Delivered, DeliveryError>> {
        // What needs no stanza is decided here; the rest waits for the server's word, in order.
        let mut decided = Vec::with_capacity(batch.len());
        let mut ready = Vec::with_capacity(batch.len());
        for one in batch {
            let outcome = match self.prepare(one, bridge).await {
                Ok(Some(stanza)) => {
                    ready.push(stanza);
                    decided.push(None);
                    continue;
                }
                Ok(None) => Ok(Delivered::default()),
                Err(error) => Err(error),
            };
            let is_open = is_open(&outcome);
            decided.push(Some(outcome));
            if is_open {
                break;
            }
        }
        let mut sent = if ready.is_empty() { Vec::new() } else { self.outward.send(ready).await };
        let mut sent = sent.drain(..);
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut hidden = None;
        for (delivery, decided) in batch.iter().zip(decided) {
            outcomes.push(match decided {
                Some(decided) => decided,
                None => match sent.next() {
                    Some(Ok(delivered)) => {
                        self.lists.seen.got(delivery.command.addressee());
                        if let Command::Message(Message { from, to, content, .. }) =
                            &delivery.command
                        {
                            if let Content::Retraction { of } = content {
                                self.uploads.forget(of.id.as_str(), bridge).await;
                            }
                            self.folders.met(to, &from.user);
                            let availability = &self.fleeting.availability;
                            let says = |probe: &Xml| self.outward.mention(probe);
                            availability.wonders(&from.user, to, &self.addresses, says);
                        }
                        Ok(delivered)
                    }
                    Some(Err(Undelivered::Returned(returned))) => {
                        self.came_back(delivery, returned, &mut hidden, bridge).await
                    }
                    Some(Err(Undelivered::Other(error))) => Err(error),
                    // The first stanza without an outcome ends the answer: it was not tried.
                    None => break,
                },
            });
        }
        outcomes
    }

    /// What a command comes to that came back. `hidden`: what was found out of the same window.
    async fn came_back(
        &self,
        delivery: &Delivery,
        returned: Returned,
        hidden: &mut Option<bool>,
        bridge: &Bridge,
    ) -> Result<Delivered, DeliveryError> {
        let Returned { refusal, why, perhaps_blocked } = returned;
        if perhaps_blocked {
            let owner = delivery.command.addressee();
            self.lists.seen.came_back(owner);
            match &delivery.command {
                Command::Message(Message { from, to, .. }) => {
                    let hides = match *hidden {
                        Some(hides) => hides,
                        None => self.lists.hides(to, &from.user, Instant::now(), bridge).await,
                    };
                    *hidden = Some(hides);
                    if hides {
                        log!(BOUNCE_SWALLOWED, msg = %delivery.tag);
                        return Ok(Delivered::under(EventId::new(delivery.key.as_str()).ok()));
                    }
                }
                _ => self.lists.look(owner),
            }
        }
        Err(DeliveryError::Refused { refusal, why })
    }
}

fn log(delivery: &Delivery, outcome: &Result<Delivered, DeliveryError>) {
    let (outcome, why) = match outcome {
        Ok(_) => ("accepted", None),
        Err(DeliveryError::Refused { why, .. }) => ("refused", Some(*why)),
        Err(DeliveryError::Retry { why, .. }) => ("retry", Some(*why)),
        Err(DeliveryError::Unknown { why }) => ("unknown", Some(*why)),
        Err(DeliveryError::Disconnected) => ("disconnected", None),
    };
    log!(log::DELIVERY_CARRIED_OUT, msg = %delivery.tag, outcome, why);
}

#[cfg(test)]
#[path = "adapter_tests.rs"]
mod tests;
