//! Places: XEP-0080, and `geo:` URIs as Conversations sends and shows them.

use drawbridge_adapter::{Content, Kind, Location, metres};
use minidom::Element;

use super::fallback;
use crate::ns;
use crate::xml::Xml;

/// The longest number that is read, in bytes.
const MAX_NUMBER: usize = 32;
/// The longest body that can be the name of a place, in characters.
const MAX_BODY: usize = 200;

/// The place that a message is, if it is one; unsupported, if it is nowhere, or stands beside more words
/// than can be its name.
pub(super) fn read(message: &Element, body: Option<&str>) -> Option<Content> {
    match message.get_child("geoloc", ns::GEOLOC) {
        Some(geoloc) => {
            let marked = fallback::is_marked(message, ns::GEOLOC);
            let place = of_geoloc(geoloc, body.filter(|_| !marked)).map(Content::Location);
            Some(place.unwrap_or(Content::Unsupported { kind: Kind::Location }))
        }
        None => of_uri(body?).map(Content::Location),
    }
}

/// The place of a text that is nothing but a `geo:` URI.
pub(super) fn of_uri(text: &str) -> Option<Location> {
    let text = text.trim();
    // How near to look at it is no part of RFC 5870, and says nothing of the place.
    let zoom = |(_, zoom): &(&str, &str)| zoom.bytes().all(|b| b.is_ascii_digit());
    let uri = text.split_once("?z=").filter(zoom).map_or(text, |(uri, _)| uri);
    Location::from_geo(uri)
}

fn of_geoloc(geoloc: &Element, body: Option<&str>) -> Option<Location> {
    let text = |name| geoloc.get_child(name, ns::GEOLOC).map(Element::text);
    let number = |name| decimal(&text(name)?);
    let wgs84 = |datum: String| matches!(datum.trim(), "" | "WGS84" | "WGS 84" | "wgs84");
    if !text("datum").is_none_or(wgs84) {
        return None;
    }
    let place = Location::new(number("lat")?, number("lon")?)?;
    let place = place.within(number("accuracy").and_then(metres));
    let said = body.filter(|body| of_uri(body).is_none());
    if said.is_some_and(|said| said.trim().lines().count() > 1 || said.chars().count() > MAX_BODY) {
        return None;
    }
    let told = ["text", "description", "locality", "area"].into_iter().filter_map(text);
    let mut names = told.chain(said.map(str::to_owned)).map(|name| in_one_line(&name));
    let name = names.find(|name| !name.trim().is_empty());
    Some(place.named(name.as_deref()))
}

/// An `xs:decimal`: no exponent, no infinity.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+');
    let fits = text.len() <= MAX_NUMBER && text.bytes().all(plain);
    fits.then(|| text.parse().ok()).flatten()
}

fn in_one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The body, for clients without XEP-0080, and what stands beside it. Alone the URI is shown as a place.
pub(super) fn write(place: &Location) -> (String, Xml) {
    let part = |name, text: String| Xml::new(name).text(text);
    let geoloc = Xml::within("geoloc", ns::GEOLOC)
        .child(part("lat", place.latitude().to_string()))
        .child(part("lon", place.longitude().to_string()));
    let accuracy = place.uncertainty.map(|metres| part("accuracy", metres.to_string()));
    let text = place.name.clone().map(|name| part("text", name));
    (place.to_geo(), accuracy.into_iter().chain(text).fold(geoloc, Xml::child))
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
