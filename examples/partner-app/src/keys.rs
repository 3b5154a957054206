//! The partner's key pair, and the proofs that are signed with it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
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

fn write(path: &Path, mode: u32, value: &Value) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(path).with_context(|| path.display().to_string())?;
    writeln!(file, "{value:#}").with_context(|| path.display().to_string())
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

    /// Proves that this is the partner (`user` is `None`), or that this user wants to be bridged.
    pub(crate) fn proof(&self, user: Option<&str>) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut claims = json!({"iss": self.issuer, "aud": self.audience, "iat": now,
                                "exp": now + PROOF_SECONDS});
        if let Some(user) = user {
            claims["sub"] = json!(user);
        }
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        Ok(jsonwebtoken::encode(&header, &claims, &self.signing)?)
    }
}
