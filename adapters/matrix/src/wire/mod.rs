//! What the homeserver pushes, read with care and translated into the chat model. Pure.
//!
//! Nothing here talks to anybody, and nothing trusts what it reads: an event that is not one is
//! refused alone.

mod content;
mod event;
mod marks;

pub(crate) use content::{Meaning, meaning};
pub(crate) use event::{Transaction, WireEvent};
