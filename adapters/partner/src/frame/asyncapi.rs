//! `docs/partner-protocol.asyncapi.yaml`: the protocol as AsyncAPI 3.0, made from the frames' types.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::{FromApp, FromBridge, SUBPROTOCOL};

const HEAD: &str = "# The words are in partner-protocol.md. Generated: do not edit.\n";

/// What answers what.
const ANSWERS: &[(&str, &[&str])] = &[
    ("app.hello", &["bridge.welcome", "bridge.error"]),
    ("app.enlist", &["bridge.enlisted", "bridge.error"]),
    ("app.delist", &["bridge.delisted", "bridge.error"]),
    ("app.event", &["bridge.ack", "bridge.error"]),
    ("app.command", &["bridge.ack", "bridge.error"]),
    ("app.accept", &["bridge.ack", "bridge.error"]),
    ("app.decline", &["bridge.ack", "bridge.error"]),
    ("app.block", &["bridge.ack", "bridge.error"]),
    ("app.unblock", &["bridge.ack", "bridge.error"]),
    ("app.mute", &["bridge.ack", "bridge.error"]),
    ("app.unmute", &["bridge.ack", "bridge.error"]),
    ("app.report", &["bridge.ack", "bridge.error"]),
    ("app.profile", &["bridge.ack", "bridge.error"]),
    ("bridge.event", &["app.ack", "app.refuse"]),
    ("bridge.status", &["app.ack", "app.refuse"]),
    ("bridge.fetch", &["app.fetch_failed"]),
    ("bridge.notice", &["app.ack", "app.refuse"]),
    ("bridge.request", &["app.ack", "app.refuse"]),
    ("bridge.request_over", &["app.ack", "app.refuse"]),
    ("bridge.block", &["app.ack", "app.refuse"]),
    ("bridge.unblock", &["app.ack", "app.refuse"]),
    ("bridge.mute", &["app.ack", "app.refuse"]),
    ("bridge.unmute", &["app.ack", "app.refuse"]),
    ("bridge.inbox", &["app.ack", "app.refuse"]),
    ("bridge.report", &["app.ack", "app.refuse"]),
    ("bridge.profile", &["app.ack", "app.refuse"]),
];

/// The frames of one side: the name of each, and its schema.
fn frames<T: JsonSchema>(side: &str, generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
    let all = T::json_schema(generator).to_value();
    let frame = |one: &Value| {
        let kind = one["properties"]["type"]["const"].as_str().unwrap();
        (format!("{side}.{kind}"), one.clone())
    };
    all["oneOf"].as_array().unwrap().iter().map(frame).collect()
}

fn reference(to: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/{to}/{name}") })
}

fn in_channel(names: &[&str]) -> Value {
    names.iter().map(|name| reference("channels/session/messages", name)).collect()
}

fn message(name: &str, mut payload: Value) -> Value {
    let (side, kind) = name.split_once('.').unwrap();
    let words = payload.as_object_mut().unwrap().remove("description").unwrap();
    json!({"name": kind, "title": format!("{kind}, from the {side}"), "summary": words,
           "payload": payload})
}

/// As the bridge sees it: it receives what the app sends.
fn operation(name: &str, summary: &Value) -> Value {
    let action = if name.starts_with("app.") { "receive" } else { "send" };
    let mut operation = json!({"action": action, "summary": summary,
        "channel": reference("channels", "session"), "messages": in_channel(&[name])});
    if let Some((_, answers)) = ANSWERS.iter().find(|(asked, _)| *asked == name) {
        operation["reply"] = json!({"channel": reference("channels", "session"),
                                    "messages": in_channel(answers)});
    }
    operation
}

fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut frames_of_both = frames::<FromApp>("app", &mut generator);
    frames_of_both.extend(frames::<FromBridge>("bridge", &mut generator));
    let schemas = generator.take_definitions(true);
    let (mut messages, mut in_session, mut operations) = (Map::new(), Map::new(), Map::new());
    for (name, payload) in frames_of_both {
        let message = message(&name, payload);
        operations.insert(name.clone(), operation(&name, &message["summary"]));
        in_session.insert(name.clone(), reference("components/messages", &name));
        messages.insert(name, message);
    }
    for (asked, answers) in ANSWERS {
        for name in [asked].into_iter().chain(answers.iter()) {
            assert!(messages.contains_key(*name), "there is no frame {name}");
        }
    }
    let jwt = |words: &str| {
        json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                                   "description": words})
    };
    let path = json!({"default": "partner/v1",
        "description": "Where the app connects: partner/v1. Where the bridge does: as the partner says."});
    let headers = json!({"type": "object", "required": ["Sec-WebSocket-Protocol"],
        "properties": {"Sec-WebSocket-Protocol": {"const": SUBPROTOCOL}}});
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": SUBPROTOCOL,
            "version": "1.0.0",
            "description": "The partner protocol of Drawbridge, as the bridge sees it: it receives what the app sends.",
            "license": {"name": "Apache-2.0",
                        "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "bridge": {"host": "bridge.example", "protocol": "wss",
                       "description": "Where the app connects to the bridge.",
                       "security": [reference("components/securitySchemes", "partnerProof")]},
            "app": {"host": "partner.example", "protocol": "wss",
                    "description": "Where the bridge connects to the app.",
                    "security": [reference("components/securitySchemes", "bridgeProof")]},
        },
        "channels": {
            "session": {
                "address": "/{path}",
                "parameters": {"path": path},
                "description": "One WebSocket, from hello to the close.",
                "messages": in_session,
                "bindings": {"ws": {"method": "GET", "headers": headers}},
            },
        },
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {
                "partnerProof": jwt("A JWT of the partner's, without sub."),
                "bridgeProof": jwt("A JWT of the bridge's; hello.proof answers its jti."),
            },
        },
    })
}

#[test]
fn the_asyncapi_document_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/partner-protocol.asyncapi.yaml");
    let fresh = format!("{HEAD}{}", serde_yaml_ng::to_string(&document()).unwrap());
    if std::env::var_os("DRAWBRIDGE_REGENERATE").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stored == fresh, "{path} is stale: run the tests with DRAWBRIDGE_REGENERATE=1");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}
