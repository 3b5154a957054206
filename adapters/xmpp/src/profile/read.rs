//! What users' servers tell of how their users call themselves and look: nicknames (XEP-0172), pictures
//! (XEP-0084), and cards (XEP-0054). Whatever is not understood is passed over.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use drawbridge_adapter::Picture;
use minidom::Element;
use sha1::{Digest, Sha1};

use crate::hex::hex;
use crate::ns;
use crate::xml::one_line;

/// The longest display name that is told, in characters.
const MAX_NAME: usize = 256;
/// The longest id of a picture, in bytes.
const MAX_ID: usize = 256;
/// How many pictures, and how many parts of an event, are looked at.
const MOST: usize = 32;
/// The most characters of a picture's base64, with as many line ends as anybody writes.
const MAX_ENCODED: usize = Picture::MAX / 3 * 5;
/// Some clients leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What is known of one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Nothing.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// This.
    Is(String),
}

impl Fact {
    /// Of what was told.
    pub(crate) fn of(told: Option<String>) -> Self {
        told.map_or(Self::Absent, Self::Is)
    }

    /// What it is, if it is anything.
    pub(crate) fn get(&self) -> Option<&str> {
        match self {
            Self::Is(is) => Some(is),
            _ => None,
        }
    }
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// How somebody calls themselves, if at all.
    Name(Option<String>),
    /// The id of the picture that somebody has, if there is one that fits.
    Face(Option<String>),
    /// Something that is to be read.
    Something,
}

/// What a card says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Card {
    /// The name.
    pub(crate) name: Option<String>,
    /// The picture, if it fits.
    pub(crate) photo: Option<Vec<u8>>,
}

/// As XEP-0084 and XEP-0153 name a picture.
pub(crate) fn id_of(picture: &[u8]) -> String {
    hex(&Sha1::digest(picture))
}

/// Whether this is such a name.
pub(crate) fn is_hash(id: &str) -> bool {
    id.len() == 40 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a stanza tells; `None` if it is no event at all.
pub(crate) fn event(stanza: &Element) -> Option<Vec<Told>> {
    let event = stanza.get_child("event", ns::PUBSUB_EVENT)?;
    let read = |part: &Element| {
        let node = part.attr("node")?;
        if !matches!(node, ns::NICK | ns::AVATAR_METADATA | ns::VCARD4_NODE) {
            return None;
        }
        let item = if part.name() == "items" { last_item(part) } else { None };
        Some(match (node, item) {
            (ns::NICK, Some(item)) => Told::Name(nick(item)),
            (ns::AVATAR_METADATA, Some(item)) => item
                .get_child("metadata", ns::AVATAR_METADATA)
                .map_or(Told::Something, |metadata| Told::Face(face(metadata))),
            _ => Told::Something,
        })
    };
    Some(event.children().take(MOST).filter_map(read).collect())
}

/// The latest of some items, whatever namespace they are in.
pub(crate) fn last_item(items: &Element) -> Option<&Element> {
    items.children().filter(|child| child.name() == "item").last()
}

/// The name in what holds a `<nick/>`: an item, a message, a request of subscription.
pub(crate) fn nick(parent: &Element) -> Option<String> {
    name(&parent.get_child("nick", ns::NICK)?.text())
}

fn name(text: &str) -> Option<String> {
    let name = one_line(text.trim(), MAX_NAME);
    (!name.trim().is_empty()).then(|| name.into_owned())
}

/// The best picture that can cross.
pub(crate) fn face(metadata: &Element) -> Option<String> {
    let fits = |info: &&Element| {
        let (mime, bytes) = (info.attr("type"), bytes(info));
        info.is("info", ns::AVATAR_METADATA)
            && info.attr("url").is_none()
            && mime.is_none_or(|mime| Picture::TYPES.contains(&mime))
            && bytes.is_none_or(|bytes| bytes <= Picture::MAX as u64)
            && info.attr("id").is_some_and(|id| {
                (1..=MAX_ID).contains(&id.len()) && !id.contains(char::is_control)
            })
    };
    let all = metadata.children().take(MOST).filter(fits);
    let best = all.max_by_key(|info| bytes(info).unwrap_or(0))?;
    let id = best.attr("id")?;
    Some(if is_hash(id) { id.to_ascii_lowercase() } else { id.to_owned() })
}

fn bytes(info: &Element) -> Option<u64> {
    info.attr("bytes")?.parse().ok()
}

/// What a card says.
pub(crate) fn card(card: &Element) -> Card {
    let text = |part| name(&card.get_child(part, ns::VCARD)?.text());
    let photo = card.get_child("PHOTO", ns::VCARD);
    let photo = photo.and_then(|photo| photo.get_child("BINVAL", ns::VCARD));
    Card { name: text("NICKNAME").or_else(|| text("FN")), photo: photo.and_then(decoded) }
}

/// The bytes in an element, if they are few enough for a picture.
pub(crate) fn decoded(element: &Element) -> Option<Vec<u8>> {
    let mut encoded = String::new();
    for text in element.texts() {
        encoded.extend(text.split_ascii_whitespace());
        if encoded.len() > MAX_ENCODED {
            return None;
        }
    }
    let bytes = BASE64.decode(encoded).ok()?;
    (1..=Picture::MAX).contains(&bytes.len()).then_some(bytes)
}
