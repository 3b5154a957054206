//! What people send that is neither text nor file: places, contact cards, polls.

use std::fmt;

use serde::{Deserialize, Serialize};

/// So many parts has a degree: a tenth of a microdegree, about a centimetre on the ground.
const PARTS: f64 = 1e7;

/// A place on the earth (WGS 84).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// In ten-millionths of a degree, north of the equator: within ±90 degrees.
    latitude: i32,
    /// In ten-millionths of a degree, east of Greenwich: within ±180 degrees.
    longitude: i32,
    /// How far off it may be, in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<u32>,
    /// What the sender calls it, at most [`Location::MAX_NAME`] bytes; never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Location {
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 1024;

    /// The place at so many degrees; `None` if there is none.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let parts = |degrees: f64, most: f64| {
            // NaN is in no range.
            #[expect(clippy::cast_possible_truncation, reason = "180e7 fits")]
            (-most..=most).contains(&degrees).then(|| (degrees * PARTS).round() as i32)
        };
        let (latitude, longitude) = (parts(latitude, 90.0)?, parts(longitude, 180.0)?);
        Some(Self { latitude, longitude, uncertainty: None, name: None })
    }

    /// The same place, called so. A name that is blank is none; one that is too long is cut.
    #[must_use]
    pub fn named(self, name: Option<&str>) -> Self {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let name = name.map(|name| name[..name.floor_char_boundary(Self::MAX_NAME)].to_owned());
        Self { name, ..self }
    }

    /// The same place, which may be so many metres off.
    #[must_use]
    pub fn within(self, uncertainty: Option<u32>) -> Self {
        Self { uncertainty, ..self }
    }

    /// Degrees north of the equator.
    pub fn latitude(&self) -> f64 {
        f64::from(self.latitude) / PARTS
    }

    /// Degrees east of Greenwich.
    pub fn longitude(&self) -> f64 {
        f64::from(self.longitude) / PARTS
    }

    /// Its `geo:` URI (RFC 5870).
    pub fn to_geo(&self) -> String {
        let place = format!("geo:{},{}", self.latitude(), self.longitude());
        self.uncertainty.map_or(place.clone(), |metres| format!("{place};u={metres}"))
    }

    /// The place of a `geo:` URI (RFC 5870). Of its parameters only `u` counts; of another system of
    /// coordinates than WGS 84 nothing is understood.
    pub fn from_geo(uri: &str) -> Option<Self> {
        let scheme = uri.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("geo:"))?;
        let mut parts = uri[scheme.len()..].split(';');
        let mut coordinates = parts.next()?.split(',').map(|number| decimal(number.trim()));
        let (latitude, longitude) = (coordinates.next()??, coordinates.next()??);
        // An altitude may follow, and nothing else.
        if coordinates.next().is_some_and(|it| it.is_none()) || coordinates.next().is_some() {
            return None;
        }
        let mut uncertainty = None;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.to_ascii_lowercase().as_str() {
                "crs" if !value.eq_ignore_ascii_case("wgs84") => return None,
                "u" => uncertainty = decimal(value).and_then(metres),
                _ => {}
            }
        }
        Some(Self::new(latitude, longitude)?.within(uncertainty))
    }

    /// How many bytes of the sender's are in it.
    pub fn size(&self) -> usize {
        self.name.as_ref().map_or(0, String::len) + 2 * size_of::<i32>()
    }
}

/// A number as RFC 5870 writes it: no exponent, no infinity.
fn decimal(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    let fits = (1..=32).contains(&text.len()) && text.chars().all(plain);
    fits.then(|| text.parse().ok()).flatten()
}

/// Whole metres, rounded up; `None` if it is no distance on the earth.
pub fn metres(uncertainty: f64) -> Option<u32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is in the range"
    )]
    (0.0..=20_000_000.0).contains(&uncertainty).then(|| uncertainty.ceil() as u32)
}

/// Never where it is.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("location")
    }
}

/// How somebody can be reached, as a user gives it to another.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// Who; never empty.
    pub name: String,
    /// Phone numbers, as the sender wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// E-mail addresses, as the sender wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// Addresses of chat networks, as URIs (`xmpp:`, `matrix:`) or as the sender wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

impl ContactCard {
    /// The longest of its lines, in bytes.
    pub const MAX_LINE: usize = 256;
    /// The most of each sort.
    pub const MOST: usize = 10;

    /// What it says, in the order in which it is shown.
    pub fn lines(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.phones).chain(&self.emails).chain(&self.addresses)
    }

    /// How many bytes of the sender's are in it.
    pub fn size(&self) -> usize {
        self.lines().map(String::len).sum()
    }
}

/// Never whose it is.
impl fmt::Debug for ContactCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contact card of {} lines", self.lines().count())
    }
}

/// A question with the answers to choose from. It is shown; votes do not cross.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The question; never empty.
    pub question: String,
    /// What there is to choose from, at least two.
    pub answers: Vec<String>,
    /// How many of them one voter may choose, from 1.
    pub most: u32,
}

impl Poll {
    /// The longest question, and the longest answer, in bytes.
    pub const MAX_LINE: usize = 1024;
    /// The most answers.
    pub const MOST: usize = 20;

    /// What it says, in the order in which it is shown.
    pub fn lines(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.question).chain(&self.answers)
    }

    /// How many bytes of the sender's are in it.
    pub fn size(&self) -> usize {
        self.lines().map(String::len).sum()
    }
}

/// Never what is asked.
impl fmt::Debug for Poll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "poll of {} answers", self.answers.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn a_place_is_found_again_by_its_uri() {
        for (latitude, longitude) in [
            (52.373_056, 4.892_222),
            (-33.856_784, 151.215_297),
            (90.0, -180.0),
            (0.0, 0.000_000_1),
        ] {
            let place =
                Location { uncertainty: Some(12), ..Location::new(latitude, longitude).unwrap() };
            assert_eq!(Location::from_geo(&place.to_geo()), Some(place.clone()));
            assert!((place.latitude() - latitude).abs() < 1e-7);
            assert!((place.longitude() - longitude).abs() < 1e-7);
        }
    }

    #[test]
    fn what_is_no_place_is_none() {
        let none = [
            "geo:91,0",
            "geo:0,181",
            "geo:0",
            "geo:",
            "geo:a,b",
            "geo:1,2,3,4",
            "geo:1e1,2",
            "geo:NaN,1",
            "geo:inf,1",
            "http://1,2",
            "geo:1,2;crs=nad27",
            "geo:1,2,x",
            "ge",
            "géo:1,2",
            "geo:--1,2",
        ];
        for uri in none {
            assert_eq!(Location::from_geo(uri), None, "{uri}");
        }
        assert_eq!(Location::new(f64::NAN, 0.0), None);
    }

    #[test]
    fn what_uris_bear_besides_is_passed_over() {
        for uri in ["GEO:1.5,-2", "geo:1.5,-2,30", "geo:1.5,-2;crs=WGS84;z=3;a", "geo:1.5, -2;u=-4"]
        {
            let place = Location::from_geo(uri).unwrap();
            assert_eq!((place.latitude(), place.longitude()), (1.5, -2.0), "{uri}");
            assert_eq!(place.uncertainty, None);
        }
        assert_eq!(Location::from_geo("geo:1,2;U=3.2").unwrap().uncertainty, Some(4));
        let far = Location::new(1.0, 2.0).unwrap().named(Some(&"é".repeat(2000)));
        assert_eq!(far.name.unwrap().len(), Location::MAX_NAME);
        assert_eq!(Location::new(1.0, 2.0).unwrap().named(Some(" \n")).name, None);
    }
}
