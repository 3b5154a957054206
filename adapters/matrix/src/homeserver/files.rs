//! Files: how large they may be, up to the homeserver, and down from it.
//!
//! A file may take as long as it takes, while it moves.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use drawbridge_adapter::{Code, DeliveryError, Incoming, Picture, Refusal, Spooled};
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Url};
use ruma::UserId;
use ruma::api::client::authenticated_media::get_media_config;
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::{As, CallError, Homeserver, read, refusal};
use crate::mxc::Mxc;

/// The largest file, in bytes, while the homeserver has not said what it takes.
pub(super) const UNSAID: u64 = 50 * 1024 * 1024;
/// From this age on what the homeserver said is asked anew.
const STALE: Duration = Duration::from_hours(1);
/// The longest that is waited for that answer.
const ASK: Duration = Duration::from_secs(5);
/// The longest until a file begins to come: the homeserver may have to fetch it from another.
const BEGIN: Duration = Duration::from_secs(90);
/// The longest that nothing of a file comes.
const SILENCE: Duration = Duration::from_mins(1);

/// The longest that fetching somebody's picture may take.
const PICTURE: Duration = Duration::from_secs(30);
const THUMBNAIL: &str = "thumbnail";
/// The sizes of a picture that are asked for, the best first: those that every Synapse keeps.
const SIZES: &[(&str, &[(&str, &str)])] = &[
    ("download", &[]),
    (THUMBNAIL, &[("width", "320"), ("height", "240"), ("method", "scale")]),
    (THUMBNAIL, &[("width", "96"), ("height", "96"), ("method", "crop")]),
];

/// Whether a picture is a drawing, or of a type that few show: of those the homeserver may make one that is
/// of another.
fn is_shown_by_few(bytes: &[u8]) -> bool {
    let heads: [&[u8]; 4] = [b"<", b"BM", b"II*\0", b"MM\0*"];
    // AVIF and HEIC.
    let boxed = bytes.get(4..8) == Some(b"ftyp");
    boxed || heads.iter().any(|head| bytes.trim_ascii_start().starts_with(head))
}

#[derive(Deserialize)]
struct Uploaded {
    content_uri: String,
}

impl Homeserver {
    /// The largest file that the homeserver takes, in bytes.
    pub(crate) fn max_file(&self) -> u64 {
        self.max_file.load(Ordering::Relaxed)
    }

    /// Asks how large a file may be, if that was not asked lately.
    pub(crate) async fn learn_max_file(&self) {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|at| at.elapsed() < STALE) {
            return;
        }
        let request = get_media_config::v1::Request::new();
        let Ok(answer) = timeout(ASK, self.call(As::Bot, request)).await else { return };
        match answer {
            Ok(answer) => self.max_file.store(answer.upload_size.into(), Ordering::Relaxed),
            Err(CallError::Unreachable | CallError::Failed { .. } | CallError::Limited(_)) => {
                return;
            }
            // It does not say: so it stays as it was.
            Err(_) => {}
        }
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The homeserver does not take what it said it would: it is asked again soon.
    pub(crate) fn forget_max_file(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes a file there as this user. Whoever calls ends it when nothing of the file is read any more.
    pub(crate) async fn upload(
        &self,
        ghost: &UserId,
        (name, mime): (&str, &str),
        file: &Spooled,
    ) -> Result<Mxc, CallError> {
        let body = Body::wrap_stream(file.body());
        self.upload_body(ghost, (name, mime), (file.size(), body)).await
    }

    /// Takes a picture of somebody there as this user.
    pub(crate) async fn upload_picture(
        &self,
        ghost: &UserId,
        mime: &str,
        bytes: &[u8],
    ) -> Result<Mxc, CallError> {
        let body = (bytes.len() as u64, Body::from(bytes.to_vec()));
        self.upload_body(ghost, ("picture", mime), body).await
    }

    async fn upload_body(
        &self,
        ghost: &UserId,
        (name, mime): (&str, &str),
        (size, body): (u64, Body),
    ) -> Result<Mxc, CallError> {
        let path = format!("{}/_matrix/media/v3/upload", self.url);
        let query = [("filename", name), ("user_id", ghost.as_str())];
        let url = Url::parse_with_params(&path, query).map_err(|_| CallError::Unreachable)?;
        let request = self.files.post(url).bearer_auth(self.token.expose());
        // Without the length it would come in chunks, which some proxies keep back whole.
        let request = request.header(CONTENT_TYPE, mime).header(CONTENT_LENGTH, size);
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|error| {
            if error.is_connect() { CallError::Unreachable } else { CallError::Unanswered }
        })?;
        let status = answer.status();
        let body = read(answer).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        let uploaded = serde_json::from_slice::<Uploaded>(&body).ok();
        uploaded.and_then(|it| Mxc::parse(&it.content_uri)).ok_or(CallError::Unanswered)
    }

