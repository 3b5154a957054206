//! The chat model, from outside: what is written can be read, what is hostile is refused, and
//! nothing shows in a log what people wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod any;
mod ids;
mod privacy;
mod round_trips;
mod text_forms;
