//! Uploads that are written down, by the keys of their messages: an edit of what is written with a file
//! names the file again (XEP-0308), also after a restart.

use std::time::Duration;

use drawbridge_adapter::{Bridge, FileInfo, Memo, Timestamp, Unavailable};
use tokio::time::sleep;

use crate::message::{Shared, ours};

/// What a memo of an upload begins with. The rest is the key, whose first digits are the time.
const PREFIX: &str = "upload/";
/// For how long: an edit after that takes the file away.
const KEPT: Duration = Duration::from_hours(30 * 24);
const BETWEEN_SWEEPS: Duration = Duration::from_hours(24);
const SWEPT_AT_ONCE: usize = 500;

fn memo_key(key: &str) -> String {
    format!("{PREFIX}{key}")
}

/// Writes an upload down. What a client does not show of a file is left away.
pub(super) async fn keep(key: &str, shared: &Shared, bridge: &Bridge) -> Result<(), Unavailable> {
    let info = FileInfo { waveform: Vec::new(), ..shared.info.clone() };
    let short = Shared { info, ..shared.clone() };
    let value = serde_json::to_string(&short).map_err(|_| Unavailable::Failed)?;
    bridge.remember(vec![Memo::set(memo_key(key), value)]).await
}

/// The upload of the message with this key, if it is written down.
pub(super) async fn find(key: &str, bridge: &Bridge) -> Result<Option<Shared>, Unavailable> {
    if ours(key).is_none() {
        return Ok(None);
    }
    let value = bridge.recall(&memo_key(key)).await?;
    Ok(value.and_then(|value| serde_json::from_str(&value).ok()))
}

/// The message with this key is no more.
pub(super) async fn forget(key: &str, bridge: &Bridge) -> Result<(), Unavailable> {
    bridge.remember(vec![Memo::forget(memo_key(key))]).await
}

/// Forgets what is old, for as long as the daemon runs.
pub(super) async fn sweep(bridge: &Bridge) {
    loop {
        // What could not be forgotten is old the next time too.
        let _ = forget_old(bridge, bridge.now()).await;
        sleep(BETWEEN_SWEEPS).await;
    }
}

async fn forget_old(bridge: &Bridge, now: Timestamp) -> Result<(), Unavailable> {
    let oldest = now.0.saturating_sub(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX)).max(0);
    let oldest = memo_key(&format!("{oldest:011x}"));
    loop {
        let page = bridge.recall_all(PREFIX, "", SWEPT_AT_ONCE).await?;
        let old = page.into_iter().map(|(key, _)| key).take_while(|key| *key < oldest);
        let memos: Vec<_> = old.map(Memo::forget).collect();
        if memos.is_empty() {
            return Ok(());
        }
        bridge.remember(memos).await?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use drawbridge_adapter::{MediaKind, NetworkId, Sha256};
    use drawbridge_testkit::ReferenceBridge;

    use super::*;
    use crate::message::Small;

    fn key(at: Timestamp) -> String {
        format!("{:011x}{:016x}", at.0, 7)
    }

    #[tokio::test]
    async fn an_upload_is_kept_for_a_month() {
        let bridge = ReferenceBridge::new(NetworkId::new("xmpp").unwrap()).handle();
        let info = FileInfo {
            name: Some("pier.ogg".to_owned()),
            mime: Some("audio/ogg".to_owned()),
            size: Some(7),
            sha256: Some(Sha256([1; 32])),
            duration: Some(Duration::from_millis(1500)),
            blurhash: Some("LEHV6nWB2yk8pyo0adR*.7kCMdnj".to_owned()),
            ..FileInfo::default()
        };
        let full = FileInfo { waveform: vec![1; 256], ..info.clone() };
        let link = "https://p.test/pier.ogg".to_owned();
        let small = Small {
            link: "https://p.test/small.png".to_owned(),
            mime: "image/png".to_owned(),
            width: Some(32),
            height: None,
        };
        let small = Some(small);
        let shared = Shared { link: link.clone(), kind: MediaKind::Voice, info: full, small };
        let begun = Timestamp(1_800_000_000_000);
        let day = Duration::from_hours(24);
        for days in 0..3 {
            keep(&key(begun.plus(day * days)), &shared, &bridge).await.unwrap();
        }
        let found = find(&key(begun), &bridge).await.unwrap().unwrap();
        assert!(found.link == link && found.kind == MediaKind::Voice && found.info == info);
        assert!(found.small == shared.small);
        assert!(find("somebody's own", &bridge).await.unwrap().is_none());
        // As it was written down before there were small pictures.
        let bare = r#"{"link":"https://p.test/a","kind":"image","info":{}}"#;
        let old = key(begun.plus(day));
        bridge.remember(vec![Memo::set(memo_key(&old), bare)]).await.unwrap();
        let found = find(&old, &bridge).await.unwrap().unwrap();
        assert!(found.link == "https://p.test/a" && found.small.is_none());

        forget_old(&bridge, begun.plus(KEPT + day)).await.unwrap();
        assert!(find(&key(begun), &bridge).await.unwrap().is_none());
        forget(&key(begun.plus(day * 2)), &bridge).await.unwrap();
        let left = bridge.recall_all("", "", 9).await.unwrap();
        let left: Vec<_> = left.into_iter().map(|(key, _)| key).collect();
        assert_eq!(left, [memo_key(&key(begun.plus(day)))]);
    }
}
