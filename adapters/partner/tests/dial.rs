//! The bridge dials: over TLS, with a proof of its own, and again when the connection is gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::time::Duration;

use common::server::Server;
use common::{App, Home, PATIENCE, claims, dialling, hello, key, opened, text};
use drawbridge_adapter::{Configuration, Connection};
use drawbridge_partner::PartnerConfig;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::http::StatusCode;

/// Takes the next connection, and is welcome on it.
async fn welcomed(server: &Server) -> App {
    let (mut app, proof) = server.takes().await;
    app.says(&hello(&json!({"proof": proof}))).await;
    assert_eq!(app.hears().await["type"], "welcome");
    app
}

fn down(why: &'static str) -> impl Fn(&[Connection]) -> bool {
    move |seen| seen.contains(&Connection::Down { why })
}

#[tokio::test]
async fn a_conversation_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(&dir).await;
    let home = Home::dialling(&server, dir);
    let mut app = welcomed(&server).await;
    app.enlists("carol").await;
    app.says(&text("e1", "out of the partner's own house")).await;
    app.hears_ack(&["e1"]).await;
    home.crosses("out of the partner's own house").await;
    assert_eq!(home.partner.listening().await, None);
    home.stops().await;
    assert_eq!(app.hears_close().await, (1001, "stopping".to_owned()));
}

#[tokio::test]
async fn what_is_lost_is_dialled_again() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    let mut app = welcomed(&server).await;
    app.enlists("carol").await;
    drop(app);
    let mut app = welcomed(&server).await;
    // The enlistment lasts.
    app.says(&text("e1", "back again")).await;
    app.hears_ack(&["e1"]).await;
    // Also an app that closes by itself is dialled again.
    app.socket.close(None).await.unwrap();
    welcomed(&server).await;
    home.stops().await;
}

#[tokio::test]
async fn a_partner_that_is_not_there_yet_is_waited_for() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    for _ in 0..3 {
        drop(server.hears_knock().await);
    }
    welcomed(&server).await;
    home.reports(|seen| seen.last() == Some(&Connection::Up)).await;
    home.stops().await;
}

#[tokio::test]
async fn the_tries_become_rare() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    let mut since = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..5 {
        drop(server.hears_knock().await);
        pauses.push(since.elapsed());
        since = Instant::now();
    }
    // Each is at least half of 250, 500, 1000, 2000 milliseconds; the first try comes at once.
    for (pause, half) in pauses[1..].iter().zip([125, 250, 500, 1000]) {
        assert!(*pause >= Duration::from_millis(half), "{pauses:?}");
    }
    home.stops().await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_not_taken() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::with_tls(&other).await;
    let mut config = dialling(&server, &dir);
    Server::with_tls(&dir).await;
    config["dial_ca_file"] = json!("ca.pem");
    let home = Home::running(opened(config.clone(), &dir), dir);
    assert!(server.line().await.is_none());
    let why = "the partner's certificate is of an authority that is not trusted here";
    home.reports(down(why)).await;
    home.stops().await;
}

#[tokio::test]
async fn without_a_file_the_systems_authorities_count() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(&dir).await;
    let mut config = dialling(&server, &dir);
    config.as_object_mut().unwrap().remove("dial_ca_file");
    let home = Home::running(opened(config, &dir), dir);
    assert!(server.line().await.is_none());
    let why = "the partner's certificate is of an authority that is not trusted here";
    home.reports(down(why)).await;
    home.stops().await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_certificate(&dir, "elsewhere.example", |_| {}).await;
    let home = Home::dialling(&server, dir);
    assert!(server.line().await.is_none());
    home.reports(down("the partner's certificate is for another name")).await;
    home.stops().await;
}

#[tokio::test]
async fn an_authoritys_own_certificate_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_certificate(&dir, "localhost", |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let server = server.await;
    let home = Home::dialling(&server, dir);
    assert!(server.line().await.is_none());
    let why = "the partner's certificate is an authority's own (CA:TRUE), and no server's";
    home.reports(down(why)).await;
    home.stops().await;
}

#[tokio::test]
async fn an_expired_certificate_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_certificate(&dir, "localhost", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    });
    let server = server.await;
    let home = Home::dialling(&server, dir);
    assert!(server.line().await.is_none());
    home.reports(down("the partner's certificate has expired")).await;
    home.stops().await;
}

