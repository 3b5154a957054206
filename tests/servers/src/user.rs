//! Somebody on one of the networks, whichever it is.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{Deed, Heard, PATIENCE, Sight, Told, until};

/// A user who writes and hears through a client of the network.
pub trait User {
    /// The user, as the bridge names them: `matrix:@alice:hs.test`.
    fn id(&self) -> &str;

    /// The network, as the configuration names it.
    fn network(&self) -> &'static str {
        match self.id().split_once(':') {
            Some(("matrix", _)) => "matrix",
            Some(("xmpp", _)) => "xmpp",
            _ => "birdychat",
        }
    }

    /// The address under which another user is reached from this user's network.
    fn address_of(&self, other: &dyn User) -> Result<String>;

    /// Writes a text, and gives the id which the message got on this user's network.
    fn writes(&self, to: &str, body: &str) -> Result<String>;

    /// Writes `count` texts, `prefix 1` and so on, and does not wait until they are written.
    fn floods(&self, to: &str, prefix: &str, count: usize) -> Result<()>;

    /// Sends a sticker, as clients of the network do; gives its id.
    fn sends_sticker(&self, to: &str) -> Result<String>;

    /// Sends a text with a timer, as clients of the network do; gives its id.
    fn sends_disappearing(&self, to: &str, body: &str) -> Result<String>;

    /// Writes what is formatted in the network's own way; gives its id.
    fn writes_marked(&self, _to: &dyn User, _source: &str) -> Result<String> {
        anyhow::bail!("this client writes plain texts only")
    }

    /// A message that came, in the network's own way: what is said in it, without what changes from
    /// one run to the next.
    fn shows_marked(&self, _id: &str) -> Result<String> {
        anyhow::bail!("this client shows plain texts only")
    }

    /// Does something in the chat with somebody; gives its id, if it has one.
    fn performs(&self, _to: &dyn User, deed: &Deed<'_>) -> Result<String> {
        anyhow::bail!("this client cannot: {deed:?}")
    }

    /// Whether the client shows this in the chat with somebody, now.
    fn is_shown(&self, _by: &dyn User, sight: &Sight<'_>) -> Result<bool> {
        anyhow::bail!("this client cannot see: {sight:?}")
    }

    /// Waits until the client shows this in the chat with somebody.
    fn sees(&self, by: &dyn User, sight: &Sight<'_>) -> Result<()> {
        until(&format!("{} to see {sight:?}", self.id()), PATIENCE, || {
            Ok(self.is_shown(by, sight)?.then_some(()))
        })
    }

    /// The next message that comes, whatever it says.
    fn next_message(&self, patience: Duration) -> Result<Heard>;

    /// Every message that came so far, read or not.
    fn everything_heard(&self) -> Vec<Heard>;

    /// The next failure that the user is told.
    fn next_failure(&self, patience: Duration) -> Result<Told>;

    /// The ids of all messages that failed so far, as the user was told.
    fn everything_failed(&self) -> Vec<Told>;

    /// Writes a text to somebody; gives the message's id.
    fn says(&self, to: &dyn User, body: &str) -> Result<String> {
        self.writes(&self.address_of(to)?, body)
    }

    /// The very next message must say this, and come from there.
    fn hears(&self, from: &dyn User, body: &str) -> Result<Heard> {
        let heard = self
            .next_message(PATIENCE)
            .map_err(|error| error.context(format!("{} should hear “{}”", self.id(), cut(body))))?;
        ensure!(
            heard.body == body,
            "{} should hear “{}”, and heard “{}”",
            self.id(),
            cut(body),
            cut(&heard.body)
        );
        let address = self.address_of(from)?;
        ensure!(
            heard.from == address,
            "{} should hear it from {address}, and heard it from {}",
            self.id(),
            heard.from
        );
        Ok(heard)
    }

    /// The next failure that the user is told must be of this message, for this reason.
    fn is_told(&self, of: &str, code: &str) -> Result<Told> {
        let told = self
            .next_failure(PATIENCE)
            .map_err(|error| error.context(format!("{} should be told {code}", self.id())))?;
        ensure!(
            told.code == code && told.of == of,
            "{} should be told {code} of {of}, and was told {told:?}",
            self.id()
        );
        Ok(told)
    }
}

fn cut(body: &str) -> String {
    body.chars().take(200).collect()
}
