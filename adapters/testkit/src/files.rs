//! Files to send: one of each kind.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use drawbridge_adapter::{MediaKind, Sha256, Spooled};
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
    let filling = (0..300_000_u32).map(|place| place.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    Sample {
        kind,
        name: name.to_owned(),
        mime: mime.to_owned(),
        bytes: head.iter().copied().chain(filling).collect(),
        caption: caption.map(str::to_owned),
        duration: duration.then_some(Duration::from_millis(2500)),
    }
}
