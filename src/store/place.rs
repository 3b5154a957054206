//! Where an id stands in an index: near those of its time, if that can be told from the id or from a
//! repeat of the event as well. Ids are random: each would change a page of the index by itself.

use std::time::Duration;

use drawbridge_adapter::{EventId, Repeats, Tag, Timestamp};

use super::Admission;

/// How many bits the tag has beside a time.
const TAG: u32 = 19;

/// How many digits a key has; see [`drawbridge_adapter::Delivery::key`].
const KEY: usize = 27;

/// How long a period is, in milliseconds: where ids come free again, those of one share places.
const PERIOD: i64 = Repeats::LONGEST.as_secs().cast_signed() * 1000;

/// How far back an event is looked for of which only the name is known, and not the time.
const LOOKED_BACK: Duration = Duration::from_hours(7 * 24);

/// The place for an event.
pub(super) fn of(admission: &Admission) -> i64 {
    match admission.repeats {
        Repeats::Always => by_tag(admission.tag),
        Repeats::AlwaysDated => at(admission.sent_at.0, admission.tag),
        Repeats::Within(_) => at(period(admission.at.0), admission.tag),
    }
}

/// Where else an earlier one may stand: a window before, or behind, if the clock was set back.
pub(super) fn around(admission: &Admission) -> [i64; 2] {
    let Repeats::Within(window) = admission.repeats else { return [of(admission); 2] };
    let window = i64::try_from(window.as_millis()).unwrap_or(PERIOD).min(PERIOD);
    let now = admission.at.0;
    [now.saturating_sub(window), now.saturating_add(window)]
        .map(|moment| at(period(moment), admission.tag))
}

/// Where an event may stand of which the name's tag is known, and perhaps the time; the latest first.
pub(super) fn of_name(
    tag: Tag,
    sent_at: Option<Timestamp>,
    now: Timestamp,
) -> impl Iterator<Item = i64> {
    let (first, rest) = match sent_at {
        Some(sent_at) => (at(sent_at.0, tag), 0),
        None => (by_tag(tag), LOOKED_BACK.as_secs().cast_signed() * 1000 / PERIOD),
    };
    // The clock may have been set back since.
    let latest = period(now.0) + PERIOD;
    let periods = (0..rest).map(move |back| at(latest - back * PERIOD, tag));
    std::iter::once(first).chain(periods)
}

/// The moment at which a key was made, if it is one.
pub(super) fn moment_of_key(key: &str) -> Option<Timestamp> {
    let whole = key.len() == KEY && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let digits = key.get(..11).filter(|_| whole)?;
    i64::from_str_radix(digits, 16).ok().map(Timestamp)
}

/// The beginning of the period in which a moment lies.
fn period(moment: i64) -> i64 {
    moment.div_euclid(PERIOD).saturating_mul(PERIOD)
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
