//! The adapter as the daemon sees it.

use std::sync::{Arc, OnceLock};

use drawbridge_adapter::{
    Adapter, Bridge, Capabilities, Circumstances, Code, Command, Delivered, Delivery,
    DeliveryError, Descriptor, Diagnosis, Fatal, Kind, Level, Request, RequestOver, Secret,
    StatusNeeds, TextLimits, async_trait, log,
};

use crate::address::Addresses;
use crate::outward::{Outward, Ready};
use crate::{intake, link, message, presence};

/// The longest text, in bytes. Servers end the stream of a component that sends them a stanza of
/// more than 512 KiB; escaping makes at most five bytes of one, and addresses and a name add less
/// than 20 KB.
const MAX_TEXT: usize = 100_000;
/// The longest stanza that is sent, in bytes, whatever went wrong before.
const MAX_STANZA: usize = 520_000;

/// One XMPP server, joined as a component.
pub(crate) struct XmppAdapter {
    server: (String, u16),
    secret: Secret,
    addresses: Arc<Addresses>,
    outward: Outward,
    bridge: OnceLock<Bridge>,
}

impl XmppAdapter {
    /// Connects nothing yet.
    pub(crate) fn new(server: (String, u16), addresses: Addresses, secret: Secret) -> Self {
        let outward = Outward::new(addresses.component().to_owned());
        let addresses = Arc::new(addresses);
        Self { server, secret, addresses, outward, bridge: OnceLock::new() }
    }

    /// The stanza for a command; `Ok(None)` if there is nothing to send.
    fn prepare(
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
                let written = message::write(message, &delivery.key, &self.addresses, bridge.now());
                let stanza = written.ok_or_else(|| {
                    refused(Code::NotReachable, "the sender has no address on this network")
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
            Command::RequestOver(RequestOver { accepted: true, .. }) => return Ok(None),
            Command::RequestOver(RequestOver { from, to, .. }) => {
                match presence::take_back(from, to, &self.addresses) {
                    Some(stanza) => (stanza.to_wire(), to.id()),
                    None => return Ok(None),
                }
            }
            Command::Block(_) => return Err(refused(Code::Forbidden, "not declared")),
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
            .bouncing()
            .showing_requests()
    }

    async fn run(&self, bridge: Bridge) -> Result<(), Fatal> {
        if self.bridge.set(bridge.clone()).is_err() {
            return Err(Fatal::new("the XMPP adapter was started twice"));
        }
        let (inlet, intake) = intake::channel();
        let link = link::Link {
            server: &self.server,
            secret: &self.secret,
            addresses: &self.addresses,
            outward: &self.outward,
            bridge: &bridge,
        };
        tokio::join!(link.keep(inlet), intake.run(&bridge));
        Ok(())
    }

    async fn examine(&self, around: Circumstances) -> Vec<Diagnosis> {
        let domain = self.addresses.component();
        link::examine(&self.server, domain, &self.secret, around.running).await
    }

    async fn deliver(&self, batch: &[Delivery]) -> Vec<Result<Delivered, DeliveryError>> {
        let Some(bridge) = self.bridge.get() else {
            return vec![Err(DeliveryError::Disconnected)];
        };
        // What needs no stanza is decided here; the rest waits for the server's word, in order.
        let prepared: Vec<_> = batch.iter().map(|one| self.prepare(one, bridge)).collect();
        let mut decided = Vec::with_capacity(batch.len());
        let mut ready = Vec::with_capacity(batch.len());
        for one in prepared {
            decided.push(match one {
                Ok(Some(stanza)) => {
                    ready.push(stanza);
                    None
                }
                Ok(None) => Some(Ok(Delivered::default())),
                Err(error) => Some(Err(error)),
            });
        }
        let mut sent = if ready.is_empty() { Vec::new() } else { self.outward.send(ready).await };
        let mut sent = sent.drain(..);
        // The first stanza without an outcome ends the answer: it was not tried.
        let outcomes: Vec<_> =
            decided.into_iter().map_while(|decided| decided.or_else(|| sent.next())).collect();
        for (delivery, outcome) in batch.iter().zip(&outcomes) {
            log(delivery, outcome);
        }
        outcomes
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
