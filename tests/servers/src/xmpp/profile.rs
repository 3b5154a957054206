//! How users call themselves and look.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::Sight;
use crate::script::text;

/// Takes this PNG as the picture, or none.
pub(super) fn wears(picture: Option<&[u8]>) -> Value {
    let hex = picture.map(|bytes| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    });
    json!({"do": "wear", "picture": hex})
}

/// Whether the client shows somebody so, of whom `told` gives what was told of a kind.
pub(super) fn shows(sight: &Sight<'_>, told: impl Fn(&str) -> Vec<Value>) -> bool {
    match *sight {
        Sight::Name(name) => told("name").last().is_some_and(|line| line["name"] == name),
        Sight::Face(picture) => {
            let faces = told("face");
            let Some(last) = faces.last() else { return false };
            let shown = fs::read(text(last, "path")).ok();
            if last["path"].is_null() { picture.is_none() } else { shown.as_deref() == picture }
        }
        _ => false,
    }
}
