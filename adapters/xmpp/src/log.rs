//! What the adapter logs: the catalogue of its events.

drawbridge_adapter::log_events! {
    /// Somebody else is connected to the server as the same component: the server gives each a part
    /// of what users write. Once a connection.
    pub(crate) DOMAIN_SHARED: ERROR,
        "another connection uses the component's domain, and takes a part of the messages",
        fields [],
        action "End the other one, and change the component's secret if it is not yours.";
    /// Users' messages that the XMPP server had handed to the bridge are gone: the daemon stopped
    /// while its store did not take them.
    pub(crate) MESSAGES_LOST: ERROR, "messages were lost: the daemon stopped before it took them",
        fields [lost: "how many"],
        action "Look at the lines about the store before it.";
    /// The daemon does not take what users write; the adapter asks again, and the server waits.
    /// One line until it is over.
    pub(crate) INTAKE_STALLED: WARN, "the daemon takes no messages",
        fields [why],
        action "Look at the lines about the store before it, or at the queue towards XMPP.";
    /// A message came back after it had crossed, and its sender will not be told.
    pub(crate) BOUNCE_LOST: ERROR, "a message came back, and its sender is not told",
        fields [msg, why],
        action "None for this message; if it comes often, look why messages to this server fail.";
    /// A message came back after it had crossed.
    pub(crate) BOUNCE_HANDED_OVER: DEBUG, "came back",
        fields [msg, code, known: "whether the daemon knows it and tells its sender"],
        action "None.";
    /// What a user showed with the client's own means, such as accepting a contact, is not known to
    /// the daemon.
    pub(crate) GESTURE_LOST: ERROR, "what a user showed is not taken",
        fields [user, why],
        action "None; the user can do it again, or tell the bridge's own user.";
    /// A user's server lets the bridge neither read nor write whom the user blocks. What the user
    /// tells the bridge's own user holds all the same. Once a connection.
    pub(crate) LISTS_FORBIDDEN: INFO,
        "a block is not written to the user's own list: the server does not allow it",
        fields [],
        action "Let the server give the bridge the privilege (`docs/install.md`), if it can.";
    /// A user's server does not let the bridge read and write the user's contacts, so the chats that the
    /// user wants apart stand where they stood. Once a connection.
    pub(crate) FOLDERS_FORBIDDEN: INFO,
        "chats are not sorted in a user's client: the server does not allow it",
        fields [],
        action "Let the server give the bridge the privilege (`docs/install.md`), if it can.";
    /// Which users want which chats in a group of their contacts could not be read: new chats are not
    /// sorted meanwhile. It is tried again, at least twice a minute, without another line.
    pub(crate) FOLDERS_UNREAD: WARN, "the folders of users could not be read",
        fields [why],
        action "Look at the lines about the store before it.";
    /// What is written down about a user's folder cannot be understood: new chats are not sorted for the
    /// user.
    pub(crate) FOLDER_UNREADABLE: WARN, "what is noted of a user's folder cannot be read",
        fields [], optional [user: "the pseudonym of the user"],
        action "Let the user say `inbox separate` again; the group of the old name may stay behind.";
    /// A chat is not in the group of its user's contacts where it should be. It is tried again with
    /// the chat's next message, and when the user says again how the chats are to stand.
    pub(crate) FOLDER_UNKEPT: DEBUG, "a chat is not sorted",
        fields [user, why],
        action "None.";
    /// A user's block list could not be read: the server's answer is an error, or too long.
    pub(crate) LIST_UNREADABLE: DEBUG, "a block list could not be read",
        fields [user, why],
        action "None.";
    /// A user was reported, and nobody reads it. Who reported it is told that it reached nobody, unless
    /// it came back after the servers of all who are named had taken it.
    pub(crate) REPORT_UNTOLD: WARN, "a report reaches nobody",
        fields [why],
        action "Let the XMPP server name a contact for reports, or set `report_to` \
                (`docs/install.md`).";
    /// Files can go to the network: the server has an upload service. Once, and again after it was lost.
    pub(crate) UPLOADS_POSSIBLE: DEBUG, "the server takes files",
        fields [], optional [max: "the largest, in bytes"],
        action "None.";
    /// The XMPP server has no upload service (XEP-0363) for the bridge: files to users there are refused.
    /// Once a connection.
    pub(crate) UPLOADS_IMPOSSIBLE: INFO, "files are refused: the server has no upload service",
        fields [],
        action "Give the server an upload service, or name it in `upload_service`.";
    /// A message came back as one does that its recipient blocks: its sender is told nothing.
    pub(crate) BOUNCE_SWALLOWED: DEBUG, "came back, perhaps of a block",
        fields [msg],
        action "None.";
    /// A message was refused by the adapter itself: it cannot be read, or cannot be taken now. Its
    /// sender is told.
    pub(crate) STANZA_REFUSED: INFO, "refused here",
        fields [outcome], optional [msg],
        action "None; `docs/codes.md` says what the code means.";
    /// The connection ended before the sender could be told of a refusal.
    pub(crate) REFUSAL_UNTOLD: DEBUG, "the sender is not told: the connection ended",
        fields [], optional [msg],
        action "None.";
    /// Something came that means nothing to the bridge.
    pub(crate) STANZA_IGNORED: DEBUG, "ignored",
        fields [what: "what it was"],
        action "None.";
    /// Presences and queries come faster than the server takes their answers.
    pub(crate) ANSWER_DROPPED: DEBUG, "an answer was dropped: too many wait",
        fields [],
        action "None.";
    /// The stream ended because the daemon stops.
    pub(crate) STREAM_CLOSED: DEBUG, "stream closed",
        fields [why],
        action "None.";
}
