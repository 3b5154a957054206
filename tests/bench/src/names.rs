//! Who writes to whom: Alice on Matrix, and for each conversation a user of her own on XMPP.

/// The Matrix user.
pub(crate) const ALICE: &str = "@alice:hs.test";
/// The domain of the XMPP users.
pub(crate) const DOMAIN: &str = "p.test";
/// The domain of the component.
pub(crate) const COMPONENT: &str = "bridge.p.test";
/// The secret of the component.
pub(crate) const SECRET: &str = "bench";

/// What is unlike in all that belongs to a conversation: of one length, so that one
/// conversation's rows can be made into another's by replacing it.
pub(crate) fn mark(conversation: usize) -> String {
    format!("bob{conversation:07}")
}

/// The XMPP user of a conversation.
pub(crate) fn user(conversation: usize) -> String {
    format!("{}@{DOMAIN}", mark(conversation))
}

/// The room of a conversation.
pub(crate) fn room(conversation: usize) -> String {
    format!("!{}:hs.test", mark(conversation))
}

/// The room for a ghost: its name holds the mark of its conversation.
pub(crate) fn room_of_ghost(ghost: &str) -> String {
    let mark = ghost.find("bob").and_then(|at| ghost.get(at..at + 10));
    format!("!{}:hs.test", mark.unwrap_or("unknown"))
}
