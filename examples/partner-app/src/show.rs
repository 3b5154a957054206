//! What the app tells: JSON lines for scripts, or sentences for people.

use std::path::Path;

use serde_json::{Value, json};

/// The standard output.
#[derive(Clone, Copy)]
pub(crate) struct Show {
    human: bool,
}

impl Show {
    pub(crate) fn new(human: bool) -> Self {
        Self { human }
    }

    /// Something that happened on this side: `connected`, `disconnected`, `sent`, `problem`.
    pub(crate) fn note(self, saw: &str, detail: &str) {
        if self.human {
            println!("* {saw} {detail}");
        } else {
            println!("{}", json!({"saw": saw, "detail": detail}));
        }
    }

    /// A frame that brought a file, which lies there now, as the small picture of it does.
    pub(crate) fn file(self, saw: &str, frame: &Value, path: &Path, thumbnail: Option<&Path>) {
        if self.human {
            self.frame(saw, frame);
            println!("* its file is {}", path.display());
        } else {
            let line = json!({"saw": saw, "frame": frame, "file": path, "thumbnail": thumbnail});
            println!("{line}");
        }
    }

    /// A frame of the bridge's; `saw` is its type, or `repeat` for one that came before.
    pub(crate) fn frame(self, saw: &str, frame: &Value) {
        if !self.human {
            println!("{}", json!({"saw": saw, "frame": frame}));
            return;
        }
        let text = |key: &str| frame[key].as_str().unwrap_or_default();
        match saw {
            "event" => {
                let name = frame["from_name"].as_str().unwrap_or(text("from"));
                let body = words(frame);
                // A real app rings here, unless the user has muted the chat.
                let bell = if frame["silent"] == true { "(silently) " } else { "" };
                let place = place(frame);
                println!("{bell}{name} ({}) to {}: {place}{body}", text("from"), text("to"));
            }
            "status" => {
                println!(
                    "* {} to {}: {} {}",
                    text("event"),
                    text("to"),
                    text("state"),
                    text("message")
                );
            }
            "receipt" => println!("* {} of {}: {}", frame["of"], text("to"), text("state")),
            "typing" => {
                println!("* {} to {}: writing {}", text("from"), text("to"), frame["typing"]);
            }
            "presence" => println!("* {} to {}: {}", text("from"), text("to"), text("state")),
            "notice" => println!("the bridge to {}: {}", text("to"), text("text")),
            "request" => println!("a request to {}: {}", text("to"), text("words")),
            "request_over" => println!("* the request of {} is over", text("from")),
            "block" | "unblock" | "unmute" => println!("* {} {saw}s {}", text("of"), text("other")),
            "mute" => println!("* {} mutes {} for {}", text("of"), text("other"), text("for")),
            "inbox" => println!("* {}: {} holds {}", text("of"), text("name"), frame["networks"]),
            "profile" => {
                let picture = if frame["avatar"].is_object() { "a" } else { "no" };
                let name = frame["name"].as_str().unwrap_or("nothing");
                let (from, to) = (text("from"), text("to"));
                println!("* {from} is called {name} and has {picture} picture, to {to}");
            }
            "report" => println!("! a report: {}", text("words")),
            "error" => {
                println!(
                    "! {} {}: {} {}",
                    text("code"),
                    text("about"),
                    text("where"),
                    text("message")
                );
            }
            "enlisted" | "delisted" => println!("* {} is {saw}", text("user")),
            "welcome" => println!("* welcome, as network {}", text("network")),
            _ => {}
        }
    }
}

/// Where an event stands, if it stands in a thread or answers a message. A real app shows it there.
fn place(frame: &Value) -> String {
    let named = |key: &str, words: &str| match &frame[key] {
        Value::Null => String::new(),
        named => format!("({words} {named}) "),
    };
    named("thread", "in the thread of") + &named("in_reply_to", "in answer to")
}

/// What an event says, in words. A real app shows the Markdown, draws a map, a card and a poll, and
/// changes the message that an edit, a retraction or a reaction is about.
fn words(frame: &Value) -> String {
    let content = &frame["content"];
    let body = content["body"].as_str().unwrap_or_default();
    match content["type"].as_str().unwrap_or_default() {
        "text" => body.to_owned(),
        "edit" => format!("(instead of {}) {body}", content["of"]),
        "retraction" => format!("(takes back {})", content["of"]),
        "reaction" => format!("({} to {})", content["emojis"], content["to"]),
        "location" | "contact" | "poll" => frame["words"].as_str().unwrap_or_default().to_owned(),
        "image" | "video" | "voice" | "audio" | "document" => {
            let text = |key: &str| content[key].as_str().unwrap_or_default();
            format!("({} {}) {}", text("type"), text("name"), text("caption"))
        }
        _ => "(something else)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_event_stands_is_said() {
        let (mine, theirs) = (json!({"app": "m1"}), json!({"bridge": "9b1d"}));
        assert_eq!(place(&json!({})), "");
        let both = place(&json!({"in_reply_to": mine, "thread": theirs}));
        let words = r#"(in the thread of {"bridge":"9b1d"}) (in answer to {"app":"m1"}) "#;
        assert_eq!(both, words);
    }
}
