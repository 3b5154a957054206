//! Who is named, as the destination of a link.

use std::fmt::Write as _;

use drawbridge_adapter::{Addressing, UserId};

use crate::PartnerAddressing;

/// What stands before the address.
const SCHEME: &str = "mention:";

/// Where a mention of this user leads.
pub(super) fn destination(user: &UserId, addressing: &PartnerAddressing) -> String {
    let own = addressing.user(user.id()).is_ok_and(|own| own == *user);
    let address = if own { user.id().to_owned() } else { user.to_string() };
    let mut url = SCHEME.to_owned();
    for byte in address.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// Whether a link leads to a mention, right or wrong.
pub(super) fn is_one(url: &str) -> bool {
    url.starts_with(SCHEME)
}

/// Who is named by a link that leads there.
pub(super) fn user(url: &str, addressing: &PartnerAddressing) -> Option<UserId> {
    let address = decoded(url.strip_prefix(SCHEME)?)?;
    let user = if address.contains(':') {
        addressing.user_at(&address)
    } else {
        addressing.user(&address)
    };
    user.ok()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, more @ ..] = rest else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}
