//! Receipts, typing and presence: a lossy lane beside the lanes, which writes nothing and delays nothing.
//!
//! One task a network takes what its users do, one thing after the other, so that a network that
//! sends much only loses its own.

use std::sync::Arc;

use drawbridge_adapter::{Kind, NetworkId, Passing, Receipt, Signal, Typing, UserId};
use tokio::sync::mpsc;

use super::refer::Link;
use super::{Crossing, Network};
use crate::clock;
use crate::gate::{self, Facts, FileFacts, Passage};
use crate::store::{PeopleChange, StoreError};

/// How much may wait of one network; what comes then is dropped.
const ROOM: usize = 256;

/// The way of what passes, of one network.
pub(super) struct Lossy {
    in_: mpsc::Sender<Passing>,
    out: std::sync::Mutex<Option<mpsc::Receiver<Passing>>>,
}

impl Default for Lossy {
    fn default() -> Self {
        let (in_, out) = mpsc::channel(ROOM);
        Self { in_, out: std::sync::Mutex::new(Some(out)) }
    }
}

impl Lossy {
    /// What comes, for the one who works on it.
    fn take(&self) -> Option<mpsc::Receiver<Passing>> {
        self.out.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

/// Works on what passes from one network, until the daemon stops.
pub(super) async fn run(crossing: Arc<Crossing>, id: NetworkId) {
    let Some(network) = crossing.networks.get(&id) else { return };
    let Some(mut passing) = network.passing.take() else { return };
    loop {
        let next = tokio::select! {
            () = crossing.stop_delivering.cancelled() => return,
            next = passing.recv() => next,
        };
        let Some(next) = next else { return };
        // A store that fails says so where something would be lost.
        let _ = crossing.carry_over(network, next).await;
    }
}

impl Crossing {
    /// Takes something fleeting, if there is room.
    pub(super) fn pass(&self, from: &NetworkId, passing: Passing) {
        if let Some(network) = self.networks.get(from) {
            let _ = network.passing.in_.try_send(passing);
        }
    }

    async fn carry_over(&self, source: &Network, passing: Passing) -> Result<(), StoreError> {
        match passing {
            Passing::Receipt(Receipt { by, to, of, read }) => {
                let Some(target) = self.passes(source, &by, &to, Kind::Receipt) else {
                    return Ok(());
                };
                if read && self.people.reads_unseen(&by) {
                    return Ok(());
                }
                let now = clock::now();
                let found = self.look_for(source, &of, now).await?;
                let link = found.and_then(|found| self.as_link(found, &by, &to, now));
                // Only of what the other wrote.
                if let Some(of) = link.and_then(Link::of_recipient) {
                    let receipt = Receipt { by, to, of, read };
                    target.setup.adapter.signal(Signal::Receipt(receipt));
                }
            }
            Passing::Typing(Typing { by, to, typing }) => {
                if let Some(target) = self.passes(source, &by, &to, Kind::Typing) {
                    target.setup.adapter.signal(Signal::Typing(Typing { by, to, typing }));
                }
            }
            Passing::Presence(presence) => self.note_presence(source, &presence),
            Passing::Left(user) if user.network() == &source.setup.id => {
                self.note_leaving(source, &user);
                let gone = PeopleChange::Gone { user };
                self.store.change_people(vec![gone], Vec::new(), clock::now()).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The network that something fleeting goes to, if it may.
    pub(super) fn passes(
        &self,
        source: &Network,
        by: &UserId,
        to: &UserId,
        kind: Kind,
    ) -> Option<&Network> {
        let open = self.passage(source, by, to, kind) == Passage::Open;
        self.networks.get(to.network()).filter(|_| open)
    }

    /// Whether something of this kind passes from one to another.
    pub(super) fn passage(
        &self,
        source: &Network,
        by: &UserId,
        to: &UserId,
        kind: Kind,
    ) -> Passage {
        let Some(target) = self.networks.get(to.network()) else { return Passage::No };
        let spelt = by.network() == &source.setup.id && source.spells(by) && target.spells(to);
        if !spelt || target.setup.id == source.setup.id {
            return Passage::No;
        }
        let now = clock::now();
        // Before the rules are borrowed: it borrows them too, and no lock is taken twice.
        let (between, back) = (self.between(by, to, now), self.between(to, by, now));
        let (source_rules, target_rules) =
            (source.setup.rules.borrow(), target.setup.rules.borrow());
        let facts = Facts {
            source: source.side(by, &source_rules),
            target: Some(target.side(to, &target_rules)),
            between,
            about: None,
            file: FileFacts::default(),
        };
        gate::passage(&facts, &back, kind)
    }
}
