#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use super::*;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The bridge's clock, in seconds.
const NOW: i64 = 1_763_722_800;

fn signing() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn jwks() -> Value {
    let x = BASE64.encode(signing().verifying_key().as_bytes());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "x": x}]})
}

/// A token, signed by the right key, whatever it says.
fn signed(header: &str, claims: &str) -> String {
    let said = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    format!("{said}.{}", BASE64.encode(signing().sign(said.as_bytes()).to_bytes()))
}

fn header() -> String {
    json!({"typ": "JWT", "alg": "EdDSA", "kid": "k1"}).to_string()
}

fn right() -> &'static str {
    static RIGHT: LazyLock<String> = LazyLock::new(|| {
        let claims = json!({"iss": "birdychat", "aud": "drawbridge", "iat": NOW, "exp": NOW + 300});
        signed(&header(), &claims.to_string())
    });
    &RIGHT
}

fn check(token: &str) -> Result<(), Doubt> {
    let keys = Keys::parse(&jwks().to_string()).unwrap();
    let expected =
        Expected { issuer: "birdychat", audience: "drawbridge", subject: Subject::Partner };
    keys.check(token, &expected, Timestamp(NOW * 1000))
}

/// What may stand where a key set or a token has a value.
fn strange() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[A-Za-z0-9_-]{0,90}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("alg|kid|x|k", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn the_right_token_is_taken() {
    assert_eq!(check(right()), Ok(()));
}

proptest! {
    #[test]
    fn no_token_panics_or_is_taken(token in any::<String>()) {
        prop_assert!(check(&token).is_err());
    }

    #[test]
    fn nothing_in_the_form_of_a_token_is_taken(
        token in "[A-Za-z0-9_-]{0,200}\\.[A-Za-z0-9_-]{0,200}\\.[A-Za-z0-9_-]{0,100}",
    ) {
        prop_assert!(check(&token).is_err());
    }

    #[test]
    fn a_token_that_was_changed_is_not_taken(
        at in any::<prop::sample::Index>(),
        to in prop_oneof![Just(String::new()), "[A-Za-z0-9._=+/ -]", "\\PC"],
        insert in any::<bool>(),
    ) {
        let right = right();
        let at = at.index(right.len());
        let rest = if insert { at } else { at + 1 };
        let changed = format!("{}{to}{}", &right[..at], &right[rest..]);
        prop_assume!(changed != right);
        prop_assert!(check(&changed).is_err(), "{changed}");
    }

    #[test]
    fn a_token_that_was_cut_is_not_taken(at in any::<prop::sample::Index>()) {
        let right = right();
        prop_assert!(check(&right[..at.index(right.len())]).is_err());
    }

    #[test]
    fn no_key_set_panics(text in any::<String>()) {
        prop_assert!(Keys::parse(&text).is_err());
    }

    #[test]
    fn no_strange_key_panics(
        field in "kty|crv|kid|alg|x|y|use|key_ops",
        is_elliptic in any::<bool>(),
        value in strange(),
    ) {
        let mut set = jwks();
        if is_elliptic {
            // The key of RFC 7515, appendix A.3.
            set["keys"][0] = json!({"kty": "EC", "crv": "P-256", "kid": "k1",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        }
        set["keys"][0][field] = value;
        // Where the set is taken, a token of another key is refused, and nothing panics.
        if let Ok(keys) = Keys::parse(&set.to_string()) {
            let expected =
                Expected { issuer: "other", audience: "drawbridge", subject: Subject::Partner };
            let alg = if is_elliptic { "ES256" } else { "EdDSA" };
            let header = json!({"alg": alg, "kid": "k1"}).to_string();
            let token = signed(&header, "{}");
            prop_assert!(keys.check(&token, &expected, Timestamp(0)).is_err());
        }
    }
}

proptest! {
    // Signing is slow without optimization.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Behind the signature, too, nothing is trusted.
    #[test]
    fn a_strange_header_or_claim_is_not_taken(
        claim in "iss|aud|iat|exp|sub",
        field in "alg|kid|crit|jwk|x5c|typ",
        value in strange(),
    ) {
        let mut claims =
            json!({"iss": "birdychat", "aud": "drawbridge", "iat": NOW, "exp": NOW + 300});
        claims[&claim] = value.clone();
        // A `sub` of null is none, and a time may well be one that holds.
        let may_hold = claims["sub"].is_null() && claim == "sub"
            || claim == "iat" && value.as_i64().is_some_and(|iat| iat <= NOW + 30);
        prop_assert!(may_hold || check(&signed(&header(), &claims.to_string())).is_err());

        let mut header = json!({"typ": "JWT", "alg": "EdDSA", "kid": "k1"});
        header[field] = value;
        // Only that it does not panic: a `typ`, or a key that nobody reads, changes nothing.
        let _ = check(&signed(&header.to_string(), "{}"));
    }
}
