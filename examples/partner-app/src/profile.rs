//! How people call themselves and look. A real app makes a picture small enough itself.

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// How one of our users is called and looks from now on. What is absent is as it was, and `null` is
/// none any more.
#[derive(Debug, Deserialize)]
pub(crate) struct Looks {
    user: String,
    #[serde(default, deserialize_with = "told")]
    name: Option<Value>,
    /// Where the picture is.
    #[serde(default, deserialize_with = "told")]
    avatar: Option<Value>,
    #[serde(default)]
    pub(crate) id: Option<String>,
}

/// What is absent was not told, and what is `null` was.
fn told<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl Looks {
    /// The frame by which the bridge is told.
    pub(crate) fn frame(&self) -> Result<Value> {
        let mut frame = json!({"type": "profile", "user": self.user});
        if let Some(name) = &self.name {
            frame["name"] = name.clone();
        }
        match &self.avatar {
            None => {}
            Some(Value::Null) => frame["avatar"] = Value::Null,
            Some(path) => {
                let path = path.as_str().context("a picture is named by its path")?;
                let bytes = std::fs::read(path).context("there is no such picture")?;
                frame["avatar"] = json!({"data": BASE64_STANDARD.encode(bytes)});
            }
        }
        Ok(frame)
    }
}

/// The picture in a `profile` of the bridge's, if there is one.
pub(crate) fn picture(frame: &Value) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(frame["avatar"]["data"].as_str()?).ok()
}
