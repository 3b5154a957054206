//! What the adapter logs: the catalogue of its events.

drawbridge_adapter::log_events! {
    /// Whoever can read the way between the partner and this machine can read the messages.
    pub(crate) LISTENING_UNENCRYPTED: WARN,
        "listening without encryption beyond this machine: put a TLS proxy in front",
        fields [address: "where it listens"],
        action "Set `listen` and `media_listen` to loopback addresses behind a proxy that does TLS.";
    /// Whoever can read the way between this machine and the partner can read the messages.
    pub(crate) DIALLING_UNENCRYPTED: WARN, "dialling without encryption beyond this machine",
        fields [],
        action "Unless the network between is private as a whole, use a `wss` URL.";
    /// The system gives the adapter no more connections. It tries again each second. At
    /// most one line a minute.
    pub(crate) CONNECTION_NOT_TAKEN: WARN, "cannot take a connection, trying again",
        fields [error],
        action "Raise the service's limit of open files.";
    /// A connection had more to do at the stop than there was time for. The app sends again what
    /// was not acknowledged.
    pub(crate) CONNECTION_LEFT: WARN, "a connection did not end in time",
        fields [],
        action "None.";
    /// What connected, or was dialled, has no valid proof of being the partner. At most one line a
    /// minute for each doubt.
    pub(crate) PROOF_INVALID: WARN,
        "a connection was turned away: its partner proof does not hold",
        fields [doubt: "what is wrong with the proof"],
        action "If it is the partner: compare `jwks_file`, issuer, audience and clocks with them.";
    /// Somebody connected and did not get as far as a session.
    pub(crate) CONNECTION_TURNED_AWAY: DEBUG, "a connection did not become a partner's",
        fields [],
        action "None.";
    /// A session with the partner's app began.
    pub(crate) SESSION_OPENED: DEBUG, "session opened",
        fields [session: "the session's name"],
        action "None.";
    /// A session with the partner's app ended.
    pub(crate) SESSION_ENDED: DEBUG, "session ended",
        fields [session: "the session's name", end: "how"],
        action "None.";
    /// The app sent something that was not taken; it was told so, and its developer sees why.
    pub(crate) FRAME_REFUSED: DEBUG, "a frame of the app's was answered with an error",
        fields [code: "the error's code, as in `docs/partner-protocol.md`", why],
        optional [msg, user: "the pseudonym of the user it is about"],
        action "None.";
    /// The app told how a user of its is called and looks, and it is durable.
    pub(crate) PROFILE_HANDED_OVER: DEBUG, "a profile was handed over",
        fields [user: "the pseudonym of the user"], optional [msg],
        action "None.";
    /// The daemon does not take what the app sent; the adapter asks again, and the app waits.
    pub(crate) INTAKE_WAITS: DEBUG, "the bridge can't take events now",
        fields [error, pause_ms: "how many milliseconds until the next try"],
        action "None.";
    /// The users that the partner has enlisted are in memory.
    pub(crate) USERS_READ: INFO, "read the enlisted users",
        fields [count: "how many"],
        action "None.";
    /// The store failed: until it works the app cannot connect. One line until it is over.
    pub(crate) USERS_UNREADABLE: ERROR, "cannot read the enlisted users, trying again",
        fields [error],
        action "Look at the lines about the store before it.";
    /// The file of the partner's keys has changed, and the new ones count.
    pub(crate) KEYS_READ: INFO, "read the partner's keys again",
        fields [keys: "how many"],
        action "None.";
    /// The file of the partner's keys is gone or damaged. One line until it is mended.
    pub(crate) KEYS_UNREADABLE: ERROR,
        "cannot read the partner's keys, the last good ones count on for jwks_ttl_seconds",
        fields [what: "what is wrong with the file"],
        action "Mend `jwks_file` before the time is over: after it nobody can connect.";
    /// A bug: the look at the file of the partner's keys panicked.
    pub(crate) KEYS_UNSEEN: ERROR, "the look at the partner's keys failed",
        fields [],
        action "Report it with the line `panicked` before it.";
    /// A request for a file, or with one, was turned away or broke off. Files of messages that still wait
    /// are tried again.
    pub(crate) FILE_REFUSED: DEBUG, "a file did not pass",
        fields [status: "what was answered, by HTTP", why],
        action "None.";
    /// A transfer of a file was slower than the protocol allows, or stood still, and was ended.
    pub(crate) FILE_TOO_SLOW: DEBUG, "a file passed too slowly",
        fields [],
        action "None.";
}
