//! What the adapter logs: the catalogue of its events.

drawbridge_adapter::log_events! {
    /// The bridge reaches the homeserver, and the homeserver does not reach the bridge: messages
    /// go to Matrix, and none come from it. Once until it changes.
    pub(crate) HOMESERVER_IS_DEAF: WARN,
        "the homeserver does not reach the bridge at the registration's url",
        fields [],
        action "Compare `url` in the registration file with the network's `listen`, and look at \
                the firewall between the two.";
    /// Somebody asked the bridge's listener with a wrong token, and got nothing. At most one line a
    /// minute.
    pub(crate) HS_TOKEN_WRONG: WARN, "a request with a wrong hs_token was refused",
        fields [],
        action "If nothing comes from Matrix: give the homeserver the registration file that the \
                bridge reads, and restart it. Else somebody else knocks: close the port to them.";
    /// The homeserver has kept a transaction back, and is made to send it now.
    pub(crate) TRANSACTION_MISSING: INFO,
        "a transaction is missing: the homeserver is asked for it",
        fields [],
        action "None.";
    /// The homeserver sent something without the form of an event.
    pub(crate) EVENT_SKIPPED: WARN, "an event that is not one was skipped",
        fields [],
        action "None; if it comes often, look at the homeserver's version.";
    /// A message came in a room of which the bridge does not know whose ghost sits in it: it does
    /// not cross, and its sender is not told. It happens after the loss of `data_dir`.
    pub(crate) MESSAGE_OUTSIDE_PORTAL: ERROR, "lost: said in a room that is no portal",
        fields [msg],
        action "Let the user invite the ghost to a new room.";
    /// Users of other homeservers invited more ghosts at once than are followed.
    pub(crate) INVITE_UNANSWERED: WARN,
        "too many invites from other servers at once, one was left unanswered",
        fields [],
        action "None; the user can invite again.";
    /// A ghost could not follow or decline an invite from another homeserver.
    pub(crate) INVITE_NOT_FOLLOWED: WARN, "an invite from another server could not be followed",
        fields [],
        action "None; the user can invite again.";
    /// The homeserver did not let a ghost into the room it was invited to.
    pub(crate) JOIN_REFUSED: WARN,
        "a ghost could not join the room it was invited to, and declines",
        fields [],
        action "None; the user can invite again.";
    /// A message reached a room after its user had left it, could not be said again in another, and
    /// its sender could not be told.
    pub(crate) MESSAGE_UNSEEN: ERROR, "lost: said in a room that its user had left",
        fields [],
        action "Look at the lines about the store before it.";
    /// The store failed while old portals were looked for. It is tried again a day later.
    pub(crate) SWEEP_PUT_OFF: DEBUG, "portals that were left are forgotten another day",
        fields [],
        action "None.";
    /// The homeserver did not let a chat into its user's folder, or out of it: the space or the chat is
    /// gone.
    pub(crate) FOLDER_NOT_KEPT: DEBUG, "a chat did not find its way into a folder, or out of it",
        fields [],
        action "None.";
    /// A ghost left a group it had been invited to, and could not say why in the room.
    pub(crate) GROUP_LEFT_SILENTLY: DEBUG, "a ghost left a group without a word",
        fields [],
        action "None.";
    /// The sender has left the room in which the outcome would stand, or has thrown the ghost out.
    pub(crate) OUTCOME_UNTOLD: DEBUG, "an outcome could not be told in its room",
        fields [msg],
        action "None.";
    /// The network has a `puppet_registration_file`: whoever reads that file can speak as every user
    /// of the homeserver. The bridge only reads and writes whom they ignore and which chats they mute.
    pub(crate) MAY_SPEAK_AS_ALL: WARN, "the bridge may speak as every user of the homeserver",
        fields [],
        action "None, if you mean it. Keep the file as safe as the homeserver itself.";
    /// The homeserver does not show the bridge whom a user ignores and which chats the user has muted:
    /// what they change there means nothing until it does. At most one line a minute.
    pub(crate) LISTS_REFUSED: WARN, "the homeserver does not show what a user ignores and mutes",
        fields [],
        action "Look whether the homeserver has read the file in `puppet_registration_file`, and \
                whether its regex holds all local users. A user who logged in to the bridge may be \
                locked or suspended: then none.";
    /// The homeserver did not take, from the bridge, whom a user ignores or which chat the user has muted.
    /// In the bridge it holds all the same. At most one line a minute.
    pub(crate) LIST_NOT_WRITTEN: WARN, "the homeserver did not take what a user ignores or mutes",
        fields [],
        action "As for `lists_refused`.";
    /// A user's own login, which they gave the bridge, opens nothing any more: they have logged it out, or
    /// somebody else has. The bridge has forgotten it, and asks for no other. Whom they block and which
    /// chats they mute is no longer the same here and in their clients.
    pub(crate) LOGIN_ENDED: INFO, "a user's own login has ended, and was forgotten",
        fields [user: "the pseudonym of the user"],
        action "None; the user can log in to the bridge again.";
    /// The bridge could not take away the message that held a user's token: its bot may not, in that room.
    /// Whoever can read the room can use the token, as long as it opens anything.
    pub(crate) LOGIN_NOT_TAKEN_BACK: WARN, "a message with a login in it was left standing",
        fields [user: "the pseudonym of the user"],
        action "Let the user delete the message. If somebody else may have read it, let the user log that \
                session out and log in to the bridge with another.";
    /// A client has written something else in the place of the list of ignored users, or of the rules on
    /// what makes noise. Blocks or mutes stay as they were. At most one line a minute.
    pub(crate) LIST_LEFT_ASIDE: DEBUG, "what a user ignores or mutes has another form, and was left aside",
        fields [],
        action "None.";
    /// More users than are watched have to do with the bridge: whom the others ignore and what they mute
    /// in their clients is not known, and nobody else can log in. At most one line a minute.
    pub(crate) TOO_MANY_LISTS: WARN, "too many users to watch all their lists",
        fields [],
        action "Tell these users to block and mute by a word to the bridge.";
    /// A ghost looks, in one room or in all, as it did before.
    pub(crate) DISPLAY_NAME_REFUSED: WARN, "the homeserver refused a ghost's display name",
        fields [status: "the homeserver's HTTP status"],
        action "Look whether the homeserver forbids changes of names, or names that are for one room \
                (Synapse: `allow_per_room_profiles`).";
    /// A user's picture is not shown on Matrix.
    pub(crate) PICTURE_REFUSED: WARN, "the homeserver refused a user's picture",
        fields [status: "the homeserver's HTTP status"],
        action "Look whether the homeserver lets the bridge upload files.";
}
