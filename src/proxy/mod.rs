//! Fetches files that lie on other people's hosts. A client only, and no way into the operator's own network: each
//! address is checked on the way there, and again wherever the host sends it.

mod addresses;
mod body;
mod hosts;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use drawbridge_adapter::Incoming;
use http::{HeaderMap, StatusCode, header};
use reqwest::{Certificate, Client, Response, redirect};
use tokio::time::timeout;
use url::Url;

use self::addresses::{Guard, Names, System, Unresolved, is_global, is_global_or_private};
use self::hosts::Target;
pub(crate) use self::hosts::{BadHost, Hosts};
use crate::clock;

/// How often a host may send the proxy elsewhere.
const REDIRECTS: usize = 5;
/// The longest address that a host may send it to, in bytes; stores sign theirs at length.
const MAX_LOCATION: usize = 8192;
/// The longest that a host may ask to be left alone.
const LATEST: Duration = Duration::from_hours(24);
const USER_AGENT: &str = concat!("drawbridge/", env!("CARGO_PKG_VERSION"));

/// How long the proxy waits for what.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// For a connection.
    dial: Duration,
    /// For an answer, over all that the host sends it to.
    answer: Duration,
    /// For the next piece of a file.
    idle: Duration,
    /// For a file, before what follows counts.
    grace: Duration,
    /// How many bytes a second must have come after that.
    slowest: u64,
}

impl Pace {
    const USUAL: Self = Self {
        dial: Duration::from_secs(10),
        answer: Duration::from_secs(30),
        idle: Duration::from_secs(30),
        grace: Duration::from_mins(1),
        slowest: 64 * 1024,
    };

    /// How long a file may have taken of which as many bytes are there.
    fn allows(&self, bytes: u64) -> Duration {
        let earned = bytes.saturating_mul(1000) / self.slowest.max(1);
        self.grace.saturating_add(Duration::from_millis(earned))
    }
}

/// Why there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfetched {
    /// It is nowhere from where files are fetched for this network.
    Denied,
    /// It is larger than that.
    TooLarge {
        /// The most, in bytes.
        limit: u64,
    },
    /// The host does not give it, and will not.
    Gone,
    /// The link is none.
    Malformed,
    /// Not now.
    Later {
        /// For the log.
        why: &'static str,
        /// The host's own word on when.
        after: Option<Duration>,
    },
}

/// Fetches files for all networks. A clone is the same one.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    /// Knows no address but those of the open internet, and no way without TLS.
    open: Client,
    private: Client,
    pace: Pace,
}

impl Proxy {
    /// One that resolves names as the machine does.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let names: Arc<dyn Names> = Arc::new(System);
        Self::with(&names, Pace::USUAL, &[])
    }

    fn with(
        names: &Arc<dyn Names>,
        pace: Pace,
        roots: &[Certificate],
    ) -> Result<Self, reqwest::Error> {
        // A provider that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |may: fn(IpAddr) -> bool, https_only| {
            Client::builder()
                .user_agent(USER_AGENT)
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .https_only(https_only)
                .http1_only()
                .pool_max_idle_per_host(0)
                .connect_timeout(pace.dial)
                .tls_certs_merge(roots.iter().cloned())
                .dns_resolver(Guard { names: Arc::clone(names), may })
                .build()
        };
        let open = client(is_global, true)?;
        Ok(Self { open, private: client(is_global_or_private, false)?, pace })
    }

    /// Opens what lies under `link`, of at most `most` bytes.
    ///
    /// The file itself may still end in an error: [`std::io::ErrorKind::FileTooLarge`] if it is larger than the
    /// host said or more than `most`, and otherwise such as another try may not meet.
    pub(crate) async fn open(
        &self,
        link: &str,
        hosts: &Hosts,
        most: u64,
    ) -> Result<Incoming, Unfetched> {
        let target = hosts.target(link)?;
        let answer = timeout(self.pace.answer, self.follow(target, hosts)).await;
        let answer = answer.unwrap_or(Err(later("the host did not answer in time")))?;
        let size = answer.content_length();
        if size.is_some_and(|size| size > most) {
            return Err(Unfetched::TooLarge { limit: most });
        }
        Ok(Incoming { size, body: body::read(answer, most, self.pace) })
    }

    /// The answer that brings the file, wherever it lies in the end.
    async fn follow(&self, mut target: Target, hosts: &Hosts) -> Result<Response, Unfetched> {
        for _ in 0..=REDIRECTS {
            let answer = self.ask(&target).await?;
            match answer.status() {
                StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                    return if is_encoded(answer.headers()) {
                        Err(Unfetched::Gone)
                    } else {
                        Ok(answer)
                    };
                }
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    let next = location(answer.headers(), &target.url).ok_or(Unfetched::Gone)?;
                    target = hosts.check(next).map_err(|_| Unfetched::Denied)?;
                }
                status => return Err(refusal(status, answer.headers())),
            }
        }
        Err(Unfetched::Gone)
    }

    async fn ask(&self, target: &Target) -> Result<Response, Unfetched> {
        let client = if target.is_private { &self.private } else { &self.open };
        let request = client.get(target.url.clone()).header(header::ACCEPT_ENCODING, "identity");
        request.send().await.map_err(|error| match Unresolved::within(&error) {
            Some(Unresolved::Forbidden) => Unfetched::Denied,
            Some(Unresolved::Unknown) => later("the host's name has no address"),
            None if error.is_builder() => Unfetched::Malformed,
            None if error.is_connect() => later("the host cannot be reached"),
            None => later("the host did not answer"),
        })
    }
}

fn later(why: &'static str) -> Unfetched {
    Unfetched::Later { why, after: None }
}

/// What is packed could be larger than any limit once it is not.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

fn location(headers: &HeaderMap, from: &Url) -> Option<Url> {
    let text = std::str::from_utf8(headers.get(header::LOCATION)?.as_bytes()).ok()?;
    let next = if text.len() <= MAX_LOCATION { from.join(text).ok()? } else { return None };
    (next.as_str().len() <= 4 * MAX_LOCATION).then_some(next)
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> Unfetched {
    let after = retry_after(headers);
    match status.as_u16() {
        429 => Unfetched::Later { why: "the host limits the bridge's rate", after },
        408 | 425 | 500..=599 => Unfetched::Later { why: "the host failed", after },
        _ => Unfetched::Gone,
    }
}

/// How long the host wants to be left alone: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let after = if text.bytes().all(|digit| digit.is_ascii_digit()) {
        Duration::from_secs(text.parse().ok()?)
    } else {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        date.saturating_sub(Duration::from_millis(u64::try_from(clock::now().0).ok()?))
    };
    Some(after.min(LATEST))
}
