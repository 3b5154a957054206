//! Reports of users, to those who run their server.
//!
//! XEP-0377 puts a report into a block of the reporter's own, and nobody can block for somebody else.
//! So the contacts that the operator names, or else the server itself (XEP-0157), get a message, with
//! the report of XEP-0377 in it for their programs. A report leaves the operator's own servers only by
//! the operator's word, and never goes to whom it is about.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_adapter::{
    Addressing, Bridge, Code, Delivered, DeliveryError, Rarely, Report, ReportReason, UserId, log,
};
use minidom::Element;

use crate::address::Addresses;
use crate::log::REPORT_UNTOLD;
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

/// How often is said that nobody reads reports.
const SELDOM: Duration = Duration::from_mins(1);

const NOBODY: &str = "neither the operator nor the server names anybody else to report to";
const CAME_BACK: &str = "it came back from everybody who is named";

/// Who is told of reports, and how.
pub(crate) struct Reports {
    addresses: Arc<Addresses>,
    outward: Arc<Outward>,
    /// Whom the operator named: in place of what servers say.
    to: Vec<String>,
    rarely: Rarely,
}

impl Reports {
    /// To these, or, if they are none, to those whom servers name.
    pub(crate) fn new(addresses: Arc<Addresses>, outward: Arc<Outward>, to: Vec<String>) -> Self {
        Self { addresses, outward, to, rarely: Rarely::each(SELDOM) }
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
        let sent = self.outward.send(to.iter().enumerate().map(stanza).collect()).await;
        // It is told if one of them got it.
        if sent.iter().any(Result::is_ok) {
            return Ok(Delivered::default());
        }
        let undecided = sent.into_iter().find_map(|one| match one {
            Err(Undelivered::Other(error)) => Some(error),
            _ => None,
        });
        Err(undecided.unwrap_or_else(|| self.untold(CAME_BACK)))
    }

    fn untold(&self, why: &'static str) -> DeliveryError {
        if self.rarely.may_because(&REPORT_UNTOLD, why) {
            log!(REPORT_UNTOLD, why);
        }
        DeliveryError::Refused { refusal: Code::NotReachable.into(), why }
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