#[tokio::test]
async fn what_speaks_no_tls_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(&dir).await;
    let home = Home::dialling(&server, dir);
    let mut stream = server.hears_knock().await;
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    home.reports(down("what answers speaks no TLS")).await;
    home.stops().await;
}

#[tokio::test]
async fn the_answer_to_the_upgrade_is_told() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    for (status, why) in [
        (StatusCode::UNAUTHORIZED, "the partner does not take the bridge's proof"),
        (StatusCode::FOUND, "the partner redirects, which is not followed"),
        (StatusCode::NOT_FOUND, "the partner has nothing at this path"),
        (StatusCode::BAD_GATEWAY, "the partner's server fails"),
    ] {
        server.refuses(status).await;
        home.reports(down(why)).await;
    }
    home.stops().await;
}

#[tokio::test]
async fn a_server_without_the_subprotocol_is_left() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    let line = server.line().await.unwrap();
    let _ = tokio_tungstenite::accept_async(line).await;
    home.reports(down("the partner does not speak drawbridge.partner.v1")).await;
    home.stops().await;
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    let mut line = server.line().await.unwrap();
    line.write_all(b"HTTP/1.1 101 Switching Protocols\r\n").await.unwrap();
    // Ends because the bridge hangs up.
    let endless =
        async { while line.write_all(b"X: xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").await.is_ok() {} };
    timeout(PATIENCE, endless).await.unwrap();
    home.reports(|seen| matches!(seen.last(), Some(Connection::Down { .. }))).await;
    home.stops().await;
}

/// Says `hello` with this proof, and is turned away with these words.
async fn turned_away(server: &Server, proof: impl FnOnce(&str) -> Option<String>) -> String {
    let (mut app, nonce) = server.takes_asking().await;
    app.says(&hello(&json!({"proof": proof(&nonce)}))).await;
    let error = app.hears_error("proof_invalid", None).await;
    assert_eq!(app.hears_close().await, (4005, "proof_invalid".to_owned()));
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_partner_proves_itself_too() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    let with = |change: fn(&mut Value)| {
        move |nonce: &str| {
            let mut claims = claims(None);
            claims["nonce"] = json!(nonce);
            change(&mut claims);
            Some(key().sign(&claims))
        }
    };
    assert_eq!(turned_away(&server, |_| None).await, "hello holds no partner proof");
    assert_eq!(turned_away(&server, |_| Some("a.b.c".into())).await, "not a signed JWT");
    // What the partner once showed to another bridge, or on another connection, is worth nothing.
    let not_ours = "nonce is not the jti of the bridge's proof";
    let without = with(|claims| drop(claims.as_object_mut().unwrap().remove("nonce")));
    assert_eq!(turned_away(&server, without).await, not_ours);
    let other = with(|claims| claims["nonce"] = json!("0123456789abcdef0123456789abcdef"));
    assert_eq!(turned_away(&server, other).await, not_ours);
    let audience = with(|claims| claims["aud"] = json!("another bridge"));
    assert_eq!(turned_away(&server, audience).await, "aud is another one");
    let users = with(|claims| claims["sub"] = json!("carol"));
    assert_eq!(turned_away(&server, users).await, "a partner proof has no sub");
    home.reports(down("the app's partner proof does not hold")).await;
    welcomed(&server).await;
    home.stops().await;
}

#[tokio::test]
async fn each_connection_asks_anew() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    let (mut app, proof) = server.takes().await;
    app.says(&hello(&json!({"proof": proof}))).await;
    assert_eq!(app.hears().await["type"], "welcome");
    drop(app);
    assert_eq!(
        turned_away(&server, |_| Some(proof)).await,
        "nonce is not the jti of the bridge's proof"
    );
    home.stops().await;
}

#[tokio::test]
async fn a_stop_ends_the_waiting_at_once() {
    let server = Server::plain().await;
    // While it waits for TLS, for an upgrade or for hello; and between two tries.
    for until in 0..3 {
        let home = Home::dialling(&server, tempfile::tempdir().unwrap());
        let line = server.hears_knock().await;
        let mut app = None;
        if until == 1 {
            let socket = tokio_tungstenite::accept_hdr_async(line, chooses).await.unwrap();
            app = Some(socket);
        } else if until == 2 {
            drop(line);
            home.reports(down("the connection broke in the upgrade")).await;
        }
        home.stops().await;
        drop(app);
    }
}

