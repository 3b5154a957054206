//! How a file looks before it is there (XEP-0264): a small picture, and a blurhash.
//!
//! Pictures within the message (`data:image/png`, `cid:`) are passed over: they are as small as 8×8 pixels
//! (Dino), and some clients elsewhere would show them instead of the file. A blurhash is no picture,
//! and is written as clients read it from slidge: as a link that holds it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use drawbridge_adapter::{FileInfo, Locator, Thumbnail};
use minidom::Element;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::is_fetched;
use crate::message::Small;
use crate::ns;
use crate::xml::Xml;

/// The most elements of one file that are looked at.
const MOST: usize = 8;
/// The type that stands for a blurhash.
const BLURHASH: &str = "image/blurhash";
/// What comes before a blurhash in its link, and in the other form.
const PLAIN: &str = "data:image/blurhash,";
const BASE64: &str = "data:image/blurhash;base64,";
/// What RFC 3986, 2.3 leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The small picture and the blurhash of a file, of all that these elements say of it.
pub(super) fn read<'a>(
    files: impl Iterator<Item = &'a Element>,
) -> (Option<Thumbnail>, Option<String>) {
    let all = files.flat_map(Element::children).filter(|child| child.is("thumbnail", ns::THUMBS));
    let all: Vec<_> = all.take(MOST).collect();
    (all.iter().copied().find_map(picture), all.iter().copied().find_map(blurhash))
}

fn picture(element: &Element) -> Option<Thumbnail> {
    let link = element.attr("uri").map(str::trim).filter(|uri| is_fetched(uri))?;
    let pixels = |name: &str| element.attr(name)?.trim().parse().ok();
    let info = FileInfo {
        mime: element.attr("media-type").map(str::to_owned),
        width: pixels("width"),
        height: pixels("height"),
        ..FileInfo::default()
    };
    Some(Thumbnail { at: Locator::Link(link.to_owned()), info: info.clean() })
}

fn blurhash(element: &Element) -> Option<String> {
    let uri = element.attr("uri")?.trim();
    let after = |start: &str| {
        let (first, rest) = uri.split_at_checked(start.len())?;
        let fits = first.eq_ignore_ascii_case(start) && rest.len() <= FileInfo::MAX_BLURHASH * 3;
        fits.then(|| percent_decode_str(rest).collect::<Vec<u8>>())
    };
    let bytes = if let Some(bytes) = after(PLAIN) {
        bytes
    } else {
        let mut bytes = after(BASE64)?;
        while bytes.pop_if(|last| *last == b'=').is_some() {}
        STANDARD_NO_PAD.decode(bytes).ok()?
    };
    String::from_utf8(bytes).ok()
}

/// What is written of it.
pub(in crate::message) fn write(small: Option<&Small>, info: &FileInfo) -> [Option<Xml>; 2] {
    let element = |uri: &str, mime: &str, width: Option<u32>, height: Option<u32>| {
        let pixels = [("width", width), ("height", height)];
        let pixels = pixels.into_iter().filter_map(|(name, count)| Some((name, count?)));
        let element =
            Xml::within("thumbnail", ns::THUMBS).attr("uri", uri).attr("media-type", mime);
        pixels.fold(element, |element, (name, count)| element.attr(name, count.to_string()))
    };
    let picture = |small: &Small| element(&small.link, &small.mime, small.width, small.height);
    let blurhash = |hash: &String| {
        let uri = format!("{PLAIN}{}", utf8_percent_encode(hash, ESCAPED));
        element(&uri, BLURHASH, info.width, info.height)
    };
    [small.map(picture), info.blurhash.as_ref().map(blurhash)]
}
