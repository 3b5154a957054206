//! What `drawbridge doctor` is told of the way to an app that the bridge dials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use common::server::Server;
use common::{claims, dialling, hello, key, now, opened};
use drawbridge_adapter::{Adapter, Circumstances, Diagnosis, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::http::StatusCode;

const REACHED: &str = "the partner's server takes connections";
const TRUSTED: &str = "the certificate of the partner's server holds";
const TAKEN: &str = "the partner takes the bridge's proof";

/// What is found where this is configured, while the partner does `this`.
async fn found(
    config: Value,
    dir: &tempfile::TempDir,
    running: bool,
    this: impl Future<Output = ()>,
) -> Vec<Diagnosis> {
    let partner = opened(config, dir);
    let around = Circumstances { running, now: Timestamp(now() * 1000), local_domains: &[] };
    tokio::join!(partner.examine(around), this).0
}

/// All went well up to here; then this, with this advice.
fn ends(found: &[Diagnosis], well: &[&str], trouble: &str, advice: &str) {
    let (last, before) = found.split_last().expect("something is found");
    let before: Vec<_> =
        before.iter().map(|one| (one.found.as_str(), one.advice.clone())).collect();
    assert_eq!(before, well.iter().map(|well| (*well, None)).collect::<Vec<_>>());
    assert_eq!(last.found, trouble);
    assert!(last.grave && last.advice.as_ref().unwrap().contains(advice), "{last:?}");
}

fn all_well(found: &[Diagnosis], well: &[&str]) {
    assert_eq!(found, well.iter().map(|well| Diagnosis::well(*well)).collect::<Vec<_>>());
}

#[tokio::test]
async fn all_is_well_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(&dir).await;
    let app = async {
        let (mut app, proof) = server.takes().await;
        app.says(&hello(&json!({"proof": proof}))).await;
        assert_eq!(app.hears_close().await, (1001, "stopping".to_owned()));
    };
    let found = found(dialling(&server, &dir), &dir, false, app).await;
    all_well(&found, &[REACHED, TRUSTED, TAKEN, "the app proves that it is the partner's"]);
}

#[tokio::test]
async fn a_daemon_that_runs_keeps_the_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(&dir).await;
    let nothing = async {
        let mut line = server.line().await.unwrap();
        // Neither an upgrade nor anything else; how it hangs up is its own business.
        assert_eq!(line.read(&mut [0; 100]).await.unwrap_or(0), 0);
    };
    let found = found(dialling(&server, &dir), &dir, true, nothing).await;
    let daemon = "the proofs are the daemon's business, which is running: see `drawbridge status`";
    all_well(&found, &[REACHED, TRUSTED, daemon]);
}

#[tokio::test]
async fn nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::plain().await;
    let config = dialling(&server, &dir);
    drop(server);
    let found = found(config, &dir, false, async {}).await;
    ends(&found, &[], "the partner takes no connection", "whether its server runs");
}

#[tokio::test]
async fn the_name_has_no_address() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = dialling(&Server::plain().await, &dir);
    config["dial"] = json!("wss://nowhere.invalid/drawbridge");
    let found = found(config, &dir, false, async {}).await;
    ends(&found, &[], "the partner's name has no address", "let `dial` be its address");
}

#[tokio::test]
async fn the_certificate_is_wrong() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::with_tls(&other).await;
    let mut config = dialling(&server, &dir);
    Server::with_tls(&dir).await;
    config["dial_ca_file"] = json!("ca.pem");
    let found_there = found(config, &dir, false, async { drop(server.line().await) }).await;
    let why = "the partner's certificate is of an authority that is not trusted here";
    ends(&found_there, &[REACHED], why, "`dial_ca_file` hold the authority");

    let server = Server::with_certificate(&dir, "elsewhere.example", |_| {}).await;
    let config = dialling(&server, &dir);
    let found = found(config, &dir, false, async { drop(server.line().await) }).await;
    let why = "the partner's certificate is for another name";
    ends(&found, &[REACHED], why, "let `dial` name the host as the certificate does");
}

#[tokio::test]
async fn the_upgrade_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::plain().await;
    for (status, why) in [
        (StatusCode::UNAUTHORIZED, "the partner does not take the bridge's proof"),
        (StatusCode::NOT_FOUND, "the partner has nothing at this path"),
    ] {
        let found = found(dialling(&server, &dir), &dir, false, server.refuses(status)).await;
        ends(&found, &[REACHED], why, "it must know the bridge's public key");
    }
}

#[tokio::test]
async fn what_answers_is_no_websocket() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::plain().await;
    let no = "what answers is no WebSocket server";
    for (answer, why) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", no),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", no),
        ("", "the connection broke in the upgrade"),
    ] {
        let speaks = async {
            let mut line = server.line().await.unwrap();
            line.write_all(answer.as_bytes()).await.unwrap();
        };
        let found = found(dialling(&server, &dir), &dir, false, speaks).await;
        ends(&found, &[REACHED], why, "let `dial` be the address of the partner's WebSocket");
    }
}

#[tokio::test]
async fn the_app_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::plain().await;
    let says = |frame: Value, close: u16| {
        let server = &server;
        async move {
            let (mut app, _) = server.takes_asking().await;
            app.says(&frame).await;
            assert_eq!(app.hears_close().await.0, close);
        }
    };
    let config = || dialling(&server, &dir);
    let stale = hello(&json!({"proof": key().sign(&claims(None))}));
    let found_stale = found(config(), &dir, false, says(stale, 4005)).await;
    let why = "the app's partner proof does not hold: nonce is not the jti of the bridge's proof";
    ends(&found_stale, &[REACHED, TAKEN], why, "`audience` and the clocks");

    let found =
        found(config(), &dir, false, says(json!({"type": "ack", "ids": ["1"]}), 4000)).await;
    let why = "the app says no hello that can be taken: the first frame is hello";
    ends(&found, &[REACHED, TAKEN], why, "its app says hello first");
}

#[tokio::test]
async fn the_door_for_files_is_looked_at_as_well() {
    let (mut config, dir) = (json!({"listen": "127.0.0.1:0"}), tempfile::tempdir().unwrap());
    common::write_jwks(dir.path().join("jwks.json"), &[key().jwk()]);
    (config["issuer"], config["jwks_file"]) = (json!("birdychat"), json!("jwks.json"));
    common::carries_files(&mut config);
    let well = "the bridge can listen on 127.0.0.1:0";
    all_well(&found(config.clone(), &dir, false, async {}).await, &[well, well]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    config["media_listen"] = json!(at);
    let found = found(config, &dir, false, async {}).await;
    let trouble = found[1].found.clone();
    assert!(trouble.starts_with(&format!("the bridge cannot listen on {at}")), "{trouble}");
    ends(&found, &[well], &trouble, "`media_listen`");
}
