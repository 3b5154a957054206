//! Files that people send: what is known of one, where its bytes are, and the bytes themselves.

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Kind, Text};

/// A file that somebody sends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// As what it is shown.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub at: Locator,
    /// What is said of it. In an event that is the source's word, and nothing in it need be true; in a
    /// command the size, the type and the hash are those of the bytes.
    pub info: FileInfo,
    /// A small picture of it, if its sender's client made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
    /// What was written with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<Text>,
}

impl Media {
    /// How many bytes of the sender's are in it: those of the file, as far as that is known, and what
    /// was written with it.
    pub fn size(&self) -> usize {
        let file = self.info.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        file.saturating_add(self.caption.as_ref().map_or(0, Text::size))
    }
}

/// Never what it is called, or what was written with it.
impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?} bytes", self.kind.kind(), self.info.size)
    }
}

/// As what a file is shown.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A moving picture.
    Video,
    /// Recorded speech, played in place.
    Voice,
    /// Any other sound.
    Audio,
    /// A file to be opened elsewhere.
    Document,
}

impl MediaKind {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Image, Self::Video, Self::Voice, Self::Audio, Self::Document];

    /// The kind of an event that brings such a file.
    pub fn kind(self) -> Kind {
        match self {
            Self::Image => Kind::Image,
            Self::Video => Kind::Video,
            Self::Voice => Kind::Voice,
            Self::Audio => Kind::Audio,
            Self::Document => Kind::Document,
        }
    }

    /// As what a file of this MIME type is shown, where nothing else says so; a voice note is one by
    /// its sender's word only.
    pub fn of_mime(mime: &str) -> Self {
        let class = mime.split('/').next().unwrap_or_default();
        let class = class.trim().to_ascii_lowercase();
        match class.as_str() {
            // A drawing of text can hold programs.
            "image" if mime.to_ascii_lowercase().contains("svg") => Self::Document,
            "image" => Self::Image,
            "video" => Self::Video,
            "audio" => Self::Audio,
            _ => Self::Document,
        }
    }
}

/// Where the bytes of a file are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Locator {
    /// On the adapter's own network, in a form of its own of at most [`Locator::MAX`] bytes:
    /// [`crate::Adapter::open`] opens it. Only in an event.
    Own(String),
    /// Under this address, `https:` or `http:`, of at most [`Locator::MAX`] bytes. The daemon fetches
    /// it itself, if its host is one that the operator allows. Only in an event.
    Link(String),
    /// In [`crate::Delivery::attached`]. Only in a command.
    Attached,
}

impl Locator {
    /// The longest, in bytes.
    pub const MAX: usize = 2048;
}

/// Never where: it may hold a token.
impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own(_) => "own",
            Self::Link(_) => "link",
            Self::Attached => "attached",
        })
    }
}

/// What is said of a file.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// How it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its MIME type (RFC 2045), without parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// How many bytes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The hash of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// How wide the picture is, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// How high the picture is, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// How loud it is, from its beginning to its end, each from 0 to [`FileInfo::LOUDEST`] (MSC3246);
    /// empty if that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waveform: Vec<u16>,
    /// What is shown of a picture before it is there (<https://blurha.sh>).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blurhash: Option<String>,
}

impl FileInfo {
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 255;
    /// The longest MIME type, in bytes.
    pub const MAX_MIME: usize = 127;
    /// The most steps of a waveform.
    pub const MAX_WAVEFORM: usize = 256;
    /// The loudest step of a waveform.
    pub const LOUDEST: u16 = 1024;
    /// The longest blurhash, in bytes.
    pub const MAX_BLURHASH: usize = 166;
    /// The widest and the highest picture, in pixels.
    pub const MAX_PIXELS: u32 = 1 << 20;
    /// The longest duration.
    pub const LONGEST: Duration = Duration::from_hours(7 * 24);

    /// The same, without what cannot be: a name is one that any file system takes, and what is out of
    /// its bounds is left away.
    #[must_use]
    pub fn clean(self) -> Self {
        let pixels = |count: &u32| (1..=Self::MAX_PIXELS).contains(count);
        let mut waveform = self.waveform;
        waveform.truncate(Self::MAX_WAVEFORM);
        for step in &mut waveform {
            *step = (*step).min(Self::LOUDEST);
        }
        Self {
            name: self.name.as_deref().and_then(clean_name),
            mime: self.mime.as_deref().and_then(clean_mime),
            size: self.size,
            sha256: self.sha256,
            width: self.width.filter(pixels),
            height: self.height.filter(pixels),
            duration: self.duration.filter(|duration| *duration <= Self::LONGEST),
            waveform,
            blurhash: self.blurhash.filter(|hash| is_blurhash(hash)),
        }
    }
}

