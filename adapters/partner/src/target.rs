//! Where the bridge dials.

use std::net::IpAddr;

use tokio_tungstenite::tungstenite::http::Uri;

/// A WebSocket's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// As it was written.
    pub(crate) url: String,
    /// `wss`, and not `ws`.
    pub(crate) tls: bool,
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected a URL like wss://partner.example/drawbridge";
        // `Uri` drops what follows a #, and takes a user for a part of the host.
        if url.contains(['#', '?', '@']) {
            return Err("expected a URL without user, query and fragment");
        }
        let uri: Uri = url.parse().map_err(|_| EXPECTED)?;
        let (tls, usual) = match uri.scheme_str() {
            Some("wss") => (true, 443),
            Some("ws") => (false, 80),
            _ => return Err(EXPECTED),
        };
        let authority = uri.authority().ok_or(EXPECTED)?;
        // Of a port that is none, `Uri` says that there is none.
        let port = match authority.port_u16() {
            None if authority.as_str() != authority.host() => return Err(EXPECTED),
            port => port.unwrap_or(usual),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 {
            return Err(EXPECTED);
        }
        Ok(Self { url: url.to_owned(), tls, host: host.to_owned(), port })
    }

    /// Whether this machine itself is dialled.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let parts = |url: &str| {
            let target = Target::parse(url).unwrap();
            (target.tls, target.host.clone(), target.port, target.is_loopback())
        };
        assert_eq!(parts("wss://p.example/x"), (true, "p.example".to_owned(), 443, false));
        assert_eq!(parts("ws://localhost:8080"), (false, "localhost".to_owned(), 8080, true));
        assert_eq!(parts("wss://[::1]:8443/"), (true, "::1".to_owned(), 8443, true));
        assert_eq!(parts("ws://127.0.0.9/"), (false, "127.0.0.9".to_owned(), 80, true));
        assert!(!parts("ws://localhost.example/").3);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "p.example",
            "https://p.example",
            "wss://",
            "wss:///x",
            "wss://p.example:0/",
            "wss://p.example:99999/",
            "wss://p.example:/",
            "wss://u:p@p.example/",
            "wss://p.example/?key=1",
            "wss://p.example/#x",
            "wss://p example/",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