#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the library's type")]
fn chooses(
    _: &tokio_tungstenite::tungstenite::handshake::server::Request,
    mut response: tokio_tungstenite::tungstenite::handshake::server::Response,
) -> Result<
    tokio_tungstenite::tungstenite::handshake::server::Response,
    tokio_tungstenite::tungstenite::handshake::server::ErrorResponse,
> {
    let chosen = "drawbridge.partner.v1".parse().unwrap();
    response.headers_mut().insert("sec-websocket-protocol", chosen);
    Ok(response)
}

/// What is wrong with this configuration, by key.
fn problems(config: &Value) -> Vec<String> {
    let mut whole = json!({"issuer": "birdychat", "jwks_file": "jwks.json"});
    whole.as_object_mut().unwrap().append(&mut config.as_object().unwrap().clone());
    let config: PartnerConfig = serde_json::from_value(whole).unwrap();
    let problems = config.problems();
    problems.into_iter().map(|problem| format!("{}: {}", problem.key, problem.what)).collect()
}

#[test]
fn the_configuration_says_who_dials() {
    let none = Vec::<String>::new();
    let key = "bridge.json";
    let url = "wss://partner.example/x";
    assert_eq!(problems(&json!({"listen": "127.0.0.1:1"})), none);
    assert_eq!(problems(&json!({"dial": url, "dial_key_file": key})), none);
    assert_eq!(problems(&json!({"dial": "ws://localhost:1/", "dial_key_file": key})), none);
    let open = json!({"dial": "ws://far/", "dial_key_file": key, "dial_unencrypted": true});
    assert_eq!(problems(&open), none);

    let starts = |config: Value, start: &str| {
        let problems = problems(&config);
        assert!(problems.len() == 1 && problems[0].starts_with(start), "{problems:?}, not {start}");
    };
    starts(json!({}), "listen: missing; expected listen, for an app that connects, or dial");
    starts(json!({"listen": "127.0.0.1:1", "dial": url}), "dial: listen is set as well");
    starts(json!({"listen": "127.0.0.1:1", "dial_key_file": key}), "dial_key_file: only with dial");
    starts(json!({"dial": url}), "dial_key_file: missing");
    starts(json!({"dial": "ws://far/", "dial_key_file": key}), "dial: expected wss://;");
    starts(json!({"dial": "https://far/", "dial_key_file": key}), "dial: expected a URL like wss");
    let ca = json!({"dial": "ws://[::1]/", "dial_key_file": key, "dial_ca_file": "ca.pem"});
    starts(ca, "dial_ca_file: only with wss://");
}

#[tokio::test]
async fn unusable_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_tls(&dir).await;
    let config = dialling(&server, &dir);
    for (key, content, said) in [
        ("dial_key_file", "{}", "expected a private JWK of Ed25519"),
        ("dial_ca_file", "", "expected certificates in PEM"),
        (
            "dial_ca_file",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 cannot be used",
        ),
    ] {
        let mut config = config.clone();
        config[key] = json!("broken");
        std::fs::write(dir.path().join("broken"), content).unwrap();
        let config = config.as_object().unwrap().clone();
        let found = common::problems_of(Value::Object(config), &dir);
        assert!(found.starts_with(&format!("{key}: ")) && found.contains(said), "{found}");
    }
}

#[tokio::test]
async fn a_reason_is_reported_once_and_not_with_each_try() {
    let server = Server::plain().await;
    let home = Home::dialling(&server, tempfile::tempdir().unwrap());
    for _ in 0..3 {
        drop(server.hears_knock().await);
    }
    server.refuses(StatusCode::UNAUTHORIZED).await;
    home.reports(down("the partner does not take the bridge's proof")).await;
    welcomed(&server).await;
    let broke = Connection::Down { why: "the connection broke in the upgrade" };
    let no = Connection::Down { why: "the partner does not take the bridge's proof" };
    home.reports(|seen| seen.starts_with(&[Connection::Waiting, broke, no, Connection::Up])).await;
    home.stops().await;
}