/// Never the name.
impl fmt::Debug for FileInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file of {:?} bytes", self.size)
    }
}

/// Names that mean a device on some systems, whatever follows their first dot.
const DEVICES: [&str; 8] = ["con", "prn", "aux", "nul", "com", "lpt", "conin$", "conout$"];

/// A name that shows what it is, and that any file system takes; `None` if nothing is left of it.
fn clean_name(name: &str) -> Option<String> {
    // What stands before the last separator is the sender's own folder.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let odd = |c: char| c.is_control() || is_invisible(c);
    let safe = |c| if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c };
    let name: String = name.chars().filter(|c| !odd(*c)).map(safe).collect();
    let name = ending_well(name.trim_start());
    let (stem, rest) = name.split_once('.').map_or((name, None), |(stem, rest)| (stem, Some(rest)));
    let plain = stem.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || "¹²³".contains(c));
    let is_device = DEVICES.contains(&plain.to_ascii_lowercase().as_str());
    let name = match (is_device, rest) {
        (false, _) => name.to_owned(),
        (true, None) => format!("{stem}_"),
        (true, Some(rest)) => format!("{stem}_.{rest}"),
    };
    let name = shortened(&name);
    let name = ending_well(&name);
    (!name.trim_start_matches(['.', ' ']).is_empty()).then(|| name.to_owned())
}

/// Without the dots and spaces at the end, which some systems pass over.
fn ending_well(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// A name of at most [`FileInfo::MAX_NAME`] bytes, with its extension.
fn shortened(name: &str) -> String {
    if name.len() <= FileInfo::MAX_NAME {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= 16 { extension } else { "" };
    let end = name.floor_char_boundary(FileInfo::MAX_NAME - extension.len());
    format!("{}{extension}", &name[..end])
}

/// What has no width or turns the direction of what stands around it: `photo\u{202e}gpj.exe` would be
/// shown as a picture.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fffe}' | '\u{ffff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The type alone, in lower case; `None` if it is none.
fn clean_mime(mime: &str) -> Option<String> {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (class, name) = mime.split_once('/')?;
    let token = |text: &str| {
        let of = |c: u8| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c);
        !text.is_empty() && text.bytes().all(of)
    };
    (mime.len() <= FileInfo::MAX_MIME && token(class) && token(name)).then_some(mime)
}

fn is_blurhash(text: &str) -> bool {
    let of = |c: u8| c.is_ascii_alphanumeric() || b"#$%*+,-.:;=?@[]^_{|}~".contains(&c);
    (6..=FileInfo::MAX_BLURHASH).contains(&text.len()) && text.bytes().all(of)
}

/// A small picture of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Where its bytes are.
    pub at: Locator,
    /// What is said of it.
    pub info: FileInfo,
}

impl Thumbnail {
    /// The largest, in bytes: a larger one is left away.
    pub const MAX: u64 = 512 * 1024;
}

/// A SHA-256 hash; its text form is 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Of its hex form.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let value = |digit: u8| char::from(digit).to_digit(16);
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = u8::try_from(value(*high)? * 16 + value(*low)?).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Never the hash: it names a file that many may have.
impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256")
    }
}

impl TryFrom<String> for Sha256 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_hex(&text).ok_or("not 64 hex digits")
    }
}

impl From<Sha256> for String {
    fn from(hash: Sha256) -> Self {
        hash.to_string()
    }
}

/// Bytes that come one piece after the other.
pub type Body = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A file that is on its way from the adapter's network.
pub struct Incoming {
    /// How many bytes will come, if the network says so.
    pub size: Option<u64>,
    /// They.
    pub body: Body,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "incoming file of {:?} bytes", self.size)
    }
}

/// The files of a command.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The file itself.
    pub file: Spooled,
    /// The small picture of it. Its [`Thumbnail`] may be there without it: then it could not be had.
    pub thumbnail: Option<Spooled>,
}

/// A file that lies whole on the bridge's own disk, without a name, and is gone when the last handle on
/// it is.
#[derive(Clone)]
pub struct Spooled(Arc<Lying>);

struct Lying {
    file: File,
    size: u64,
    sha256: Sha256,
    read: AtomicU64,
    _lease: Box<dyn Any + Send + Sync>,
}

/// How much of a spooled file is read at once.
const PIECE: u64 = 128 * 1024;

