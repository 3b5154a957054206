//! Reports of users, to those who run their server.
//!
//! XEP-0377 puts a report into a block of the reporter's own, and nobody can block for somebody else.
//! So the contacts that the operator names, or else the server itself (XEP-0157), get a message, with
//! the report of XEP-0377 in it for their programs. A report leaves the operator's own servers only by
//! the operator's word, and never goes to whom it is about.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, Code, Delivered, DeliveryError, Rarely, Report, ReportReason, UserId, log,
};
use minidom::Element;

use crate::address::Addresses;
use crate::log::{REPORT_UNTOLD, STANZA_IGNORED};
use crate::message;
use crate::ns;
use crate::outward::{Outward, Ready, Undelivered};
use crate::xml::Xml;

/// The most contacts that get a report.
pub(crate) const MOST: usize = 3;
/// The contacts that a server names, those first that reports are for.
const KINDS: [&str; 3] = ["abuse-addresses", "admin-addresses", "support-addresses"];
/// The longest contact that is read, in bytes: three bytes for each of a JID's.
const MAX_URI: usize = 3 * 3071;

/// How many reports are known if they come back late.
const SENT: usize = 256;
/// How often is said that nobody reads reports.
const SELDOM: Duration = Duration::from_mins(1);

const NOBODY: &str = "neither the operator nor the server names anybody else to report to";
const CAME_BACK: &str = "it came back from everybody who is named";
const CAME_BACK_LATE: &str =
    "it came back from everybody who is named, after their servers had taken it";

/// Who is told of reports, and how.
pub(crate) struct Reports {
    addresses: Arc<Addresses>,
    outward: Arc<Outward>,
    /// Whom the operator named: in place of what servers say.
    to: Vec<String>,
    /// The latest that went out.
    sent: Mutex<VecDeque<Sent>>,
    rarely: Rarely,
}

/// A report that went out.
struct Sent {
    key: String,
    /// To whom; nobody any more in the place of each from whom it came back.
    to: Vec<Option<String>>,
}

impl Reports {
    /// To these, or, if they are none, to those whom servers name.
    pub(crate) fn new(addresses: Arc<Addresses>, outward: Arc<Outward>, to: Vec<String>) -> Self {
        Self { addresses, outward, to, sent: Mutex::default(), rarely: Rarely::each(SELDOM) }
    }

    /// Whether it is for servers to say who is told.
    pub(crate) fn asks_servers(&self) -> bool {
        self.to.is_empty()
    }

