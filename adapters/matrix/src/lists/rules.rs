//! Which rooms make no noise, by a user's push rules. Pure.
//!
//! Two ways of clients to mute a room are read: a rule for the room without actions (client-server
//! API, "Push Rules", kind `room`), and a rule before all others for nothing but this room (kind
//! `override`), as Element's "mute" writes it. The bridge writes the first.

use std::collections::BTreeMap;

use ruma::push::RuleKind;
use serde_json::Value;

/// The most rooms that are looked at: far more than anybody mutes by hand.
const MOST: usize = 1_000;

/// A rule that mutes one room, as it is named to the homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// `room` or `override`.
    pub(super) kind: RuleKind,
    /// Its id among those of its kind.
    pub(super) id: String,
}

/// The muted rooms, each with the rules that mute it.
pub(super) type Muted = BTreeMap<String, Vec<Rule>>;

/// The muted rooms; none if these are no push rules.
pub(super) fn read(content: &Value) -> Option<Muted> {
    let global = content.as_object()?.get("global")?.as_object()?;
    let mut muted = Muted::new();
    for (kind, name) in [(RuleKind::Override, "override"), (RuleKind::Room, "room")] {
        let rules = match global.get(name) {
            None => continue,
            Some(rules) => rules.as_array()?,
        };
        for rule in rules.iter().filter(|rule| is_silent(rule)) {
            let Some(id) = rule.get("rule_id").and_then(Value::as_str) else { continue };
            let room = if kind == RuleKind::Room { Some(id) } else { only_room(rule) };
            let Some(room) = room else { continue };
            if muted.len() < MOST || muted.contains_key(room) {
                let rule = Rule { kind: kind.clone(), id: id.to_owned() };
                muted.entry(room.to_owned()).or_default().push(rule);
            }
        }
    }
    Some(muted)
}

/// Whether a rule is in force, and does nothing at all.
fn is_silent(rule: &Value) -> bool {
    let enabled = rule.get("enabled").and_then(Value::as_bool).unwrap_or(true);
    let actions = rule.get("actions").and_then(Value::as_array);
    // Older clients write what was an action once, and means none.
    let none = |actions: &Vec<Value>| actions.iter().all(|action| action == "dont_notify");
    enabled && actions.is_some_and(none)
}

/// The room, if a rule is for everything in one and for nothing else.
fn only_room(rule: &Value) -> Option<&str> {
    let [condition] = rule.get("conditions")?.as_array()?.as_slice() else { return None };
    let text = |field: &str| condition.get(field).and_then(Value::as_str);
    let of_room = text("kind") == Some("event_match") && text("key") == Some("room_id");
    // A pattern with a star would be more rooms than one.
    text("pattern").filter(|room| of_room && room.starts_with('!') && !room.contains(['*', '?']))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

    use super::*;
    use crate::stub::any_json;
    use proptest::prelude::*;
    use serde_json::json;

    fn rooms(global: &Value) -> Vec<String> {
        read(&json!({ "global": global, "device": {} })).unwrap().into_keys().collect()
    }

    #[test]
    fn a_room_is_muted_in_two_ways() {
        let condition = json!({ "kind": "event_match", "key": "room_id", "pattern": "!b:hs" });
        let global = json!({
            "room": [
                { "rule_id": "!a:hs", "actions": [], "enabled": true, "default": false },
                { "rule_id": "!c:hs", "actions": ["dont_notify"] },
            ],
            "override": [{ "rule_id": "!b:hs", "actions": [], "conditions": [condition] }],
            "content": [], "sender": [], "underride": [],
        });
        assert_eq!(rooms(&global), ["!a:hs", "!b:hs", "!c:hs"]);
        let rules = read(&json!({ "global": global })).unwrap();
        let rule = Rule { kind: RuleKind::Override, id: "!b:hs".to_owned() };
        assert_eq!(rules["!b:hs"], [rule]);
    }

    #[test]
    fn what_makes_noise_or_is_for_more_than_a_room_mutes_none() {
        let one = json!({ "kind": "event_match", "key": "room_id", "pattern": "!a:hs" });
        let all = json!({ "kind": "event_match", "key": "room_id", "pattern": "!*" });
        let word = json!({ "kind": "event_match", "key": "content.body", "pattern": "!a:hs" });
        let rule = |actions: Value, conditions: Value| json!({ "override": [{ "rule_id": "r", "actions": actions, "conditions": conditions }] });
        assert_eq!(rooms(&rule(json!([]), json!([one]))), ["!a:hs"]);
        for global in [
            rule(json!(["notify"]), json!([one])),
            rule(json!([]), json!([one, word])),
            rule(json!([]), json!([word])),
            rule(json!([]), json!([all])),
            // Element's switch for everything.
            rule(json!([]), json!([])),
            json!({ "room": [{ "rule_id": "!a:hs", "actions": [], "enabled": false }] }),
            json!({ "room": [{ "rule_id": "!a:hs", "actions": ["notify", { "set_tweak": "sound" }] }] }),
            json!({ "sender": [{ "rule_id": "@a:hs", "actions": [] }] }),
        ] {
            assert_eq!(rooms(&global), [] as [String; 0], "{global}");
        }
    }

    proptest! {
        #[test]
        fn any_content_is_rules_or_none(global in any_json(), rule in any_json()) {
            read(&global);
            read(&json!({ "global": global }));
            read(&json!({ "global": { "room": [rule.clone()], "override": [rule] } }));
        }
    }
}
