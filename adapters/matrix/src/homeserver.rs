//! The homeserver's client-server API, spoken as one of the bridge's own users, or as one who lets it.
//!
//! One call is one try: when to try again is the caller's business. Nothing here reaches a log
//! with an address in it: URLs hold room ids and users.

mod files;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use drawbridge_adapter::{Code, DeliveryError, Fatal, Secret};
use reqwest::{Client, StatusCode, Url, redirect};
use ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use ruma::api::path_builder::PathBuilder;
use ruma::api::{
    AppserviceUserIdentity, IncomingResponse, MatrixVersion, OutgoingRequest,
    OutgoingRequestAppserviceExt, SupportedVersions,
};
use ruma::{DeviceId, UserId};
use serde::Deserialize;
use tokio::time::Instant;

/// The largest answer that is read, in bytes: the members of a very large room.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
const DIAL: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_mins(1);
/// The longest that a call is made again and again.
const INSIST: Duration = Duration::from_secs(20);
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// The id of the one device that each ghost has. Synapse remembers the transactions of a device
/// for a day, over its own restarts too; without a device, for half an hour in memory.
pub(crate) const DEVICE: &str = "DRAWBRIDGE";

/// A homeserver.
#[derive(Debug)]
pub(crate) struct Homeserver {
    http: Client,
    /// The same without a limit to how long a call may take: for files.
    files: Client,
    url: String,
    token: Secret,
    versions: SupportedVersions,
    /// The largest file that it takes, in bytes.
    max_file: AtomicU64,
    /// When it was asked for that.
    asked: Mutex<Option<Instant>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum As<'a> {
    /// The bridge's own bot.
    Bot,
    /// A ghost which may have no device yet, or a call that needs none.
    Ghost(&'a UserId),
    /// A ghost on its device: for what must happen once.
    Device(&'a UserId),
    /// Whoever this token is of: a user with a login of their own.
    Own(&'a Secret),
}

/// A call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// No connection: nothing was sent.
    Unreachable,
    /// No answer, or none that can be read: it may have happened.
    Unanswered,
    /// An answer larger than any that the bridge can use.
    Oversized,
    /// The homeserver failed: it may have happened.
    Failed {
        /// Matrix's word on why.
        errcode: String,
    },
    /// Too much at once.
    Limited(Option<Duration>),
    /// The homeserver will not do it.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Matrix's word on why.
        errcode: String,
    },
}

impl CallError {
    /// Whether the speaker may not do this here: it is not in the room, most often.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// Whether there is no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the homeserver named this reason.
    pub(crate) fn says(&self, code: &str) -> bool {
        match self {
            Self::Refused { errcode, .. } | Self::Failed { errcode } => errcode == code,
            Self::Unreachable | Self::Unanswered | Self::Oversized | Self::Limited(_) => false,
        }
    }

    /// Whether the same call may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable | Self::Unanswered | Self::Failed { .. } | Self::Limited(_) => true,
            Self::Oversized | Self::Refused { .. } => false,
        }
    }

    /// The homeserver does not know the bridge's token.
    pub(crate) fn is_unknown_token(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}

impl From<CallError> for DeliveryError {
    fn from(error: CallError) -> Self {
        if error.is_unknown_token() {
            return Self::Disconnected;
        }
        let refused = |code: Code, why| Self::Refused { refusal: code.into(), why };
        match error {
            CallError::Unreachable => Self::Disconnected,
            CallError::Unanswered => Self::Unknown { why: "the homeserver did not answer" },
            CallError::Oversized => Self::Unknown { why: "the homeserver's answer is too large" },
            CallError::Failed { .. } => Self::Unknown { why: "the homeserver failed" },
            CallError::Limited(after) => {
                Self::Retry { after, why: "the homeserver limits the bridge's rate" }
            }
            CallError::Refused { status, errcode } => match (status, errcode.as_str()) {
                (413, _) | (_, "M_TOO_LARGE") => {
                    refused(Code::TextTooLong, "the event is too large for the homeserver")
                }
                (403 | 404, _) => {
                    refused(Code::NotReachable, "the homeserver lets nobody be reached there")
                }
                (400, "M_BAD_JSON" | "M_NOT_JSON" | "M_INVALID_PARAM") => {
                    refused(Code::Malformed, "the homeserver does not take this content")
                }
                _ => refused(Code::Forbidden, "the homeserver refused"),
            },
        }
    }
}

#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    errcode: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

/// What a look at a path showed.
pub(crate) struct Seen {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The server's clock.
    pub(crate) date: Option<SystemTime>,
    /// The server's own words on what is wrong.
    pub(crate) error: String,
}

