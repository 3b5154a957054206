//! What the daemon logs: the catalogue of its events. `docs/logs.md` is made from it.

use std::time::Duration;

/// Between two lines of one event on what fails at each try.
pub(crate) const BETWEEN_COMPLAINTS: Duration = Duration::from_mins(1);

drawbridge_adapter::log_events! {
    /// The process has read its configuration and begins.
    pub(crate) DAEMON_STARTING: INFO, "starting",
        fields [version: "the version of Drawbridge"],
        action "None.";
    /// The store is open and the adapters run. The networks follow, each by its own line.
    pub(crate) DAEMON_STARTED: INFO, "started",
        fields [networks: "how many are configured"],
        action "None.";
    /// SIGTERM or SIGINT came, or an adapter ended: what is under way is brought to an end.
    pub(crate) DAEMON_STOPPING: INFO, "stopping",
        fields [],
        action "None.";
    /// The last line of an orderly end: all that was accepted is on disk.
    pub(crate) DAEMON_STOPPED: INFO, "stopped",
        fields [],
        action "None.";
    /// The daemon could not start, or could not go on.
    pub(crate) DAEMON_ENDED: ERROR, "ended",
        fields [error],
        action "Mend what the error names, and start it again. What was accepted is on disk.";
    /// The configuration is sound by itself, and does not work here: a file or a port is missing.
    pub(crate) CONFIGURATION_UNUSABLE: ERROR, "the configuration does not work",
        fields [key: "the key", what: "what is wrong with it"],
        optional [origin: "where it is set: the file and line, or the variable"],
        action "Mend the key; `drawbridge check` finds the same.";
    /// The configuration was read again, and counts from now on.
    pub(crate) RELOADED: INFO, "reloaded",
        fields [changed: "the keys whose values are new"],
        action "None.";
    /// What was read at a reload is wrong, or cannot change while the daemon runs. One line a
    /// finding.
    pub(crate) RELOAD_REFUSED: ERROR, "reload refused, the old configuration goes on",
        fields [key: "the key", what: "what is wrong with it"],
        optional [origin: "where it is set: the file and line, or the variable"],
        action "Mend the key and reload, or restart for what cannot change.";
    /// The system gives the process no threads.
    pub(crate) RUNTIME_FAILED: ERROR, "the runtime cannot be started",
        fields [error],
        action "Look at the limits of the service, and at the machine's memory.";
    /// An adapter had more to do at the stop than there was time for. Its network sends again what
    /// was not acknowledged.
    pub(crate) ADAPTER_LEFT: WARN,
        "an adapter did not close in time, what it had not handed over is sent again",
        fields [],
        action "None; if it comes with each stop, report it.";
    /// An adapter ended with an error while the daemon stopped.
    pub(crate) ADAPTER_CLOSED_BADLY: ERROR, "a network did not close well",
        fields [error],
        action "Look at what the error names before the next start.";
    /// A commit was under way at the stop for longer than there was time for. What was not answered
    /// is sent again.
    pub(crate) STORE_LEFT: WARN, "the store did not close in time",
        fields [],
        action "Look at the disk below `data_dir`: is it slow, or failing?";
    /// Something that is due has not moved for longer than it may. The service manager restarts the
    /// daemon if this lasts.
    pub(crate) STALL_BEGAN: ERROR, "something due does not move",
        fields [stall: "what it is, and for how long"],
        action "Look at the disk below `data_dir` if it is the store; else report it with the \
                lines before it.";
    /// What did not move moves.
    pub(crate) STALL_OVER: INFO, "all that is due moves again",
        fields [],
        action "None.";
    /// `/health` and `/metrics` are answered.
    pub(crate) HEALTH_LISTENS: INFO, "health and metrics are answered",
        fields [listen: "where"],
        action "None.";
    /// The listener for `/health` and `/metrics` gets no connection from the system. It tries again.
    /// At most one line a minute.
    pub(crate) HEALTH_LISTENER_FAILED: ERROR, "the operator's listener takes no connection",
        fields [error],
        action "Raise the service's limit of open files.";
    /// Whoever asked for `/health` or `/metrics` went away too early, or asked wrongly.
    pub(crate) HEALTH_ANSWER_FAILED: DEBUG, "a connection to the operator's listener ended badly",
        fields [error],
        action "None.";
    /// The socket of `drawbridge status` and `drawbridge queue` gets no connection from the system.
    /// It tries again.
    /// At most one line a minute.
    pub(crate) SOCKET_FAILED: ERROR, "the operator's socket takes no connection",
        fields [error],
        action "Raise the service's limit of open files.";
    /// A process of another user tried what only the daemon's own user and root may.
    /// At most one line a minute.
    pub(crate) STRANGER_AT_SOCKET: WARN,
        "another user's process was turned away from the operator's socket",
        fields [],
        action "Run the command as root or as the daemon's user; else find out who it was.";
    /// The store failed at what `drawbridge queue` asked for.
    pub(crate) WISH_FAILED: ERROR, "the operator's wish failed",
        fields [error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// `$NOTIFY_SOCKET` does not take what the daemon tells of itself.
    pub(crate) MANAGER_NOT_TOLD: WARN, "the service manager could not be told",
        fields [error],
        action "Look at `NotifyAccess` in the unit, and at systemd's own log.";
    /// A bug in Drawbridge or in a library. What was under way is tried again.
    pub(crate) PANICKED: ERROR, "panicked",
        fields [], optional [place: "the line of source code"],
        action "Report it with the place and the lines before it.";
    /// The configuration wants `journald`, and the journal does not listen: lines go to standard error.
    pub(crate) JOURNAL_UNREACHABLE: WARN, "systemd's journal cannot be reached",
        fields [error],
        action "Set `log.format` to `human` or `json` where there is no systemd.";
    /// The log was started twice in one process: a bug.
    pub(crate) LOG_STARTED_TWICE: WARN, "the log was started before",
        fields [],
        action "Report it.";

    /// The adapter listens, and nobody has come yet; or it dials for the first time.
    pub(crate) NETWORK_WAITING: INFO, "waiting for the network",
        fields [network],
        action "None, if the network's server comes up soon.";
    /// The network is connected: what waited for it is delivered now.
    pub(crate) NETWORK_CONNECTED: INFO, "connected",
        fields [network],
        action "None.";
    /// The network is not connected. The adapter tries again by itself, and what is for the
    /// network waits on disk. While it lasts there is one line for each new reason, not for each
    /// try.
    pub(crate) NETWORK_DISCONNECTED: WARN, "disconnected",
        fields [network, why],
        action "Look at the network's server, and at what `why` names.";

    /// The daemon has written a message down: it will cross, or its sender will be told why not.
    pub(crate) MESSAGE_ACCEPTED: DEBUG, "accepted",
        fields [msg, from, to, user, kind, bytes],
        action "None.";
    /// A message waits until its recipient accepts its sender: it will cross then, or its sender will
    /// be told why not.
    pub(crate) MESSAGE_HELD: DEBUG, "held",
        fields [msg, from, to, user, kind, bytes],
        action "None.";
    /// A user said something to the bridge's own user, and is answered. What it changed stands in
    /// lines of its own.
    pub(crate) COMMAND_ANSWERED: DEBUG, "command answered",
        fields [msg, from, user, kind, bytes],
        action "None.";
    /// What the bridge itself had to say to a user, or to write for one, was taken by their network.
    pub(crate) OWN_TOLD: DEBUG, "word of the bridge taken",
        fields [msg: "its pseudonym", to, ms],
        action "None.";
    /// What the bridge itself had to say to a user, or to write for one, was refused by their network,
    /// or waited for too long.
    pub(crate) OWN_UNTOLD: INFO, "word of the bridge could not be said",
        fields [msg: "its pseudonym", to, outcome: "why not: a code as in `docs/codes.md`", why],
        action "None.";
    /// A message's outcome: its network took it. One line a message.
    pub(crate) MESSAGE_CROSSED: INFO, "crossed",
        fields [msg, from, to, user, kind, bytes, ms, outcome],
        action "None.";
    /// A message's outcome: its recipient has blocked its sender, who sees what is seen of a message
    /// that crossed. One line a message.
    pub(crate) MESSAGE_SWALLOWED: INFO, "swallowed",
        fields [msg, from, to, user, kind, ms],
        action "None.";
    /// A message's outcome: it did not cross, and its sender is told the code. By the gate, with
    /// neither `to` nor `ms`, or by its network, with both. One line a message.
    pub(crate) MESSAGE_REFUSED: INFO, "refused",
        fields [msg, from, user, kind, bytes, outcome], optional [to, ms, why],
        action "None; `docs/codes.md` says what the code means.";
    /// A message that had crossed was sent back by the network. Its sender is told.
    pub(crate) MESSAGE_CAME_BACK: INFO, "came back",
        fields [msg, from, to, outcome],
        action "None.";
    /// The word on a message's outcome was taken by its sender's network.
    pub(crate) STATUS_TOLD: DEBUG, "status told",
        fields [msg, to, ms],
        action "None.";
    /// The word on a message's outcome was refused by its sender's network, or waited for too
    /// long: the sender sees no outcome.
    pub(crate) STATUS_UNTOLD: INFO, "status could not be told",
        fields [msg, to, outcome: "why not: a code as in `docs/codes.md`", why],
        action "None.";
    /// A delivery did not succeed for now. It stays on disk, in its place.
    pub(crate) DELIVERY_WAITS: DEBUG, "waits for another try",
        fields [msg, to, why],
        action "None.";
    /// Deliveries were under way at the stop, and may have arrived: they are repeated under the
    /// same key.
    pub(crate) DELIVERIES_LEFT: WARN,
        "deliveries under way were left, they are tried again at the next start",
        fields [],
        action "None.";
    /// A bug in an adapter. The delivery is tried again.
    pub(crate) DELIVERY_PANICKED: ERROR, "a delivery panicked, its conversation goes on",
        fields [network],
        action "Report it with the line `panicked` before it.";
    /// A bug in an adapter: it handed over an event that it must not. The event is refused.
    pub(crate) EVENT_AGAINST_CONTRACT: ERROR,
        "the adapter handed over an event against its contract",
        fields [msg, from],
        action "Report it to the adapter's author.";
    /// A bug in an adapter: it told how somebody calls themselves who is no user of its network. It is
    /// passed over.
    pub(crate) PROFILE_AGAINST_CONTRACT: ERROR,
        "the adapter told of a profile against its contract",
        fields [from],
        action "Report it to the adapter's author.";
    /// How somebody calls themselves, or looks, could not be shown to a user of this network now. It is
    /// tried again. At most one line a minute.
    pub(crate) PROFILE_WAITS: WARN, "a profile cannot be shown now",
        fields [network, why],
        action "None, unless it goes on: then look at the network's server.";
    /// A bug in an adapter: what it wanted to be remembered is too large, and was not written.
    pub(crate) MEMO_OVER_LIMIT: ERROR, "the adapter wrote a memo over its limit",
        fields [network],
        action "Report it to the adapter's author.";

    /// The store failed while something was to be accepted: it was not, and its network sends it
    /// again if it can.
    /// At most one line a minute.
    pub(crate) STORE_FAILED: ERROR, "the store failed",
        fields [error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// As many files lie on disk as may: the next wait until some are delivered.
    /// At most one line a minute.
    pub(crate) SPOOL_FULL: WARN, "files wait for room",
        fields [bytes: "how many bytes of files lie on disk"],
        action "None if it passes. If it comes often, raise `media.spool_mib`.";
    /// A file could not be written to disk, or nearly nothing is free there. It is tried again.
    /// At most one line a minute.
    pub(crate) SPOOL_FAILED: ERROR, "a file cannot be kept on disk",
        fields [error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// The store failed while a conversation was worked on. It is tried again.
    /// At most one line a minute.
    pub(crate) QUEUE_FAILED: ERROR, "the queue failed",
        fields [network, error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// The store failed while profiles were to be shown. It is tried again.
    /// At most one line a minute.
    pub(crate) PROFILES_FAILED: ERROR, "the store failed while profiles were to be shown",
        fields [network, error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// The store failed while the queue was looked through. It is tried again.
    /// At most one line a minute.
    pub(crate) QUEUE_UNREADABLE: ERROR, "the queue cannot be read",
        fields [network, error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// The store failed while what waits too long, or may be forgotten, was looked for. It is tried
    /// again.
    /// At most one line a minute.
    pub(crate) QUEUE_UNSWEPT: ERROR, "the queue could not be swept",
        fields [error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// A row of the queue is damaged: its messages, at most 16, are neither delivered nor refused.
    /// At most one line a minute.
    pub(crate) ROW_UNREADABLE: ERROR,
        "a row of the queue cannot be read back, it is passed over",
        fields [seq: "the row's number in the table `outbox`"],
        action "Restore `data_dir` from a backup, or report it.";
    /// A third-party network is not admitted: nothing crosses to or from it.
    pub(crate) NETWORK_INACTIVE: WARN, "network inactive",
        fields [network],
        action "Set `admission` for it, when you have its conformance report; see configuration.md.";
    /// A user blocked another, by a command or in their own client, or the operator did for them.
    pub(crate) BLOCK_SET: INFO, "block set",
        fields [user: "who blocks", other: "who is blocked"],
        action "None.";
    /// A block ended.
    pub(crate) BLOCK_LIFTED: INFO, "block lifted",
        fields [user: "who had blocked", other: "who was blocked"],
        action "None.";
    /// A user muted a chat, by a command or in their own client.
    pub(crate) CHAT_MUTED: INFO, "chat muted",
        fields [user: "who muted it", other: "with whom the chat is",
            muted: "for how long: 8h, 1w, 1y, always"],
        action "None.";
    /// A muted chat makes noise again: its user said so, or the time is over.
    pub(crate) CHAT_UNMUTED: INFO, "chat unmuted",
        fields [user: "who had muted it", other: "with whom the chat is"],
        action "None.";
    /// A user wants chats with third-party networks apart from others, or among them.
    pub(crate) INBOX_CHANGED: INFO, "inbox changed",
        fields [user, apart: "whether they stand apart"],
        action "None.";
    /// A user lets others see what was read, or not.
    pub(crate) RECEIPTS_CHANGED: INFO, "receipts changed",
        fields [user, unseen: "whether nobody is told what the user has read"],
        action "None.";
    /// A user lets others see that they are there, or not.
    pub(crate) PRESENCE_CHANGED: INFO, "presence changed",
        fields [user, shown: "whether others see it"],
        action "None.";
    /// A user made the bridge stricter for them, or less strict.
    pub(crate) STRICTNESS_CHANGED: INFO, "strictness changed",
        fields [user, level: "off, on, sealed"],
        action "None.";
    /// A user reported another, and those who run that one's network were told, or could not be.
    pub(crate) USER_REPORTED: INFO, "user reported",
        fields [user: "who reported", other: "who was reported", to: "that one's network",
            reason: "spam, abuse, other", messages: "how many messages the report names", outcome],
        action "None.";
    /// A user switched a third-party network on.
    pub(crate) NETWORK_SWITCHED_ON: INFO, "network switched on",
        fields [user, network],
        action "None.";
    /// A user switched a third-party network off.
    pub(crate) NETWORK_SWITCHED_OFF: INFO, "network switched off",
        fields [user, network],
        action "None.";
    /// A user accepted a stranger, or wrote to one first: what the other sends arrives from now on.
    pub(crate) CONTACT_MADE: INFO, "contact made",
        fields [user: "who wants to hear", other: "from whom"],
        action "None.";
    /// A user turned a stranger away.
    pub(crate) REQUEST_DECLINED: INFO, "request declined",
        fields [user: "who declined", other: "who had asked"],
        action "None.";
    /// An account became one person's with others, by a code that both sides said: one line for each
    /// account of the person.
    pub(crate) ACCOUNTS_LINKED: INFO, "accounts linked",
        fields [user],
        action "None.";
    /// An account is on its own again.
    pub(crate) ACCOUNT_UNLINKED: INFO, "account unlinked",
        fields [user],
        action "None.";
    /// The operator had all forgotten that a user wanted.
    pub(crate) USER_ERASED: INFO, "user erased",
        fields [user],
        action "None.";
    /// A damaged row of the queue has grown as old as what is forgotten, and was taken out. Its
    /// messages are lost, and their senders were told nothing.
    pub(crate) ROW_GIVEN_UP: ERROR, "a row of the queue that cannot be read back was taken out",
        fields [seq: "the row's number in the table `outbox`"],
        action "Tell those who wrote then, if you know them; report it.";
    /// Nothing of the commit was kept, and whoever waits for it is told so: the networks send again.
    /// At most one line a minute.
    pub(crate) COMMIT_FAILED: ERROR, "a commit failed, nothing of it was kept",
        fields [error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
    /// One transaction of the store.
    pub(crate) COMMIT: DEBUG, "commit",
        fields [jobs: "how many pieces of work it held", kept: "whether it succeeded"],
        action "None.";
    /// The write-ahead log grows until the next try.
    pub(crate) FOLD_PUT_OFF: DEBUG, "the log could not be folded now, a reader is busy",
        fields [],
        action "None.";
    /// The write-ahead log grows, and bodies of delivered messages stay in it until the next try.
    /// At most one line a minute.
    pub(crate) FOLD_FAILED: WARN, "the log could not be folded into the database",
        fields [error],
        action "Look at the disk below `data_dir`: is it full, or failing?";
}
