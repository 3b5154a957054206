//! How people call themselves and look.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Sha256, UserId};

/// What has changed in how a user of the adapter's network calls themselves or looks. See
/// [`crate::Bridge::profile`].
#[derive(Clone, PartialEq, Eq)]
pub struct ProfileChange {
    /// Who.
    pub user: UserId,
    /// The display name from now on, empty if there is none; `None` if that is as it was.
    pub name: Option<String>,
    /// The picture from now on; `None` if that is as it was.
    pub picture: Option<NewPicture>,
}

impl ProfileChange {
    /// Nothing yet.
    pub fn of(user: UserId) -> Self {
        Self { user, name: None, picture: None }
    }

    /// With this name from now on, or none.
    #[must_use]
    pub fn name(self, name: Option<&str>) -> Self {
        Self { name: Some(name.unwrap_or_default().to_owned()), ..self }
    }

    /// With this picture from now on.
    #[must_use]
    pub fn picture(self, picture: NewPicture) -> Self {
        Self { picture: Some(picture), ..self }
    }
}

/// Never the name.
impl fmt::Debug for ProfileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile of {:?}", self.user)
    }
}

/// A user's picture, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum NewPicture {
    /// There is none any more.
    Gone,
    /// It is on the adapter's own network, in a form of its own of at most [`NewPicture::MAX_AT`] bytes:
    /// [`crate::Adapter::picture`] fetches it, once there is somebody who may see it. Another picture
    /// is somewhere else.
    At(String),
    /// It came with the word of it. At most [`Picture::MAX`] bytes.
    Here(Vec<u8>),
}

impl NewPicture {
    /// The longest word on where a picture is, in bytes.
    pub const MAX_AT: usize = 2048;
}

/// Never where, nor the picture.
impl fmt::Debug for NewPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "no picture",
            Self::At(_) => "picture elsewhere",
            Self::Here(_) => "picture",
        })
    }
}

/// A user's picture, as the daemon has looked at it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// What its bytes are: one of [`Picture::TYPES`].
    pub mime: String,
    /// Their hash.
    pub sha256: Sha256,
    /// They; at most [`Picture::MAX`] bytes.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// The largest, in bytes: one that fits a stanza. A larger one does not cross.
    pub const MAX: usize = 64 * 1024;
    /// What crosses as a picture of somebody.
    pub const TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
}

/// Never the picture, nor its hash.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "picture of {} bytes", self.bytes.len())
    }
}

/// How a user of another network is shown to one user of the adapter's.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The display name, without characters that disturb what stands around it, and marked if it could
    /// be taken for somebody else's; `None` if none is known. The network's label is not in it.
    pub name: Option<String>,
    /// The picture, if there is one.
    pub picture: Option<Arc<Picture>>,
}

/// Never the name.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shown with {:?}", self.picture)
    }
}

/// A user of another network is shown so from now on to a user of the adapter's network: to that one
/// alone. See [`crate::Command::Profile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Who is shown; as that user's ghost.
    pub of: UserId,
    /// To whom.
    pub to: UserId,
    /// How.
    pub shown: Shown,
}
