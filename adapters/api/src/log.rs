//! The log's catalogue: an event that is logged is declared first, with its level, its fields, what
//! it means and what the operator does then. `docs/logs.md` is made from it.
//!
//! [`log_events!`](crate::log_events) declares, and [`log!`](crate::log!) logs. That a call names a
//! declared event with its declared fields is found out when it is compiled.
//!
//! Style: a lowercase message without a full stop, and data in fields. No body, address, token or
//! secret: who and what is meant is said by a [`Tag`](crate::Tag).

#[doc(hidden)]
pub use tracing;
pub use tracing::Level;
pub use tracing::field::display;

/// One event of the log.
#[derive(Debug, Clone, Copy)]
pub struct LogEvent {
    /// Its name, the field `event`: stable, in snake case.
    pub name: &'static str,
    /// `ERROR`: something was lost, or an operator is needed. `WARN`: nothing was lost, but it is
    /// unusual. `INFO`: a change of state, or a message's outcome. `DEBUG`: all else.
    pub level: Level,
    /// What a reader of the log reads.
    pub message: &'static str,
    /// The fields that it has beside `event` and `message`.
    pub fields: &'static [LogField],
    /// What has happened.
    pub meaning: &'static str,
    /// What the operator does.
    pub action: &'static str,
}

/// A field of an event.
#[derive(Debug, Clone, Copy)]
pub struct LogField {
    /// Its name.
    pub name: &'static str,
    /// Whether it always stands there.
    pub required: bool,
    /// What it says.
    pub meaning: &'static str,
}

/// What fields of these names say, in whichever event they stand.
pub const COMMON: &[(&str, &str)] = &[
    ("bytes", "how large the content is"),
    ("code", "the code of a refusal, as in `docs/codes.md`"),
    ("error", "what went wrong, with its causes"),
    ("from", "the network it came from"),
    ("kind", "the kind of content, as in `docs/codes.md`"),
    ("ms", "how many milliseconds passed since the message was accepted"),
    ("msg", "the message's pseudonym: the same in every line about it"),
    ("network", "the network, as in `[networks.<network>]`"),
    ("outcome", "`accepted`, or why not: a code as in `docs/codes.md`"),
    ("repeat", "whether it had come before"),
    ("to", "the network it goes to"),
    ("user", "the sender's pseudonym"),
    ("why", "why, in a fixed sentence"),
];

crate::log_events! {
    /// An adapter handed a message over, and the daemon has written it down or refused it.
    pub EVENT_HANDED_OVER: DEBUG, "handed over",
        fields [msg, kind, bytes], optional [repeat, code],
        action "None.";
    /// An adapter handed over what a user did with the means of their own network, such as a block or
    /// a mute, and the daemon has written it down.
    pub GESTURE_HANDED_OVER: DEBUG, "a gesture was handed over",
        fields [user, what: "which"], optional [msg],
        action "None.";
    /// An adapter left something aside that came from its network and cannot be read: it is too long,
    /// or not what the protocol says.
    pub INPUT_SKIPPED: WARN, "left aside what cannot be read",
        fields [], optional [what: "what it was"],
        action "None; if it comes often, compare the versions of the two sides.";
    /// An adapter tried to carry out one delivery: a message, or the word on a message's outcome.
    pub DELIVERY_CARRIED_OUT: DEBUG, "carried out",
        fields [msg, outcome: "`done`, or what kept it: `refused`, `retry`, `unknown`, `disconnected`"],
        optional [why],
        action "None.";
}

impl LogEvent {
    /// Whether a call with fields of these names has all that must stand there, and nothing else.
    ///
    /// # Panics
    ///
    /// If not: it is called at compile time.
    #[doc(hidden)]
    pub const fn check(&self, given: &[&str]) {
        let mut i = 0;
        while i < given.len() {
            let mut known = false;
            let mut j = 0;
            while j < self.fields.len() {
                known = known || same(given[i], self.fields[j].name);
                j += 1;
            }
            assert!(known, "the log event does not declare a field of this call");
            i += 1;
        }
        let mut i = 0;
        while i < self.fields.len() {
            let mut there = !self.fields[i].required;
            let mut j = 0;
            while j < given.len() {
                there = there || same(given[j], self.fields[i].name);
                j += 1;
            }
            assert!(there, "this call leaves out a field that the log event always has");
            i += 1;
        }
    }
}

#[doc(hidden)]
#[expect(clippy::panic, reason = "it fails the compilation")]
pub const fn common(name: &str) -> &'static str {
    let mut i = 0;
    while i < COMMON.len() {
        if same(COMMON[i].0, name) {
            return COMMON[i].1;
        }
        i += 1;
    }
    panic!("this field is none of the common ones: say what it means, `name: \"meaning\"`")
}