    /// Tells of one.
    pub(crate) async fn tell(
        &self,
        report: &Report,
        key: &str,
        bridge: &Bridge,
    ) -> Result<Delivered, DeliveryError> {
        let to = self.readers(&report.about, bridge).await?;
        if to.is_empty() {
            return Err(self.untold(NOBODY));
        }
        let stanza = |(n, to): (usize, &String)| {
            let key = format!("{key}-{n}");
            let wire = write(report, to, &key, &self.addresses).to_wire();
            Ready { key, to: to.clone(), wire }
        };
        let ready = to.iter().enumerate().map(stanza).collect();
        self.goes_out(key, to);
        let sent = self.outward.send(ready).await;
        let mut returned = Vec::new();
        for (n, one) in sent.into_iter().enumerate() {
            match one {
                Ok(_) => {}
                Err(Undelivered::Returned(_)) => returned.push(n),
                Err(Undelivered::Other(error)) => return Err(error),
            }
        }
        // It is told if one of them got it.
        if self.is_held(key, &returned) {
            Ok(Delivered::default())
        } else {
            Err(self.untold(CAME_BACK))
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_out(&self, key: &str, to: Vec<String>) {
        let mut sent = self.lock();
        sent.retain(|one| one.key != key);
        if sent.len() >= SENT {
            sent.pop_front();
        }
        sent.push_back(Sent { key: key.to_owned(), to: to.into_iter().map(Some).collect() });
    }

    /// Whether somebody has a report that came back from these.
    fn is_held(&self, key: &str, returned: &[usize]) -> bool {
        let mut sent = self.lock();
        let Some(at) = sent.iter().position(|one| one.key == key) else { return false };
        for (n, to) in sent[at].to.iter_mut().enumerate() {
            to.take_if(|_| returned.contains(&n));
        }
        let held = sent[at].to.iter().any(Option::is_some);
        if !held {
            sent.remove(at);
        }
        held
    }

    /// Whether this one still has it.
    fn has(&self, key: &str, n: usize, by: &str) -> bool {
        let sent = self.lock();
        let of = sent.iter().find(|one| one.key == key);
        of.and_then(|one| one.to.get(n)).is_some_and(|to| to.as_deref() == Some(by))
    }

    /// Whether an error stanza is about a report that a server had taken before. Who reported has been
    /// told nothing, which meant that it went well: so the operator is told.
    pub(crate) fn came_back(&self, stanza: &Element) -> bool {
        let (Some(id), Some(from)) = (stanza.attr("id"), stanza.attr("from")) else { return false };
        let Some((key, n)) = id.rsplit_once('-') else { return false };
        let (Ok(n), Some(by)) = (n.parse(), from.split('/').next()) else { return false };
        if !self.has(key, n, by) {
            return false;
        }
        if self.is_held(key, &[n]) {
            log!(STANZA_IGNORED, what = "a report came back that somebody else has");
        } else {
            self.is_untold(CAME_BACK_LATE);
        }
        true
    }

    fn untold(&self, why: &'static str) -> DeliveryError {
        self.is_untold(why);
        DeliveryError::Refused { refusal: Code::NotReachable.into(), why }
    }

    fn is_untold(&self, why: &'static str) {
        if self.rarely.may_because(&REPORT_UNTOLD, why) {
            log!(REPORT_UNTOLD, why);
        }
    }

    /// The bare JIDs of those who get a report of this user.
    async fn readers(&self, about: &UserId, bridge: &Bridge) -> Result<Vec<String>, DeliveryError> {
        if !self.to.is_empty() {
            let others = self.to.iter().filter(|to| *to != about.id());
            return Ok(others.take(MOST).cloned().collect());
        }
        let domain = self.addresses.domain(about).filter(|_| bridge.is_local(about));
        let Some(domain) = domain else { return Ok(Vec::new()) };
        let query = |id: &str| ask(self.addresses.component(), domain, id);
        let answer = self.outward.ask(domain, query).await?;
        let fits = |user: &UserId| user != about && bridge.is_local(user);
        Ok(contacts(&answer.element, &self.addresses, fits))
    }
}

/// Asks a server what it says of itself.
pub(crate) fn ask(component: &str, domain: &str, id: &str) -> Xml {
    let query = Xml::new("iq").attr("type", "get").attr("from", component).attr("to", domain);
    query.attr("id", id).child(Xml::within("query", ns::DISCO_INFO))
}

/// The bare JIDs to which a server wants reports, by its answer (XEP-0157); at most [`MOST`].
pub(crate) fn contacts(
    answer: &Element,
    addresses: &Addresses,
    fits: impl Fn(&UserId) -> bool,
) -> Vec<String> {
    let query = answer.get_child("query", ns::DISCO_INFO).into_iter();
    let forms = query.flat_map(Element::children).filter(|form| form.is("x", ns::DATA));
    let forms: Vec<_> = forms.filter(|form| names_contacts(form)).collect();
    let of_kind = |kind: &str| {
        let fields = forms.iter().flat_map(|form| form.children());
        let fields = fields.filter(|field| field.attr("var") == Some(kind));
        let mut found = Vec::new();
        for uri in fields.flat_map(Element::children).map(Element::text) {
            let user = jid_of(&uri).and_then(|jid| addresses.canonical(&jid).ok());
            let Some(user) = user.filter(&fits).map(|user| user.id().to_owned()) else { continue };
            if found.len() < MOST && !found.contains(&user) {
                found.push(user);
            }
        }
        found
    };
    KINDS.into_iter().map(of_kind).find(|found| !found.is_empty()).unwrap_or_default()
}

fn names_contacts(form: &Element) -> bool {
    let mut fields = form.children();
    let kind = fields.find(|field| field.attr("var") == Some("FORM_TYPE"));
    let kind = kind.and_then(|field| field.get_child("value", ns::DATA)).map(Element::text);
    kind.as_deref() == Some(ns::SERVER_INFO)
}

/// Whom an address of RFC 5122 names, if messages are what it is for.
fn jid_of(uri: &str) -> Option<String> {
    let path = uri.trim().strip_prefix("xmpp:").filter(|path| path.len() <= MAX_URI)?;
    let path = path.split('#').next()?;
    let (path, query) = path.split_once('?').unwrap_or((path, "message"));
    if query.split(';').next() != Some("message") {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

/// A report as one of its readers gets it.
fn write(report: &Report, to: &str, key: &str, addresses: &Addresses) -> Xml {
    // XEP-0377 knows two reasons; the words tell which it is.
    let reason = match report.reason {
        ReportReason::Spam => "urn:xmpp:reporting:spam",
        ReportReason::Abuse | ReportReason::Other => "urn:xmpp:reporting:abuse",
    };
    let payload = Xml::within("report", ns::REPORTING).attr("reason", reason);
    let ids = report.messages.iter().take(Report::MOST).filter_map(message::given_id);
    let payload = ids.fold(payload, |payload, id: &str| {
        let id = Xml::within("stanza-id", ns::SID).attr("id", id);
        payload.child(id.attr("by", report.about.id()))
    });
    let text = Xml::new("text").attr("xml:lang", "en").text(report.words.as_str());
    message::say(&report.words, to, key, addresses).child(payload.child(text))
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
