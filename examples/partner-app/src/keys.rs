//! The partner's key pair, and the proofs that are signed with it; the bridge's public keys, and its
//! proofs.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long a proof holds: well under the ten minutes that the bridge allows.
const PROOF_SECONDS: u64 = 300;

/// Makes an Ed25519 key pair, and writes it as two JWK files (RFC 7517, RFC 8037).
pub(crate) fn make(dir: &Path, issuer: &str) -> Result<(PathBuf, PathBuf)> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow!("no randomness: {error}"))?;
    let key = SigningKey::from_bytes(&secret);
    let x = BASE64.encode(key.verifying_key().as_bytes());
    let kid = format!("{issuer}-{}", &x[..8]);
    let public = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                        "kid": kid, "x": x});
    let mut private = public.clone();
    private["d"] = json!(BASE64.encode(secret));
    let public_path = dir.join(format!("{issuer}.jwks.json"));
    let private_path = dir.join(format!("{issuer}.private.jwk.json"));
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    write(&public_path, 0o644, &json!({ "keys": [public] }))?;
    write(&private_path, 0o600, &private)?;
    Ok((public_path, private_path))
}

/// Puts a new file there, so that nobody who could read an older one reads this.
fn write(path: &Path, mode: u32, value: &Value) -> Result<()> {
    let new = path.with_extension("new");
    let write = || {
        if let Err(error) = std::fs::remove_file(&new)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        writeln!(file, "{value:#}")?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| path.display().to_string())
}

/// The private key, ready to sign.
pub(crate) struct Key {
    kid: String,
    issuer: String,
    audience: String,
    signing: EncodingKey,
}

impl Key {
    /// Reads what [`make`] wrote.
    pub(crate) fn read(path: &Path, issuer: String, audience: String) -> Result<Self> {
        let context = || format!("{}: expected a private JWK of Ed25519", path.display());
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let jwk: Value = serde_json::from_str(&text).with_context(context)?;
        let kid = jwk["kid"].as_str().with_context(context)?.to_owned();
        let secret = BASE64.decode(jwk["d"].as_str().with_context(context)?);
        let secret = secret.ok().and_then(|secret| <[u8; 32]>::try_from(secret).ok());
        let key = SigningKey::from_bytes(&secret.with_context(context)?);
        let der = key.to_pkcs8_der().map_err(|error| anyhow!("{error}")).with_context(context)?;
        let signing = EncodingKey::from_ed_der(der.as_bytes());
        Ok(Self { kid, issuer, audience, signing })
    }

    /// Proves that this is the partner, where it is the app that dials.
    pub(crate) fn partner_proof(&self) -> Result<String> {
        self.sign(&json!({}))
    }

    /// Proves that this is the partner, to the bridge that has dialled and asks for this nonce.
    pub(crate) fn answer(&self, nonce: &str) -> Result<String> {
        self.sign(&json!({"nonce": nonce}))
    }

    /// Proves that this user wants to be bridged.
    pub(crate) fn user_proof(&self, user: &str) -> Result<String> {
        self.sign(&json!({"sub": user}))
    }

    fn sign(&self, more: &Value) -> Result<String> {
        let now = now();
        let mut claims = json!({"iss": self.issuer, "aud": self.audience, "iat": now,
                                "exp": now + PROOF_SECONDS});
        for (claim, value) in more.as_object().into_iter().flatten() {
            claims[claim] = value.clone();
        }
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        Ok(jsonwebtoken::encode(&header, &claims, &self.signing)?)
    }
}

/// The longest proof, in bytes.
const MAX_PROOF: usize = 8192;

/// How far the bridge's clock may be off, in seconds.
const LEEWAY: u64 = 30;

/// The public keys of a bridge that dials, and which of its proofs were shown already.
pub(crate) struct BridgeKeys {
    keys: JwkSet,
    expected: Validation,
    /// By nonce, until when each would hold.
    shown: Mutex<HashMap<String, u64>>,
}

