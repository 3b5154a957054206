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
        let small = sample.thumbnail.clone().map(|small| {
            let at = format!("{file}-small");
            offered.insert(at.clone(), small);
            json!({"file": at, "mime": "image/png", "width": 2, "height": 2})
        });
        let mut content = json!({"type": sample.kind.kind().as_str(), "file": file, "name": sample.name,
               "mime": sample.mime, "size": sample.bytes.len(), "caption": sample.caption,
               "duration_ms": sample.duration.map(|one| one.as_millis()),
               "width": sample.width, "height": sample.height});
        if let Some(small) = small {
            content["thumbnail"] = small;
        }
        content
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
        let (content, id) = (&event["content"], event["id"].as_str().unwrap_or_default());
        // The small picture first: when the file is there, all is.
        for (said, key) in [(&content["thumbnail"], small(id)), (content, id.to_owned())] {
            let Some(url) = said["url"].as_str() else { continue };
            let at = self.partner.listening_for_files().await.expect("it carries files");
            let answer = get(at, url, "").await;
            if answer.status == 200 {
                self.got.lock().expect("no panic").insert(key, answer.body);
            }
        }
    }

    /// The file that this event brought.
    pub fn got(&self, event: &Value) -> Option<Sample> {
        let content = &event["content"];
        let text = |key: &str| content[key].as_str().map(str::to_owned);
        let kind = text("type")?;
        let kind = MediaKind::ALL.into_iter().find(|one| one.kind().as_str() == kind)?;
        let id = event["id"].as_str()?;
        let mut got = self.got.lock().expect("no panic");
        let bytes = got.remove(id)?;
        let pixels = |key: &str| content[key].as_u64().and_then(|count| u32::try_from(count).ok());
        Some(Sample {
            kind,
            name: text("name").unwrap_or_default(),
            mime: text("mime").unwrap_or_default(),
            bytes,
            caption: text("caption"),
            duration: content["duration_ms"].as_u64().map(Duration::from_millis),
            width: pixels("width"),
            height: pixels("height"),
            thumbnail: got.remove(&small(id)),
        })
    }
}

fn small(id: &str) -> String {
    format!("{id} small")
}