impl Homeserver {
    /// A homeserver at `url`, to which `token` proves the bridge.
    pub(crate) fn new(url: &str, token: Secret) -> Result<Self, Fatal> {
        // A provider that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = || {
            Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .connect_timeout(DIAL)
                .pool_idle_timeout(IDLE)
                .tcp_nodelay(true)
        };
        let no_tls = |error| Fatal::because("cannot set up TLS", error);
        let http = client().timeout(CALL).build().map_err(no_tls)?;
        let files = client().build().map_err(no_tls)?;
        // Of what came after 1.11 only reports are used, and they can do without.
        let versions = SupportedVersions {
            versions: BTreeSet::from([MatrixVersion::V1_14]),
            features: BTreeSet::new(),
        };
        Ok(Self {
            http,
            files,
            url: url.trim_end_matches('/').to_owned(),
            token,
            versions,
            max_file: AtomicU64::new(files::UNSAID),
            asked: Mutex::default(),
        })
    }

    /// Makes a call again for a while if it may help, where others' events wait for the answer.
    pub(crate) async fn insist<R>(
        &self,
        speaker: As<'_>,
        request: R,
    ) -> Result<R::IncomingResponse, CallError>
    where
        R: OutgoingRequest + Clone,
        for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
    {
        let deadline = Instant::now() + INSIST;
        let mut tried = 1;
        loop {
            let call = self.call(speaker, request.clone());
            let answer = tokio::time::timeout_at(deadline, call).await;
            let error = match answer.unwrap_or(Err(CallError::Unanswered)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let hopeless = error == CallError::Unreachable || !error.is_temporary();
            if hopeless || tried == TRIES || Instant::now() >= deadline {
                return Err(error);
            }
            tried += 1;
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    /// Looks at a path: as nobody, or with the bridge's token as one of its users.
    pub(crate) async fn look(&self, path: &str, user: Option<&str>) -> Result<Seen, CallError> {
        let speaker = user.map(|user| ("user_id", user));
        let url = Url::parse_with_params(&format!("{}{path}", self.url), speaker);
        let mut request = self.http.get(url.map_err(|_| CallError::Unreachable)?);
        if user.is_some() {
            request = request.bearer_auth(self.token.expose());
        }
        let answer = request.send().await.map_err(|error| {
            if error.is_connect() { CallError::Unreachable } else { CallError::Unanswered }
        })?;
        let status = answer.status().as_u16();
        let date = answer.headers().get(http::header::DATE);
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let body: ErrorBody = serde_json::from_slice(&read(answer).await?).unwrap_or_default();
        Ok(Seen { status, date, error: body.error })
    }

    /// Makes one call.
    pub(crate) async fn call<R>(
        &self,
        speaker: As<'_>,
        request: R,
    ) -> Result<R::IncomingResponse, CallError>
    where
        R: OutgoingRequest,
        for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
    {
        let device: &DeviceId = DEVICE.into();
        let mut identity = AppserviceUserIdentity::default();
        if let As::Ghost(ghost) | As::Device(ghost) = speaker {
            identity.user_id = Some(ghost);
        }
        if let As::Device(_) = speaker {
            identity.device_id = Some(device);
        }
        // A request that cannot be written down is a mistake of this adapter's, not an outage.
        let unsayable = || CallError::Refused { status: 400, errcode: "M_BAD_JSON".to_owned() };
        let token = match speaker {
            As::Own(token) => SendAccessToken::IfRequired(token.expose()),
            _ => SendAccessToken::Appservice(self.token.expose()),
        };
        let versions = Cow::Borrowed(&self.versions);
        let request = request
            .try_into_http_request_with_identity::<Vec<u8>>(&self.url, token, identity, versions)
            .map_err(|_| unsayable())?;
        let request = reqwest::Request::try_from(request).map_err(|_| unsayable())?;
        let answer = self.http.execute(request).await.map_err(|error| {
            if error.is_connect() { CallError::Unreachable } else { CallError::Unanswered }
        })?;
        let status = answer.status();
        let body = read(answer).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        R::IncomingResponse::try_from_http_response(response).map_err(|_| CallError::Unanswered)
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| CallError::Unanswered)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(CallError::Oversized);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refusal(status: StatusCode, body: &[u8]) -> CallError {
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    match status.as_u16() {
        429 => CallError::Limited(body.retry_after_ms.map(Duration::from_millis)),
        status @ 400..500 => CallError::Refused { status, errcode: body.errcode },
        _ => CallError::Failed { errcode: body.errcode },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_refusal_is_one(
            status in 300_u16..600,
            json in any_json(),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            torn in any::<bool>(),
        ) {
            let body = if torn { bytes } else { json.to_string().into_bytes() };
            let error = refusal(StatusCode::from_u16(status).unwrap(), &body);
            let fits = match &error {
                CallError::Limited(_) => status == 429,
                CallError::Refused { status: same, .. } => *same == status && status / 100 == 4,
                CallError::Failed { .. } => status / 100 != 4,
                _ => false,
            };
            prop_assert!(fits, "{status}: {error:?}");
            let refused = matches!(DeliveryError::from(error), DeliveryError::Refused { .. });
            prop_assert_eq!(refused, status / 100 == 4 && status != 401 && status != 429);
        }
    }

    #[test]
    fn a_limit_names_its_time() {
        let body = br#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#;
        let limited = refusal(StatusCode::TOO_MANY_REQUESTS, body);
        assert_eq!(limited, CallError::Limited(Some(Duration::from_millis(1500))));
    }
}
