//! Where a file lies on Matrix: `mxc://example.org/abc`.

use std::fmt;

use ruma::{OwnedServerName, ServerName};

/// The longest name of a server, and the longest id of a file there, in bytes.
const MAX: usize = 230;

/// The address of a file. It holds nothing that could lead a path elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Mxc {
    server: OwnedServerName,
    id: String,
}

impl Mxc {
    /// Reads an address. Not by ruma's own reader: in 0.16 it panics if the server's name has 250
    /// characters.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let (server, id) = uri.strip_prefix("mxc://")?.split_once('/')?;
        let of_id = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        if !(1..=MAX).contains(&id.len()) || !id.bytes().all(of_id) || server.len() > MAX {
            return None;
        }
        let server = ServerName::parse(server).ok()?;
        // `.` and `..` have no characters that a name must not have.
        let host = server.host();
        let named = host.starts_with('[') || host.split('.').all(|label| !label.is_empty());
        named.then(|| Self { server, id: id.to_owned() })
    }

    /// The server that keeps it, and its id there.
    pub(crate) fn parts(&self) -> (&str, &str) {
        (self.server.as_str(), &self.id)
    }
}

impl fmt::Display for Mxc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mxc://{}/{}", self.server, self.id)
    }
}

/// Never where: whoever knows it can have the file.
impl fmt::Debug for Mxc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mxc")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_read_and_written_alike() {
        for uri in ["mxc://hs.test/GCmhgzMPRjqgpODLsNQzVuHZ", "mxc://[::1]:8448/a-_", "mxc://h:1/x"]
        {
            assert_eq!(Mxc::parse(uri).map(|mxc| mxc.to_string()).as_deref(), Some(uri));
        }
    }

    #[test]
    fn nothing_leads_elsewhere() {
        let long = format!("mxc://{}/x", "a".repeat(250));
        let odd = format!("mxc://hs.test/{}", "a".repeat(231));
        for uri in [
            "",
            "mxc://",
            "mxc:///x",
            "mxc://hs.test",
            "mxc://hs.test/",
            "mxc://hs.test/..",
            "mxc://../x",
            "mxc://./x",
            "mxc://hs..test/x",
            "mxc://hs.test/a/b",
            "mxc://hs.test/a?b",
            "mxc://hs.test/a#b",
            "mxc://hs.test/a%2fb",
            "mxc://hs.test/é",
            "mxc://hs.test@evil.test/x",
            "mxc://hs.test:99999/x",
            "MXC://hs.test/x",
            "https://hs.test/x",
            " mxc://hs.test/x",
            &long,
            &odd,
        ] {
            assert_eq!(Mxc::parse(uri), None, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_stays_as_it_is(uri in "mxc://[a-zA-Z0-9.:\\[\\]-]{0,260}/[a-zA-Z0-9_-]{0,4}|mxc://\\PC{0,12}|\\PC{0,12}") {
            if let Some(mxc) = Mxc::parse(&uri) {
                prop_assert_eq!(mxc.to_string(), uri);
            }
        }
    }
}
