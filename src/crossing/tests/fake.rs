//! A network that does as the test says.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;
use drawbridge_adapter::{
    AddressError, Code, Command, Content, Delivered, Delivery, DeliveryError, Emojis, EventId,
    Fatal, Feature, Incoming, Kind, Level, Media, Message, Profile, Report, Secret, Signal, State,
    StatusNeeds, Text, TextLimits, async_trait,
};
use futures_util::{StreamExt, stream};
use tokio::sync::Notify;

use super::*;

/// What the fake network does with the next text "1".
#[derive(Clone)]
pub(super) enum Next {
    Fails(DeliveryError),
    Panics,
    /// Takes it and crashes: the answer never comes.
    Hangs,
    /// Takes it, and has no time for the rest of its window.
    Ends,
}

/// A network that takes everything, unless told otherwise.
pub(super) struct Fake {
    pub(super) network: NetworkId,
    pub(super) needs: StatusNeeds,
    pub(super) script: Mutex<VecDeque<Next>>,
    pub(super) heard: Mutex<Vec<Delivery>>,
    pub(super) signals: Mutex<usize>,
    pub(super) passing: Mutex<Vec<Signal>>,
    /// How many signals found no room; `None` if there is room.
    pub(super) turned_away: Mutex<Option<usize>>,
    /// The files that it has, and how often each was opened.
    pub(super) files: Mutex<HashMap<String, Lying>>,
    /// The files that it was given, with what is said of them.
    pub(super) given: Mutex<Vec<(Media, Vec<u8>)>>,
    /// Whether files are held back when they were opened.
    pub(super) gate: Mutex<bool>,
    /// How others were shown to its users.
    pub(super) profiles: Mutex<Vec<Profile>>,
    /// The pictures of its users, by where they are, and how often each was fetched.
    pub(super) pictures: Mutex<HashMap<String, (Vec<u8>, usize)>>,
    /// The pictures that were asked for, and are not there.
    pub(super) missed: Mutex<Vec<String>>,
    pub(super) changed: Notify,
}

/// A file of the fake network.
#[derive(Default)]
pub(super) struct Lying {
    pub(super) bytes: Vec<u8>,
    pub(super) opened: usize,
    /// So often it breaks off in the middle.
    pub(super) breaks: usize,
}

impl Fake {
    pub(super) fn new(network: &str, needs: StatusNeeds) -> Arc<Self> {
        Arc::new(Self {
            network: NetworkId::new(network).unwrap(),
            needs,
            script: Mutex::default(),
            heard: Mutex::default(),
            signals: Mutex::default(),
            passing: Mutex::default(),
            turned_away: Mutex::default(),
            files: Mutex::default(),
            given: Mutex::default(),
            gate: Mutex::default(),
            profiles: Mutex::default(),
            pictures: Mutex::default(),
            missed: Mutex::default(),
            changed: Notify::new(),
        })
    }

    pub(super) fn next(&self, next: Next) {
        self.script.lock().unwrap().push_back(next);
    }

    pub(super) fn fails(&self, error: DeliveryError) {
        self.next(Next::Fails(error));
    }

