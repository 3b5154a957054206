//! Files: how large, from where, and as what they are shown.

use drawbridge_adapter::{Capabilities, Code, Content, Event, Level, Locator, MediaKind, Refusal};

use super::{Facts, Policy};

/// What must be known of a file's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// How large it may be, in bytes: the least of both networks' limits and the operator's.
    pub most: u64,
    /// Whether the operator lets files be fetched from where it lies, if that is a link.
    pub host_allowed: bool,
}

impl Default for FileFacts {
    fn default() -> Self {
        Self { most: u64::MAX, host_allowed: false }
    }
}

/// A file is no larger than both sides take, as far as its sender says, and lies where the operator
/// lets files be fetched.
pub(super) fn file_fits(facts: &Facts<'_>, event: &Event) -> Result<(), Refusal> {
    let Content::Media(media) = &event.content else { return Ok(()) };
    let (Locator::Own(at) | Locator::Link(at)) = &media.at else {
        return Err(Code::Malformed.into());
    };
    if !(1..=Locator::MAX).contains(&at.len()) {
        return Err(Code::Malformed.into());
    }
    if matches!(media.at, Locator::Link(_)) && !facts.file.host_allowed {
        return Err(Code::HostDenied.into());
    }
    match media.info.size {
        // A network that takes nothing at all takes no files.
        _ if facts.file.most == 0 => Err(Code::UnsupportedKind(media.kind.kind()).into()),
        Some(size) if size > facts.file.most => Err(Refusal::too_large(facts.file.most)),
        _ => Ok(()),
    }
}

/// As what a network shows a file of this kind; `None` if it cannot.
pub fn carried_as(kind: MediaKind, target: &Capabilities) -> Option<MediaKind> {
    let stands_in: &[MediaKind] = match kind {
        MediaKind::Voice => &[MediaKind::Audio, MediaKind::Document],
        _ => &[MediaKind::Document],
    };
    match target.level(kind.kind()) {
        Level::Rejected => None,
        Level::Fallback => {
            let shown = |kind: &&MediaKind| target.level(kind.kind()) > Level::Fallback;
            stands_in.iter().find(shown).copied()
        }
        Level::Partial | Level::Full => Some(kind),
    }
}

/// Whether a file that turned out to be of this kind may cross after all: it came under another.
pub fn may_turn_out(kind: MediaKind, policies: [&Policy; 2]) -> Result<(), Refusal> {
    let denied = |policy: &&Policy| policy.denied.contains(&kind.kind());
    if policies.iter().any(denied) {
        return Err(Code::UnsupportedKind(kind.kind()).into());
    }
    Ok(())
}

/// The type of bytes of which nothing is known.
const UNKNOWN: &str = "application/octet-stream";

/// As what a file is shown, and its true MIME type: `declared` is its sender's word, `found` what a
/// library makes of its first bytes, `head`.
///
/// A picture, a film or a sound must be one. What cannot be told from its bytes goes as a document; what
/// is something else than it claims is refused. Among pictures, and among films and sounds, the bytes
/// have the last word on which it is.
pub fn shown_as(
    kind: MediaKind,
    declared: Option<&str>,
    found: Option<&str>,
    head: &[u8],
) -> Result<(MediaKind, String), Refusal> {
    let mismatch = || Err(Refusal::from(Code::MediaTypeMismatch));
    let said = declared.map_or(Family::Any, family);
    let claimed = match kind {
        MediaKind::Image => Family::Picture,
        MediaKind::Video | MediaKind::Voice | MediaKind::Audio => Family::Sound,
        MediaKind::Document => said,
    };
    // What is read as text is what it says, whichever word it begins with; a drawing of text, too.
    let by_word = match (kind, said) {
        (MediaKind::Document, Family::Text) => true,
        (MediaKind::Document | MediaKind::Image, _) => {
            declared == Some(SVG) && found.is_none_or(|found| family(found) == Family::Text)
        }
        _ => false,
    };
    let Some(found) = found.filter(|_| !(by_word && is_text(head))) else {
        // A drawing of text is no picture that may be shown in place: it can hold programs.
        let mime = declared.filter(|_| !matches!(said, Family::Picture | Family::Sound));
        let drawing = declared.filter(|mime| *mime == SVG);
        return Ok((MediaKind::Document, mime.or(drawing).unwrap_or(UNKNOWN).to_owned()));
    };
    let is = family(found);
    // Some write types that were never registered with an x- before them, and some do not.
    let plain = |mime: &str| mime.replacen("/x-", "/", 1);
    let same = |said: &&str| {
        // Matroska looks like WebM, which is one.
        plain(said) == plain(found) || (said.ends_with("/x-matroska") && found == "video/webm")
    };
    let found = declared.filter(same).unwrap_or(found);
    match (kind, is) {
        (MediaKind::Document, _) => match (said, is) {
            (Family::Any, _) => Ok((kind, found.to_owned())),
            _ if said == is => Ok((kind, more_exact(declared, found))),
            _ => mismatch(),
        },
        _ if found == SVG && claimed == Family::Picture => {
            Ok((MediaKind::Document, SVG.to_owned()))
        }
        _ if claimed != is || (said != Family::Any && said != claimed) => mismatch(),
        (MediaKind::Voice, _) if !is_ogg(found) => Ok((MediaKind::Audio, as_sound(found))),
        (MediaKind::Voice | MediaKind::Audio, _) => Ok((kind, as_sound(found))),
        // Films and sounds lie in the same containers.
        (MediaKind::Video, _) => Ok((kind, found.replacen("audio/ogg", "video/ogg", 1))),
        (MediaKind::Image, _) => Ok((kind, found.to_owned())),
    }
}

