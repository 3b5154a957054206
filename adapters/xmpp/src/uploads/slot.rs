//! A place for a file, as the service gives it (XEP-0363, 4).

use std::time::Duration;

use drawbridge_adapter::{Locator, Timestamp};
use minidom::Element;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use xmpp_parsers::date::DateTime;

use super::PlainHost;
use crate::failure;
use crate::ns;
use crate::stream::Stanza;
use crate::xml::{Xml, one_line};

/// The headers that a service may ask for.
const HEADERS: [&str; 3] = ["authorization", "cookie", "expires"];
/// The longest of them, in bytes, and the longest address of a place.
const LONGEST: usize = 8 * 1024;
/// The longest time that a service may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// The longest name, in characters: it becomes a part of a link.
const MAX_NAME: usize = 255;

/// A place for a file.
pub(super) struct Slot {
    /// Where it goes.
    pub(super) put: Url,
    /// With these headers.
    pub(super) headers: HeaderMap,
    /// Where it lies afterwards.
    pub(super) link: String,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// The file is too large; what would do, if the service says so.
    TooLarge(Option<u64>),
    /// Not now.
    Later(Option<Duration>),
    /// The service is not there.
    Gone,
    /// Not for the bridge.
    Closed,
    /// Not this file.
    Refused,
    /// It would go there without TLS.
    Plain,
    /// What the service said cannot be understood.
    Unreadable,
}

/// Asks for a place.
pub(super) fn ask(from: &str, to: &str, id: &str, name: &str, mime: &str, size: u64) -> Xml {
    let request = Xml::within("request", ns::UPLOAD)
        .attr("filename", one_line(name, MAX_NAME))
        .attr("size", size.to_string())
        .attr("content-type", mime);
    let iq = Xml::new("iq").attr("type", "get").attr("from", from).attr("to", to).attr("id", id);
    iq.child(request)
}

/// The place that the service gave.
pub(super) fn read(answer: &Stanza, plain: &[PlainHost], now: Timestamp) -> Result<Slot, Denied> {
    let element = &answer.element;
    if element.attr("type") != Some("result") {
        return Err(denied(element, now));
    }
    let slot = element.get_child("slot", ns::UPLOAD).filter(|_| answer.whole);
    let slot = slot.ok_or(Denied::Unreadable)?;
    let url = |name: &str, longest: usize| {
        let element = slot.get_child(name, ns::UPLOAD)?;
        let odd = |c: char| c.is_whitespace() || c.is_control();
        let url = element.attr("url").filter(|url| url.len() <= longest && !url.contains(odd))?;
        let parsed = Url::parse(url).ok().filter(Url::has_host)?;
        let named = parsed.username().is_empty() && parsed.password().is_none();
        named.then_some((element, url, parsed))
    };
    let (element, _, put) = url("put", LONGEST).ok_or(Denied::Unreadable)?;
    let (_, link, get) = url("get", Locator::MAX).ok_or(Denied::Unreadable)?;
    for url in [&put, &get] {
        match url.scheme() {
            "https" => {}
            "http" if plain.iter().any(|host| host.is_of(url)) => {}
            "http" => return Err(Denied::Plain),
            _ => return Err(Denied::Unreadable),
        }
    }
    Ok(Slot { put, headers: headers(element), link: link.to_owned() })
}

/// The headers that are allowed, each once, without line breaks.
fn headers(put: &Element) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for header in put.children().filter(|child| child.is("header", ns::UPLOAD)) {
        let whole = |text: &str| text.replace(['\r', '\n'], "").trim().to_owned();
        let name = header.attr("name").map(whole).unwrap_or_default().to_ascii_lowercase();
        let value = whole(&header.text());
        let Some(name) = HEADERS.into_iter().find(|known| *known == name) else { continue };
        if let (true, Ok(mut value)) = (value.len() <= LONGEST, HeaderValue::from_str(&value)) {
            value.set_sensitive(true);
            headers.entry(HeaderName::from_static(name)).or_insert(value);
        }
    }
    headers
}

/// What an error of the service means.
fn denied(answer: &Element, now: Timestamp) -> Denied {
    let error = answer.children().find(|child| child.name() == "error");
    let said = |name: &str| error?.get_child(name, ns::UPLOAD);
    if let Some(large) = said("file-too-large") {
        let max = large.get_child("max-file-size", ns::UPLOAD);
        return Denied::TooLarge(max.and_then(|max| max.text().trim().parse().ok()));
    }
    let kind = error.and_then(|error| error.attr("type")).unwrap_or_default();
    match failure::condition(answer) {
        condition if kind == "wait" || condition == "resource-constraint" => {
            let stamp = said("retry").and_then(|retry| retry.attr("stamp"));
            let stamp = stamp.and_then(|stamp| stamp.parse::<DateTime>().ok());
            let at = stamp.map(|stamp| Timestamp(stamp.0.timestamp_millis()));
            let wait = at.map(|at| at.since(now).min(LONGEST_WAIT));
            Denied::Later(wait.filter(|wait| !wait.is_zero()))
        }
        "service-unavailable"
        | "item-not-found"
        | "remote-server-not-found"
        | "remote-server-timeout"
        | "recipient-unavailable"
        | "internal-server-error" => Denied::Gone,
        "forbidden" | "not-allowed" | "not-authorized" | "registration-required" => Denied::Closed,
        _ => Denied::Refused,
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;
