//! How users are named on Matrix: the spelling of MXIDs, and the ghosts' names. Pure.
//!
//! The ghost of `xmpp:bob@p.test` is `@_drawbridge_xmpp_bob=40p.test:hs.test`: prefix, network,
//! `_`, and the id escaped as the Matrix specification maps other character sets to localparts
//! (Appendices, "Mapping from other character sets"). Uppercase letters are escaped by their
//! byte too, so that every byte comes back.

use drawbridge_adapter::{AddressError, Addressing, NetworkId, UserId};
use ruma::OwnedUserId;

/// The longest MXID, in bytes.
const MAX: usize = 255;

/// Names users on one homeserver.
#[derive(Debug, Clone)]
pub(crate) struct MatrixAddressing {
    network: NetworkId,
    server: String,
    ghost_prefix: String,
    bot: String,
}

impl MatrixAddressing {
    /// Names users of `network` on the homeserver called `server`.
    pub(crate) fn new(network: NetworkId, server: &str, ghost_prefix: &str, bot: &str) -> Self {
        let bot = format!("@{bot}:{server}");
        Self { network, server: server.to_owned(), ghost_prefix: ghost_prefix.to_owned(), bot }
    }

    /// The name of the homeserver.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The MXID of the bridge's own bot.
    pub(crate) fn bot(&self) -> &str {
        &self.bot
    }

    /// The bridge's own bot; none only if its name is no MXID, which the configuration refuses.
    pub(crate) fn bot_user(&self) -> Option<OwnedUserId> {
        OwnedUserId::try_from(self.bot.as_str()).ok()
    }

    /// Whether an MXID belongs to the bridge: a ghost, well-formed or not, or the bot.
    pub(crate) fn is_ours(&self, mxid: &str) -> bool {
        mxid == self.bot || self.ghost_part(mxid).is_some()
    }

    /// The user behind a ghost's MXID; none if it is no well-formed ghost.
    pub(crate) fn behind(&self, ghost: &str) -> Option<UserId> {
        self.user_at(ghost).ok()
    }

    /// The ghost of `user`, as an MXID.
    pub(crate) fn ghost_of(&self, user: &UserId) -> Option<OwnedUserId> {
        OwnedUserId::try_from(self.address_of(user).ok()?).ok()
    }

    /// An MXID as a user of this network.
    pub(crate) fn user(&self, mxid: &str) -> Option<UserId> {
        self.canonical(mxid).ok()
    }

    /// What follows the prefix in a ghost's localpart.
    fn ghost_part<'a>(&self, mxid: &'a str) -> Option<&'a str> {
        let (localpart, server) = mxid.strip_prefix('@')?.split_once(':')?;
        if server != self.server {
            return None;
        }
        localpart.strip_prefix(&self.ghost_prefix)
    }
}

impl Addressing for MatrixAddressing {
    fn canonical(&self, id: &str) -> Result<UserId, AddressError> {
        const INVALID: AddressError =
            AddressError::Invalid("an MXID looks like @alice:example.org");
        if id.len() > MAX {
            return Err(AddressError::TooLong(MAX));
        }
        // Historical localparts may hold any printable ASCII, and uppercase ones are users of
        // their own: nothing is folded.
        if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(INVALID);
        }
        let mxid = ruma::UserId::parse(id).map_err(|_| INVALID)?;
        if mxid.localpart().is_empty() {
            return Err(INVALID);
        }
        if self.is_ours(id) {
            return Err(AddressError::Invalid("this MXID belongs to the bridge itself"));
        }
        UserId::new(self.network.clone(), id).map_err(|_| INVALID)
    }

    fn domain<'a>(&self, user: &'a UserId) -> Option<&'a str> {
        user.id().split_once(':').map(|(_, server)| server)
    }

    fn address_of(&self, foreign: &UserId) -> Result<String, AddressError> {
        if foreign.network() == &self.network {
            return Err(AddressError::Invalid("this user is of Matrix itself and has no ghost"));
        }
        let localpart = format!("{}{}_", self.ghost_prefix, foreign.network());
        let mxid = format!("@{localpart}{}:{}", escape(foreign.id()), self.server);
        if mxid.len() > MAX { Err(AddressError::TooLong(MAX)) } else { Ok(mxid) }
    }

    fn user_at(&self, address: &str) -> Result<UserId, AddressError> {
        let part = self.ghost_part(address).ok_or(AddressError::NotOurs)?;
        let (network, escaped) = part.split_once('_').ok_or(AddressError::NotOurs)?;
        let network = NetworkId::new(network).map_err(|_| AddressError::NotOurs)?;
        let id = unescape(escaped).ok_or(AddressError::Invalid("not the escaping of an id"))?;
        let user = UserId::new(network, id).map_err(|_| AddressError::NotOurs)?;
        // One user, one ghost: any other spelling would be a second one.
        if self.address_of(&user).as_deref() == Ok(address) {
            Ok(user)
        } else {
            Err(AddressError::NotOurs)
        }
    }
}

