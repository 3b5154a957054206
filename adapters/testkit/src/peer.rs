//! What the author of an adapter brings: a user of the network, and the stage to meet on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use drawbridge_adapter::{
    Adapter, Addressing, Code, Content, Kind, MediaKind, MuteFor, NetworkId, Secret, There, UserId,
};

/// One user of the network, played from outside: through the network's own protocol, as a foreign
/// client would, never through the adapter's code.
///
/// Addresses are those of the network itself, as [`Addressing::address_of`] gives them. Calls need
/// no deadline of their own: the suite ends those that take too long. An optional act that the
/// network cannot do says [`Tried::Impossible`], and the check is skipped, if the stage declares
/// the skip.
#[async_trait]
pub trait Peer: Send + Sync {
    /// The account it plays, in canonical form.
    fn user(&self) -> UserId;

    /// Comes online. Called once, after [`Adapter::run`] has begun, so that it may connect to the
    /// adapter.
    async fn joins(&mut self) -> Result<()> {
        Ok(())
    }

    /// Writes `text` to the user under this address, as a message of its own. Returns when the
    /// message is on its way: the bridge need not have it yet.
    async fn says(&mut self, to: &str, text: &str) -> Result<()>;

    /// Waits for the next message that is shown to it and that it has not heard yet, in order.
    /// What its network marks as a repeat (the same id again) it drops, as a good client does.
    /// Outcomes of its own messages are not messages.
    async fn hears(&mut self) -> Result<Heard>;

    /// Waits for the next thing that the bridge itself says to it, in its own name and as nobody's
    /// ghost, and gives the words. They are no messages: [`Self::hears`] leaves them aside.
    async fn is_told(&mut self) -> Result<String>;

    /// Waits for the outcome shown for the latest message it said, and gives the refusal's code.
    async fn learns(&mut self) -> Result<Code>;

    /// Makes the network hand the latest message over again: the very same, with the same id.
    async fn says_again(&mut self) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Sends something of another kind, in the way most likely to be mistaken for a text: with a
    /// text beside it, if the network has that.
    async fn does(&mut self, _to: &str, _kind: Kind) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Does this with its client's own means, in the chat with the user under this address. Returns
    /// when it is on its way.
    async fn performs(&mut self, _to: &str, _deed: &Deed) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Waits until its client shows this in the chat with the user under this address. A new message
    /// that was shown so may be heard afterwards, or not; all else is nothing to hear.
    async fn is_shown(&mut self, _from: &str, _sight: &Sight) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Says `text` to the bridge's own user, as a message of its own.
    async fn asks_bridge(&mut self, _text: &str) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Waits until it is shown that a stranger, who is known by this address, wants to write, and
    /// answers with the network's own means: accepts, or turns away.
    async fn answers_request(&mut self, _from: &str, _accepts: bool) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Blocks the user under this address with the network's own means, or lifts the block.
    async fn blocks(&mut self, _address: &str, _blocked: bool) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Waits until the network's own list of those whom it blocks holds this address, or does not.
    async fn sees_block(&mut self, _address: &str, _blocked: bool) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Mutes the chat with the user under this address with the network's own means, for about so
    /// long, or lets it make noise again.
    async fn mutes(&mut self, _address: &str, _muted: Option<MuteFor>) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Waits until the network itself says that the chat with the user under this address makes no
    /// noise for the peer, or that it does.
    async fn sees_mute(&mut self, _address: &str, _muted: bool) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Waits until the chat with the user under this address stands in the folder of this name, or
    /// until it does not.
    async fn sees_in_folder(
        &mut self,
        _folder: &str,
        _address: &str,
        _inside: bool,
    ) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Waits until those who run the network have got the next report about the peer, and gives the
    /// texts of the messages which it names or holds, in order. `None` if that cannot be known.
    async fn is_reported(&mut self) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// A secret that opens what the peer keeps on the network, to be given to the adapter.
    async fn gives_access(&mut self) -> Result<Option<Secret>> {
        Ok(None)
    }

