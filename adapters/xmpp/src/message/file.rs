//! Files that a message brings: XEP-0447 with XEP-0446, XEP-0385, and the bare links of XEP-0066. In each
//! of them a file is a link; what is encrypted for the recipient's client alone is named so.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_adapter::{FileInfo, Kind, Locator, Media, MediaKind, Sha256, Text};
use minidom::Element;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::fallback;
use crate::{markup, ns};

pub(super) mod thumbs;
mod types;

use types::is_voice;
pub(crate) use types::{VOICE, extension_of};

/// The most links of one message that are looked at.
const MOST: usize = 32;

/// What a message brings.
#[derive(Debug)]
pub(super) enum Found {
    /// A file that can be fetched, and where.
    File(Box<Media>, String),
    /// One that cannot be.
    Closed(Kind),
}

/// One file, as the message offers it.
struct Offer<'a> {
    /// What is said of it.
    file: Option<&'a Element>,
    /// Where it is, by links that can be fetched.
    links: Vec<String>,
    /// Whether it is there for those who have the key.
    encrypted: bool,
}

/// The file that a message brings, if it brings one. `whole` is the body with all that is there for other
/// clients.
pub(super) fn read(message: &Element, whole: Option<&str>) -> Option<Found> {
    let sharings: Vec<Offer<'_>> =
        message.children().filter_map(sharing).map(offer).take(MOST).collect();
    let bare = bare_links(message);
    if sharings.iter().any(|offer| offer.encrypted && offer.links.is_empty())
        || bare.iter().any(|link| is_sealed(link))
    {
        return Some(Found::Closed(Kind::Encrypted));
    }
    let left = whole.map(|whole| fallback::without(message, whole, &[ns::SFS, ns::OOB, ns::SIMS]));
    let left = left.unwrap_or_default();
    let shared = sharings.iter().find(|offer| !offer.links.is_empty());
    // A link among words is one of them.
    let among = |link: &str| left.contains(link) && !left.lines().any(|line| line.trim() == link);
    let is_file = |link: &&String| is_fetched(link) && !(sharings.is_empty() && among(link));
    let (link, own, file) = if let Some(offer) = shared {
        (offer.links[0].clone(), offer.links.clone(), offer.file)
    } else if let Some(link) = bare.iter().find(is_file) {
        (link.clone(), vec![link.clone()], sharings.first().and_then(|offer| offer.file))
    } else if let Some(offer) = sharings.first() {
        return Some(Found::Closed(info(offer.file, None).0.kind()));
    } else {
        let said = |link: &String| whole.is_some_and(|body| body.contains(link.as_str()));
        let lost = bare.iter().any(|link| !said(link));
        return lost.then_some(Found::Closed(Kind::Document));
    };
    let (kind, info) = info(file, Some(&link));
    let others = sharings.iter().filter_map(|offer| offer.links.first()).chain(&bare);
    let others = others.filter(|other| !own.contains(other));
    let caption = caption(whole.unwrap_or_default(), left, &own, others);
    let caption = match caption {
        Some(body) => Some(Text { rich: markup::read(message, &body, false), body }),
        None => described(file).filter(|text| info.name.as_ref() != Some(text)).map(Text::plain),
    };
    // Whoever offers it in two ways may say in one of them how it looks.
    let same = sharings.iter().filter(|offer| offer.links.contains(&link));
    let same = same.filter_map(|offer| offer.file);
    let others = same.filter(|other| !file.is_some_and(|file| std::ptr::eq(file, *other)));
    let looks = file.into_iter().chain(others);
    let (thumbnail, blurhash) = thumbs::read(looks);
    let info = FileInfo { blurhash, ..info }.clean();
    let at = Locator::Link(link.clone());
    Some(Found::File(Box::new(Media { kind, at, info, thumbnail, caption }), link))
}

/// The element that offers a file, if this is or holds one.
fn sharing(child: &Element) -> Option<&Element> {
    let is = |element: &Element| {
        (element.name() == "file-sharing" && element.ns().starts_with(ns::FILES))
            || element.is("media-sharing", ns::SIMS)
    };
    if is(child) {
        return Some(child);
    }
    let refers = child.name() == "reference";
    refers.then(|| child.get_child("media-sharing", ns::SIMS)).flatten()
}