/// What a proof of the bridge's says besides who made it for whom.
#[derive(Deserialize)]
struct BridgeClaims {
    iat: u64,
    exp: u64,
    jti: String,
}

impl BridgeKeys {
    /// Reads what the bridge's operator handed over: a JWK set. Proofs are of this `bridge`, for
    /// this `partner`.
    pub(crate) fn read(path: &Path, bridge: &str, partner: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let keys = serde_json::from_str(&text);
        let keys = keys.with_context(|| format!("{}: expected a JWK set", path.display()))?;
        let mut expected = Validation::new(Algorithm::EdDSA);
        expected.set_issuer(&[bridge]);
        expected.set_audience(&[partner]);
        expected.set_required_spec_claims(&["iss", "aud", "exp"]);
        expected.leeway = LEEWAY;
        Ok(Self { keys, expected, shown: Mutex::default() })
    }

    /// The nonce of a proof, which is good for once.
    pub(crate) fn nonce(&self, token: &str) -> Result<String, &'static str> {
        const NO: &str = "the bridge's proof does not hold";
        if token.len() > MAX_PROOF {
            return Err(NO);
        }
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
        let jwk = kid.and_then(|kid| self.keys.find(&kid)).ok_or("the bridge's key is unknown")?;
        let key = DecodingKey::from_jwk(jwk).map_err(|_| NO)?;
        let claims = jsonwebtoken::decode::<BridgeClaims>(token, &key, &self.expected);
        let BridgeClaims { iat, exp, jti } = claims.map_err(|_| NO)?.claims;
        let now = now();
        if iat > now + LEEWAY {
            return Err("the bridge's clock is ahead");
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|_, until| *until + LEEWAY >= now);
        if shown.insert(jti.clone(), exp).is_some() {
            return Err("the bridge's proof was shown before");
        }
        Ok(jti)
    }
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_private_key_is_its_owners_alone_whatever_stood_there() {
        let dir = tempfile::tempdir().unwrap();
        let (public, private) = make(dir.path(), "birdychat").unwrap();
        let before = std::fs::read(&private).unwrap();
        std::fs::set_permissions(&private, PermissionsExt::from_mode(0o644)).unwrap();
        let mut reader = std::fs::File::open(&private).unwrap();
        make(dir.path(), "birdychat").unwrap();
        let mode = std::fs::metadata(&private).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(std::fs::read(&private).unwrap(), before);
        // Who had the old one open does not see the new one.
        let mut seen = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut seen).unwrap();
        assert_eq!(seen, before);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "{}", public.display());
    }

    #[test]
    fn a_proof_of_the_bridge_is_good_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let (public, private) = make(dir.path(), "bridge").unwrap();
        let sign = |issuer: &str, audience: &str, more: Value| {
            let key = Key::read(&private, issuer.to_owned(), audience.to_owned()).unwrap();
            key.sign(&more).unwrap()
        };
        let known = BridgeKeys::read(&public, "drawbridge", "birdychat").unwrap();
        let proof = sign("drawbridge", "birdychat", json!({"jti": "n1"}));
        assert_eq!(known.nonce(&proof).as_deref(), Ok("n1"));
        assert_eq!(known.nonce(&proof), Err("the bridge's proof was shown before"));
        let ahead = json!({"jti": "n2", "iat": now() + 100, "exp": now() + 200});
        let ahead = sign("drawbridge", "birdychat", ahead);
        assert_eq!(known.nonce(&ahead), Err("the bridge's clock is ahead"));
        for (issuer, audience, more) in [
            ("another", "birdychat", json!({"jti": "n3"})),
            ("drawbridge", "owlpost", json!({"jti": "n3"})),
            ("drawbridge", "birdychat", json!({})),
            ("drawbridge", "birdychat", json!({"jti": "n3", "exp": now() - 100})),
        ] {
            let token = sign(issuer, audience, more);
            assert_eq!(known.nonce(&token), Err("the bridge's proof does not hold"));
        }
    }
}
