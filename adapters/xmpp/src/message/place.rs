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
/// What the parameters of a URI consist of, besides letters and digits (RFC 5870, 3.3).
const PARAMETERS: &[u8] = b";=-_.!~*'()[]:&+$%";

/// The place that a message is, if it is one; unsupported, if it is nowhere, or stands beside words that
/// are not its name. `whole` is the body with all that is there for other clients.
pub(super) fn read(message: &Element, body: Option<&str>, whole: Option<&str>) -> Option<Content> {
    match message.get_child("geoloc", ns::GEOLOC) {
        Some(geoloc) => {
            let said = whole.map(|whole| fallback::without(message, whole, &[ns::GEOLOC]));
            let place = of_geoloc(geoloc, said.as_deref()).map(Content::Location);
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
    let (place, parameters) = uri.split_once(';').unwrap_or((uri, ""));
    let in_parameters = |b: u8| b.is_ascii_alphanumeric() || PARAMETERS.contains(&b);
    let is_uri = !place.contains(char::is_whitespace) && parameters.bytes().all(in_parameters);
    is_uri.then(|| Location::from_geo(uri)).flatten()
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
    let told = ["text", "description", "locality", "area"].into_iter().filter_map(text);
    let own = told.map(|name| in_one_line(&name)).find(|name| !name.is_empty());
    let said = body.map(str::trim).filter(|said| !said.is_empty() && of_uri(said).is_none());
    let is_name = |said: &str| match &own {
        Some(own) => in_one_line(said) == *own,
        None => said.lines().count() == 1 && said.chars().count() <= MAX_BODY,
    };
    if !said.is_none_or(is_name) {
        return None;
    }
    Some(place.named(own.or_else(|| said.map(in_one_line)).as_deref()))
}

/// An `xs:decimal`: no exponent, no infinity.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+');
    let fits = text.len() <= MAX_NUMBER && text.bytes().all(plain);
    fits.then(|| text.parse().ok()).flatten()
}

fn in_one_line(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    name.trim().to_owned()
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
