//! JIDs: the one spelling of a user's, and those of puppets.
//!
//! A puppet's node is `network_id`, with the id escaped so that it survives as an XMPP node and can
//! be read back. Two layers: what XEP-0106 does not cover and XMPP would change or refuse (upper
//! case, controls, unstable Unicode) becomes `=xx` for each byte, and `=` itself `=3d`; then
//! XEP-0106 covers its ten characters, `\` always among them.

use drawbridge_adapter::{AddressError, Addressing, NetworkId, UserId};
use jid::{BareJid, Jid, NodePart};

use crate::hex::push_hex;

/// XEP-0106: these characters, in a node, are written as `\` and their number.
const ESCAPED: &str = " \"&'/:<>@\\";
/// RFC 7622: the longest node, in bytes.
const MAX_NODE: usize = 1023;
/// The longest text that can be a JID: three parts and two separators.
const MAX_JID: usize = 3 * 1023 + 2;

/// How users are named here.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    network: NetworkId,
    domain: String,
}

impl Addresses {
    /// For puppets below `domain`, in its normal form.
    pub(crate) fn new(network: NetworkId, domain: String) -> Self {
        Self { network, domain }
    }

    /// The component's own domain.
    pub(crate) fn component(&self) -> &str {
        &self.domain
    }
}

/// Reads a JID of bounded length.
pub(crate) fn parse(text: &str) -> Result<Jid, AddressError> {
    if text.len() > MAX_JID {
        return Err(AddressError::Invalid("a JID has at most 3,071 bytes"));
    }
    Jid::new(text).map_err(|_| AddressError::Invalid("not a JID"))
}

impl Addressing for Addresses {
    fn canonical(&self, id: &str) -> Result<UserId, AddressError> {
        let bare = parse(id)?.to_bare();
        if bare.node().is_none() {
            return Err(AddressError::Invalid("a user's JID has a part before the @"));
        }
        if bare.domain().as_str() == self.domain {
            return Err(AddressError::Invalid("an address of the bridge itself"));
        }
        UserId::new(self.network.clone(), bare.to_string())
            .map_err(|_| AddressError::TooLong(UserId::MAX))
    }

    fn domain<'a>(&self, user: &'a UserId) -> Option<&'a str> {
        user.id().rsplit_once('@').map(|(_, domain)| domain)
    }

    fn address_of(&self, foreign: &UserId) -> Result<String, AddressError> {
        let node = node_of(foreign)?;
        Ok(format!("{node}@{}", self.domain))
    }

    fn user_at(&self, address: &str) -> Result<UserId, AddressError> {
        let bare: BareJid = parse(address)?.to_bare();
        if bare.domain().as_str() != self.domain {
            return Err(AddressError::NotOurs);
        }
        let node = bare.node().ok_or(AddressError::NotOurs)?.as_str();
        let (network, escaped) = node.split_once('_').ok_or(AddressError::NotOurs)?;
        let network = NetworkId::new(network).map_err(|_| AddressError::NotOurs)?;
        let bytes = unescape(escaped).ok_or(AddressError::NotOurs)?;
        let id = String::from_utf8(bytes).map_err(|_| AddressError::NotOurs)?;
        let user = UserId::new(network, id).map_err(|_| AddressError::NotOurs)?;
        // One user has one address: another way to write it is nobody's.
        if node_of(&user).is_ok_and(|canonical| canonical == node) {
            Ok(user)
        } else {
            Err(AddressError::NotOurs)
        }
    }
}

fn node_of(user: &UserId) -> Result<String, AddressError> {
    let plain = escape(user, true);
    let node = if stable(&plain) { plain } else { escape(user, false) };
    if node.len() > MAX_NODE {
        return Err(AddressError::TooLong(MAX_NODE));
    }
    // Only ASCII that XMPP leaves alone is left, so this holds; were it not so, no address is
    // better than one that leads to somebody else.
    if stable(&node) { Ok(node) } else { Err(AddressError::Invalid("no XMPP address can hold it")) }
}

/// Whether XMPP leaves the node as it is.
fn stable(node: &str) -> bool {
    node.len() <= MAX_NODE && NodePart::new(node).is_ok_and(|normal| normal.as_str() == node)
}