#[doc(hidden)]
pub const fn lowercase<const N: usize>(name: &str) -> [u8; N] {
    let mut letters = [0; N];
    letters.copy_from_slice(name.as_bytes());
    letters.make_ascii_lowercase();
    letters
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Declares what a crate logs, and collects it in `EVENTS`.
///
/// ```
/// mod log {
///     drawbridge_adapter::log_events! {
///         /// The gate of the example fell down.
///         pub(crate) GATE_FELL: WARN, "the gate fell",
///             fields [network, times: "how often it fell before"], optional [why],
///             action "Lift it.";
///     }
/// }
///
/// drawbridge_adapter::log!(log::GATE_FELL, network = "example", times = 2);
/// assert_eq!(log::EVENTS[0].name, "gate_fell");
/// ```
///
/// A field without a meaning of its own is one of [`COMMON`](crate::log::COMMON).
#[macro_export]
macro_rules! log_events {
    ($(
        $(#[doc = $meaning:literal])+
        $vis:vis $name:ident: $level:ident, $message:literal,
            fields [$($field:ident $(: $says:literal)?),*],
            $(optional [$($may:ident $(: $may_say:literal)?),*],)?
            action $action:literal;
    )*) => {
        $(
            $(#[doc = $meaning])+
            $vis const $name: $crate::LogEvent = $crate::__log_event!(
                [$($meaning)+] $name $level $message
                [$($field $(: $says)?),*] [$($($may $(: $may_say)?),*)?] $action
            );
        )*
        /// All of them.
        pub const EVENTS: &[$crate::LogEvent] = &[$($name),*];
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_event {
    (
        [$($meaning:literal)+] $name:ident $level:ident $message:literal
        [$($field:ident $(: $says:literal)?),*] [$($may:ident $(: $may_say:literal)?),*]
        $action:literal
    ) => {
        $crate::LogEvent {
            name: {
                const NAME: &[u8] =
                    &$crate::log::lowercase::<{ stringify!($name).len() }>(stringify!($name));
                match ::core::str::from_utf8(NAME) {
                    Ok(name) => name,
                    Err(_) => stringify!($name),
                }
            },
            level: $crate::log::Level::$level,
            message: $message,
            fields: &[
                $($crate::__log_event!(@field $field true $($says)?),)*
                $($crate::__log_event!(@field $may false $($may_say)?),)*
            ],
            meaning: concat!($($meaning),+),
            action: $action,
        }
    };
    (@field $name:ident $required:literal $says:literal) => {
        $crate::LogField { name: stringify!($name), required: $required, meaning: $says }
    };
    (@field $name:ident $required:literal) => {
        $crate::LogField {
            name: stringify!($name),
            required: $required,
            meaning: const { $crate::log::common(stringify!($name)) },
        }
    };
}

/// Logs a declared event with its fields: `name`, `%name` (by `Display`), `?name` (by `Debug`),
/// `name = value`, `name = %value` or `name = ?value`.
///
/// ```compile_fail
/// use drawbridge_adapter::log::DELIVERY_CARRIED_OUT;
/// drawbridge_adapter::log!(DELIVERY_CARRIED_OUT, msg = "m1", outcome = "done", colour = "red");
/// ```
///
/// ```compile_fail
/// use drawbridge_adapter::log::DELIVERY_CARRIED_OUT;
/// drawbridge_adapter::log!(DELIVERY_CARRIED_OUT, outcome = "done");
/// ```
#[macro_export]
macro_rules! log {
    ($event:path $(, $($fields:tt)*)?) => {{
        const EVENT: &$crate::LogEvent = &$event;
        const _: () = EVENT.check($crate::__log_names!([] $($($fields)*)?));
        $crate::log::tracing::event!(
            EVENT.level,
            message = EVENT.message,
            event = %EVENT.name,
            $($($fields)*)?
        );
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_names {
    ([$($name:ident)*]) => { &[$(stringify!($name)),*] };
    ([$($name:ident)*] % $next:ident $(, $($rest:tt)*)?) => {
        $crate::__log_names!([$($name)* $next] $($($rest)*)?)
    };
    ([$($name:ident)*] ? $next:ident $(, $($rest:tt)*)?) => {
        $crate::__log_names!([$($name)* $next] $($($rest)*)?)
    };
    ([$($name:ident)*] $next:ident = % $value:expr $(, $($rest:tt)*)?) => {
        $crate::__log_names!([$($name)* $next] $($($rest)*)?)
    };
    ([$($name:ident)*] $next:ident = ? $value:expr $(, $($rest:tt)*)?) => {
        $crate::__log_names!([$($name)* $next] $($($rest)*)?)
    };
    ([$($name:ident)*] $next:ident = $value:expr $(, $($rest:tt)*)?) => {
        $crate::__log_names!([$($name)* $next] $($($rest)*)?)
    };
    ([$($name:ident)*] $next:ident $(, $($rest:tt)*)?) => {
        $crate::__log_names!([$($name)* $next] $($($rest)*)?)
    };
}