    /// Opens a file, of this homeserver or of another. It is not fetched from where else the homeserver
    /// may send.
    pub(crate) async fn download(&self, mxc: &Mxc) -> Result<Incoming, DeliveryError> {
        let answer = self.begin("download", mxc, &[]).await?;
        let size = answer.content_length();
        // An error's own words would name the address.
        let torn = || io::Error::other("the file broke off on its way from the homeserver");
        let body = stream::unfold(Some(answer), move |answer| async move {
            let mut answer = answer?;
            match timeout(SILENCE, answer.chunk()).await {
                Ok(Ok(Some(piece))) => Some((Ok(piece), Some(answer))),
                Ok(Ok(None)) => None,
                Ok(Err(_)) | Err(_) => Some((Err(torn()), None)),
            }
        });
        Ok(Incoming { size, body: Box::pin(body) })
    }

    /// Fetches a picture: as it is, or the largest of its thumbnails that may cross.
    pub(crate) async fn picture(&self, mxc: &Mxc) -> Result<Vec<u8>, DeliveryError> {
        let whole = async {
            for (of, query) in SIZES {
                let answer = match self.begin(of, mxc, query).await {
                    Ok(answer) => answer,
                    // It is there, and the homeserver makes no thumbnails of it.
                    Err(DeliveryError::Refused { .. }) if *of == THUMBNAIL => continue,
                    Err(error) => return Err(error),
                };
                if let Some(bytes) = at_most(answer, Picture::MAX).await?
                    && (*of == THUMBNAIL || !is_shown_by_few(&bytes))
                {
                    return Ok(bytes);
                }
            }
            let refusal = Refusal::too_large(Picture::MAX as u64);
            Err(DeliveryError::Refused { refusal, why: "no size of the picture is small enough" })
        };
        timeout(PICTURE, whole).await.unwrap_or(Err(unopened(CallError::Unanswered)))
    }

    /// Asks for a file; whatever is to be read then.
    async fn begin(
        &self,
        of: &str,
        mxc: &Mxc,
        query: &[(&str, &str)],
    ) -> Result<reqwest::Response, DeliveryError> {
        let (server, id) = mxc.parts();
        let mut url = Url::parse(&self.url).map_err(|_| unopened(CallError::Unreachable))?;
        if let Ok(mut path) = url.path_segments_mut() {
            let path = path.pop_if_empty();
            path.extend(["_matrix", "client", "v1", "media", of, server, id]);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.files.get(url).bearer_auth(self.token.expose()).send();
        let answer = match timeout(BEGIN, request).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_connect() => return Err(unopened(CallError::Unreachable)),
            Ok(Err(_)) | Err(_) => return Err(unopened(CallError::Unanswered)),
        };
        let status = answer.status();
        if status.is_redirection() {
            let why = "the homeserver sends elsewhere for the file";
            return Err(DeliveryError::Refused { refusal: Code::HostDenied.into(), why });
        }
        if !status.is_success() {
            let body = timeout(SILENCE, read(answer)).await.unwrap_or(Err(CallError::Unanswered));
            return Err(unopened(body.map_or_else(|error| error, |body| refusal(status, &body))));
        }
        Ok(answer)
    }
}

