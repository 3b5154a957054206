//! The small picture of a file, on its way to a place of its own (XEP-0264 names it). It is worth less
//! than the message: what goes wrong with it leaves it away.

use std::time::Duration;

use drawbridge_adapter::{Attached, Bridge, DeliveryError, FileInfo, Media, MediaKind, Spooled};
use tokio::time::timeout;

use super::{Uploads, before, client, name_of, put, slot};
use crate::message::Small;

/// The types that clients show.
const TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/// How long the message waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

impl Uploads {
    /// Uploads the small picture of a file, if there is one. An error is the connection's alone.
    pub(super) async fn share_small(
        &self,
        media: &Media,
        attached: &Attached,
        ghost: &str,
        bridge: &Bridge,
    ) -> Result<Option<Small>, DeliveryError> {
        let (Some(said), Some(file)) = (&media.thumbnail, &attached.thumbnail) else {
            return Ok(None);
        };
        let mime = said.info.mime.as_deref();
        let Some(mime) = mime.and_then(|mime| TYPES.into_iter().find(|known| *known == mime))
        else {
            return Ok(None);
        };
        let laying = self.lay_small(mime, file, ghost, bridge);
        let link = timeout(PATIENCE, laying).await.unwrap_or(Ok(None))?;
        let FileInfo { width, height, .. } = said.info;
        Ok(link.map(|link| Small { link, mime: mime.to_owned(), width, height }))
    }

    /// Where it lies now.
    async fn lay_small(
        &self,
        mime: &'static str,
        file: &Spooled,
        ghost: &str,
        bridge: &Bridge,
    ) -> Result<Option<String>, DeliveryError> {
        let service = match self.service(bridge).await {
            Err(DeliveryError::Disconnected) => return Err(DeliveryError::Disconnected),
            found => found.ok().flatten(),
        };
        let size = file.size();
        let Some(service) = service.filter(|service| service.max.is_none_or(|max| size <= max))
        else {
            return Ok(None);
        };
        let named = Some("thumbnail".to_owned());
        let info = FileInfo { name: named, mime: Some(mime.to_owned()), ..FileInfo::default() };
        let name = name_of(MediaKind::Image, &info);
        let query = |id: &str| slot::ask(ghost, &service.jid, id, &name, mime, size);
        // Longer than anybody waits here: so what fails is the connection, and no silence.
        let asked = self.outward.ask_within(PATIENCE * 2, &service.jid, query).await;
        let answer = asked.map_err(before)?;
        let Ok(slot) = slot::read(&answer, &self.chosen.plain, bridge.now()) else {
            return Ok(None);
        };
        let Some(http) = self.http.get_or_init(client) else { return Ok(None) };
        let link = slot.link.clone();
        Ok(put::put(http, slot, mime, file).await.ok().map(|()| link))
    }
}

#[cfg(test)]
#[path = "small_tests.rs"]
mod tests;
