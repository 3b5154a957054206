//! Files to send: one of each kind; and pictures of people.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use drawbridge_adapter::{
    Attached, FileInfo, Locator, Media, MediaKind, Sha256, Spooled, Text, Thumbnail,
};
use sha2::Digest;

use crate::Sample;

/// A file on disk, as the daemon hands it over.
pub fn spooled(bytes: &[u8]) -> Result<Spooled> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    let hash = sha2::Sha256::digest(bytes);
    Ok(Spooled::new(file, bytes.len() as u64, Sha256(hash.into()), ()))
}

/// The smallest picture there is, and heads of others that any library knows them by.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\
    \rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82";
const WEBM: &[u8] = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm";
const OPUS: &[u8] =
    b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
const FLAC: &[u8] = b"fLaC\0\0\0\x22\x10\0\x10\0";
const PDF: &[u8] = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n";

/// A file of this kind: of a size that is read in several pieces, with a head that says what it is.
pub fn sample(kind: MediaKind) -> Sample {
    let (head, name, mime, caption) = match kind {
        MediaKind::Image => (PNG, "pier.png", "image/png", Some("the old <pier> & harbour")),
        MediaKind::Video => (WEBM, "waves.webm", "video/webm", None),
        MediaKind::Voice => (OPUS, "voice.ogg", "audio/ogg", None),
        MediaKind::Audio => (FLAC, "song.flac", "audio/flac", None),
        MediaKind::Document => (PDF, "plan — Zoë.pdf", "application/pdf", Some("please sign")),
    };
    let duration = matches!(kind, MediaKind::Voice | MediaKind::Video | MediaKind::Audio);
    let looks = match kind {
        MediaKind::Image => Some((1280, 720, [0, 90, 160])),
        MediaKind::Video => Some((480, 854, [160, 90, 0])),
        MediaKind::Voice | MediaKind::Audio | MediaKind::Document => None,
    };
    let filling = (0..300_000_u32).map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    Sample {
        kind,
        name: name.to_owned(),
        mime: mime.to_owned(),
        bytes: head.iter().copied().chain(filling).collect(),
        caption: caption.map(str::to_owned),
        duration: duration.then_some(Duration::from_millis(2500)),
        width: looks.map(|(width, ..)| width),
        height: looks.map(|(_, height, _)| height),
        thumbnail: looks.map(|(.., colour)| portrait(colour)),
    }
}

/// The same, as the daemon hands it over with a command.
pub fn handed_over(sample: &Sample) -> Result<(Media, Attached)> {
    let file = spooled(&sample.bytes)?;
    let info = FileInfo {
        name: Some(sample.name.clone()),
        mime: Some(sample.mime.clone()),
        size: Some(file.size()),
        sha256: Some(file.sha256()),
        width: sample.width,
        height: sample.height,
        duration: sample.duration,
        ..FileInfo::default()
    };
    let small = sample.thumbnail.as_deref().map(spooled).transpose()?;
    let thumbnail = small.as_ref().map(|small| {
        let info = FileInfo {
            mime: Some("image/png".to_owned()),
            size: Some(small.size()),
            sha256: Some(small.sha256()),
            width: Some(2),
            height: Some(2),
            ..FileInfo::default()
        };
        Thumbnail { at: Locator::Attached, info }
    });
    let caption = sample.caption.clone().map(Text::plain);
    let media = Media { kind: sample.kind, at: Locator::Attached, info, thumbnail, caption };
    Ok((media, Attached { file, thumbnail: small }))
}

/// A picture of somebody: a PNG of two by two points in this colour. Another colour is other bytes.
pub fn portrait(colour: [u8; 3]) -> Vec<u8> {
    // Width and height, eight bits for each of red, green and blue, not interlaced.
    const HEADER: &[u8] = b"\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0";
    // Two lines without a filter, kept as they are: zlib's header, one last block, its length twice.
    let line = [&[0], &colour[..], &colour[..]].concat();
    let lines = [&line[..], &line[..]].concat();
    let stored = b"\x78\x01\x01\x0e\x00\xf1\xff";
    let data = [&stored[..], &lines, &adler(&lines).to_be_bytes()].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, chunk) in [(b"IHDR", HEADER), (b"IDAT", &data), (b"IEND", &[])] {
        let named = [&name[..], chunk].concat();
        let size = u32::try_from(chunk.len()).unwrap_or_else(|_| unreachable!("a few bytes"));
        png.extend(size.to_be_bytes());
        png.extend(&named);
        png.extend(crc(&named).to_be_bytes());
    }
    png
}

/// The checksum of zlib.
fn adler(bytes: &[u8]) -> u32 {
    let step = |(one, two), byte: &u8| {
        let one = (one + u32::from(*byte)) % 65_521;
        (one, (two + one) % 65_521)
    };
    let (one, two) = bytes.iter().fold((1, 0), step);
    two << 16 | one
}

/// The checksum of PNG.
fn crc(bytes: &[u8]) -> u32 {
    let shift = |rest: u32, _| if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 };
    !bytes.iter().fold(!0, |rest, byte| (0..8).fold(rest ^ u32::from(*byte), shift))
}

#[cfg(test)]
mod tests {
    use super::{adler, crc, portrait};

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn each_colour_is_another_picture() {
        let (red, blue) = (portrait([255, 0, 0]), portrait([0, 0, 255]));
        assert!(red.starts_with(b"\x89PNG\r\n\x1a\n") && red.len() == blue.len());
        assert_ne!(red, blue);
    }
}
