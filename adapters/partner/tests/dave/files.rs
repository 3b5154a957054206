//! The files of dave's app.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drawbridge_adapter::MediaKind;
use drawbridge_partner::Partner;
use drawbridge_testkit::Sample;
use serde_json::{Value, json};

use crate::common::http::{get, put};

/// What the app keeps.
pub struct Shelf {
    partner: Arc<Partner>,
    offered: Mutex<HashMap<String, Vec<u8>>>,
    got: Mutex<HashMap<String, Vec<u8>>>,
    fetched: AtomicUsize,
}

impl Shelf {
    pub fn new(partner: Arc<Partner>) -> Self {
        let fetched = AtomicUsize::new(0);
        Self { partner, offered: Mutex::default(), got: Mutex::default(), fetched }
    }

    /// The content by which this file is offered.
    pub fn offers(&self, sample: &Sample) -> Value {
        let mut offered = self.offered.lock().expect("no panic");
        let file = format!("file-{}", offered.len());
        offered.insert(file.clone(), sample.bytes.clone());
        json!({"type": sample.kind.kind().as_str(), "file": file, "name": sample.name,
               "mime": sample.mime, "size": sample.bytes.len(), "caption": sample.caption,
               "duration_ms": sample.duration.map(|one| one.as_millis())})
    }

    /// How often the bridge wanted a file.
    pub fn fetched(&self) -> usize {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Hands over what the bridge wants.
    pub async fn puts(&self, fetch: &Value) {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        let at = self.partner.listening_for_files().await.expect("it carries files");
        let file = fetch["file"].as_str().unwrap_or_default();
        let bytes = self.offered.lock().expect("no panic").get(file).cloned();
        let url = fetch["url"].as_str().unwrap_or_default();
        put(at, url, &bytes.expect("a file of dave's")).await;
    }

    /// Gets what an event brings.
    pub async fn gets(&self, event: &Value) {
        let Some(url) = event["content"]["url"].as_str() else { return };
        let at = self.partner.listening_for_files().await.expect("it carries files");
        let answer = get(at, url, "").await;
        if answer.status == 200 {
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            self.got.lock().expect("no panic").insert(id, answer.body);
        }
    }

    /// The file that this event brought.
    pub fn got(&self, event: &Value) -> Option<Sample> {
        let content = &event["content"];
        let text = |key: &str| content[key].as_str().map(str::to_owned);
        let kind = text("type")?;
        let kind = MediaKind::ALL.into_iter().find(|one| one.kind().as_str() == kind)?;
        let bytes = self.got.lock().expect("no panic").remove(event["id"].as_str()?)?;
        Some(Sample {
            kind,
            name: text("name").unwrap_or_default(),
            mime: text("mime").unwrap_or_default(),
            bytes,
            caption: text("caption"),
            duration: content["duration_ms"].as_u64().map(Duration::from_millis),
        })
    }
}
