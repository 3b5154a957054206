//! Reports of users, as those who run their server get them.

use std::sync::Arc;

use anyhow::{Result, ensure};
use drawbridge_adapter::{
    Circumstances, Code, Command, Delivered, DeliveryError, EventId, Report, ReportReason,
    Timestamp,
};
use drawbridge_servers::{User, WARDEN, XmppSoftware, XmppUser};

use crate::stage::{DOMAIN, SECRET, Server, with};
use crate::stanzas::{CAROL, Here, PATIENCE};

tests! {
    a_report_names_messages_to_whom_the_server_names
    a_report_goes_to_nobody_who_has_no_business_with_it
    the_operator_says_who_gets_reports
    the_doctor_says_whether_anybody_gets_reports
}

async fn the_doctor_says_whether_anybody_gets_reports(software: XmppSoftware) -> Result<()> {
    let start = move || Server::start(software, &["bob"]);
    let server = tokio::task::spawn_blocking(start).await??;
    let domains = ["p.test".to_owned(), "nowhere.test".to_owned()];
    let told = "who is told when its users are reported";
    for (report_to, running, expected) in [
        (&[][..], false, &["p.test names", "nowhere.test names nobody"][..]),
        (&["ann@p.test"], false, &[]),
        (&[], true, &[]),
    ] {
        let (adapter, _) = server.adapter_reporting_to(SECRET, report_to)?;
        let around = Circumstances { running, now: Timestamp(0), local_domains: &domains };
        let found = adapter.examine(around).await;
        let found: Vec<_> = found.into_iter().skip(1).map(|one| one.found).collect();
        let expected = expected.iter().map(|names| format!("{names} {told}"));
        let files = (!running).then(|| "files go to upload.p.test".to_owned());
        let expected: Vec<_> = expected.chain(files).collect();
        ensure!(found == expected, "{found:?}");
    }
    Ok(())
}

impl Here {
    /// Bob writes to carol: the id that his client gave it, and the daemon's.
    async fn bob_writes(&self, text: &'static str) -> Result<(String, EventId)> {
        let id = with(&self.bob, move |bob| bob.writes(CAROL, text)).await?;
        Ok((id, self.bridge.hears(PATIENCE, text).await?.id))
    }

    /// Carol reports somebody, with these messages.
    async fn reports(
        &self,
        about: &str,
        messages: Vec<EventId>,
    ) -> Result<Result<Delivered, DeliveryError>> {
        self.delivers(Command::Report(Report {
            about: about.parse()?,
            by: "elsewhere:carol".parse()?,
            reason: ReportReason::Abuse,
            messages,
            words: format!("elsewhere:carol reports {about}."),
        }))
        .await
    }

    async fn nobody_is_told(&self, about: &str) -> Result<()> {
        let outcome = self.reports(about, Vec::new()).await?;
        let refused = matches!(&outcome, Err(DeliveryError::Refused { refusal, .. })
            if refusal.code == Code::NotReachable);
        ensure!(refused, "a report of {about} came to {outcome:?}");
        Ok(())
    }

    /// Bob writes to a reader without the bridge, and is heard: what the server took before has come.
    async fn reaches(&self, reader: &Arc<XmppUser>) -> Result<()> {
        let to = reader.jid().to_owned();
        with(&self.bob, move |bob| bob.writes(&to, "Anything new?")).await?;
        let heard = with(reader, |reader| reader.next_message(PATIENCE)).await?;
        ensure!(heard.body == "Anything new?", "{} heard {heard:?}", reader.jid());
        Ok(())
    }

    async fn reader(&self, name: &str) -> Result<Arc<XmppUser>> {
        self.server.user(name).await
    }
}

async fn a_report_names_messages_to_whom_the_server_names(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let warden = here.reader("warden").await?;
    ensure!(warden.jid() == WARDEN);
    here.bob_writes("I said nothing bad.").await?;
    let (first, one) = here.bob_writes("You fool!").await?;
    let (second, other) = here.bob_writes("You fool!!").await?;
    let sent = here.reports("xmpp:bob@p.test", vec![one, other]).await?;
    ensure!(sent.is_ok(), "{sent:?}");
    let report = with(&warden, XmppUser::hears_report).await?;
    ensure!(report.from == DOMAIN, "{report:?}");
    ensure!(report.words == "elsewhere:carol reports xmpp:bob@p.test.", "{report:?}");
    ensure!(report.reason == "urn:xmpp:reporting:abuse", "{report:?}");
    let ids = [first, second].map(|id| ("bob@p.test".to_owned(), id));
    ensure!(report.ids == ids, "{report:?}");
    ensure!(!report.xml.contains("fool"), "a message's text is in it: {report:?}");
    // Whoever is away gets it later.
    with(&warden, XmppUser::goes_away).await?;
    ensure!(here.reports("xmpp:bob@p.test", Vec::new()).await?.is_ok());
    with(&warden, XmppUser::returns).await?;
    ensure!(with(&warden, XmppUser::hears_report).await?.ids.is_empty());
    // Bob is not told, and can go on.
    here.still_carries("What is it?").await?;
    let heard =
        with(&here.bob, |bob| Ok((bob.reports_heard(), bob.everything_of_bridge()))).await?;
    ensure!(heard == (0, Vec::new()), "bob heard {heard:?}");
    here.closes().await
}

async fn a_report_goes_to_nobody_who_has_no_business_with_it(software: XmppSoftware) -> Result<()> {
    let here = Here::open(software).await?;
    let warden = here.reader("warden").await?;
    // Not to whom it is about.
    here.nobody_is_told(&format!("xmpp:{WARDEN}")).await?;
    // Not where nobody is named.
    here.nobody_is_told("xmpp:zoe@nowhere.test").await?;
    // Not to another server.
    here.bridge.add_remote("p.test");
    here.nobody_is_told("xmpp:bob@p.test").await?;
    here.nobody_is_told("xmpp:bob@far.test").await?;
    here.reaches(&warden).await?;
    ensure!(warden.reports_heard() == 0, "a report came");
    here.closes().await
}

async fn the_operator_says_who_gets_reports(software: XmppSoftware) -> Result<()> {
    let here =
        Here::open_reporting_to(software, &["nobody@p.test", "ann@p.test", "bob@p.test"]).await?;
    let (ann, warden) = (here.reader("ann").await?, here.reader("warden").await?);
    // Also of users of other servers.
    here.bridge.add_remote("far.test");
    for about in ["xmpp:bob@p.test", "xmpp:zoe@far.test"] {
        let sent = here.reports(about, Vec::new()).await?;
        ensure!(sent.is_ok(), "{sent:?}");
        let report = with(&ann, XmppUser::hears_report).await?;
        ensure!(report.words.contains(about), "{report:?}");
    }
    let bob = with(&here.bob, XmppUser::hears_report).await?;
    ensure!(bob.words.contains("zoe") && here.bob.reports_heard() == 1, "bob heard {bob:?}");
    here.reaches(&warden).await?;
    ensure!(warden.reports_heard() == 0, "the server's own contact was told");
    here.closes().await
}
