//! The bridge's own key, by which a partner knows the bridge that dials it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use drawbridge_adapter::{NetworkId, Secret, Timestamp};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::{Value, json};

/// For how many seconds a proof of the bridge's holds.
const PROOF_SECONDS: i64 = 300;

/// A private JWK of Ed25519 (RFC 8037).
#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    kid: String,
    d: String,
}

/// Makes a key: the content of its file, and the public JWK set for the partner.
pub(crate) fn make(network: &NetworkId) -> (Secret, Value) {
    let key = SigningKey::from_bytes(&random());
    let x = BASE64.encode(key.verifying_key().as_bytes());
    // As good a name as any, and another one for each key.
    let kid = format!("drawbridge-{network}-{}", &x[..8]);
    let public = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                        "kid": kid, "x": x});
    let mut private = public.clone();
    private["d"] = json!(BASE64.encode(key.to_bytes()));
    (Secret::new(format!("{private:#}\n")), json!({ "keys": [public] }))
}

/// A nonce for who has no [`Bridge`](drawbridge_adapter::Bridge) to ask for one.
pub(crate) fn nonce() -> String {
    format!("{:032x}", u128::from_be_bytes(random()))
}

/// Without the kernel's randomness there is no key: it waits for it.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    while getrandom::fill(&mut bytes).is_err() {
        std::thread::yield_now();
    }
    bytes
}

/// The bridge, as one partner knows it.
pub(crate) struct Identity {
    kid: String,
    key: EncodingKey,
    /// What the partner calls the bridge.
    name: String,
    partner: String,
}

impl Identity {
    /// Reads what [`make`] made. An error never repeats the file.
    pub(crate) fn read(file: &Secret, name: String, partner: String) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected a private JWK of Ed25519 (RFC 8037) with a kid";
        let jwk: PrivateJwk = serde_json::from_str(file.expose()).map_err(|_| EXPECTED)?;
        let secret = BASE64.decode(&jwk.d).map_err(|_| EXPECTED)?;
        let secret = <[u8; 32]>::try_from(secret).map_err(|_| EXPECTED)?;
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" || jwk.kid.is_empty() {
            return Err(EXPECTED);
        }
        let der = SigningKey::from_bytes(&secret).to_pkcs8_der().map_err(|_| EXPECTED)?;
        Ok(Self { kid: jwk.kid, key: EncodingKey::from_ed_der(der.as_bytes()), name, partner })
    }

    /// A proof that this is the bridge, for this partner and no other. Its `nonce` is what the
    /// partner's own proof answers.
    pub(crate) fn proof(&self, nonce: &str, now: Timestamp) -> Option<Secret> {
        let now = now.0.div_euclid(1000);
        let claims = json!({"iss": self.name, "aud": self.partner, "iat": now,
                            "exp": now + PROOF_SECONDS, "jti": nonce});
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).ok().map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_is_made_can_be_read_and_signs() {
        let (private, public) = make(&NetworkId::new("birdychat").unwrap());
        assert!(public["keys"][0].get("d").is_none(), "the secret was given away");
        let identity = Identity::read(&private, "drawbridge".into(), "birdychat".into()).unwrap();
        let proof = identity.proof("n1", Timestamp(0)).unwrap();
        let jwk = serde_json::from_value(public["keys"][0].clone()).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
        let mut validation = jsonwebtoken::Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["birdychat"]);
        validation.set_issuer(&["drawbridge"]);
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Value>(proof.expose(), &key, &validation).unwrap();
        assert_eq!(claims.claims["jti"], "n1");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for file in [
            "",
            "-----BEGIN PRIVATE KEY-----",
            r#"{"kty":"OKP","crv":"Ed25519","kid":"k","d":"AAAA"}"#,
            r#"{"kty":"OKP","crv":"X25519","kid":"k","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","kid":"","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        ] {
            let read = Identity::read(&Secret::new(file), String::new(), String::new());
            assert!(read.is_err(), "{file}");
        }
    }
}