fn offer(sharing: &Element) -> Offer<'_> {
    let sources = sharing.children().filter(|child| child.name() == "sources");
    let sources: Vec<_> = sources.flat_map(Element::children).take(MOST).collect();
    let target = |source: &&Element| match source.name() {
        "url-data" => source.attr("target").map(str::to_owned),
        "reference" => source.attr("uri").map(str::to_owned),
        _ => None,
    };
    let all: Vec<_> = sources.iter().filter_map(target).collect();
    let sealed = |source: &&Element| {
        source.name() == "encrypted" && source.ns().starts_with(ns::ENCRYPTED_FILES)
    };
    Offer {
        file: sharing.children().find(|child| child.name() == "file"),
        encrypted: sources.iter().any(sealed) || all.iter().any(|link| is_sealed(link)),
        links: all
            .into_iter()
            .map(|link| link.trim().to_owned())
            .filter(|link| is_fetched(link))
            .collect(),
    }
}

/// The links of XEP-0066.
fn bare_links(message: &Element) -> Vec<String> {
    let oobs = message.children().filter(|child| child.is("x", ns::OOB));
    let url = |oob: &Element| Some(oob.get_child("url", ns::OOB)?.text().trim().to_owned());
    let mut links = Vec::new();
    for link in oobs.map(|oob| url(oob).unwrap_or_default()).take(MOST) {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

/// Whether the daemon can fetch what lies under this link.
fn is_fetched(link: &str) -> bool {
    let plain = |url: Url| matches!(url.scheme(), "https" | "http") && url.has_host();
    link.len() <= Locator::MAX && Url::parse(link).is_ok_and(plain)
}

/// Whether it leads to what is encrypted, with the key beside it.
fn is_sealed(link: &str) -> bool {
    link.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("aesgcm"))
}

/// What was written with a file: what is left of the body without its link, and the links of other files.
fn caption<'a>(
    whole: &str,
    left: String,
    own: &[String],
    others: impl Iterator<Item = &'a String>,
) -> Option<String> {
    let is_link = |line: &&str| own.iter().any(|link| link == line.trim());
    let has_link = left.lines().any(|line| is_link(&line));
    let mut caption = if has_link {
        left.split('\n').filter(|line| !is_link(line)).collect::<Vec<_>>().join("\n")
    } else {
        left
    };
    if caption.len() != whole.len() {
        caption = caption.trim_matches('\n').into();
    }
    if caption.trim().is_empty() {
        caption.clear();
    }
    for other in others {
        if !caption.contains(other.as_str()) {
            let lines = if caption.is_empty() { "" } else { "\n" };
            caption = caption + lines + other;
        }
    }
    Some(caption).filter(|caption| !caption.is_empty())
}

/// What is said of a file by an element, or by its link alone.
fn info(file: Option<&Element>, link: Option<&str>) -> (MediaKind, FileInfo) {
    let text = |name: &str| {
        let child = file?.children().find(|child| child.name() == name)?;
        Some(child.text().trim().to_owned()).filter(|text| !text.is_empty())
    };
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let pixels = |name: &str| number(name).and_then(|count| u32::try_from(count).ok());
    let name = text("name").or_else(|| name_of(link?));
    let declared = text("media-type");
    let guessed = || types::of_name(name.as_deref()?).or_else(|| types::of_name(&name_of(link?)?));
    let declared = declared.or_else(|| guessed().map(str::to_owned)).unwrap_or_default();
    let kind = if is_voice(&declared) { MediaKind::Voice } else { MediaKind::of_mime(&declared) };
    let info = FileInfo {
        name,
        mime: Some(declared),
        size: number("size"),
        sha256: file.and_then(sha256),
        width: pixels("width"),
        height: pixels("height"),
        duration: number("length").map(Duration::from_millis),
        ..FileInfo::default()
    };
    (kind, info.clean())
}

/// XEP-0300.
fn sha256(file: &Element) -> Option<Sha256> {
    let is = |child: &&Element| child.name() == "hash" && child.attr("algo") == Some("sha-256");
    let text = file.children().find(is)?.text();
    let text = text.trim();
    // As long as 32 bytes are, and no longer.
    let bytes = STANDARD.decode(text).ok().filter(|_| text.len() == 44)?;
    bytes.try_into().ok().map(Sha256)
}

/// XEP-0446: words about the file.
fn described(file: Option<&Element>) -> Option<String> {
    let text = file?.children().find(|child| child.name() == "desc")?.text();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The last part of a link's path.
fn name_of(link: &str) -> Option<String> {
    let url = Url::parse(link).ok()?;
    let last = url.path_segments()?.next_back().filter(|last| !last.is_empty())?;
    Some(percent_decode_str(last).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
