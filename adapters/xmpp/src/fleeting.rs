//! Receipts (XEP-0184, XEP-0333), who is writing (XEP-0085) and who is there, in both directions: kept
//! in little memory, and dropped when there is no room.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, Content, Destination, Event, EventId, Passing, Receipt, Signal, Typing,
    UserId, Was,
};
use minidom::Element;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::address::Addresses;
use crate::availability::Availability;
use crate::xml::Xml;
use crate::{message, ns};

/// How many receipts may wait.
const WAITING: usize = 1024;
/// A receipt may come on the heels of the server's confirmation. So long the daemon has to write that
/// one down.
const SETTLING: Duration = Duration::from_millis(500);
/// For how many messages is known at least what their senders asked.
const REMEMBERED: usize = 2048;
/// The longest address that is kept, in bytes: a longer one is written to without its resource.
const MAX_JID: usize = 512;
/// Of how many is known that they write.
const MAX_WRITING: usize = 4096;

/// What a client asks to be told of its message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    /// That it was brought (XEP-0184).
    receipt: bool,
    /// That it was shown (XEP-0333).
    marker: bool,
}

/// What is kept of a message.
struct Wrote {
    /// The full JID of the client.
    from: String,
    asks: Asks,
}

/// What is kept for a while.
pub(crate) struct Fleeting {
    /// Who is there.
    pub(crate) availability: Availability,
    state: Mutex<State>,
    receipts: mpsc::Sender<(Receipt, Instant)>,
}

#[derive(Default)]
struct State {
    /// By the name of the event; the older half goes when the newer one is full.
    wrote: HashMap<String, Wrote>,
    wrote_before: HashMap<String, Wrote>,
    /// Who is writing, and to whom.
    writing: HashSet<(UserId, UserId)>,
}

/// Receipts on their way to the daemon.
pub(crate) type Receipts = mpsc::Receiver<(Receipt, Instant)>;

/// What a stanza without a message tells.
pub(crate) fn read(stanza: &Element, by: &UserId, to: &UserId) -> Vec<Passing> {
    stanza.children().filter_map(|child| passing(child, by, to)).take(4).collect()
}

fn passing(child: &Element, by: &UserId, to: &UserId) -> Option<Passing> {
    let (by, to) = (by.clone(), to.clone());
    let read = match (child.name(), child.ns().as_str()) {
        ("composing", ns::STATES) => return Some(Passing::Typing(Typing { by, to, typing: true })),
        ("active" | "paused" | "inactive" | "gone", ns::STATES) => {
            return Some(Passing::Typing(Typing { by, to, typing: false }));
        }
        ("received", ns::RECEIPTS | ns::MARKERS) => false,
        ("displayed" | "acknowledged", ns::MARKERS) => true,
        _ => return None,
    };
    let of = message::ours(child.attr("id")?)?;
    Some(Passing::Receipt(Receipt { by, to, of, read }))
}

/// What is asked of a message.
pub(crate) fn asks(stanza: &Element) -> Asks {
    Asks {
        receipt: stanza.has_child("request", ns::RECEIPTS),
        marker: stanza.has_child("markable", ns::MARKERS),
    }
}

