//! From a command of the bridge's to the frame that the app gets: what it is told, and how.

use drawbridge_adapter::{
    BlockEntry, Code, Command, Content, Delivery, DeliveryError, Folder, Kind, Message, MuteEntry,
    Notice, Report, Request, State, Status, UserId,
};

use crate::frame::{
    BlockFrame, BridgeContent, BridgeEvent, Effective, FromBridge, InboxFrame, MuteFrame,
    NoticeFrame, ReportFrame, RequestFrame, RequestOverFrame, StateName, StatusFrame, UnmuteFrame,
};

/// The kind that this version carries.
pub(crate) const CARRIED: Kind = Kind::Text;

/// What the app of one connection shows to its users.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(test, derive(Default))]
#[expect(clippy::struct_excessive_bools, reason = "one for each capability that an app may name")]
pub(crate) struct Shows {
    /// The longest text in bytes, if there may be any.
    pub(crate) text: Option<usize>,
    /// Requests, in its own way.
    pub(crate) requests: bool,
    /// Lists of blocked people.
    pub(crate) block_lists: bool,
    /// Which chats make no noise.
    pub(crate) mutes: bool,
    /// Folders of chats.
    pub(crate) folders: bool,
    /// Reports, to those who run it.
    pub(crate) reports: bool,
}

impl Shows {
    pub(crate) fn of(effective: &Effective) -> Self {
        Self {
            text: effective.kinds.contains_key(&CARRIED).then_some(effective.text.max_bytes),
            requests: effective.requests,
            block_lists: effective.block_lists,
            mutes: effective.mutes,
            folders: effective.folders,
            reports: effective.reports,
        }
    }

    /// The frame for a command; `None` if the app has no use for it.
    pub(crate) fn frame(
        self,
        delivery: &Delivery,
        is_enlisted: impl Fn(&str) -> bool,
    ) -> Result<Option<FromBridge>, DeliveryError> {
        let id = delivery.key.clone();
        if let Some(user) = speaks_to(&delivery.command)
            && !is_enlisted(user.id())
        {
            return Err(refused(Code::NotReachable, "the recipient is not enlisted"));
        }
        Ok(match &delivery.command {
            Command::Message(message) => Some(FromBridge::Event(self.event(id, message)?)),
            Command::Status(status) => Some(FromBridge::Status(status_frame(id, status))),
            Command::Notice(notice) => Some(FromBridge::Notice(notice_frame(id, notice))),
            Command::Request(request) if self.requests => {
                Some(FromBridge::Request(self.request_frame(id, request)))
            }
            Command::Request(request) => Some(FromBridge::Notice(NoticeFrame {
                id,
                to: request.to.id().to_owned(),
                text: request.words.clone(),
                in_reply_to: None,
            })),
            Command::RequestOver(over) => self.requests.then(|| {
                FromBridge::RequestOver(RequestOverFrame {
                    id,
                    from: over.from.to_string(),
                    to: over.to.id().to_owned(),
                    accepted: over.accepted,
                })
            }),
            Command::Block(entry) => self.block_lists.then(|| block_frame(id, entry)),
            Command::Mute(entry) => self.mutes.then(|| mute_frame(id, entry)),
            Command::Folder(folder) => self.folders.then(|| inbox_frame(id, folder)),
            // Who reports is told: it must not look as if somebody read it.
            Command::Report(_) if !self.reports => {
                return Err(refused(Code::NotReachable, "the app takes no reports"));
            }
            Command::Report(report) => Some(report_frame(id, report)),
            Command::Access(_) => return Err(refused(Code::Malformed, "not declared")),
        })
    }

