//! Traces of stickers and of timers, wherever they hide in an event's content.

use drawbridge_adapter::Marks;
use serde_json::Value;

/// Parts of key names that say "this message goes away": MSC2228 under its several prefixes,
/// `com.beeper.disappearing_timer`, and view-once flags.
const TIMERS: &[&str] =
    &["self_destruct", "msc2228", "disappearing", "view_once", "view-once", "viewonce"];

/// Finds marks at any depth: in the event, in its new content, in what it relates to.
pub(crate) fn marks(kind: &str, content: &Value) -> Marks {
    let mut marks = Marks { sticker: is_sticker_type(kind), disappearing: false };
    // No deeper than the 128 levels that the parser allows.
    search(content, &mut marks);
    marks
}

fn search(value: &Value, marks: &mut Marks) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                look_at(key, value, marks);
                search(value, marks);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| search(item, marks)),
        _ => {}
    }
}

fn look_at(key: &str, value: &Value, marks: &mut Marks) {
    if matches!(value, Value::Null | Value::Bool(false)) {
        return;
    }
    let names_type = matches!(key, "msgtype" | "type" | "event_type");
    let sticker = names_type && value.as_str().is_some_and(is_sticker_type);
    let key = key.to_ascii_lowercase();
    marks.sticker |= sticker || key.contains("sticker");
    marks.disappearing |= TIMERS.iter().any(|timer| key.contains(timer));
}

fn is_sticker_type(kind: &str) -> bool {
    kind == "m.sticker" || kind.ends_with(".sticker")
}

/// Whether a state event switches a timer on in its room; off is an empty content or no time.
pub(super) fn is_timer_on(kind: &str, content: &Value) -> bool {
    let field = match kind {
        "com.beeper.disappearing_timer" => "timer",
        // MSC1763: the room's messages are deleted after this time.
        "m.room.retention" | "org.matrix.msc1763.retention" => "max_lifetime",
        _ => return false,
    };
    content.get(field).is_some_and(|time| !time.is_null() && time.as_f64() != Some(0.0))
}
