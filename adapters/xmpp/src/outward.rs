//! What is on its way to the server, and how we learn what became of it.
//!
//! After the stanzas of one window goes a ping to our own domain, through the server. The server
//! works through a stream in order, so when the ping comes back, all before it was taken, and what
//! it refused at once was told by an error stanza before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{Delivered, DeliveryError, EventId, log};
use minidom::Element;
use tokio::sync::{mpsc, oneshot};

use crate::failure::{self, Returned};
use crate::log::DOMAIN_SHARED;
use crate::ns;
use crate::stream::Stanza;
use crate::xml::Xml;

/// How long the server may take for one window.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the server may take for one query.
const ANSWER: Duration = Duration::from_secs(3);
/// How many stanzas may wait for the writer.
const WAITING: usize = 64;
/// How many barriers may be open. The daemon opens one a conversation, and bounds those.
const MAX_BARRIERS: usize = 1024;
/// How many queries may be open.
const MAX_QUERIES: usize = 1024;

/// One stanza, ready to go.
pub(crate) struct Ready {
    /// Its id.
    pub(crate) key: String,
    /// The bare JID it goes to: only from there an error about it is believed.
    pub(crate) to: String,
    /// It.
    pub(crate) wire: String,
}

/// Shared by the session and the deliveries.
pub(crate) struct Outward {
    domain: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<mpsc::Sender<String>>,
    /// Where goes what may be lost.
    aside: Option<mpsc::Sender<String>>,
    barriers: HashMap<String, oneshot::Sender<()>>,
    watched: HashMap<String, Watched>,
    /// Queries of ours, by their ids: whom they ask, and who waits.
    asked: HashMap<String, (String, oneshot::Sender<Stanza>)>,
    pings: u64,
    /// What the pings of this connection begin with, and of the one before.
    epoch: u64,
    before: u64,
    /// Whether pings of somebody else's were seen on this connection.
    shared: bool,
}

impl State {
    /// Whether a ping with this id was written by this process.
    fn wrote(&self, id: &str) -> bool {
        let ours = |epoch: u64| id.strip_prefix(&format!("{epoch:016x}-")).is_some();
        ours(self.epoch) || ours(self.before)
    }
}

struct Watched {
    to: String,
    error: Option<Returned>,
}

/// Why a stanza did not get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// It came back.
    Returned(Returned),
    /// All else.
    Other(DeliveryError),
}

/// Forgets a window, also when its delivery was dropped half-way.
struct Window<'a> {
    outward: &'a Outward,
    keys: Vec<String>,
    ping: String,
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        let mut state = self.outward.lock();
        state.barriers.remove(&self.ping);
        for key in &self.keys {
            state.watched.remove(key);
        }
    }
}

/// Forgets a query, also when nobody waits for its answer any more.
struct Asked<'a> {
    outward: &'a Outward,
    id: String,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.outward.lock().asked.remove(&self.id);
    }
}

impl Outward {
    /// For a component with this domain.
    pub(crate) fn new(domain: String) -> Self {
        Self { domain, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if it did, the maps would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is there; what it is to write comes out of the receiver. `epoch` tells its
    /// pings from those of earlier ones.
    pub(crate) fn open(&self, epoch: u64) -> mpsc::Receiver<String> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut state = self.lock();
        state.link = Some(sender);
        (state.before, state.epoch) = (state.epoch, epoch);
        state.shared = false;
        receiver
    }

    /// Lets what may be lost be written among the answers.
    pub(crate) fn lend(&self, answers: mpsc::Sender<String>) {
        self.lock().aside = Some(answers);
    }

    /// Writes a stanza of which nobody waits for the outcome, if more than half of the room is left;
    /// whether it is.
    pub(crate) fn mention(&self, stanza: &Xml) -> bool {
        let state = self.lock();
        let room = |aside: &&mpsc::Sender<String>| aside.capacity() * 2 > aside.max_capacity();
        let aside = state.aside.as_ref().filter(room);
        aside.is_some_and(|aside| aside.try_send(stanza.to_wire()).is_ok())
    }

    /// No more is taken; what was, may still be confirmed.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        (state.link, state.aside) = (None, None);
    }

    /// The connection is gone: what was not confirmed may have been taken or not.
    pub(crate) fn lose(&self) {
        let mut state = self.lock();
        (state.link, state.aside) = (None, None);
        state.barriers.clear();
        state.asked.clear();
    }

    /// Whether an IQ stanza is the answer to a query of ours; if not, it is given back.
    pub(crate) fn informed(&self, stanza: Stanza) -> Option<Stanza> {
        let element = &stanza.element;
        let answers = matches!(element.attr("type"), Some("result" | "error"));
        let id = element.attr("id").filter(|_| answers);
        let mut state = self.lock();
        let asked = id.and_then(|id| state.asked.get(id)).map(|(to, _)| to.as_str());
        if asked.is_none() || asked != element.attr("from") {
            return Some(stanza);
        }
        if let Some((_, waits)) = id.and_then(|id| state.asked.remove(id)) {
            // A receiver that is gone gave up before.
            let _ = waits.send(stanza);
        }
        None
    }

    /// Whether an IQ stanza is one of our pings, come back, or the answer to one.
    pub(crate) fn answered(&self, stanza: &Element) -> bool {
        // Nobody else can write from our domain: the server sees to that.
        if stanza.attr("from") != Some(self.domain.as_str()) {
            return false;
        }
        let Some(id) = stanza.attr("id") else {
            return false;
        };
        let mut state = self.lock();
        if let Some(barrier) = state.barriers.remove(id) {
            // A receiver that is gone gave up before.
            let _ = barrier.send(());
        } else if stanza.attr("type") == Some("get") && !state.wrote(id) && !state.shared {
            // ejabberd lets in as many as know the secret, and gives each a part of what comes.
            state.shared = true;
            log!(DOMAIN_SHARED);
        }
        true
    }

