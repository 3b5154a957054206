//! Hosts to which files may go without TLS.

use reqwest::Url;

/// A host, and its port if only one is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainHost {
    host: String,
    port: Option<u16>,
}

impl PlainHost {
    /// Of `host` or `host:port`, in its normal form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(&format!("http://{text}/")).ok()?;
        let host = url.host_str()?;
        let port = match text.strip_prefix(host)? {
            "" => None,
            rest => Some(rest.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?),
        };
        Some(Self { host: host.to_owned(), port })
    }

    /// Whether it is the one of this URL.
    pub(super) fn is_of(&self, url: &Url) -> bool {
        url.host_str() == Some(self.host.as_str())
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_is_written_in_one_way() {
        for (text, url, fits) in [
            ("127.0.0.1", "http://127.0.0.1:5280/x", true),
            ("127.0.0.1:5280", "http://127.0.0.1:5280/x", true),
            ("127.0.0.1:5281", "http://127.0.0.1:5280/x", false),
            ("upload.p.test:80", "http://upload.p.test/x", true),
            ("upload.p.test", "http://upload.p.test.evil.test/x", false),
            ("upload.p.test", "http://upload.p.test@evil.test/x", false),
            ("[::1]:80", "http://[::1]/x", true),
        ] {
            let host = PlainHost::parse(text).unwrap();
            assert_eq!(host.is_of(&Url::parse(url).unwrap()), fits, "{text} {url}");
        }
        for text in
            ["", "http://a", "a/b", "a@b", "a:", "a:0", "a:99999", "Upper.test", "a b", ":1"]
        {
            assert_eq!(PlainHost::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_a_host_or_none(text in ".{0,40}") {
            let _ = PlainHost::parse(&text);
        }
    }
}