const SVG: &str = "image/svg+xml";

fn is_ogg(mime: &str) -> bool {
    matches!(mime, "audio/ogg" | "audio/opus" | "video/ogg" | "application/ogg")
}

/// The type of a sound in a container that films lie in too.
fn as_sound(found: &str) -> String {
    match found {
        "application/ogg" | "video/ogg" | "audio/opus" => "audio/ogg".to_owned(),
        "video/webm" => "audio/webm".to_owned(),
        "video/mp4" | "video/quicktime" | "video/x-m4v" | "audio/m4a" => "audio/mp4".to_owned(),
        _ => found.to_owned(),
    }
}

/// The declared type of a document whose bytes are of the same family: a text file's or an archive's
/// bytes do not tell which it is.
fn more_exact(declared: Option<&str>, found: &str) -> String {
    let declared = declared.filter(|mime| matches!(family(mime), Family::Archive | Family::Text));
    declared.unwrap_or(found).to_owned()
}

/// Whether the beginning of a file is text.
fn is_text(head: &[u8]) -> bool {
    let read = match std::str::from_utf8(head) {
        Ok(_) => true,
        // The head may end within a character.
        Err(error) => error.error_len().is_none(),
    };
    read && !head.contains(&0)
}

/// Types that are taken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Picture,
    Sound,
    Page,
    Pdf,
    Program,
    Archive,
    Text,
    /// Anything: the bytes say what it is.
    Any,
}

fn family(mime: &str) -> Family {
    let (class, name) = mime.split_once('/').unwrap_or_default();
    match (class, name) {
        ("image", _) => Family::Picture,
        ("audio" | "video", _) | ("application", "ogg" | "mp4") => Family::Sound,
        ("text", "html") | ("application", "xhtml+xml") => Family::Page,
        ("application", "pdf") => Family::Pdf,
        (
            "application",
            "x-executable"
            | "x-elf"
            | "x-mach-binary"
            | "wasm"
            | "x-dex"
            | "x-coff"
            | "vnd.microsoft.portable-executable"
            | "x-msdownload"
            | "x-sharedlib",
        ) => Family::Program,
        ("text", name) if name != "rtf" => Family::Text,
        ("application", "json" | "xml") => Family::Text,
        ("text", _) => Family::Archive,
        ("application", name)
            if name.starts_with("vnd.openxmlformats")
                || name.starts_with("vnd.oasis")
                || name.starts_with("vnd.ms-")
                || name.ends_with("+zip")
                || ARCHIVES.contains(&name) =>
        {
            Family::Archive
        }
        _ => Family::Any,
    }
}

/// Archives, and what is one inside.
const ARCHIVES: &[&str] = &[
    "zip",
    "gzip",
    "x-gzip",
    "x-tar",
    "x-compressed-tar",
    "x-bzip2",
    "x-xz",
    "zstd",
    "x-7z-compressed",
    "vnd.rar",
    "x-rar-compressed",
    "x-rar",
    "x-zip-compressed",
    "java-archive",
    "vnd.android.package-archive",
    "msword",
    // Called so by some that write it.
    "rtf",
    "x-ole-storage",
    "x-cfb",
];
