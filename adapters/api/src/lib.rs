//! The chat model and the [`Adapter`] trait: all that an adapter may know of Drawbridge.
//!
//! An adapter translates between one external network and this model, and decides nothing: who may
//! reach whom, and what may cross, is the daemon's business. What is here is plain data with
//! `serde`, free of any protocol's types, and three traits:
//!
//! - [`Adapter`]: what the daemon calls.
//! - [`Bridge`] (around a [`BridgePort`]): what an adapter calls. The daemon is one
//!   implementation, the reference bridge of `drawbridge-testkit` another.
//! - [`Configuration`]: an adapter's own keys in the configuration file.
//!
//! What an adapter logs stands in its catalogue: see [`log`].
//!
//! What is not here: anything of the daemon (rules, queues, storage), any network's wire format.

mod adapter;
mod bridge;
mod code;
mod configuration;
mod content;
mod diagnosis;
mod event;
mod fleeting;
mod id;
pub mod log;
mod media;
mod profile;
mod rarely;
mod rich;
mod secret;
mod things;

pub use adapter::{
    Adapter, AddressError, Addressing, Delivered, Delivery, DeliveryError, Descriptor, Fatal,
    StatusNeeds,
};
pub use bridge::{Acceptance, Answer, Bridge, BridgePort, Connection, Memo, Unavailable};
pub use code::{Code, Refusal};
pub use configuration::{Configuration, Place, Problem, Registration};
pub use content::{
    Capabilities, Content, Emojis, Feature, Kind, Level, Marks, Reference, Reply, Text, TextLimits,
    Thread, Was,
};
pub use diagnosis::{Circumstances, Diagnosis};
pub use event::{
    Access, BlockEntry, Command, CommandForm, Destination, Event, Folder, FormField, Gesture,
    Message, MuteEntry, MuteFor, Notice, Party, Repeats, ReplyPath, Report, ReportReason, Request,
    RequestOver, State, Status,
};
pub use fleeting::{Passing, Presence, Receipt, Signal, There, Typing};
pub use id::{ConversationId, EventId, IdError, NetworkId, Tag, Timestamp, UserId};
pub use log::{LogEvent, LogField};
pub use media::{
    Attached, Body, FileInfo, Incoming, Locator, Media, MediaKind, Sha256, Spooled, Thumbnail,
};
pub use profile::{NewPicture, Picture, Profile, ProfileChange, Shown};
pub use rarely::Rarely;
pub use rich::{Block, Inline, Rich};
pub use secret::{Secret, SecretFile};
pub use things::{ContactCard, Location, Poll, metres};

pub use async_trait::async_trait;