    pub(super) fn texts(&self) -> Vec<String> {
        let text = |delivery: &Delivery| match &delivery.command {
            Command::Message(message) => match &message.content {
                Content::Text(Text { body, .. }) => Some(body.clone()),
                _ => None,
            },
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(text).collect()
    }

    /// What the bridge itself said, and what it wanted to be written or shown.
    pub(super) fn own(&self) -> Vec<String> {
        let own = |delivery: &Delivery| match &delivery.command {
            Command::Notice(notice) => Some(notice.text.clone()),
            Command::Request(request) => Some(format!("request: {}", request.words)),
            Command::RequestOver(over) => Some(format!("over: {}", over.accepted)),
            Command::Block(entry) => {
                Some(format!("{} {} {}", entry.owner, entry.other, entry.blocked))
            }
            Command::Mute(entry) => Some(format!("mute {} {:?}", entry.other, entry.muted)),
            Command::Folder(folder) => {
                let networks: Vec<_> = folder.networks.iter().map(NetworkId::as_str).collect();
                Some(format!("folder {networks:?}"))
            }
            Command::Report(Report { about, by, reason, messages, .. }) => {
                let messages: Vec<&str> = messages.iter().map(EventId::as_str).collect();
                Some(format!("report {about} by {by}: {} {messages:?}", reason.as_str()))
            }
            Command::Access(access) => Some(format!("access {}", access.secret.is_some())),
            Command::Message(_) | Command::Status(_) | Command::Profile(_) => None,
        };
        self.heard.lock().unwrap().iter().filter_map(own).collect()
    }

    /// The next thing that the bridge itself says, behind `known` others.
    pub(super) async fn is_told(&self, known: usize) -> String {
        self.until(|fake| fake.own().len() > known).await;
        self.own()[known].clone()
    }

    pub(super) fn states(&self) -> Vec<State> {
        let state = |delivery: &Delivery| match &delivery.command {
            Command::Status(status) => Some(status.state),
            _ => None,
        };
        self.heard.lock().unwrap().iter().filter_map(state).collect()
    }

    pub(super) async fn until(&self, done: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if done(self) {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(
            waited.is_ok(),
            "heard {:?}, {:?} and {:?}",
            self.texts(),
            self.states(),
            self.own()
        );
    }

    pub(super) async fn hears(&self, texts: &[&str]) {
        self.until(|fake| fake.texts().len() >= texts.len()).await;
        assert_eq!(self.texts(), texts);
    }

    /// The network has this file from now on.
    pub(super) fn has_file(&self, at: &str, bytes: &[u8]) {
        let lying = Lying { bytes: bytes.to_vec(), ..Lying::default() };
        self.files.lock().unwrap().insert(at.to_owned(), lying);
    }

    fn opens(&self, at: &str) -> Result<Incoming, DeliveryError> {
        let mut files = self.files.lock().unwrap();
        let Some(file) = files.get_mut(at) else { return Err(not_taken(Code::Expired)) };
        file.opened += 1;
        let size = Some(file.bytes.len() as u64);
        let mut bytes = Bytes::copy_from_slice(&file.bytes);
        let mut pieces = Vec::new();
        if file.breaks > 0 {
            file.breaks -= 1;
            pieces.push(Ok(bytes.split_to(bytes.len() / 2)));
            pieces.push(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        pieces.push(Ok(bytes));
        Ok(Incoming { size, body: Box::pin(stream::iter(pieces)) })
    }

    /// How often a file was opened.
    pub(super) fn opened(&self, at: &str) -> usize {
        self.files.lock().unwrap()[at].opened
    }

    async fn is_given(&self, delivery: &Delivery) {
        let Command::Message(Message { content: Content::Media(media), .. }) = &delivery.command
        else {
            return;
        };
        let pieces: Vec<_> = delivery.attached.as_ref().unwrap().file.body().collect().await;
        let bytes = pieces.into_iter().flat_map(Result::unwrap).collect();
        self.given.lock().unwrap().push(((**media).clone(), bytes));
    }

    pub(super) async fn learns(&self, states: &[State]) {
        self.until(|fake| fake.states().len() >= states.len()).await;
        assert_eq!(self.states(), states);
    }
}

#[async_trait]
impl Adapter for Fake {
    fn describe(&self) -> Descriptor {
        Descriptor { adapter: "fake", version: "1", window: 4, concurrency: 4, status: self.needs }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(TextLimits { max_bytes: 1000, controls: true })
            .with(Kind::Text, Level::Full)
            .with(Kind::Edit, Level::Full)
            .with(Kind::Retraction, Level::Full)
            .with(Kind::Reaction, Level::Full)
            .with(Kind::Receipt, Level::Full)
            .with(Kind::Typing, Level::Full)
            .with(Kind::Location, Level::Full)
            .with(Kind::Poll, Level::Fallback)
            .with(Kind::Image, Level::Full)
            .with(Kind::Video, Level::Fallback)
            .with(Kind::Voice, Level::Full)
            .with(Kind::Audio, Level::Full)
            .with(Kind::Document, Level::Full)
            .with(Kind::Presence, Level::Full)
            .with(Kind::Profile, Level::Full)
            .bearing(Feature::Reply, Level::Full)
            .bearing(Feature::Thread, Level::Full)
            .bouncing()
            .showing_requests()
            .keeping_block_lists()
            .muting()
            .keeping_folders()
            .taking_reports()
            .taking_access()
    }

    async fn run(&self, bridge: Bridge) -> Result<(), Fatal> {
        bridge.stopping().await;
        Ok(())
    }

    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        let mut results = Vec::new();
        for delivery in batch {
            if let Command::Profile(profile) = &delivery.command {
                self.profiles.lock().unwrap().push(profile.clone());
                results.push(Ok(Delivered::default()));
                continue;
            }
            let next = match &delivery.command {
                Command::Message(message)
                    if message.content.written().is_some_and(|text| text.body == "1")
                        && message.content.about().is_none() =>
                {
                    self.script.lock().unwrap().pop_front()
                }
                Command::Access(access) if access.secret == Some(Secret::new("wrong")) => {
                    Some(Next::Fails(not_taken(Code::Forbidden)))
                }
                Command::Folder(folder)
                    if folder.owner.id()
                        == if folder.networks.is_empty() { "stuck" } else { "closed" } =>
                {
                    Some(Next::Fails(not_taken(Code::Forbidden)))
                }
                Command::Mute(mute) if mute.other.id() == "loud" => {
                    Some(Next::Fails(not_taken(Code::Forbidden)))
                }
                Command::Report(report) if report.about.id() == "unreported" => {
                    Some(Next::Fails(not_taken(Code::NotReachable)))
                }
                _ => None,
            };
            if next.is_none() {
                self.is_given(delivery).await;
            }
            let ends = matches!(next, Some(Next::Ends));
            let result = match next {
                None | Some(Next::Ends) => {
                    self.heard.lock().unwrap().push(delivery.clone());
                    Ok(Delivered {
                        reactions: reactions(&delivery.command),
                        id: self.texts().pop().and_then(|text| EventId::new(text).ok()),
                    })
                }
                Some(Next::Fails(error)) => Err(error),
                Some(Next::Panics) => panic!("as the test says"),
                Some(Next::Hangs) => {
                    self.heard.lock().unwrap().push(delivery.clone());
                    self.changed.notify_waiters();
                    std::future::pending().await
                }
            };
            let fails =
                matches!(&result, Err(error) if !matches!(error, DeliveryError::Refused { .. }));
            results.push(result);
            if ends || fails {
                break;
            }
        }
        self.changed.notify_waiters();
        results
    }

    async fn open(&self, at: &str) -> Result<Incoming, DeliveryError> {
        let opened = self.opens(at);
        self.changed.notify_waiters();
        self.until(|fake| !*fake.gate.lock().unwrap()).await;
        opened
    }

    async fn picture(&self, _: &UserId, at: &str) -> Result<Vec<u8>, DeliveryError> {
        let mut pictures = self.pictures.lock().unwrap();
        let Some((bytes, fetched)) = pictures.get_mut(at) else {
            self.missed.lock().unwrap().push(at.to_owned());
            self.changed.notify_waiters();
            return Err(DeliveryError::Retry { after: None, why: "not yet" });
        };
        *fetched += 1;
        self.changed.notify_waiters();
        Ok(bytes.clone())
    }

    fn max_media(&self) -> u64 {
        1 << 20
    }

    fn has_access(&self, user: &UserId) -> bool {
        user.id() != "closed"
    }

    fn signal(&self, signal: Signal) -> bool {
        if let Some(count) = &mut *self.turned_away.lock().unwrap() {
            *count += 1;
            self.changed.notify_waiters();
            return false;
        }
        match signal {
            Signal::Accepted(_) => *self.signals.lock().unwrap() += 1,
            passing => self.passing.lock().unwrap().push(passing),
        }
        self.changed.notify_waiters();
        true
    }
}

/// What the network calls reactions that are new.
fn reactions(command: &Command) -> Vec<(String, EventId)> {
    let Command::Message(Message { content, .. }) = command else { return Vec::new() };
    let Content::Reaction { emojis: Emojis::Now { new, .. }, .. } = content else {
        return Vec::new();
    };
    let named = |emoji: &String| (emoji.clone(), EventId::new(format!("the {emoji}")).unwrap());
    new.iter().map(named).collect()
}

impl Addressing for Fake {
    fn canonical(&self, id: &str) -> Result<UserId, AddressError> {
        if id.chars().any(char::is_uppercase) {
            return Err(AddressError::Invalid("lower case only"));
        }
        UserId::new(self.network.clone(), id).map_err(|_| AddressError::Invalid("an id"))
    }

    fn domain<'a>(&self, _: &'a UserId) -> Option<&'a str> {
        None
    }

    fn address_of(&self, foreign: &UserId) -> Result<String, AddressError> {
        Ok(foreign.to_string())
    }

    fn user_at(&self, address: &str) -> Result<UserId, AddressError> {
        address.parse().map_err(|_| AddressError::NotOurs)
    }
}
