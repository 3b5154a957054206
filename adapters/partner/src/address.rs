//! How a partner's users are named, and under which addresses others appear to them.

use drawbridge_adapter::{AddressError, Addressing, NetworkId, UserId};

/// The longest id of a partner's user, in bytes.
const MAX: usize = 128;

/// The longest address that a partner is shown or may write, in bytes.
const MAX_ADDRESS: usize = NetworkId::MAX + 1 + UserId::MAX;

/// Names on one partner network.
///
/// Its own users are 1 to 128 of `a-z 0-9 . _ -`, so that every network can carry them; others
/// have the address `network:id`, unchanged.
#[derive(Debug, Clone)]
pub struct PartnerAddressing {
    network: NetworkId,
}

impl PartnerAddressing {
    /// The addressing of this network.
    pub fn new(network: NetworkId) -> Self {
        Self { network }
    }

    /// Whether `id` is a user id of this network in its one spelling.
    pub(crate) fn is_canonical(id: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        (1..=MAX).contains(&id.len()) && id.bytes().all(allowed)
    }

    /// The user of this network with this id.
    pub(crate) fn user(&self, id: &str) -> Result<UserId, AddressError> {
        const RULE: &str = "1 to 128 of a-z 0-9 . _ -";
        if !Self::is_canonical(id) {
            return Err(AddressError::Invalid(RULE));
        }
        UserId::new(self.network.clone(), id).map_err(|_| AddressError::Invalid(RULE))
    }
}

impl Addressing for PartnerAddressing {
    fn canonical(&self, id: &str) -> Result<UserId, AddressError> {
        self.user(&id.to_ascii_lowercase())
    }

    fn domain<'a>(&self, _user: &'a UserId) -> Option<&'a str> {
        None
    }

    fn address_of(&self, foreign: &UserId) -> Result<String, AddressError> {
        let address = foreign.to_string();
        self.user_at(&address)?;
        Ok(address)
    }

    fn user_at(&self, address: &str) -> Result<UserId, AddressError> {
        if address.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong(MAX_ADDRESS));
        }
        if address.chars().any(char::is_control) {
            return Err(AddressError::Invalid("an address holds no control characters"));
        }
        let user: UserId = address.parse().map_err(|_| AddressError::Invalid("network:id"))?;
        if *user.network() == self.network { Err(AddressError::NotOurs) } else { Ok(user) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use proptest::prelude::*;

    fn birdychat() -> PartnerAddressing {
        PartnerAddressing::new(NetworkId::new("birdychat").unwrap())
    }

    #[test]
    fn two_spellings_are_one_user() {
        assert_eq!(
            birdychat().canonical("Carol").unwrap(),
            birdychat().canonical("carol").unwrap()
        );
        for bad in ["", "carol dave", "carol@x", "cärol", "a:b", "a/b", "a\nb", &"x".repeat(129)] {
            assert!(birdychat().canonical(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn its_own_users_have_no_address_on_it() {
        let carol = birdychat().canonical("carol").unwrap();
        assert_eq!(birdychat().address_of(&carol), Err(AddressError::NotOurs));
        assert_eq!(birdychat().user_at("birdychat:carol"), Err(AddressError::NotOurs));
    }

    proptest! {
        #[test]
        fn an_address_leads_back_to_its_user(network in "[a-z][a-z0-9-]{0,15}", id in "\\PC{1,60}") {
            prop_assume!(network != "birdychat");
            let user = UserId::new(NetworkId::new(&network).unwrap(), id).unwrap();
            if let Ok(address) = birdychat().address_of(&user) {
                prop_assert_eq!(birdychat().user_at(&address), Ok(user));
            }
        }

        #[test]
        fn canonical_is_idempotent(id in "\\PC{0,140}") {
            if let Ok(user) = birdychat().canonical(&id) {
                prop_assert_eq!(birdychat().canonical(user.id()), Ok(user.clone()));
            }
        }

        #[test]
        fn no_address_panics(address in any::<String>()) {
            let _ = birdychat().user_at(&address);
        }
    }
}