fn escape(id: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(id.len());
    for byte in id.bytes() {
        if matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'/' | b'+') {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "={byte:02x}");
        }
    }
    escaped
}

fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = escaped.bytes();
    let mut id = Vec::with_capacity(escaped.len());
    while let Some(byte) = bytes.next() {
        if byte != b'=' {
            id.push(byte);
            continue;
        }
        let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
        id.push(high << 4 | low);
    }
    String::from_utf8(id).ok()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use proptest::prelude::*;

    fn addressing() -> MatrixAddressing {
        let network = NetworkId::new("matrix").unwrap();
        MatrixAddressing::new(network, "hs.test", "_drawbridge_", "drawbridge")
    }

    fn user(text: &str) -> UserId {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_is_escaped_as_the_specification_says() {
        let address = addressing().address_of(&user("xmpp:bob@p.test")).unwrap();
        assert_eq!(address, "@_drawbridge_xmpp_bob=40p.test:hs.test");
        let address = addressing().address_of(&user("birdychat:Bär=1")).unwrap();
        assert_eq!(address, "@_drawbridge_birdychat_=42=c3=a4r=3d1:hs.test");
    }

    #[test]
    fn only_the_one_spelling_comes_back() {
        let back = |address: &str| addressing().user_at(address);
        assert_eq!(back("@_drawbridge_xmpp_bob=40p.test:hs.test"), Ok(user("xmpp:bob@p.test")));
        for other in [
            "@_drawbridge_xmpp_bo=62=40p.test:hs.test",
            "@_drawbridge_xmpp_bob@p.test:hs.test",
            "@_drawbridge_xmpp_B:hs.test",
            "@_drawbridge_xmpp_=4:hs.test",
            "@_drawbridge_xmpp_=4G:hs.test",
            "@_drawbridge_xmpp_=ff:hs.test",
            "@_drawbridge_xmpp_:hs.test",
            "@_drawbridge_xmpp:hs.test",
            "@_drawbridge_matrix_=40a=3aelsewhere:hs.test",
            "@_drawbridge_xmpp_bob:elsewhere.test",
            "@drawbridge:hs.test",
            "xmpp:bob@p.test",
            "",
        ] {
            assert!(back(other).is_err(), "{other}");
        }
    }

    #[test]
    fn an_mxid_of_any_server_is_canonical_as_it_stands() {
        let canonical = |id: &str| addressing().canonical(id);
        assert_eq!(
            canonical("@Alice:example.org:8448"),
            Ok(user("matrix:@Alice:example.org:8448"))
        );
        assert_eq!(addressing().domain(&user("matrix:@a:b.test:1")), Some("b.test:1"));
        for wrong in ["alice", "@alice", "@:hs.test", "@a b:hs.test", "@a\n:hs.test", "@ä:hs.test"]
        {
            assert!(matches!(canonical(wrong), Err(AddressError::Invalid(_))), "{wrong:?}");
        }
        assert!(canonical("@drawbridge:hs.test").is_err());
        assert!(canonical("@_drawbridge_xmpp_bob:hs.test").is_err());
        assert_eq!(
            canonical(&format!("@{}:hs.test", "a".repeat(255))),
            Err(AddressError::TooLong(255))
        );
    }

    proptest! {
        #[test]
        fn every_id_comes_back_or_is_refused(id in "\\PC{1,120}|[ -~]{1,80}|[\\x00-\\x7f=_:@]{1,40}") {
            let user = UserId::new(NetworkId::new("xmpp").unwrap(), id).unwrap();
            match addressing().address_of(&user) {
                Ok(address) => {
                    prop_assert!(address.len() <= 255);
                    prop_assert!(ruma::UserId::parse(&address).is_ok());
                    prop_assert_eq!(addressing().user_at(&address), Ok(user));
                }
                Err(error) => prop_assert_eq!(error, AddressError::TooLong(255)),
            }
        }

        #[test]
        fn what_is_accepted_back_is_spelled_canonically(part in "[a-z0-9=_.A-F]{0,60}|\\PC{0,40}") {
            let address = format!("@_drawbridge_{part}:hs.test");
            if let Ok(user) = addressing().user_at(&address) {
                prop_assert_eq!(addressing().address_of(&user), Ok(address));
            }
        }

        #[test]
        fn a_canonical_id_stays_as_it_is(id in "@[!-~]{0,40}:[a-z.]{1,20}|\\PC{0,60}") {
            if let Ok(user) = addressing().canonical(&id) {
                prop_assert_eq!(user.id(), id);
            }
        }
    }
}
