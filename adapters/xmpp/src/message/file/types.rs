//! What the names of files say of their types, and which type is a voice note.

/// Extensions that clients use, with their types. Of several for one type the first is written.
const TYPES: &[(&str, &str)] = &[
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("heic", "image/heic"),
    ("svg", "image/svg+xml"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("mkv", "video/x-matroska"),
    ("3gp", "video/3gpp"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("opus", VOICE),
    ("m4a", "audio/mp4"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("wav", "audio/wav"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("zip", "application/zip"),
];

/// How a voice note is written.
pub(crate) const VOICE: &str = "audio/ogg; codecs=opus";

/// The type that a name's extension tells.
pub(super) fn of_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map(|(_, mime)| *mime)
}

/// The extension that tells a type.
pub(crate) fn extension_of(mime: &str) -> Option<&'static str> {
    TYPES.iter().find(|(_, known)| *known == mime).map(|(extension, _)| *extension)
}

/// Whether a type is that of recorded speech: XMPP has no other mark for it.
pub(super) fn is_voice(mime: &str) -> bool {
    let mime = mime.to_ascii_lowercase();
    let (mime, parameters) = mime.split_once(';').unwrap_or((&mime, ""));
    let opus = |parameter: &str| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim() == "codecs" && value.trim().trim_matches('"') == "opus"
        })
    };
    match mime.trim() {
        "audio/opus" => true,
        "audio/ogg" => parameters.split(';').any(opus),
        _ => false,
    }
}