    /// The texts which the network considers taken by the bridge: it will not hand them over
    /// again. `None` if that cannot be known.
    async fn taken(&mut self) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// Downloads what lies under a link that the adapter gave ([`drawbridge_adapter::Locator::Link`]), as
    /// a browser would. `None` if it cannot.
    async fn downloads(&mut self, _link: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// How often a file that it sent was fetched from where it lies, by anybody, so far; `None` if that
    /// cannot be known.
    async fn files_fetched(&mut self) -> Result<Option<usize>> {
        Ok(None)
    }

    /// How many messages that are files its client has shown so far. What its network marks as a repeat
    /// (the same id again) is not shown again. `None` if that cannot be known.
    async fn files_shown(&mut self) -> Result<Option<usize>> {
        Ok(None)
    }

    /// Whether its network has small pictures of files: whether its client sends them, and shows those
    /// that come. If not, files are sent and shown without.
    fn has_small_pictures(&self) -> bool {
        true
    }

    /// Cuts the adapter off from its network, and keeps it so.
    async fn network_goes_away(&mut self) -> Result<Tried> {
        Ok(Tried::Impossible)
    }

    /// Lets the adapter reach its network again, and comes back online itself.
    async fn network_comes_back(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Something that a client can do besides saying a plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Says this, all of it in bold.
    SaysBold(String),
    /// Says this in answer to the latest message that it heard.
    Replies(String),
    /// Says this in the thread that begins with the latest message that it heard.
    Threads(String),
    /// Gives the latest message that it said this text instead.
    Edits(String),
    /// Makes something of this kind of the latest message that it said, in the way most likely to be
    /// mistaken for a mere edit: a sticker, or something that disappears.
    EditsInto(Kind),
    /// Takes back the latest message that it said.
    Retracts,
    /// Has these reactions to the latest message that it heard, and no others; their order means
    /// nothing.
    Reacts(Vec<String>),
    /// Tells that the latest message that it heard was shown on its screen.
    Reads,
    /// Begins to write, or stops.
    Types(bool),
    /// Sends a place, a contact card or a poll.
    Sends(Content),
    /// Lets the other user see that it is there, not at the device, or gone.
    Is(There),
    /// Sends a file.
    SendsFile(Sample),
    /// Calls itself so from now on, for everybody who may see it.
    CallsItself(String),
    /// Takes this PNG as its picture, for everybody who may see it; or has none any more.
    Wears(Option<Vec<u8>>),
}

/// A file, and what is said of it. Two are the same if all is that their network has.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    /// As what it is sent, and shown.
    pub kind: MediaKind,
    /// Its name.
    pub name: String,
    /// Its MIME type.
    pub mime: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What is written with it.
    pub caption: Option<String>,
    /// How long it plays.
    pub duration: Option<Duration>,
    /// How wide it is, in pixels.
    pub width: Option<u32>,
    /// How high it is, in pixels.
    pub height: Option<u32>,
    /// A small picture of it: a PNG of two by two pixels.
    pub thumbnail: Option<Vec<u8>>,
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, mime, bytes, caption, duration, width, height, thumbnail } = self;
        let (bytes, small) = (bytes.len(), thumbnail.as_ref().map_or(0, Vec::len));
        write!(f, "{kind:?} {name} ({mime}) of {bytes} bytes, {caption:?}, {duration:?}, ")?;
        write!(f, "{width:?} by {height:?}, with a small picture of {small} bytes")
    }
}

/// Something that a client shows besides a plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// A new message with this text, all of it in bold.
    Bold(String),
    /// A new message with this text, in answer to the latest one that it said.
    Reply(String),
    /// A new message with this text, in the thread that begins with the latest one that it said.
    Thread(String),
    /// The latest message that it heard has this text now.
    Edited(String),
    /// The latest message that it heard is gone.
    Retracted,
    /// The latest message that it said has these reactions of the other user, in any order, and no
    /// others.
    Reactions(Vec<String>),
    /// The other user has read the latest message that it said.
    Read,
    /// The other user writes, or has stopped.
    Typing(bool),
    /// A new message which is this place, contact card or poll, and no mere words.
    Shows(Content),
    /// The other user is there, not at the device, or gone.
    Presence(There),
    /// A new message which is this file: the same bytes, of the same kind and type, under this name,
    /// with this caption, this small picture, and nothing else said of it. Duration, width and height are
    /// held against it only where the network has them.
    ShowsFile(Sample),
    /// The other user is called so; the name may stand with the network's label behind it.
    Name(String),
    /// The other user's picture has these bytes, or there is none.
    Face(Option<Vec<u8>>),
}

/// Whether an optional act was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It was.
    Done,
    /// This network, or this peer, cannot do that.
    Impossible,
}

/// A message, as it was shown to a user of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The address it came from.
    pub from: String,
    /// What it says.
    pub text: String,
}

/// Where the checks are played. One for each kind of surroundings: a fake server, the real one.
#[async_trait]
pub trait Stage: Send + Sync {
    /// A fresh adapter, not yet running, and a fresh peer. Scenes may share a server if each peer
    /// has an account of its own: what earlier ones said may still come, and is left aside.
    async fn set(&self) -> Result<Scene>;

    /// The checks that are skipped here, and why. A check that turns out to be impossible without
    /// being declared fails, and so does one that is declared and yet possible: what is not shown
    /// is always said. Checks that every network can pass cannot be skipped.
    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// How long the suite waits for any one thing before it calls it lost.
    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}

/// What one check is played with.
pub struct Scene {
    /// The network's id.
    pub network: NetworkId,
    /// The adapter.
    pub adapter: Arc<dyn Adapter>,
    /// Its addressing.
    pub addressing: Arc<dyn Addressing>,
    /// The user on the other side.
    pub peer: Box<dyn Peer>,
    /// A user of the network who does not exist, if a delivery to such a one fails at once.
    pub nobody: Option<UserId>,
    /// The target of the adapter's log lines: the name of its crate, with underscores.
    pub log_target: &'static str,
    /// Tokens and passwords which no log may show.
    pub secrets: Vec<String>,
    /// Whatever must live as long as the scene does: a server, a folder.
    pub props: Box<dyn Send + Sync>,
}
