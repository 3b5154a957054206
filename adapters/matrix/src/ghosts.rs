//! Ghosts: registered when they are first needed, each with one device and a display name that says no
//! more than its id.

use drawbridge_adapter::UserId as Account;
use drawbridge_adapter::log;
use ruma::api::client::account::register;
use ruma::api::client::device::update_device;
use ruma::api::client::profile::{get_profile_field, set_profile_field};
use ruma::profile::{ProfileFieldName, ProfileFieldValue};
use ruma::{OwnedUserId, UserId};

use crate::cache::Cache;
use crate::homeserver::{As, CallError, DEVICE, Homeserver};
use crate::log::DISPLAY_NAME_REFUSED;

/// Ghosts at hand; registering another again costs three calls and changes nothing.
const AT_HAND: usize = 10_000;
/// The longest display name, in bytes: Synapse takes 256 characters.
const MAX_NAME: usize = 200;

/// The ghosts that were seen to be registered.
pub(crate) struct Ghosts {
    seen: Cache<OwnedUserId, ()>,
}

impl Ghosts {
    pub(crate) fn new() -> Self {
        Self { seen: Cache::new(AT_HAND) }
    }

    /// Makes sure that the ghost of `user` is there. In its own profile it looks the same to everybody,
    /// whatever is known of its user: how it looks to one of them stands in their room.
    pub(crate) async fn ensure(
        &self,
        homeserver: &Homeserver,
        ghost: &UserId,
        user: &Account,
    ) -> Result<(), CallError> {
        if self.seen.get(&ghost.to_owned()).is_some() {
            return Ok(());
        }
        register(homeserver, ghost).await?;
        let name = display_name(user.id(), user);
        if borne(homeserver, ghost).await?.as_ref() != Some(&name) {
            let value = ProfileFieldValue::DisplayName(name);
            let request = set_profile_field::v3::Request::new(ghost.to_owned(), value);
            match homeserver.call(As::Ghost(ghost), request).await {
                // A message is worth more than its writer's name.
                Err(CallError::Refused { status, .. }) if status != 401 => {
                    log!(DISPLAY_NAME_REFUSED, status);
                }
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        self.seen.put(ghost.to_owned(), ());
        Ok(())
    }

    /// Makes sure that the bot is there. It bears the name that the operator gave it, or none.
    pub(crate) async fn ensure_bot(
        &self,
        homeserver: &Homeserver,
        bot: &UserId,
    ) -> Result<(), CallError> {
        if self.seen.get(&bot.to_owned()).is_none() {
            register(homeserver, bot).await?;
            self.seen.put(bot.to_owned(), ());
        }
        Ok(())
    }

    /// The homeserver does not know this ghost after all.
    pub(crate) fn forget(&self, ghost: &UserId) {
        self.seen.forget(&ghost.to_owned());
    }
}

/// Registers a ghost, or the bot, and its device; again is no harm.
pub(crate) async fn register(homeserver: &Homeserver, ghost: &UserId) -> Result<(), CallError> {
    let mut request = register::v3::Request::new();
    request.username = Some(ghost.localpart().to_owned());
    request.inhibit_login = true;
    request.login_type = Some(register::LoginType::ApplicationService);
    match homeserver.call(As::Bot, request).await {
        Ok(_) => {}
        Err(error) if error.says("M_USER_IN_USE") => {}
        Err(error) => return Err(error),
    }
    let device = update_device::v3::Request::new(DEVICE.into());
    homeserver.call(As::Ghost(ghost), device).await.map(drop)
}

/// The name that the ghost bears already.
async fn borne(homeserver: &Homeserver, ghost: &UserId) -> Result<Option<String>, CallError> {
    let field = ProfileFieldName::DisplayName;
    let request = get_profile_field::v3::Request::new(ghost.to_owned(), field);
    match homeserver.call(As::Ghost(ghost), request).await {
        Ok(answer) => Ok(answer.value.and_then(|value| value.value().as_str().map(str::to_owned))),
        // None, or nobody's to know: it is set anew.
        Err(CallError::Refused { status, .. }) if status != 401 => Ok(None),
        Err(error) => Err(error),
    }
}

fn label(user: &Account) -> String {
    format!(" ({})", user.network())
}

/// The name shown: with its network, without what could reorder or hide the label.
pub(crate) fn display_name(name: &str, user: &Account) -> String {
    let shown = |text: &str| {
        let harmless = text.chars().filter(|c| !c.is_control() && !is_invisible(*c));
        let mut shown: String = harmless.collect();
        shown.truncate(shown.floor_char_boundary(MAX_NAME));
        shown.trim().to_owned()
    };
    let mut name = shown(name);
    if name.is_empty() {
        name = shown(user.id());
    }
    format!("{name}{}", label(user))
}

/// Bidirectional overrides, isolates and marks, and characters without a width.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{061C}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;

    #[test]
    fn a_name_bears_its_network_whatever_is_in_it() {
        let bob: Account = "xmpp:bob@p.test".parse().unwrap();
        assert_eq!(display_name("Bob", &bob), "Bob (xmpp)");
        assert_eq!(display_name(" \u{202E}\n", &bob), "bob@p.test (xmpp)");
        assert_eq!(display_name("\u{202E}boB\u{202C}", &bob), "boB (xmpp)");
        let long = display_name(&"é".repeat(500), &bob);
        assert_eq!(long, format!("{} (xmpp)", "é".repeat(100)));
    }
}
