//! Who gets in: the proofs of `docs/partner-protocol.md`, over a real WebSocket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod common;

use std::sync::Arc;

use common::{App, Home, Key, claims, hello, key, now, text, write_jwks};
use drawbridge_adapter::{Adapter, NetworkId, Place, Timestamp};
use drawbridge_partner::Partner;
use drawbridge_testkit::ReferenceBridge;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

/// The claims of a right proof, with some of them changed or (by null) left out.
fn with(user: Option<&str>, changes: &Value) -> Value {
    let mut claims = claims(user);
    for (key, value) in changes.as_object().unwrap() {
        claims[key] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Changes that make a proof wrong.
fn lies() -> Vec<Value> {
    vec![
        json!({"iss": "other"}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": ["other", "another"]}),
        json!({"aud": null}),
        json!({"exp": null}),
        json!({"exp": now() - 31}),
        json!({"exp": now() + 640}),
        json!({"exp": i64::MAX}),
        json!({"exp": "soon"}),
        json!({"iat": null}),
        json!({"iat": now() + 60}),
        json!({"nbf": now() + 60}),
    ]
}

/// Tokens whose claims are right, and which are wrong all the same.
fn forgeries(claims: &Value) -> Vec<String> {
    let right = key();
    let token = right.sign(claims);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let public = right.jwk()["x"].as_str().unwrap().to_owned();
    let mut hs256 = Header::new(Algorithm::HS256);
    hs256.kid = Some("k1".to_owned());
    let by_public_key = EncodingKey::from_secret(public.as_bytes());
    vec![
        String::new(),
        "a.b.c".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!("{signed}.{}", &signature[..80]),
        format!("{signed}.{}", signature.chars().rev().collect::<String>()),
        Key::new("k1", 2).sign(claims),
        Key::new("k2", 1).sign(claims),
        right.sign_with(&json!({"alg": "EdDSA"}), claims),
        right.sign_with(&json!({"alg": "none", "kid": "k1"}), claims),
        right.sign_with(&json!({"alg": "ES256", "kid": "k1"}), claims),
        right.sign_with(&json!({"alg": "RS256", "kid": "k1"}), claims),
        right.sign_with(&json!({"alg": "EdDSA", "kid": "k1", "crit": ["exp"]}), claims),
        jsonwebtoken::encode(&hs256, claims, &by_public_key).unwrap(),
        right.sign(&with(None, &json!({"padding": "x".repeat(10_000)}))),
    ]
}

async fn turned_away(home: &Home, token: &str) {
    let Err(Error::Http(response)) = home.dial(token).await else {
        panic!("let in with {token}");
    };
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.body().clone().unwrap_or_default();
    assert!(body.is_empty() || body == b"{\"error\":\"unauthorized\"}\n", "it says more");
}

#[tokio::test]
async fn a_partner_proof_that_lies_is_turned_away() {
    let home = Home::open();
    for lie in lies() {
        turned_away(&home, &key().sign(&with(None, &lie))).await;
    }
    for forgery in forgeries(&claims(None)) {
        turned_away(&home, &forgery).await;
    }
    // A user's proof must not open the door.
    turned_away(&home, &key().sign(&claims(Some("carol")))).await;
    turned_away(&home, &key().sign(&claims(Some("birdychat")))).await;
    home.app().await;
    home.stops().await;
}

#[tokio::test]
async fn a_user_proof_that_lies_enlists_nobody() {
    let home = Home::open();
    let mut app = home.app().await;
    let lies = lies().into_iter().map(|lie| key().sign(&with(Some("carol"), &lie)));
    let mut bad: Vec<_> = lies.collect();
    bad.extend(forgeries(&claims(Some("carol"))).into_iter().filter(|token| token.len() < 8192));
    bad.push(key().sign(&claims(Some("dave"))));
    bad.push(key().sign(&claims(None)));
    for proof in bad {
        app.says(&json!({"type": "enlist", "user": "carol", "proof": proof})).await;
        let error = app.hears_error("proof_invalid", Some("carol")).await;
        assert_eq!(error["where"], "proof");
    }
    app.says(&text("e1", "hi")).await;
    app.hears_error("forbidden", Some("e1")).await;
    home.stops().await;
}

#[tokio::test]
async fn another_partners_users_and_proofs_are_worth_nothing_here() {
    let home = Home::open();
    // Another partner, with a key of its own, where dave is enlisted.
    let herons = Key::new("k1", 9);
    let heron_claims = |user| {
        let mut claims = claims(user);
        claims["iss"] = json!("heron");
        claims
    };
    let dir = tempfile::tempdir().unwrap();
    write_jwks(dir.path().join("jwks.json"), &[herons.jwk()]);
    let config = json!({"listen": "127.0.0.1:0", "issuer": "heron", "jwks_file": "jwks.json"});
    let network = NetworkId::new("heron").unwrap();
    let place = Place { config_dir: dir.path().to_owned(), credentials_dir: None };
    let heron =
        Partner::open(serde_json::from_value(config).unwrap(), network.clone(), &place).unwrap();
    let heron = Arc::new(heron);
    let bridge = ReferenceBridge::new(network);
    let (running, handle) = (Arc::clone(&heron), bridge.handle());
    let run = tokio::spawn(async move { running.run(handle).await });
    let (partner_proof, daves_proof) =
        (herons.sign(&heron_claims(None)), herons.sign(&heron_claims(Some("dave"))));
    let bearer = format!("Bearer {partner_proof}");
    let headers =
        [("Authorization", bearer.as_str()), ("Sec-WebSocket-Protocol", "drawbridge.partner.v1")];
    let mut there = App::dial(&heron, "/partner/v1", &headers).await.unwrap();
    there.says(&hello(&json!({}))).await;
    there.hears().await;
    let enlist = json!({"type": "enlist", "user": "dave", "proof": daves_proof});
    there.says(&enlist).await;
    assert_eq!(there.hears().await["type"], "enlisted");

    turned_away(&home, &partner_proof).await;
    turned_away(&home, &key().sign(&heron_claims(None))).await;
    let mut app = home.carols_app().await;
    app.says(&enlist).await;
    app.hears_error("proof_invalid", Some("dave")).await;
    let forged = key().sign(&heron_claims(Some("dave")));
    app.says(&json!({"type": "enlist", "user": "dave", "proof": forged})).await;
    app.hears_error("proof_invalid", Some("dave")).await;
    // An address is no spelling of a user of the partner's own.
    let names = [
        ("dave", "forbidden"),
        ("heron:dave", "malformed"),
        ("elsewhere:alice", "malformed"),
        ("@alice:hs.test", "malformed"),
    ];
    for (from, code) in names {
        let mut event = text("e1", "forged");
        event["from"] = json!(from);
        app.says(&event).await;
        assert_eq!(app.hears_error(code, Some("e1")).await["where"], "from");
    }
    assert!(home.bridge.journal().handed.is_empty());
    home.stops().await;
    bridge.stop();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn proofs_within_the_bounds_are_good() {
    let home = Home::open();
    let good = [
        json!({"exp": now() + 600}),
        json!({"exp": now() - 20}),
        json!({"iat": now() + 20, "nbf": now() + 20}),
        json!({"aud": ["other", "drawbridge"]}),
    ];
    for change in good {
        home.dial(&key().sign(&with(None, &change))).await.unwrap();
    }
    home.stops().await;
}

#[tokio::test]
async fn the_bridges_clock_counts() {
    let home = Home::open();
    let token = key().sign(&claims(None));
    home.bridge.set_clock(Timestamp((now() + 1000) * 1000));
    turned_away(&home, &token).await;
    home.bridge.set_clock(Timestamp(now() * 1000));
    home.dial(&token).await.unwrap();
    home.stops().await;
}

/// A path, headers, and the HTTP status that they get.
type Try<'a> = (&'a str, &'a [(&'static str, &'a str)], u16);

#[tokio::test]
async fn only_the_right_path_and_subprotocol_lead_in() {
    let home = Home::open();
    let bearer = format!("Bearer {}", key().sign(&claims(None)));
    let protocol = ("Sec-WebSocket-Protocol", "drawbridge.partner.v1");
    let other = ("Sec-WebSocket-Protocol", "chat, drawbridge.partner.v2");
    let several = ("Sec-WebSocket-Protocol", "chat, drawbridge.partner.v1");
    let proof = ("Authorization", bearer.as_str());
    let basic = ("Authorization", "Basic YTpi");
    let tries: [Try<'_>; 6] = [
        ("/", &[proof, protocol], 404),
        ("/partner/v2", &[proof, protocol], 404),
        ("/partner/v1", &[protocol], 401),
        ("/partner/v1", &[basic, protocol], 401),
        ("/partner/v1", &[proof], 400),
        ("/partner/v1", &[proof, other], 400),
    ];
    for (path, headers, status) in tries {
        match App::dial(&home.partner, path, headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status, "{path}"),
            _ => panic!("{path} {headers:?}"),
        }
    }
    assert!(App::dial(&home.partner, "/partner/v1", &[proof, several]).await.is_ok());
    home.stops().await;
}

#[tokio::test]
async fn keys_are_read_again_and_fail_closed_after_their_time() {
    let home = Home::with(|config| config["jwks_ttl_seconds"] = json!(60));
    let start = now();
    let at = |seconds: i64| home.bridge.set_clock(Timestamp((start + seconds) * 1000));
    at(0);
    let (old, new) = (key(), Key::new("k2", 2));
    home.dial(&old.sign(&claims(None))).await.unwrap();
    // A new key, and the old one is taken back.
    write_jwks(home.jwks(), &[new.jwk(), Key::new("k3", 3).jwk()]);
    home.dial(&new.sign(&claims(None))).await.unwrap();
    turned_away(&home, &old.sign(&claims(None))).await;
    // Broken: the last good keys count for a minute.
    std::fs::write(home.jwks(), "{").unwrap();
    at(50);
    home.dial(&new.sign(&claims(None))).await.unwrap();
    at(61);
    turned_away(&home, &new.sign(&claims(None))).await;
    // Mended.
    write_jwks(home.jwks(), &[new.jwk()]);
    home.dial(&new.sign(&claims(None))).await.unwrap();
    // Missing.
    std::fs::remove_file(home.jwks()).unwrap();
    home.dial(&new.sign(&claims(None))).await.unwrap();
    at(130);
    turned_away(&home, &new.sign(&claims(None))).await;
    home.stops().await;
}

#[tokio::test]
async fn es256_keys_work_too() {
    let home = Home::open();
    let es256 = Es256::new();
    write_jwks(home.jwks(), &[key().jwk(), es256.jwk.clone()]);
    home.dial(&es256.sign(&claims(None))).await.unwrap();
    home.dial(&key().sign(&claims(None))).await.unwrap();
    home.stops().await;
}

/// A fixed P-256 key.
struct Es256 {
    jwk: Value,
    key: EncodingKey,
}

impl Es256 {
    /// The key pair of RFC 7515, appendix A.3.
    fn new() -> Self {
        use base64::Engine;
        use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
        let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
        let d = BASE64.decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI").unwrap();
        // PKCS #8 of an EC private key on P-256, without its optional parts.
        let mut der = vec![
            0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
            0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27,
            0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
        ];
        der.extend(d);
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "es", "x": x, "y": y});
        Self { jwk, key: EncodingKey::from_ec_der(&der) }
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("es".to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

#[test]
fn a_set_of_unfit_keys_is_refused_with_words() {
    let short = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "AAAA"});
    let secret = json!({"kty": "oct", "kid": "k1", "k": "c2VjcmV0"});
    let mut nameless = key().jwk();
    nameless.as_object_mut().unwrap().remove("kid");
    let mut other = key().jwk();
    other["alg"] = json!("ES256");
    let bad: [(&[Value], &str); 6] = [
        (&[], "1 to 64 keys"),
        (&[short], "key 1: its length"),
        (&[secret], "key 1: expected an Ed25519 or a P-256 key"),
        (&[key().jwk(), nameless], "key 2: it has no kid"),
        (&[key().jwk(), key().jwk()], "key 2: its kid"),
        (&[other], "key 1: its alg"),
    ];
    for (keys, words) in bad {
        let dir = tempfile::tempdir().unwrap();
        write_jwks(dir.path().join("bad.json"), keys);
        let problems = common::problems("bad.json", &dir);
        assert!(problems.contains(words), "{problems} does not say {words}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(common::problems("missing.json", &dir).starts_with("jwks_file: "));
}
