//! What the homeserver pushes, read with care and translated into the chat model; and what is shown
//! there. Pure.
//!
//! Nothing here talks to anybody, and nothing trusts what it reads: an event that is not one is
//! refused alone.

mod content;
mod event;
mod fleeting;
mod html;
mod marks;
mod markup;
mod media;
mod things;
mod written;

pub(crate) use content::{Answer, Meaning, Said, meaning};
pub(crate) use event::{Transaction, WireEvent};
pub(crate) use fleeting::{Fleeting, fleeting};
pub(crate) use marks::marks;
pub(crate) use markup::Markup;
pub(crate) use media::{file, in_short};
pub(crate) use written::{brief, written};
