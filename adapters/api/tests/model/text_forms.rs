//! The text forms which stand in stores, frames and documents: they never change.

use drawbridge_adapter::{Code, Kind, Level, Refusal, State};
use proptest::prelude::*;

use crate::any::{self, CODES};

#[test]
fn codes_are_written_as_documented() {
    let written: Vec<_> = CODES.iter().map(ToString::to_string).collect();
    let documented = [
        "text_too_long",
        "media_too_large",
        "media_type_mismatch",
        "malformed",
        "not_reachable",
        "request_pending",
        "request_limit",
        "e2ee_required",
        "kind_mismatch",
        "rate_limited",
        "target_not_found",
        "forbidden",
        "group_unsupported",
        "host_denied",
        "expired",
        "network_unreachable",
    ];
    assert_eq!(written, documented);
    let sticker = Code::UnsupportedKind(Kind::Sticker);
    assert_eq!(sticker.to_string(), "unsupported_kind:sticker");
    let live = Code::UnsupportedKind(Kind::LiveLocation);
    assert_eq!(live.to_string(), "unsupported_kind:live_location");
}

#[test]
fn what_is_no_code_is_refused() {
    for text in [
        "",
        "unknown",
        "Forbidden",
        "forbidden ",
        "unsupported_kind",
        "unsupported_kind:",
        "unsupported_kind:Sticker",
        "unsupported_kind:sticker:sticker",
    ] {
        assert!(text.parse::<Code>().is_err(), "{text}");
    }
}

#[test]
fn kinds_are_written_as_documented() {
    let written: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let documented = [
        "text",
        "image",
        "video",
        "voice",
        "audio",
        "document",
        "location",
        "live_location",
        "contact",
        "sticker",
        "disappearing",
        "reaction",
        "edit",
        "retraction",
        "poll",
        "story",
        "call",
        "receipt",
        "typing",
        "presence",
        "profile",
        "encrypted",
        "other",
    ];
    assert_eq!(written, documented);
}

#[test]
fn levels_are_in_order() {
    assert!(Level::Rejected < Level::Fallback);
    assert!(Level::Fallback < Level::Partial);
    assert!(Level::Partial < Level::Full);
    assert_eq!(Level::default(), Level::Rejected);
}

proptest! {
    #[test]
    fn a_code_is_read_as_it_is_written(code in any::code()) {
        prop_assert_eq!(code.to_string().parse(), Ok(code));
        prop_assert_eq!(serde_json::to_value(code).unwrap(), code.to_string());
        prop_assert!(!code.explain().is_empty());
    }

    #[test]
    fn a_kind_is_read_as_it_is_written(kind in any::kind()) {
        prop_assert_eq!(kind.to_string().parse(), Ok(kind));
        prop_assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }

    #[test]
    fn no_other_text_is_a_code(text in any::text()) {
        prop_assert!(text.parse::<Code>().is_err() && text.parse::<Kind>().is_err());
    }

    #[test]
    fn only_failures_carry_a_refusal(refusal in any::refusal()) {
        prop_assert_eq!(State::FailedRetriable(refusal).refusal(), Some(refusal));
        prop_assert_eq!(State::FailedPermanent(refusal).refusal(), Some(refusal));
        prop_assert_eq!(State::Accepted.refusal().or(State::Pending.refusal()), None);
        let plain = Refusal { retry_after: None, limit: None, ..refusal };
        prop_assert_eq!(Refusal::from(refusal.code), plain);
    }

    #[test]
    fn the_last_declared_level_counts(some in any::capabilities(), kind in any::kind(), level in any::level()) {
        let others = Kind::ALL.iter().filter(|other| **other != kind);
        let before: Vec<_> = others.clone().map(|other| some.level(*other)).collect();
        let more = some.with(kind, level);
        prop_assert_eq!(more.level(kind), level);
        let after: Vec<_> = others.map(|other| more.level(*other)).collect();
        prop_assert_eq!(after, before);
    }
}
