//! The partner's proofs: JWTs (RFC 7519), held against the public keys that the operator was
//! given.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use drawbridge_adapter::{Timestamp, log};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::frame::MAX_PROOF;
use crate::log::{KEYS_READ, KEYS_UNREADABLE, KEYS_UNSEEN};

/// How long a proof may hold.
const LONGEST_SECONDS: i64 = 600;

/// How far the clocks of the two sides may be apart.
const SKEW_SECONDS: i64 = 30;

/// The largest file of keys that is read, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// The most keys in a set.
const MAX_KEYS: usize = 64;

/// What a proof proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// That this is the partner: there is no `sub`.
    Partner,
    /// The same, in answer to this nonce of the bridge's.
    Answer(&'a str),
    /// That this user of the partner's wants to be bridged: the `sub`.
    User(&'a str),
}

/// Why a proof does not hold: for the partner's developer.
pub(crate) type Doubt = &'static str;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The partner's public keys, by `kid`; each with the one algorithm that it is for.
pub(crate) struct Keys(HashMap<String, (Algorithm, DecodingKey)>);

impl Keys {
    /// Reads a JWK set.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_str(text).map_err(|error| {
            format!("not a JWK set (RFC 7517): line {}, column {}", error.line(), error.column())
        })?;
        if set.keys.is_empty() || set.keys.len() > MAX_KEYS {
            return Err(format!("expected 1 to {MAX_KEYS} keys, not {}", set.keys.len()));
        }
        let mut keys = HashMap::new();
        for (index, jwk) in set.keys.iter().enumerate() {
            let (kid, algorithm, key) =
                key(jwk).map_err(|what| format!("key {}: {what}", index + 1))?;
            if keys.insert(kid, (algorithm, key)).is_some() {
                return Err(format!("key {}: its kid is that of an earlier key", index + 1));
            }
        }
        Ok(Self(keys))
    }

    fn check(&self, token: &str, expected: &Expected, now: Timestamp) -> Result<(), Doubt> {
        if token.len() > MAX_PROOF {
            return Err("the token is too long");
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| "not a signed JWT")?;
        if header.crit.is_some() {
            return Err("the token has critical headers, and none is known here");
        }
        let kid = header.kid.ok_or("the token names no key (kid)")?;
        let (algorithm, key) = self.0.get(&kid).ok_or("the token's key (kid) is unknown")?;
        if header.alg != *algorithm {
            return Err("the token's algorithm is not that of its key");
        }
        let mut validation = Validation::new(*algorithm);
        // Everything else is checked below, by the bridge's own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let token = jsonwebtoken::decode::<Claims>(token, key, &validation);
        let claims = token.map_err(|_| "the signature is wrong, or a claim is missing")?.claims;
        expected.hold(&claims, now.0.div_euclid(1000))
    }
}

fn key(jwk: &Jwk) -> Result<(String, Algorithm, DecodingKey), &'static str> {
    let kid = jwk.common.key_id.clone().filter(|kid| !kid.is_empty()).ok_or("it has no kid")?;
    let (algorithm, length) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, 32)
        }
        AlgorithmParameters::EllipticCurve(pair) if pair.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, 65)
        }
        _ => return Err("expected an Ed25519 or a P-256 key"),
    };
    if jwk.common.key_algorithm.is_some_and(|named| named.to_string() != format!("{algorithm:?}")) {
        return Err("its alg does not fit its curve");
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "it can't be decoded")?;
    // jsonwebtoken takes a key of any length, and panics later on a short one.
    if key.as_bytes().len() != length {
        return Err("its length does not fit its curve");
    }
    Ok((kid, algorithm, key))
}

struct Expected<'a> {
    issuer: &'a str,
    audience: &'a str,
    subject: Subject<'a>,
}

