//! What serde writes it reads back, for every type of the model: the store depends on it.

use drawbridge_adapter::{ConversationId, SecretFile};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::any;

fn comes_back<T>(value: &T) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq,
{
    let text = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&text).unwrap();
    // Not `prop_assert_eq`: `Debug` hides just what would differ.
    prop_assert!(back == *value, "became {text}");
    let same = serde_json::to_string(&back).unwrap();
    prop_assert_eq!(same, text);
    Ok(())
}

macro_rules! round_trips {
    ($($name:ident),* $(,)?) => {
        proptest! {
            $(
                #[test]
                fn $name(value in any::$name()) {
                    comes_back(&value)?;
                }
            )*
        }
    };
}

round_trips! {
    network, user, event_id, timestamp, kind, level, code, refusal, content, marks, party,
    destination, reply_path, event, state, status, message, command, shown, profile,
    capabilities,
}

proptest! {
    #[test]
    fn conversation(one in any::user(), other in any::user()) {
        comes_back(&ConversationId::direct(&one, &other))?;
    }

    #[test]
    fn conversation_in_the_store(one in any::user(), other in any::user()) {
        let conversation = ConversationId::direct(&one, &other);
        let back = ConversationId::from_stored(conversation.as_str().to_owned());
        prop_assert!(back == conversation);
    }

    #[test]
    fn secret_file(name in any::text()) {
        comes_back(&SecretFile(name.into()))?;
    }

    /// Hostile JSON is an error, not a panic.
    #[test]
    fn anything_else(text in any::text()) {
        let _ = serde_json::from_str::<drawbridge_adapter::Event>(&text);
        let _ = serde_json::from_str::<drawbridge_adapter::Command>(&text);
    }
}