    fn event(self, id: String, message: &Message) -> Result<BridgeEvent, DeliveryError> {
        let content = match (&message.content, self.text) {
            (Content::Text { body }, Some(max)) if body.len() > max => {
                return Err(refused(Code::TextTooLong, "longer than the app can show"));
            }
            (Content::Text { body }, Some(_)) => BridgeContent::Text { body: body.clone() },
            (other, _) => {
                return Err(refused(
                    Code::UnsupportedKind(other.kind()),
                    "of a kind that the app cannot show",
                ));
            }
        };
        Ok(BridgeEvent {
            id,
            from: message.from.user.to_string(),
            from_name: message.from.name.clone(),
            to: message.to.id().to_owned(),
            sent_at: message.sent_at.0,
            content,
            silent: message.silent,
        })
    }

    fn request_frame(self, id: String, request: &Request) -> RequestFrame {
        let fits = |text: &&String| self.text.is_some_and(|max| text.len() <= max);
        RequestFrame {
            id,
            from: request.from.user.to_string(),
            from_name: request.from.name.clone(),
            to: request.to.id().to_owned(),
            text: request.text.as_ref().filter(fits).cloned(),
            words: request.words.clone(),
        }
    }
}

/// Whom the app needs to know for this. A status is told also of those who have left since, and so
/// is a report: leaving is no way out of it.
fn speaks_to(command: &Command) -> Option<&UserId> {
    match command {
        Command::Status(_) | Command::Report(_) => None,
        other => Some(other.addressee()),
    }
}

fn notice_frame(id: String, notice: &Notice) -> NoticeFrame {
    NoticeFrame {
        id,
        to: notice.to.id().to_owned(),
        text: notice.text.clone(),
        in_reply_to: notice.reply_path.as_ref().map(|path| path.0.clone()),
    }
}

fn block_frame(id: String, entry: &BlockEntry) -> FromBridge {
    let of = entry.owner.id().to_owned();
    let frame = BlockFrame { id, of, other: entry.other.to_string() };
    if entry.blocked { FromBridge::Block(frame) } else { FromBridge::Unblock(frame) }
}

fn mute_frame(id: String, entry: &MuteEntry) -> FromBridge {
    let (of, other) = (entry.owner.id().to_owned(), entry.other.to_string());
    match entry.muted {
        Some(duration) => FromBridge::Mute(MuteFrame { id, of, other, duration }),
        None => FromBridge::Unmute(UnmuteFrame { id, of, other }),
    }
}

fn inbox_frame(id: String, folder: &Folder) -> FromBridge {
    FromBridge::Inbox(InboxFrame {
        id,
        of: folder.owner.id().to_owned(),
        name: folder.name.clone(),
        networks: folder.networks.iter().map(ToString::to_string).collect(),
    })
}

/// Who reports is left out: it is nobody's business there, and the reported user's side least of
/// all.
fn report_frame(id: String, report: &Report) -> FromBridge {
    FromBridge::Report(ReportFrame {
        id,
        about: report.about.id().to_owned(),
        reason: report.reason,
        messages: report.messages.iter().map(|event| event.as_str().to_owned()).collect(),
        words: report.words.clone(),
    })
}

fn status_frame(id: String, status: &Status) -> StatusFrame {
    let refusal = status.state.refusal();
    let code = match status.state {
        State::Held => Some(Code::RequestPending),
        _ => refusal.map(|refusal| refusal.code),
    };
    StatusFrame {
        id,
        event: status.event.as_str().to_owned(),
        from: status.sender.id().to_owned(),
        to: status.recipient.as_ref().map(ToString::to_string),
        kind: status.kind,
        state: match status.state {
            State::Pending | State::Held => StateName::Pending,
            State::FailedRetriable(_) => StateName::FailedRetriable,
            State::FailedPermanent(_) => StateName::FailedPermanent,
            _ => StateName::Accepted,
        },
        code: code.map(|code| code.to_string()),
        message: code.map(Code::explain),
        retry_after_seconds: refusal
            .and_then(|refusal| refusal.retry_after)
            // Rounded up: a second too early would be in vain.
            .map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0)),
    }
}

fn refused(code: Code, why: &'static str) -> DeliveryError {
    DeliveryError::Refused { refusal: code.into(), why }
}