    /// Takes note of an error stanza; whether it was about something under way.
    pub(crate) fn bounced(&self, stanza: &Element) -> bool {
        let (Some(id), Some(from)) = (stanza.attr("id"), stanza.attr("from")) else {
            return false;
        };
        let mut state = self.lock();
        let Some(watched) = state.watched.get_mut(id) else {
            return false;
        };
        if from.split('/').next() != Some(watched.to.as_str()) {
            return false;
        }
        watched.error.get_or_insert_with(|| failure::read(stanza));
        true
    }

    /// A ping through the server, to us, that confirms nothing but that the server is there.
    pub(crate) fn sign_of_life(&self) -> String {
        self.ping(&format!("{:016x}-0", self.lock().epoch))
    }

    fn ping(&self, id: &str) -> String {
        Xml::new("iq")
            .attr("type", "get")
            .attr("from", self.domain.as_str())
            .attr("to", self.domain.as_str())
            .attr("id", id)
            .child(Xml::within("ping", ns::PING))
            .to_wire()
    }

    /// Sends a window, in order, and waits until the server has taken it: one result for each, or
    /// one for all.
    pub(crate) async fn send(&self, ready: Vec<Ready>) -> Vec<Result<Delivered, Undelivered>> {
        let Some((link, window, barrier)) = self.enlist(&ready) else {
            return vec![Err(Undelivered::Other(DeliveryError::Disconnected))];
        };
        let ping = self.ping(&window.ping);
        let going = async move {
            for stanza in ready {
                link.send(stanza.wire).await.map_err(|_| ())?;
            }
            link.send(ping).await.map_err(|_| ())?;
            // Our sender must not keep a closed link open.
            drop(link);
            barrier.await.map_err(|_| ())
        };
        let why = match tokio::time::timeout(PATIENCE, going).await {
            Ok(Ok(())) => return self.outcomes(&window),
            Ok(Err(())) => "the connection was lost before the server confirmed",
            Err(_) => "the server did not confirm in time",
        };
        vec![Err(Undelivered::Other(DeliveryError::Unknown { why }))]
    }

    /// Waits until the server has taken all that was sent before, and told what it had to tell.
    pub(crate) async fn confirm(&self) -> Result<(), DeliveryError> {
        // A window without stanzas has no outcome but that of its barrier.
        match self.send(Vec::new()).await.pop() {
            Some(Err(Undelivered::Other(error))) => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks `to` something, and waits for the answer, which may be an error. `query` makes the stanza
    /// with the id that it is given.
    pub(crate) async fn ask(
        &self,
        to: &str,
        query: impl Fn(&str) -> Xml,
    ) -> Result<Stanza, DeliveryError> {
        self.ask_within(ANSWER, to, query).await
    }

    /// The same of one who may take longer.
    pub(crate) async fn ask_within(
        &self,
        patience: Duration,
        to: &str,
        query: impl Fn(&str) -> Xml,
    ) -> Result<Stanza, DeliveryError> {
        let (link, asked, answer) = {
            let mut state = self.lock();
            let open = state.asked.len() < MAX_QUERIES;
            let link = state.link.clone().filter(|_| open).ok_or(DeliveryError::Disconnected)?;
            state.pings += 1;
            let id = format!("{:016x}-{}", state.epoch, state.pings);
            let (waits, answer) = oneshot::channel();
            state.asked.insert(id.clone(), (to.to_owned(), waits));
            (link, Asked { outward: self, id }, answer)
        };
        let wire = query(&asked.id).to_wire();
        let going = async move {
            link.send(wire).await.map_err(|_| ())?;
            drop(link);
            answer.await.map_err(|_| ())
        };
        match tokio::time::timeout(patience, going).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(())) => Err(DeliveryError::Unknown { why: "the connection was lost" }),
            Err(_) => Err(DeliveryError::Unknown { why: "the server did not answer in time" }),
        }
    }

    fn enlist(
        &self,
        ready: &[Ready],
    ) -> Option<(mpsc::Sender<String>, Window<'_>, oneshot::Receiver<()>)> {
        let mut state = self.lock();
        let link = state.link.clone().filter(|_| state.barriers.len() < MAX_BARRIERS)?;
        state.pings += 1;
        let ping = format!("{:016x}-{}", state.epoch, state.pings);
        let (sender, barrier) = oneshot::channel();
        state.barriers.insert(ping.clone(), sender);
        let mut keys = Vec::with_capacity(ready.len());
        for stanza in ready {
            let watched = Watched { to: stanza.to.clone(), error: None };
            state.watched.insert(stanza.key.clone(), watched);
            keys.push(stanza.key.clone());
        }
        Some((link, Window { outward: self, keys, ping }, barrier))
    }

    fn outcomes(&self, window: &Window<'_>) -> Vec<Result<Delivered, Undelivered>> {
        let mut state = self.lock();
        let outcome = |key: &String| match state
            .watched
            .get_mut(key)
            .and_then(|watched| watched.error.take())
        {
            Some(returned) => Err(Undelivered::Returned(returned)),
            None => Ok(Delivered::under(EventId::new(key.as_str()).ok())),
        };
        window.keys.iter().map(outcome).collect()
    }
}

#[cfg(test)]
#[path = "outward_tests.rs"]
mod tests;
