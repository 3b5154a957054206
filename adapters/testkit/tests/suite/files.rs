//! Files on the line network: the adapter's part of it, and what Dora's client makes of them.

use drawbridge_adapter::{
    Attached, Code, Content, Delivered, DeliveryError, EventId, FileInfo, Incoming, Locator, Media,
    MediaKind, Refusal, Spooled, Text, Thumbnail,
};
use drawbridge_testkit::Sample;
use futures_util::{StreamExt, stream};

use crate::adapter::Line;
use crate::flaws::Flaw;
use crate::server::{Act, Frame, Look, State};

/// How much of a file comes at once.
const PIECE: usize = 64 * 1024;

/// What stands behind a file's id where its small picture is meant.
const SMALL: &str = " small";

impl Line {
    /// A file that Dora sent, as the bridge is told of it.
    pub(crate) fn file(&self, frame: &Frame, sample: &Sample) -> Content {
        let known = |wrong: &str, right: &str, flaw| {
            Some(if self.has(flaw) { wrong.to_owned() } else { right.to_owned() })
        };
        let size = sample.bytes.len() as u64;
        let (width, height) = self.turned(sample.width, sample.height, Flaw::TurnsFilesIn);
        let info = FileInfo {
            width,
            height,
            name: known("file.bin", &sample.name, Flaw::RenamesFilesIn),
            mime: known("application/octet-stream", &sample.mime, Flaw::MistypesFiles),
            size: Some(if self.has(Flaw::MisjudgesFiles) { size / 1024 } else { size }),
            duration: sample
                .duration
                .map(|it| if self.has(Flaw::StretchesFiles) { it * 1000 } else { it }),
            ..FileInfo::default()
        };
        let kind = match sample.kind {
            MediaKind::Voice if self.has(Flaw::CallsVoiceAudio) => MediaKind::Audio,
            kind => kind,
        };
        let at = match self.flaw {
            Some(Flaw::AttachesFilesIn) => Locator::Attached,
            Some(Flaw::LinksToDisk) => Locator::Link(format!("file:///{}", frame.id)),
            _ => Locator::Own(frame.id.clone()),
        };
        let caption = sample.caption.as_deref().map(Text::plain);
        let caption = caption.filter(|_| !self.has(Flaw::DropsCaptionsIn));
        let small = sample.thumbnail.as_ref().filter(|_| !self.has(Flaw::DropsSmallPicturesIn));
        let small_at = match self.flaw {
            Some(Flaw::MixesSmallPicturesIn) => frame.id.clone(),
            _ => format!("{}{SMALL}", frame.id),
        };
        let thumbnail =
            small.map(|_| Thumbnail { at: Locator::Own(small_at), info: FileInfo::default() });
        Content::Media(Box::new(Media { kind, at, info, thumbnail, caption }))
    }

    fn turned<T>(&self, width: T, height: T, flaw: Flaw) -> (T, T) {
        if self.has(flaw) { (height, width) } else { (width, height) }
    }

    /// Reads what is none of the bridge's business yet.
    pub(crate) fn peeks(&self, frames: &[Frame]) {
        let files = frames.iter().filter(|frame| matches!(frame.act, Act::SendsFile(_)));
        for frame in files.filter(|_| self.has(Flaw::ReadsFilesEarly)) {
            let _ = self.read(&frame.id);
        }
    }

    fn read(&self, id: &str) -> Option<Vec<u8>> {
        let (of, small) = id.strip_suffix(SMALL).map_or((id, false), |of| (of, true));
        self.server.with(|state| {
            let mut all = state.taken.iter().chain(&state.waiting);
            let bytes = all.find_map(|frame| match &frame.act {
                Act::SendsFile(sample) if frame.id == of && small => sample.thumbnail.clone(),
                Act::SendsFile(sample) if frame.id == of => Some(sample.bytes.clone()),
                _ => None,
            })?;
            state.fetched.push(id.to_owned());
            Some(bytes)
        })
    }

    /// The bytes of a file that Dora sent, in several pieces.
    pub(crate) fn opens(&self, id: &str) -> Result<Incoming, DeliveryError> {
        let again = self.server.with(|state| state.fetched.iter().any(|one| one == id));
        let bytes = self.read(id).filter(|_| !(again && self.has(Flaw::OpensOnce)));
        let Some(mut bytes) = bytes else {
            let why = "it is not there any more";
            return Err(DeliveryError::Refused { refusal: Refusal::from(Code::Expired), why });
        };
        let mut size = Some(bytes.len() as u64);
        match self.flaw {
            Some(Flaw::TearsFilesIn) => {
                bytes.truncate(bytes.len() / 2);
                size = None;
            }
            Some(Flaw::BreaksOffIn) => bytes.truncate(bytes.len() / 2),
            _ => {}
        }
        let pieces: Vec<_> = bytes.chunks(PIECE).map(|piece| Ok(piece.to_vec().into())).collect();
        Ok(Incoming { size, body: Box::pin(stream::iter(pieces)) })
    }

    /// The largest file that it takes.
    pub(crate) fn largest(&self) -> u64 {
        if self.has(Flaw::TakesSmallFilesAlone) { 1024 } else { 1024 * 1024 }
    }

    /// Shows a file to Dora, once for each key.
    pub(crate) async fn show_file(
        &self,
        key: &str,
        attempt: u32,
        from: String,
        media: &Media,
        attached: &Attached,
    ) -> Result<Delivered, DeliveryError> {
        let mut bytes = whole(&attached.file).await?;
        let thumbnail = match &attached.thumbnail {
            Some(small) if !self.has(Flaw::DropsSmallPicturesOut) => Some(whole(small).await?),
            _ => None,
        };
        let (width, height) = (media.info.width, media.info.height);
        let (width, height) = self.turned(width, height, Flaw::TurnsFilesOut);
        if self.has(Flaw::TearsFilesOut) {
            bytes.truncate(PIECE);
        }
        let words = media.caption.as_ref().map(|text| text.body.clone());
        let name = media.info.name.clone().unwrap_or_default();
        let sample = Sample {
            kind: match self.flaw {
                Some(Flaw::ShowsFilesAsDocuments) => MediaKind::Document,
                _ => media.kind,
            },
            name: if self.has(Flaw::RenamesFilesOut) { "file.bin".to_owned() } else { name },
            mime: media.info.mime.clone().unwrap_or_default(),
            bytes,
            caption: words.clone().filter(|_| !self.has(Flaw::DropsCaptionsOut)),
            duration: media.info.duration,
            width,
            height,
            thumbnail,
        };
        let id = match self.flaw {
            Some(Flaw::ShowsFilesTwice) => format!("{key} {attempt}"),
            _ => key.to_owned(),
        };
        self.server.with(|state| {
            if state.seen.insert(id) {
                state.looks.push(Look::ShowsFile(sample));
            }
        });
        if let (Some(words), true) = (words, self.has(Flaw::SaysCaptionsApart)) {
            self.server.show(&format!("{key} too"), from, words);
        }
        Ok(Delivered::under(EventId::new(key).ok()))
    }
}

async fn whole(file: &Spooled) -> Result<Vec<u8>, DeliveryError> {
    let (mut bytes, mut body) = (Vec::new(), file.body());
    while let Some(piece) = body.next().await {
        let why = "the file could not be read";
        bytes.extend(piece.map_err(|_| DeliveryError::Retry { after: None, why })?);
    }
    Ok(bytes)
}

/// How many files Dora's client shows.
pub(crate) fn shown(state: &State) -> usize {
    state.looks.iter().filter(|look| matches!(look, Look::ShowsFile(_))).count()
}
