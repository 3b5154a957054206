//! The frames by which each side tells how people call themselves and look.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use drawbridge_adapter::{Picture, Profile};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// `profile`, from the app: how a user of its is called and looks from now on.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppProfile {
    /// Its id, as of an event: unique among all that this partner ever sends.
    #[schemars(regex(pattern = r"^[!-~]{1,128}$"))]
    pub(crate) id: String,
    /// Who: an enlisted user.
    #[schemars(regex(pattern = r"^[a-z0-9._-]{1,128}$"))]
    pub(crate) user: String,
    /// The name shown to others from now on; `null` if there is none any more, absent if it is as it
    /// was.
    #[serde(default)]
    #[schemars(with = "Option<String>", length(min = 1, max = 256))]
    pub(crate) name: Told<String>,
    /// The picture from now on; `null` if there is none any more, absent if it is as it was.
    #[serde(default)]
    #[schemars(with = "Option<AppAvatar>")]
    pub(crate) avatar: Told<AppAvatar>,
}

/// What a frame tells of one thing.
#[derive(Default)]
pub(crate) enum Told<T> {
    /// Nothing: it is absent.
    #[default]
    AsItWas,
    /// There is none any more: it is `null`.
    Gone,
    /// It is this.
    Now(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(from)?.map_or(Self::Gone, Self::Now))
    }
}

/// A user's picture, from the app.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AppAvatar {
    /// Its bytes in base64 (RFC 4648, section 4, padded): PNG, JPEG, GIF or WebP, at most 65,536 bytes
    /// before they are encoded.
    #[schemars(length(min = 4, max = 87384))]
    pub(crate) data: String,
}

impl AppAvatar {
    /// The longest that [`Picture::MAX`] bytes can be.
    const MAX_DATA: usize = Picture::MAX.div_ceil(3) * 4;

    /// The bytes; `None` if they cannot be read, or are too many, or none.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let fits = self.data.len() <= Self::MAX_DATA;
        let bytes = fits.then(|| BASE64_STANDARD.decode(&self.data)).and_then(Result::ok)?;
        (1..=Picture::MAX).contains(&bytes.len()).then_some(bytes)
    }
}

/// `profile`, from the bridge: how somebody elsewhere is called and looks from now on, to one of the
/// app's users alone.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ProfileFrame {
    /// The id of this frame. A repeat bears the same.
    pub(crate) id: String,
    /// Who is so: `network:id`.
    pub(crate) from: String,
    /// To whom it is shown, and to nobody else: an enlisted user.
    pub(crate) to: String,
    /// The display name; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The picture; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avatar: Option<BridgeAvatar>,
}

/// Somebody's picture, from the bridge.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BridgeAvatar {
    /// What its bytes are: `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub(crate) mime: String,
    /// The SHA-256 hash of its bytes, in hexadecimal digits.
    pub(crate) sha256: String,
    /// Its bytes in base64; at most 65,536 of them before they are encoded.
    pub(crate) data: String,
}

impl ProfileFrame {
    /// The whole of what is shown.
    pub(crate) fn of(id: String, profile: &Profile) -> Self {
        let picture = profile.shown.picture.as_ref();
        Self {
            id,
            from: profile.of.to_string(),
            to: profile.to.id().to_owned(),
            name: profile.shown.name.clone(),
            avatar: picture.map(|picture| BridgeAvatar {
                mime: picture.mime.clone(),
                sha256: picture.sha256.to_string(),
                data: BASE64_STANDARD.encode(&picture.bytes),
            }),
        }
    }
}
