//! Where an id stands in an index: near those of its time, if that can be told from the id or from a
//! repeat of the event as well. Ids are random: each would change a page of the index by itself.

use drawbridge_adapter::{EventId, Repeats, Tag, Timestamp};

use super::Admission;

/// How many bits the tag has beside a time.
const TAG: u32 = 19;

/// How many digits a key has; see [`drawbridge_adapter::Delivery::key`].
const KEY: usize = 27;

/// The place for an event.
pub(super) fn of(admission: &Admission) -> i64 {
    match admission.repeats {
        Repeats::Always => by_tag(admission.tag),
        Repeats::AlwaysDated => at(admission.sent_at.0, admission.tag),
        Repeats::Within(_) => at(period(admission, admission.at), admission.tag),
    }
}

/// Where else an earlier one may stand: a window before, or behind, if the clock was set back.
pub(super) fn around(admission: &Admission) -> [i64; 2] {
    let Repeats::Within(window) = admission.repeats else { return [of(admission); 2] };
    let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    let now = admission.at.0;
    [now.saturating_sub(window), now.saturating_add(window)]
        .map(|moment| at(period(admission, Timestamp(moment)), admission.tag))
}

/// The beginning of the window in which a moment lies.
fn period(admission: &Admission, moment: Timestamp) -> i64 {
    let Repeats::Within(window) = admission.repeats else { return 0 };
    let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1);
    moment.0.div_euclid(window).saturating_mul(window)
}

/// The place for what a network calls a message that it took. Where it took our key, that begins
/// with a time, and so do the first places of the number.
pub(super) fn of_delivered(id: &EventId) -> i64 {
    let digits = id.as_str().get(..15).filter(|_| id.as_str().len() == KEY);
    let number = digits.and_then(|digits| i64::from_str_radix(digits, 16).ok());
    number.unwrap_or_else(|| by_tag(Tag::of(&[], &[id.as_str()])))
}

fn by_tag(tag: Tag) -> i64 {
    tag.to_bits().cast_signed()
}

/// Times outside of what fits (the year 1970 to 2527) share places, which only costs time.
fn at(time: i64, tag: Tag) -> i64 {
    let low = tag.to_bits().cast_signed() & ((1 << TAG) - 1);
    ((time << TAG) & i64::MAX) | low
}