impl Expected<'_> {
    fn hold(&self, claims: &Claims, now: i64) -> Result<(), Doubt> {
        if claims.iss != self.issuer {
            return Err("iss is another one");
        }
        let ours = match &claims.aud {
            Audience::One(one) => one == self.audience,
            Audience::Many(many) => many.iter().any(|one| one == self.audience),
        };
        if !ours {
            return Err("aud is another one");
        }
        match self.subject {
            Subject::Partner | Subject::Answer(_) if claims.sub.is_some() => {
                return Err("a partner proof has no sub");
            }
            Subject::Answer(nonce) if claims.nonce.as_ref().is_none_or(|own| own != nonce) => {
                return Err("nonce is not the jti of the bridge's proof");
            }
            Subject::User(user) if claims.sub.as_deref() != Some(user) => {
                return Err("sub is not the user");
            }
            _ => {}
        }
        if claims.exp.saturating_add(SKEW_SECONDS) <= now {
            return Err("the token has expired (exp)");
        }
        if claims.exp > now + LONGEST_SECONDS + SKEW_SECONDS {
            return Err("exp is more than ten minutes ahead");
        }
        if claims.iat > now + SKEW_SECONDS || claims.nbf.is_some_and(|nbf| nbf > now + SKEW_SECONDS)
        {
            return Err("the token is from the future (iat, nbf)");
        }
        Ok(())
    }
}

/// The keys, kept fresh.
pub(crate) struct KeyRing {
    path: PathBuf,
    issuer: String,
    audience: String,
    ttl: Duration,
    cached: Mutex<Cached>,
}

struct Cached {
    keys: Arc<Keys>,
    stamp: Option<Stamp>,
    /// When the file was last seen to be good; `None` before the first look by the bridge's clock.
    good_at: Option<Timestamp>,
    warned: bool,
}

/// Tells one state of the file from another.
type Stamp = (SystemTime, u64);

impl KeyRing {
    /// Reads the keys for the first time.
    pub(crate) fn open(
        path: PathBuf,
        issuer: String,
        audience: String,
        ttl: Duration,
    ) -> Result<Self, String> {
        let (keys, stamp) = load(&path)?;
        let cached =
            Cached { keys: Arc::new(keys), stamp: Some(stamp), good_at: None, warned: false };
        Ok(Self { path, issuer, audience, ttl, cached: Mutex::new(cached) })
    }

    /// Looks whether the file has changed, and reads it again if so.
    pub(crate) async fn refresh(self: &Arc<Self>, now: Timestamp) {
        let ring = Arc::clone(self);
        // A look at a file may block, on a network drive for long.
        let looked = tokio::task::spawn_blocking(move || ring.look(now)).await;
        if looked.is_err() {
            log!(KEYS_UNSEEN);
        }
    }

    fn look(&self, now: Timestamp) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let unchanged = stamp(&self.path).is_ok_and(|stamp| cached.stamp == Some(stamp));
        if unchanged {
            cached.good_at = Some(now);
            return;
        }
        match load(&self.path) {
            Ok((keys, stamp)) => {
                log!(KEYS_READ, keys = keys.0.len());
                *cached = Cached {
                    keys: Arc::new(keys),
                    stamp: Some(stamp),
                    good_at: Some(now),
                    warned: false,
                };
            }
            Err(what) => {
                cached.stamp = None;
                cached.good_at.get_or_insert(now);
                if !cached.warned {
                    cached.warned = true;
                    log!(KEYS_UNREADABLE, what);
                }
            }
        }
    }

    /// Whether `token` proves `subject`, by the keys of the last [`Self::refresh`].
    pub(crate) fn check(
        &self,
        token: &str,
        subject: Subject<'_>,
        now: Timestamp,
    ) -> Result<(), Doubt> {
        let keys = {
            let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            let broken = cached.stamp.is_none();
            if broken && cached.good_at.is_none_or(|good| now.since(good) > self.ttl) {
                return Err("the bridge has no keys of this partner");
            }
            Arc::clone(&cached.keys)
        };
        let expected = Expected { issuer: &self.issuer, audience: &self.audience, subject };
        keys.check(token, &expected, now)
    }
}

fn stamp(path: &PathBuf) -> std::io::Result<Stamp> {
    let meta = std::fs::metadata(path)?;
    Ok((meta.modified()?, meta.len()))
}

fn load(path: &PathBuf) -> Result<(Keys, Stamp), String> {
    use std::io::Read;
    let failed = |what: String| format!("{}: {what}", path.display());
    // The stamp comes first: a change in between is seen at the next look.
    let stamp = stamp(path).map_err(|error| failed(error.to_string()))?;
    if stamp.1 > MAX_FILE {
        return Err(failed(format!("larger than {MAX_FILE} bytes")));
    }
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(MAX_FILE).read_to_string(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    Ok((Keys::parse(&text).map_err(failed)?, stamp))
}

#[cfg(test)]
mod tests;