/// What an answer holds, unless that is more.
async fn at_most(
    mut answer: reqwest::Response,
    most: usize,
) -> Result<Option<Vec<u8>>, DeliveryError> {
    if answer.content_length().is_some_and(|size| size > most as u64) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    loop {
        let piece = answer.chunk().await.map_err(|_| unopened(CallError::Unanswered))?;
        let Some(piece) = piece else { return Ok(Some(bytes)) };
        if bytes.len() + piece.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
}

/// Why a file could not be opened. Trying does no harm, so it is tried again whenever that may help.
fn unopened(error: CallError) -> DeliveryError {
    if error.is_unknown_token() {
        return DeliveryError::Disconnected;
    }
    let retry = |why| DeliveryError::Retry { after: None, why };
    let refused = |refusal: Refusal, why| DeliveryError::Refused { refusal, why };
    match error {
        CallError::Limited(after) => {
            DeliveryError::Retry { after, why: "the homeserver limits the bridge's rate" }
        }
        CallError::Unreachable => retry("the homeserver does not listen"),
        CallError::Unanswered | CallError::Oversized => retry("the homeserver does not answer"),
        CallError::Failed { .. } => retry("the homeserver does not have the file yet, or fails"),
        CallError::Refused { status: 404 | 410, .. } => {
            refused(Code::Expired.into(), "the file is not there any more")
        }
        CallError::Refused { status: 413, .. } => {
            refused(Code::MediaTooLarge.into(), "the file is too large for the homeserver")
        }
        CallError::Refused { errcode, .. } if errcode == "M_NOT_YET_UPLOADED" => {
            retry("the file is not there yet")
        }
        CallError::Refused { .. } => {
            refused(Code::Forbidden.into(), "the homeserver does not give the file out")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::{Stub, any_json};
    use drawbridge_adapter::Secret;
    use futures_util::TryStreamExt;
    use proptest::prelude::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn pier() -> Mxc {
        Mxc::parse("mxc://[::1]:8448/pier").unwrap()
    }

    async fn whole(incoming: Incoming) -> io::Result<Vec<u8>> {
        let pieces: Vec<_> = incoming.body.try_collect().await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn a_file_comes_whole_from_the_authenticated_address() {
        let stub = Stub::start(|call| {
            let path = "/_matrix/client/v1/media/download/[::1]:8448/pier";
            let path = call.path.replace("%5B", "[").replace("%5D", "]") == path;
            Some(if path { (200, json!("bytes")) } else { (404, json!({})) })
        })
        .await;
        let incoming = stub.core.homeserver.download(&pier()).await.unwrap();
        assert_eq!(incoming.size, Some(7));
        assert_eq!(whole(incoming).await.unwrap(), b"\"bytes\"");
    }

    #[tokio::test]
    async fn a_picture_comes_in_the_best_size_that_may_cross() {
        let large = "x".repeat(Picture::MAX + 1);
        let fits = |path: &str| match path {
            _ if path.contains("/download/") => "download",
            _ if path.contains("width=320&height=240&method=scale") => "320",
            _ => "96",
        };
        for fit in ["download", "320", "96"] {
            let large = large.clone();
            let stub = Stub::start(move |call| {
                let small = fits(&call.path) == fit;
                Some((200, if small { json!("small") } else { json!(large) }))
            })
            .await;
            let came = stub.core.homeserver.picture(&pier()).await;
            assert_eq!(came, Ok(b"\"small\"".to_vec()), "{fit}");
        }
        let all_large = Stub::start(move |_| Some((200, json!(large)))).await;
        let came = all_large.core.homeserver.picture(&pier()).await.unwrap_err();
        let too_large = Refusal::too_large(Picture::MAX as u64);
        assert!(matches!(came, DeliveryError::Refused { refusal, .. } if refusal == too_large));
        // A homeserver that makes no thumbnails of it, and one that has it no more.
        let stub = Stub::start(|call| {
            let whole = call.path.contains("/download/");
            Some(if whole { (200, json!("x".repeat(Picture::MAX))) } else { (400, json!({})) })
        })
        .await;
        assert!(stub.core.homeserver.picture(&pier()).await.is_err());
        let stub = Stub::start(|_| Some((404, json!({})))).await;
        assert!(stub.core.homeserver.picture(&pier()).await.is_err());
        assert_eq!(stub.calls("/thumbnail/").len(), 0);
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_said_to_be_gone_or_to_come() {
        let refused = |code: Code| Err(code);
        for (status, errcode, expected) in [
            (404, "M_NOT_FOUND", refused(Code::Expired)),
            (307, "", refused(Code::HostDenied)),
            (403, "M_FORBIDDEN", refused(Code::Forbidden)),
            (413, "M_TOO_LARGE", refused(Code::MediaTooLarge)),
            (504, "M_NOT_YET_UPLOADED", Ok(None)),
            (502, "M_UNKNOWN", Ok(None)),
            (429, "M_LIMIT_EXCEEDED", Ok(Some(Duration::from_secs(2)))),
        ] {
            let answer = json!({ "errcode": errcode, "retry_after_ms": 2000 });
            let stub = Stub::start(move |_| Some((status, answer.clone()))).await;
            let came = match stub.core.homeserver.download(&pier()).await.unwrap_err() {
                DeliveryError::Retry { after, .. } => Ok(after),
                DeliveryError::Refused { refusal, .. } => Err(refusal.code),
                _ => Ok(Some(Duration::MAX)),
            };
            assert_eq!(came, expected, "{status}");
        }
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_is_no_whole_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let homeserver = Homeserver::new(&url, Secret::new("token")).unwrap();
        let breaks = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
        };
        let mxc = pier();
        let ((), incoming) = tokio::join!(breaks, homeserver.download(&mxc));
        let incoming = incoming.unwrap();
        assert_eq!(incoming.size, Some(10));
        let error = whole(incoming).await.unwrap_err().to_string();
        assert!(!error.contains("pier") && !error.contains("http"), "{error}");
        drop(listener);
        let gone = homeserver.download(&mxc).await;
        assert!(matches!(gone, Err(DeliveryError::Retry { .. })), "{gone:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_answer_is_a_file_or_an_error(status in 200_u16..600, body in any_json()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let stub = Stub::start(move |_| Some((status, body.clone()))).await;
                stub.core.homeserver.learn_max_file().await;
                let came = stub.core.homeserver.download(&pier()).await;
                prop_assert_eq!(came.is_ok(), (200..300).contains(&status));
                let came = stub.core.homeserver.picture(&pier()).await;
                prop_assert_eq!(came.is_ok(), (200..300).contains(&status));
                Ok(())
            })?;
        }
    }
}