/// The node, with characters beyond ASCII as they are or as bytes.
fn escape(user: &UserId, unicode: bool) -> String {
    let mut node = format!("{}_", user.network());
    let id = user.id();
    let mut buffer = [0; 4];
    for (at, c) in id.char_indices() {
        let edge = at == 0 || at + c.len_utf8() == id.len();
        let kept = match c {
            // XEP-0106 forbids an escaped space at either end.
            ' ' => !edge,
            '=' => false,
            c if c.is_ascii() => !c.is_ascii_control() && !c.is_ascii_uppercase(),
            _ => unicode,
        };
        if !kept {
            for byte in c.encode_utf8(&mut buffer).bytes() {
                node.push('=');
                push_hex(&mut node, byte);
            }
        } else if ESCAPED.contains(c) {
            node.push('\\');
            push_hex(&mut node, c as u8);
        } else {
            node.push(c);
        }
    }
    node
}

/// Both layers at once: in what [`escape`] wrote, `\` and `=` are always marks.
fn unescape(escaped: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' && byte != b'=' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn addresses() -> Addresses {
        Addresses::new(NetworkId::new("xmpp").unwrap(), "bridge.p.test".to_owned())
    }

    fn user(id: &str) -> UserId {
        UserId::new(NetworkId::new("matrix").unwrap(), id).unwrap()
    }

    #[test]
    fn addresses_read_well() {
        for (id, address) in [
            ("@alice:hs.test", r"matrix_\40alice\3ahs.test@bridge.p.test"),
            ("@Alice=40:hs", r"matrix_\40=41lice=3d40\3ahs@bridge.p.test"),
            (r"a\40b", r"matrix_a\5c40b@bridge.p.test"),
            (" a b ", r"matrix_=20a\20b=20@bridge.p.test"),
            ("straße", "matrix_stra=c3=9fe@bridge.p.test"),
            ("é", "matrix_é@bridge.p.test"),
            ("e\u{301}", "matrix_e=cc=81@bridge.p.test"),
            ("😀", "matrix_=f0=9f=98=80@bridge.p.test"),
            ("+4412", "matrix_+4412@bridge.p.test"),
        ] {
            assert_eq!(addresses().address_of(&user(id)).unwrap(), address, "{id}");
            assert_eq!(addresses().user_at(&format!("{address}/phone")).unwrap(), user(id));
        }
    }

    #[test]
    fn only_the_canonical_address_leads_to_a_user() {
        for address in [
            "bridge.p.test",
            "matrix_alice@elsewhere.test",
            "matrix@bridge.p.test",
            "_alice@bridge.p.test",
            "matrix_@bridge.p.test",
            r"matrix_\61lice@bridge.p.test",
            "matrix_=61lice@bridge.p.test",
            "matrix_=6@bridge.p.test",
            "matrix_=FF@bridge.p.test",
            r"matrix_\@bridge.p.test",
        ] {
            assert_eq!(addresses().user_at(address), Err(AddressError::NotOurs), "{address}");
        }
    }

    #[test]
    fn a_user_has_one_spelling() {
        let addresses = addresses();
        let bob = addresses.canonical("Bob@P.test/Phone").unwrap();
        assert_eq!(bob.id(), "bob@p.test");
        assert_eq!(addresses.domain(&bob), Some("p.test"));
        for wrong in
            ["", "p.test", "a@b@c", "@p.test", "x@bridge.p.test", "a b@p.test", "a\n@p.test"]
        {
            assert!(addresses.canonical(wrong).is_err(), "{wrong:?}");
        }
        assert!(addresses.canonical(&format!("{}@p.test", "x".repeat(5000))).is_err());
    }

    #[test]
    fn too_long_is_said() {
        let long = user(&"x".repeat(1100));
        assert_eq!(addresses().address_of(&long), Err(AddressError::TooLong(1023)));
    }

    proptest! {
        #[test]
        fn every_user_is_found_again(id in "\\PC{1,80}|.{1,80}|[ =\\\\@:/A-Za-z0-9]{1,40}") {
            let user = user(&id);
            let address = addresses().address_of(&user).unwrap();
            prop_assert_eq!(BareJid::new(&address).unwrap().to_string(), address.clone());
            prop_assert_eq!(addresses().user_at(&address).unwrap(), user);
        }

        #[test]
        fn no_address_makes_it_panic(address in ".{0,60}|[a-z]{1,3}_[=\\\\0-9a-f]{0,20}@bridge\\.p\\.test") {
            if let Ok(user) = addresses().user_at(&address) {
                prop_assert!(addresses().address_of(&user).is_ok());
            }
            if let Ok(user) = addresses().canonical(&address) {
                prop_assert_eq!(addresses().canonical(user.id()).unwrap(), user);
            }
        }
    }
}
