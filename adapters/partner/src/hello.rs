//! The greeting: the app's `hello`, the bridge's `welcome`, or a goodbye.

use std::collections::BTreeMap;

use drawbridge_adapter::{Bridge, Feature, Level, Picture, Timestamp};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::adapter::Shared;
use crate::frame::{
    CREDIT_BYTES, Credit, Effective, ErrorCode, ErrorFrame, FromBridge, Hello, Limits, MAX_FRAME,
    MAX_ID, MAX_IDS, MAX_NAME, TextLimit, VERSION, Welcome,
};
use crate::outward::carried;
use crate::proof::Subject;
use crate::read::{self, Frame};
use crate::session::{CLOSE_WITHIN, End, Socket, close_frame, drain, end_of, text};

/// Where the partner proof is.
pub(crate) enum PartnerProof {
    /// It came with the upgrade.
    Shown,
    /// It must stand in `hello`, and answer this nonce.
    InHello(String),
}

/// Why there is no session: what the app is told, and how the connection ends.
pub(crate) type No = (Option<ErrorFrame>, End);

/// Waits for `hello`, from an app that is the partner's.
pub(crate) async fn first(
    shared: &Shared,
    bridge: &Bridge,
    socket: &mut Socket,
    proof: &PartnerProof,
) -> Result<Hello, No> {
    let hello = heard(shared, socket).await?;
    if let PartnerProof::InHello(nonce) = proof {
        proved(shared, &hello, nonce, bridge.now()).await?;
    }
    Ok(hello)
}

/// Waits for `hello`, whoever says it.
pub(crate) async fn heard(shared: &Shared, socket: &mut Socket) -> Result<Hello, No> {
    loop {
        let text = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => return Err((None, End::Binary)),
            Some(Ok(_)) | None => return Err((None, End::Closed)),
            Some(Err(error)) => return Err((None, end_of(&error))),
        };
        return match read::read(&text, &shared.addressing) {
            Ok(Frame::Hello(hello)) if hello.versions.contains(&VERSION) => Ok(hello),
            Ok(Frame::Hello(_)) => {
                let message = "this bridge speaks version 1";
                Err((Some(error(ErrorCode::UnsupportedVersion, message)), End::NoHello))
            }
            Ok(_) => {
                let message = "the first frame is hello";
                Err((Some(error(ErrorCode::HelloExpected, message)), End::NoHello))
            }
            Err(malformed) => Err((Some(malformed.into()), End::NoHello)),
        };
    }
}

/// Whether `hello` proves that the app is the partner's, in answer to this nonce.
pub(crate) async fn proved(
    shared: &Shared,
    hello: &Hello,
    nonce: &str,
    now: Timestamp,
) -> Result<(), No> {
    shared.keys.refresh(now).await;
    let proof = hello.proof.as_ref().ok_or("hello holds no partner proof");
    let holds =
        proof.and_then(|proof| shared.keys.check(proof.expose(), Subject::Answer(nonce), now));
    holds.map_err(|message| (Some(error(ErrorCode::ProofInvalid, message)), End::NoProof))
}

fn error(code: ErrorCode, message: &'static str) -> ErrorFrame {
    ErrorFrame { code, about: None, place: None, message }
}

/// Ends a connection that never carried anything.
pub(crate) async fn turn_away(mut socket: Socket, error: Option<ErrorFrame>, end: End) {
    let goodbye = async {
        if let Some(error) = error {
            socket.send(text(&FromBridge::Error(error))).await?;
        }
        if let Some((code, reason)) = end.close() {
            socket.close(Some(close_frame(code, reason))).await?;
        }
        if end.is_readable() {
            while let Some(Ok(_)) = socket.next().await {}
        } else {
            drain(socket.get_mut()).await;
        }
        Ok::<(), Error>(())
    };
    // Whether the app hears the goodbye is its own business.
    let _ = timeout(CLOSE_WITHIN, goodbye).await;
}

/// The bridge's capabilities, narrowed by the app's.
pub(crate) fn effective(shared: &Shared, hello: &Hello) -> Effective {
    let app = &hello.capabilities;
    let files = shared.files.as_ref();
    let kinds = carried(files.is_some()).map(|kind| (kind, app.kinds.get(kind.as_str()).copied()));
    let features = Feature::ALL.into_iter();
    let features = features.map(|one| (one, app.features.get(one.as_str()).copied()));
    let mut features: BTreeMap<_, _> = features.filter_map(shown).collect();
    // What is answered within a thread is named as a reply.
    if !features.contains_key(&Feature::Reply) {
        features.remove(&Feature::Thread);
    }
    let max_bytes = app.text.max_bytes.min(shared.max_text_bytes);
    Effective {
        kinds: kinds.filter_map(shown).collect(),
        features,
        text: TextLimit { max_bytes },
        max_media_bytes: files.map(|files| {
            let most = app.max_media_bytes.unwrap_or(u64::MAX);
            most.min(files.max_bytes)
        }),
        requests: app.requests,
        block_lists: app.block_lists,
        mutes: app.mutes,
        folders: app.folders,
        reports: app.reports,
    }
}

/// What the app shows at all.
fn shown<T>((what, level): (T, Option<Level>)) -> Option<(T, Level)> {
    level.filter(|level| *level != Level::Rejected).map(|level| (what, level))
}

pub(crate) fn welcome(
    shared: &Shared,
    bridge: &Bridge,
    session: &str,
    capabilities: Effective,
) -> Welcome {
    Welcome {
        version: VERSION,
        session: session.to_owned(),
        network: bridge.network().to_string(),
        capabilities,
        credit: Credit { frames: shared.credit, bytes: CREDIT_BYTES },
        limits: Limits {
            frame_bytes: MAX_FRAME,
            id_bytes: MAX_ID,
            name_bytes: MAX_NAME,
            avatar_bytes: Picture::MAX,
            ids: MAX_IDS,
            users: shared.max_users,
        },
        ping_seconds: shared.ping.as_secs(),
        time: bridge.now().0,
    }
}