impl Spooled {
    /// A file of `size` bytes with this hash; `lease` is dropped when the file is gone.
    pub fn new(file: File, size: u64, sha256: Sha256, lease: impl Any + Send + Sync) -> Self {
        let (read, lease) = (AtomicU64::new(0), Box::new(lease));
        Self(Arc::new(Lying { file, size, sha256, read, _lease: lease }))
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The hash of its bytes.
    pub fn sha256(&self) -> Sha256 {
        self.0.sha256
    }

    /// How many bytes were read of it so far, by all readers: what grows is on its way.
    pub fn read_so_far(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Its bytes, from the first on. May be asked for again, for another try.
    pub fn body(&self) -> Body {
        self.from(0)
    }

    /// Its bytes, from this one on.
    pub fn from(&self, start: u64) -> Body {
        let next = |(file, at): (Self, u64)| async move {
            if at >= file.0.size {
                return None;
            }
            let lying = Arc::clone(&file.0);
            let piece = tokio::task::spawn_blocking(move || lying.piece(at)).await;
            let piece = piece.unwrap_or_else(|_| Err(io::Error::other("the reader panicked")));
            let (end, file) = match &piece {
                Ok(piece) => (at + piece.len() as u64, file),
                Err(_) => (file.0.size, file),
            };
            Some((piece, (file, end)))
        };
        Box::pin(futures_util::stream::unfold((self.clone(), start), next).fuse())
    }
}

impl Lying {
    fn piece(&self, at: u64) -> io::Result<Bytes> {
        let length = usize::try_from(PIECE.min(self.size - at)).map_err(io::Error::other)?;
        let mut piece = vec![0; length];
        self.file.read_exact_at(&mut piece, at)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(piece.into())
    }
}

impl fmt::Debug for Spooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file of {} bytes", self.0.size)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn cleaned(name: &str) -> Option<String> {
        FileInfo { name: Some(name.to_owned()), ..FileInfo::default() }.clean().name
    }

    #[test]
    fn names_are_such_as_any_system_takes() {
        for (name, clean) in [
            ("holiday.jpg", Some("holiday.jpg")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\zoe\\plan.pdf", Some("plan.pdf")),
            ("a:b?.txt", Some("a_b_.txt")),
            ("photo\u{202e}gpj.exe", Some("photogpj.exe")),
            ("in\u{200b}visible\r\n.png", Some("invisible.png")),
            ("CON", Some("CON_")),
            ("lpt1.txt", Some("lpt1_.txt")),
            ("console.txt", Some("console.txt")),
            ("trailing. . ", Some("trailing")),
            ("COM¹.txt", Some("COM¹_.txt")),
            ("Grüße 👋.ogg", Some("Grüße 👋.ogg")),
            ("..", None),
            ("/", None),
            ("\u{200b}", None),
        ] {
            assert_eq!(cleaned(name).as_deref(), clean, "{name:?}");
        }
        let long = cleaned(&format!("{}.jpeg", "é".repeat(200))).unwrap();
        assert!(long.len() <= FileInfo::MAX_NAME && long.ends_with("é.jpeg"), "{long}");
    }

    #[test]
    fn what_is_out_of_bounds_is_left_away() {
        let info = FileInfo {
            mime: Some("Image/PNG; name=x".to_owned()),
            width: Some(0),
            height: Some(600),
            duration: Some(Duration::MAX),
            waveform: vec![5000; 500],
            blurhash: Some("no hash\n".to_owned()),
            ..FileInfo::default()
        };
        let clean = info.clean();
        assert_eq!(clean.mime.as_deref(), Some("image/png"));
        assert_eq!((clean.width, clean.height, clean.duration), (None, Some(600), None));
        assert_eq!(clean.waveform, vec![1024; 256]);
        assert_eq!(clean.blurhash, None);
        for none in ["image", "image/", "a b/c", "text/<script>", "/", ""] {
            assert_eq!(clean_mime(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_clean_name_stays_as_it_is(name in ".{0,300}") {
            if let Some(clean) = cleaned(&name) {
                let odd = clean.contains(['/', '\\', ':', '\n', '\u{202e}', '\0']);
                prop_assert!(!odd);
                prop_assert!(clean.len() <= FileInfo::MAX_NAME && !clean.ends_with(['.', ' ']));
                prop_assert_eq!(cleaned(&clean), Some(clean));
            }
        }

        #[test]
        fn a_hash_is_found_again_by_its_text(hash: [u8; 32]) {
            let hash = Sha256(hash);
            prop_assert_eq!(Sha256::from_hex(&hash.to_string()), Some(hash));
        }
    }
}
