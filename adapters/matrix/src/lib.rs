//! The Matrix adapter: an application service with ghosts.
