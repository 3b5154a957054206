//! How people call themselves and look, shown to those to whom they have written.

use std::sync::Arc;

use drawbridge_adapter::{NetworkId, ProfileChange, Shown, Unavailable, UserId};

use super::Crossing;

impl Crossing {
    /// See [`drawbridge_adapter::Bridge::profile`].
    #[expect(clippy::unused_async, reason = "it will write")]
    pub(super) async fn profile(
        self: &Arc<Self>,
        _source: &NetworkId,
        _change: ProfileChange,
    ) -> Result<(), Unavailable> {
        Ok(())
    }

    /// See [`drawbridge_adapter::Bridge::shown`].
    #[expect(clippy::unused_async, reason = "it will read")]
    pub(super) async fn shown(
        &self,
        _of: &UserId,
        _to: &UserId,
    ) -> Result<Option<Shown>, Unavailable> {
        Ok(None)
    }
}