impl Fleeting {
    /// Nothing yet; receipts come out of the receiver.
    pub(crate) fn new() -> (Self, Receipts) {
        let (receipts, receiver) = mpsc::channel(WAITING);
        (
            Self { availability: Availability::default(), state: Mutex::default(), receipts },
            receiver,
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user wrote: who did so is not writing any more.
    pub(crate) fn wrote(&self, event: &Event, from: &str, asks: Asks, bridge: &Bridge) {
        let Destination::Direct(to) = &event.to else { return };
        if event.content.written().is_none() && !matches!(event.content, Content::Location(_)) {
            return;
        }
        let ended = {
            let mut state = self.lock();
            if from.len() <= MAX_JID {
                let wrote = Wrote { from: from.to_owned(), asks };
                state.keep(message::name_of(&event.id), wrote);
            }
            state.writing.remove(&(event.sender.user.clone(), to.clone()))
        };
        if ended {
            let (by, to) = (event.sender.user.clone(), to.clone());
            bridge.pass(Passing::Typing(Typing { by, to, typing: false }));
        }
    }

    /// A user's client tells something.
    pub(crate) fn passed(&self, passing: Passing, bridge: &Bridge) {
        match passing {
            Passing::Receipt(receipt) => {
                // Without room it is gone: it promises nothing.
                let _ = self.receipts.try_send((receipt, Instant::now() + SETTLING));
            }
            Passing::Typing(typing) => {
                self.lock().note(&typing);
                bridge.pass(Passing::Typing(typing));
            }
            other => bridge.pass(other),
        }
    }

    /// Hands receipts over, until the daemon stops.
    pub(crate) async fn run(&self, mut receipts: Receipts, bridge: &Bridge) {
        let handing_over = async {
            while let Some((receipt, due)) = receipts.recv().await {
                sleep_until(due).await;
                bridge.pass(Passing::Receipt(receipt));
            }
        };
        tokio::select! {
            () = bridge.stopping() => {}
            () = handing_over => {}
        }
    }

    /// The stanza for a signal, if it wants one.
    pub(crate) fn write(&self, signal: &Signal, addresses: &Addresses) -> Option<Xml> {
        match signal {
            Signal::Receipt(Receipt { by, to, of, read }) if of.was == Was::Sent => {
                let (from, marks) = self.receipt(to, &of.id, *read, addresses)?;
                let stanza = chat(by, &from, addresses)?;
                (!marks.is_empty()).then(|| marks.into_iter().fold(stanza, Xml::child))
            }
            Signal::Typing(Typing { by, to, typing }) => {
                let state = if *typing { "composing" } else { "paused" };
                let stanza = chat(by, to.id(), addresses)?.child(Xml::within(state, ns::STATES));
                Some(stanza.child(Xml::within("no-store", ns::HINTS)))
            }
            Signal::Presence(presence) => self.availability.shows(presence, addresses),
            _ => None,
        }
    }

    /// To which client a receipt goes, and what it says: only what that one asked for, as far as is known.
    /// Of what is not known any more the user's clients get all: those that did not ask pass it over, and
    /// those that did, which are nearly all, would else never be told.
    fn receipt(
        &self,
        to: &UserId,
        event: &EventId,
        read: bool,
        addresses: &Addresses,
    ) -> Option<(String, Vec<Xml>)> {
        let id = message::given_id(event)?;
        let state = self.lock();
        let known = state
            .find(message::name_of(event))
            .filter(|wrote| addresses.canonical(&wrote.from).is_ok_and(|user| user == *to));
        let asks = known.map_or(Asks { receipt: true, marker: true }, |wrote| wrote.asks);
        let from = known.map_or(to.id(), |wrote| wrote.from.as_str()).to_owned();
        let mark = |name, namespace| Xml::within(name, namespace).attr("id", id);
        let received = asks.receipt.then(|| mark("received", ns::RECEIPTS));
        let displayed = (read && asks.marker).then(|| mark("displayed", ns::MARKERS));
        Some((from, received.into_iter().chain(displayed).collect()))
    }
}

impl State {
    fn keep(&mut self, name: &str, wrote: Wrote) {
        if self.wrote.len() >= REMEMBERED {
            self.wrote_before = std::mem::take(&mut self.wrote);
        }
        self.wrote.insert(name.to_owned(), wrote);
    }

    fn find(&self, name: &str) -> Option<&Wrote> {
        self.wrote.get(name).or_else(|| self.wrote_before.get(name))
    }

    fn note(&mut self, Typing { by, to, typing }: &Typing) {
        let pair = (by.clone(), to.clone());
        if *typing {
            if self.writing.len() >= MAX_WRITING {
                self.writing.clear();
            }
            self.writing.insert(pair);
        } else {
            self.writing.remove(&pair);
        }
    }
}

fn chat(from: &UserId, to: &str, addresses: &Addresses) -> Option<Xml> {
    let from = addresses.address_of(from).ok()?;
    Some(Xml::new("message").attr("type", "chat").attr("from", from).attr("to", to))
}

#[cfg(test)]
#[path = "fleeting_tests.rs"]
mod tests;
