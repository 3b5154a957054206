//! How a user of the app's is called and looks.

use drawbridge_adapter::{NewPicture, ProfileChange};

use super::{Flaw, Frame, flaw, id, name, user};
use crate::PartnerAddressing;
use crate::frame::{AppProfile, Told};

/// How a user of the app's is called and looks from now on.
#[derive(Debug)]
pub(crate) struct Looks {
    pub(crate) id: String,
    pub(crate) change: ProfileChange,
}

pub(super) fn profile(profile: AppProfile, addressing: &PartnerAddressing) -> Result<Frame, Flaw> {
    id("id", &profile.id)?;
    let mut change = ProfileChange::of(user("user", &profile.user, addressing)?);
    change.name = match profile.name {
        Told::AsItWas => None,
        Told::Gone => Some(String::new()),
        Told::Now(new) => {
            name("name", &new)?;
            Some(new)
        }
    };
    change.picture = match profile.avatar {
        Told::AsItWas => None,
        Told::Gone => Some(NewPicture::Gone),
        Told::Now(avatar) => {
            let bytes = avatar.bytes();
            let bytes =
                bytes.ok_or_else(|| flaw("avatar.data", "is not 1 to 65536 bytes in base64"))?;
            Some(NewPicture::Here(bytes))
        }
    };
    Ok(Frame::Profile(Looks { id: profile.id, change }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use drawbridge_adapter::Picture;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::tests::{place_of, read};
    use super::*;

    fn frame(fields: &[(&str, Value)]) -> Value {
        let mut frame = json!({"type": "profile", "id": "p1", "user": "carol"});
        for (key, value) in fields {
            frame[*key] = value.clone();
        }
        frame
    }

    fn change(fields: &[(&str, Value)]) -> ProfileChange {
        match read(&frame(fields)) {
            Ok(Frame::Profile(looks)) => looks.change,
            other => panic!("not a profile: {other:?}"),
        }
    }

    fn avatar(bytes: &[u8]) -> Value {
        json!({"data": BASE64_STANDARD.encode(bytes)})
    }

    #[test]
    fn what_is_absent_is_as_it_was_and_what_is_null_is_gone() {
        let nothing = ProfileChange::of("birdychat:carol".parse().unwrap());
        assert!(change(&[]) == nothing);
        assert!(change(&[("name", json!("Carol"))]) == nothing.clone().name(Some("Carol")));
        assert!(change(&[("name", Value::Null)]) == nothing.clone().name(None));
        let picture = |picture| nothing.clone().picture(picture);
        assert!(change(&[("avatar", Value::Null)]) == picture(NewPicture::Gone));
        let here = picture(NewPicture::Here(b"a picture".to_vec()));
        assert!(change(&[("avatar", avatar(b"a picture"))]) == here);
        let both = change(&[("avatar", avatar(b"a picture")), ("name", json!("Carol"))]);
        assert!(both == here.name(Some("Carol")));
    }

    #[test]
    fn what_is_wrong_with_it_is_told_by_its_place() {
        for (place, key, value) in [
            ("id", "id", json!("a b")),
            ("user", "user", json!("Carol")),
            ("user", "user", Value::Null),
            ("name", "name", json!("")),
            ("name", "name", json!("x".repeat(257))),
            ("name", "name", json!("Ca\u{7}rol")),
            ("name", "name", json!(1)),
            ("avatar", "avatar", json!("iVBO")),
            ("avatar.data", "avatar", json!({})),
            ("avatar.data", "avatar", json!({"data": null})),
            ("avatar.data", "avatar", json!({"data": ""})),
            ("avatar.data", "avatar", json!({"data": "iVBO?"})),
            ("avatar.data", "avatar", json!({"data": "aGk"})),
            ("avatar.data", "avatar", avatar(&vec![0; Picture::MAX + 1])),
            ("avatar.data", "avatar", json!({"data": "A".repeat(500_000)})),
        ] {
            assert_eq!(place_of(&frame(&[(key, value)])), place);
        }
        let largest = vec![0; Picture::MAX];
        assert!(change(&[("avatar", avatar(&largest))]).picture.is_some());
        assert!(change(&[("name", json!("x".repeat(256)))]).name.is_some());
    }

    proptest! {
        #[test]
        fn no_profile_panics(
            key in "name|avatar|user|id",
            value in "(null|1e999|-1|\\[\\]|\\{\\}|\"x\"|true|\\{\"data\":(null|1|\"[ -~]{0,40}\")\\})",
        ) {
            if let Ok(value) = serde_json::from_str::<Value>(&value) {
                let _ = read(&frame(&[(&key, value)]));
            }
        }

        #[test]
        fn whatever_bytes_come_stay_as_they_are(
            bytes in proptest::collection::vec(any::<u8>(), 1..3000),
        ) {
            let told = change(&[("avatar", avatar(&bytes))]);
            prop_assert!(told.picture == Some(NewPicture::Here(bytes)));
        }
    }
}
