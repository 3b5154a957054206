//! Files that clients send.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use drawbridge_adapter::MediaKind;

/// A file on disk, and what a client says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFile {
    /// As what it is sent, and shown.
    pub kind: MediaKind,
    /// Its name.
    pub name: String,
    /// Its MIME type.
    pub mime: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is written with it.
    pub caption: Option<String>,
    /// How long it plays.
    pub duration: Option<Duration>,
    /// How wide it is, in pixels.
    pub width: Option<u32>,
    /// How high it is, in pixels.
    pub height: Option<u32>,
    /// What is shown of it until it is there.
    pub blurhash: Option<String>,
    /// How loud it is from beginning to end.
    pub waveform: Vec<u16>,
    /// Where a small picture of it lies: a PNG of one pixel.
    pub thumbnail: Option<PathBuf>,
}

/// The type of small pictures.
pub(crate) const SMALL: &str = "image/png";

/// What is said of a file, or shown of it, that some network has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Waveform,
}

/// What is lost of files from a network and to it, and why. All else crosses in all directions.
const LOST: &[(&str, Part, &str)] =
    &[("xmpp", Part::Waveform, "no extension says how loud a voice note is")];

/// Heads by which any library knows what a file is. The picture is a whole one.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\
    \rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82";
const WEBM: &[u8] =
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm";
const OPUS: &[u8] =
    b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01\x38\x01\
    \x80\xbb\0\0\0\0\0";
const FLAC: &[u8] = b"fLaC\0\0\0\x22\x10\0\x10\0";
const PDF: &[u8] = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n";

impl SampleFile {
    /// A file of this kind in this folder, of about so many bytes, which no other one shares.
    pub fn new(folder: &Path, kind: MediaKind, size: usize) -> Result<Self> {
        let (head, name, mime) = match kind {
            MediaKind::Image => (PNG, "pier.png", "image/png"),
            MediaKind::Video => (WEBM, "waves.webm", "video/webm"),
            MediaKind::Voice => (OPUS, "voice.ogg", "audio/ogg"),
            MediaKind::Audio => (FLAC, "song.flac", "audio/flac"),
            MediaKind::Document => (PDF, "plan — Zoë.pdf", "application/pdf"),
        };
        let number = getrandom::u64()?;
        let path = folder.join(format!("{number:016x}.sample"));
        let mut file = io::BufWriter::new(File::create(&path)?);
        file.write_all(head)?;
        let mut state = number;
        for _ in 0..size.saturating_sub(head.len()) / 8 {
            // SplitMix64: nothing that could be packed.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            file.write_all(&(mixed ^ (mixed >> 27)).to_be_bytes())?;
        }
        file.flush()?;
        let (looks, waveform): (_, &[u16]) = match kind {
            MediaKind::Image => (Some((1280, 720, "LEHV6nWB2yk8pyo0adR*.7kCMdnj")), &[]),
            MediaKind::Video => (Some((480, 854, "LGF5]+Yk^6#M@-5c,1J5@[or[Q6.")), &[]),
            MediaKind::Voice => (None, &[0, 310, 1024, 512, 40]),
            MediaKind::Audio | MediaKind::Document => (None, &[]),
        };
        let thumbnail = looks.map(|_| path.with_extension("small"));
        if let Some(thumbnail) = &thumbnail {
            fs::write(thumbnail, PNG)?;
        }
        let plays = matches!(kind, MediaKind::Video | MediaKind::Voice | MediaKind::Audio);
        Ok(Self {
            kind,
            name: name.to_owned(),
            mime: mime.to_owned(),
            path,
            caption: None,
            duration: plays.then_some(Duration::from_millis(2500)),
            width: looks.map(|(width, ..)| width),
            height: looks.map(|(_, height, _)| height),
            blurhash: looks.map(|(.., blurhash)| blurhash.to_owned()),
            waveform: waveform.to_vec(),
            thumbnail,
        })
    }

    /// What is left of it between these two networks.
    #[must_use]
    pub fn between(&self, from: &str, to: &str) -> Self {
        let mut left = self.clone();
        for (_, part, _) in LOST.iter().filter(|(network, ..)| [from, to].contains(network)) {
            match part {
                Part::Waveform => left.waveform.clear(),
            }
        }
        left
    }

    /// Whether its small picture, if it has one, is the one that lies there, and no other does.
    pub fn has_small(&self, there: Option<&Path>) -> Result<bool> {
        Ok(match (&self.thumbnail, there) {
            (None, None) => true,
            (Some(own), Some(there)) => fs::read(own)? == fs::read(there)?,
            _ => false,
        })
    }

    /// The same, with this written to it.
    #[must_use]
    pub fn with_caption(self, caption: &str) -> Self {
        Self { caption: Some(caption.to_owned()), ..self }
    }

    /// How many bytes it has.
    pub fn size(&self) -> Result<u64> {
        let path = &self.path;
        let metadata = path.metadata().with_context(|| format!("no file: {}", path.display()))?;
        Ok(metadata.len())
    }

    /// Whether the file there has the same bytes.
    pub fn is_same_as(&self, other: &Path) -> Result<bool> {
        let (mut one, mut other) = (File::open(&self.path)?, File::open(other)?);
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let (mut a, mut b) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            let read = one.read(&mut a)?;
            if read == 0 {
                return Ok(true);
            }
            match other.read_exact(&mut b[..read]) {
                Ok(()) if a[..read] == b[..read] => {}
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
