//! The partner's server, for a bridge that dials: it knows the protocol from its documentation.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use super::{App, Line, PATIENCE, claims, key, now};

/// Listens, with or without TLS.
pub struct Server {
    listener: TcpListener,
    tls: Option<(TlsAcceptor, PathBuf)>,
    /// The bridge's public keys, as the operator handed them over.
    jwks: Mutex<Value>,
}

impl Server {
    /// Without TLS.
    pub async fn plain() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, tls: None, jwks: Mutex::default() }
    }

    /// With a certificate for `localhost`, of an authority of its own.
    pub async fn with_tls(dir: &tempfile::TempDir) -> Self {
        Self::with_certificate(dir, "localhost", |_| {}).await
    }

    /// With a certificate for this name, made as `change` wants it.
    pub async fn with_certificate(
        dir: &tempfile::TempDir,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let name_of_its_own = dir.path().display().to_string();
        authority.distinguished_name.push(rcgen::DnType::CommonName, name_of_its_own);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let authority = authority.unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let tls = Some((TlsAcceptor::from(Arc::new(config)), ca_file));
        Self { tls, ..Self::plain().await }
    }

    pub fn url(&self) -> String {
        let port = self.listener.local_addr().unwrap().port();
        match self.tls {
            Some(_) => format!("wss://localhost:{port}/drawbridge"),
            None => format!("ws://127.0.0.1:{port}/drawbridge"),
        }
    }

    pub fn ca_file(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(|(_, file)| file.clone())
    }

    /// Takes the bridge's public keys.
    pub fn knows(&self, jwks: &Value) {
        *self.jwks.lock().unwrap() = jwks.clone();
    }

    /// The next connection, before TLS.
    pub async fn hears_knock(&self) -> tokio::net::TcpStream {
        let taken = timeout(PATIENCE, self.listener.accept()).await;
        let (stream, _) = taken.expect("the bridge did not dial").unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The next connection, after TLS; `None` if the bridge did not want it.
    pub async fn line(&self) -> Option<Box<dyn Line>> {
        let stream = self.hears_knock().await;
        Some(match &self.tls {
            None => Box::new(stream),
            Some((acceptor, _)) => Box::new(acceptor.accept(stream).await.ok()?),
        })
    }

    /// Takes the next connection, after a look at the bridge's proof; with the partner proof that
    /// answers it.
    pub async fn takes(&self) -> (App, String) {
        let (app, nonce) = self.takes_asking().await;
        let mut claims = claims(None);
        claims["nonce"] = json!(nonce);
        (app, key().sign(&claims))
    }

    /// The same, with the nonce that the bridge asks for.
    pub async fn takes_asking(&self) -> (App, String) {
        let line = self.line().await.expect("TLS");
        let mut asked = None;
        let jwks = self.jwks.lock().unwrap().clone();
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let look = |request: &Request, mut response: Response| {
            let headers = request.headers();
            let header = |name: &str| headers[name].to_str().unwrap().to_owned();
            assert_eq!(request.uri().path(), "/drawbridge");
            assert_eq!(header("sec-websocket-protocol"), "drawbridge.partner.v1");
            let bearer = header("authorization");
            let claims = verified(bearer.strip_prefix("Bearer ").unwrap(), &jwks);
            assert_eq!(
                (&claims["iss"], &claims["aud"]),
                (&json!("drawbridge"), &json!("birdychat"))
            );
            assert!(claims.get("sub").is_none(), "{claims}");
            let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
            assert!(iat <= now() && now() < exp && exp <= iat + 600, "{claims}");
            asked = claims["jti"].as_str().map(str::to_owned);
            let chosen = "drawbridge.partner.v1".parse().unwrap();
            response.headers_mut().insert("sec-websocket-protocol", chosen);
            Ok(response)
        };
        let socket = timeout(PATIENCE, accept_hdr_async(line, look)).await;
        let socket = socket.expect("the upgrade took too long").unwrap();
        (App { socket }, asked.expect("a nonce"))
    }

    /// Answers the next upgrade with this status.
    pub async fn refuses(&self, status: StatusCode) {
        let line = self.line().await.expect("TLS");
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let no = |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(None);
            *response.status_mut() = status;
            Err(response)
        };
        assert!(accept_hdr_async(line, no).await.is_err());
    }

    /// Hangs up on everybody.
    pub async fn hangs_up(&self) {
        while self.listener.accept().await.is_ok() {}
    }
}

/// The claims of a token, which must be signed by one of these keys.
fn verified(token: &str, jwks: &Value) -> Value {
    let parts: Vec<_> = token.split('.').collect();
    let json =
        |part: &str| -> Value { serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap() };
    let header = json(parts[0]);
    assert_eq!(header["alg"], "EdDSA");
    let jwk = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == header["kid"]);
    let x = BASE64.decode(jwk.expect("a known key")["x"].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&BASE64.decode(parts[2]).unwrap()).unwrap();
    let signed = format!("{}.{}", parts[0], parts[1]);
    key.verify_strict(signed.as_bytes(), &signature).expect("the bridge's signature");
    json(parts[1])
}
