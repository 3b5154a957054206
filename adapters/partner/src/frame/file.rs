//! Files, and how their bytes are asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use drawbridge_adapter::FileInfo;

/// The content of an event that brings a file: `image`, `video`, `voice`, `audio` or `document`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppFile {
    /// Where it is, and what is said of it.
    #[serde(flatten)]
    pub(crate) said: AppFileInfo,
    /// How long it plays, in milliseconds.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(crate) duration_ms: Option<Number>,
    /// How loud it is from beginning to end, each from 0 to 1024; at most 256 steps count.
    #[serde(default)]
    pub(crate) waveform: Option<Vec<Number>>,
    /// What is shown of a picture before it is there (<https://blurha.sh>).
    #[serde(default)]
    #[schemars(length(max = 166))]
    pub(crate) blurhash: Option<String>,
    /// What is written with it.
    #[serde(default)]
    pub(crate) caption: Option<String>,
    /// The same in Markdown, if it is formatted, or names somebody.
    #[serde(default)]
    pub(crate) caption_markdown: Option<String>,
    /// A small picture of it, of at most 512 KiB.
    #[serde(default)]
    pub(crate) thumbnail: Option<AppFileInfo>,
}

/// Where a file of the app's is, and what is said of it.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppFileInfo {
    /// The app's own name for it, by which the bridge asks for it with `fetch`; else `url`.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub(crate) file: Option<String>,
    /// Where the bridge finds it, if the partner hosts it: `https`; else `file`.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub(crate) url: Option<String>,
    /// How it is called. What no file system takes is replaced or left away.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Its MIME type, without parameters.
    #[serde(default)]
    pub(crate) mime: Option<String>,
    /// How many bytes it has.
    #[serde(default)]
    pub(crate) size: Option<u64>,
    /// The SHA-256 hash of its bytes, in hexadecimal digits.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{64}$"))]
    pub(crate) sha256: Option<String>,
    /// How wide the picture is, in pixels.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) width: Option<Number>,
    /// How high the picture is, in pixels.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) height: Option<Number>,
}

/// The content of an event that brings a file, from the bridge.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BridgeFile {
    /// Where it is, and what is known of it.
    #[serde(flatten)]
    pub(crate) info: BridgeFileInfo,
    /// How long it plays, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
    /// How loud it is from beginning to end, each from 0 to 1024.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub(crate) waveform: Vec<u16>,
    /// What is shown of a picture before it is there (<https://blurha.sh>).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blurhash: Option<String>,
    /// What was written with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caption: Option<String>,
    /// The same in Markdown, if anything is formatted and the app shows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caption_markdown: Option<String>,
    /// A small picture of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thumbnail: Option<BridgeFileInfo>,
}

/// Where a file of the bridge's is, and what is known of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BridgeFileInfo {
    /// Where the app gets it, until it acknowledges the event.
    pub(crate) url: String,
    /// How it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Its MIME type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mime: Option<String>,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// The SHA-256 hash of its bytes, in hexadecimal digits.
    pub(crate) sha256: String,
    /// How wide the picture is, in pixels, as its sender's client said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    /// How high the picture is, in pixels, as its sender's client said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u32>,
}

impl BridgeFileInfo {
    /// What is known of these bytes, which lie there.
    pub(crate) fn of(url: String, file: &drawbridge_adapter::Spooled, info: &FileInfo) -> Self {
        Self {
            url,
            name: info.name.clone(),
            mime: info.mime.clone(),
            size: file.size(),
            sha256: file.sha256().to_string(),
            width: info.width,
            height: info.height,
        }
    }
}

/// `fetch`: the bridge wants a file of the app's now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FetchFrame {
    /// Its id.
    pub(crate) id: String,
    /// The file, as the app named it.
    pub(crate) file: String,
    /// Where the app puts it, by one HTTP PUT.
    pub(crate) url: String,
}

/// `fetch_failed`: the app cannot hand a file over.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct FetchFailed {
    /// The id of the `fetch`.
    pub(crate) id: String,
    /// A code of docs/codes.md: `expired`, if the app no longer has it. `rate_limited` and
    /// `network_unreachable` mean that the bridge may ask again; all others are final.
    pub(crate) code: String,
    /// With `rate_limited`: when the bridge may ask again.
    #[serde(default)]
    #[schemars(range(max = 86_400))]
    pub(crate) retry_after_seconds: Option<u32>,
}
