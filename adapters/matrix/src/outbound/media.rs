//! Files: taken to the homeserver first, then said as any message.

use drawbridge_adapter::{
    Attached, Code, Delivered, Delivery, DeliveryError, Media, Message, Refusal, Spooled,
};
use ruma::OwnedUserId;

use super::message::KEY;
use super::words;
use crate::cache::Cache;
use crate::core::Core;
use crate::homeserver::CallError;
use crate::mxc::Mxc;

/// Files whose addresses are at hand, in case what follows has to be tried again.
const AT_HAND: usize = 1_000;

/// Where the files of deliveries were taken, by the key of each.
pub(crate) struct Uploads(Cache<String, Mxc>);

impl Uploads {
    pub(crate) fn new() -> Self {
        Self(Cache::new(AT_HAND))
    }
}

impl Core {
    /// Shows a file to a Matrix user.
    pub(super) async fn show_file(
        &self,
        delivery: &Delivery,
        (message, media): (&Message, &Media),
        (user, ghost): (&OwnedUserId, &OwnedUserId),
    ) -> Result<Delivered, DeliveryError> {
        let refused = |code: Code, why| DeliveryError::Refused { refusal: code.into(), why };
        let Some(Attached { file, thumbnail }) = &delivery.attached else {
            return Err(refused(Code::Malformed, "a file came without its bytes"));
        };
        if !self.exists(user).await? {
            return Err(refused(Code::NotReachable, "no such user of the homeserver"));
        }
        let speaker = message.from.name.as_deref();
        let name = words::file_name(media);
        let said = (&*name, media.info.mime.as_deref());
        let at = self.take_up(&delivery.key, ghost, said, file).await?;
        let mut small = None;
        if let (Some(thumbnail), Some(bytes)) = (&media.thumbnail, thumbnail) {
            let key = format!("{}-thumbnail", delivery.key);
            let said = ("thumbnail", thumbnail.info.mime.as_deref());
            match self.take_up(&key, ghost, said, bytes).await {
                Ok(at) => small = Some((at, &thumbnail.info, bytes.size())),
                // The file is worth more than the small picture of it.
                Err(DeliveryError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut content = words::file(media, (&at, &name), small, &self.names);
        content[KEY] = delivery.key.as_str().into();
        self.show(delivery, speaker, (user, ghost), (&content, message.reply.as_ref())).await
    }

    /// Takes a file to the homeserver, if an earlier try has not.
    async fn take_up(
        &self,
        key: &str,
        ghost: &OwnedUserId,
        (name, mime): (&str, Option<&str>),
        file: &Spooled,
    ) -> Result<Mxc, DeliveryError> {
        if let Some(known) = self.uploads.0.get(&key.to_owned()) {
            return Ok(known);
        }
        let mime = mime.unwrap_or("application/octet-stream");
        let mut again = true;
        loop {
            self.ensure(ghost).await?;
            match self.homeserver.upload(ghost, (name, mime), file).await {
                Ok(at) => {
                    self.uploads.0.put(key.to_owned(), at.clone());
                    return Ok(at);
                }
                // The homeserver was set up anew, and knows no such ghost.
                Err(error) if again && error.is_forbidden() => {
                    again = false;
                    self.ghosts.forget(ghost);
                }
                Err(error) => return Err(self.untaken(error, file)),
            }
        }
    }

    /// Why a file was not taken. Nothing of it shows: to try again does no harm.
    fn untaken(&self, error: CallError, file: &Spooled) -> DeliveryError {
        let retry = |why| DeliveryError::Retry { after: None, why };
        // Synapse hangs up on a body that is larger than any that it takes.
        let larger = file.size() > self.homeserver.max_file() && error == CallError::Unanswered;
        let refused = matches!(&error, CallError::Refused { status: 413, .. });
        if larger || refused || error.says("M_TOO_LARGE") {
            self.homeserver.forget_max_file();
            let limit = Some(self.homeserver.max_file()).filter(|limit| *limit < file.size());
            // Something on the way may take less than the homeserver says.
            let refusal = limit.map_or(Code::MediaTooLarge.into(), Refusal::too_large);
            return DeliveryError::Refused { refusal, why: "the file is too large for it" };
        }
        match error {
            CallError::Unanswered | CallError::Oversized => {
                retry("the homeserver did not answer to a file")
            }
            CallError::Failed { .. } => retry("the homeserver failed to take a file"),
            CallError::Refused { status, .. } if status != 401 => DeliveryError::Refused {
                refusal: Code::Forbidden.into(),
                why: "the homeserver takes no such file",
            },
            error => error.into(),
        }
    }
}
