use proptest::prelude::*;

use super::*;

const TYP: &str = "loket-test+jws";
const KID: &str = "dukcapil/2026-1";

fn url(text: &str) -> Box<[u8]> {
    URL_SAFE_NO_PAD.decode(text).unwrap().into()
}

fn signed(header: &str) -> String {
    let key = SigningKey::generate().unwrap();
    let mut text = format!("{}.e30", URL_SAFE_NO_PAD.encode(header));
    let signature = key.sign(text.as_bytes()).unwrap();
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    let public = key.public_key().clone();
    // It would count if its header were as agreed.
    let (before, signature) = text.rsplit_once('.').unwrap();
    assert!(public.verifies(before.as_bytes(), &url(signature)));
    text
}

#[track_caller]
fn refused(header: &str, why: JwsError) {
    let jws = signed(header);
    let other = SigningKey::generate().unwrap();
    let got = verify_compact(&jws, TYP, |_| Some(other.public_key()));
    assert_eq!(got.unwrap_err(), why, "{header}");
}

fn es256() -> SigningKey {
    // RFC 7515, appendix A.3.1, as PKCS#8.
    let scalar = url("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let mut der = vec![
        0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
        0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25,
        0x02, 0x01, 0x01, 0x04, 0x20,
    ];
    der.extend_from_slice(&scalar);
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(der)
    );
    SigningKey::from_pem(pem.as_bytes()).unwrap()
}

/// RFC 8037, appendices A.1, A.4 and A.5.
#[test]
fn ed25519_signs_what_rfc_8037_signs() {
    let seed = url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let mut der = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    der.extend_from_slice(&seed);
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(der)
    );
    let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
    let public = PublicKey::new(
        Algorithm::Ed25519,
        url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
    );
    assert_eq!(*key.public_key(), public.unwrap());
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = url(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
    assert_eq!(key.sign(input.as_bytes()).unwrap(), *signature);
    assert!(key.public_key().verifies(input.as_bytes(), &signature));
}

/// RFC 7515, appendix A.3.1.
#[test]
fn es256_verifies_what_rfc_7515_signs() {
    let point = [
        &[4][..],
        &url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        &url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
    ]
    .concat();
    let public = PublicKey::new(Algorithm::Es256, point.into()).unwrap();
    assert_eq!(*es256().public_key(), public);
    let input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l\
                 eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = url(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    assert!(public.verifies(input.as_bytes(), &signature));
    assert!(!public.verifies(&input.as_bytes()[1..], &signature));
}

#[test]
fn what_is_signed_is_read_with_either_key_attached_or_detached() {
    for key in [SigningKey::generate().unwrap(), es256()] {
        let public = key.public_key();
        let find = |kid: &str| (kid == KID).then_some(public);
        let jws = sign_compact(&key, TYP, KID, b"{\"a\":1}").unwrap();
        let read = verify_compact(&jws, TYP, find).unwrap();
        assert_eq!(read.payload, b"{\"a\":1}");
        assert_eq!(
            (read.header.kid.as_str(), read.header.typ.as_str()),
            (KID, TYP)
        );
        assert_eq!(read_unverified(&jws).unwrap(), read);
        let detached = sign_detached(&key, TYP, KID, b"{\"a\":1}").unwrap();
        let header = verify_detached(&detached, b"{\"a\":1}", TYP, find).unwrap();
        assert_eq!(header, read.header);
        let altered = verify_detached(&detached, b"{\"a\":2}", TYP, find);
        assert_eq!(altered.unwrap_err(), JwsError::Signature(KID.into()));
        let held = verify_detached(&jws, b"{\"a\":1}", TYP, find);
        assert_eq!(held.unwrap_err(), JwsError::Attached(true));
        let apart = verify_compact(&detached, TYP, find);
        assert_eq!(apart.unwrap_err(), JwsError::Attached(false));
        let unknown = verify_compact(&jws, TYP, |_| None);
        assert_eq!(unknown.unwrap_err(), JwsError::UnknownKey(KID.into()));
        let typ = verify_compact(&jws, "loket-grant+jws", find).unwrap_err();
        assert!(matches!(typ, JwsError::Type { .. }));
    }
}

#[test]
fn keys_go_through_pem_and_back() {
    for key in [SigningKey::generate().unwrap(), es256()] {
        let pem = key.to_pem().unwrap();
        let again = SigningKey::from_pem(pem.expose().as_bytes()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        let public = PublicKey::from_pem(key.public_key().to_pem().as_bytes()).unwrap();
        assert_eq!(public, *key.public_key());
        assert!(!format!("{key:?} {public:?}").contains("BEGIN"));
        let wrong = SigningKey::from_pem(public.to_pem().as_bytes()).unwrap_err();
        assert_eq!(wrong, KeyError::Pem("PRIVATE KEY (PKCS#8)"));
        let wrong = PublicKey::from_pem(pem.expose().as_bytes()).unwrap_err();
        assert_eq!(wrong, KeyError::Pem("PUBLIC KEY"));
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let p384 = "-----BEGIN PUBLIC KEY-----\n\
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqjvsaJ1W5kVn4hzMkMzmM/ZUCFwXUN0i\n\
        -----END PUBLIC KEY-----\n";
    assert_eq!(PublicKey::from_pem(p384.as_bytes()), Err(KeyError::Kind));
    // A point that isn't on the curve.
    let off = PublicKey::new(Algorithm::Es256, [&[4][..], &[7; 64]].concat().into());
    assert_eq!(off, Err(KeyError::Kind));
}

#[test]
fn headers_that_are_not_as_agreed_are_refused() {
    let with = |more: &str| format!(r#"{{"alg":"Ed25519","kid":"{KID}","typ":"{TYP}"{more}}}"#);
    for member in ["crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "cty"] {
        let header = with(&format!(r#","{member}":["b64"]"#));
        refused(&header, JwsError::Member(member.into()));
    }
    let alg = |alg: &str| format!(r#"{{"alg":"{alg}","kid":"{KID}","typ":"{TYP}"}}"#);
    for none in ["none", "HS256", "RS256", "ed25519", "ES384"] {
        refused(&alg(none), JwsError::Algorithm(none.into()));
    }
    refused(&alg("ES256"), JwsError::KeyAlgorithm(KID.into()));
    refused(&alg(""), JwsError::Lacks("alg"));
    refused(&with(""), JwsError::Signature(KID.into()));
    refused(
        &format!(r#"{{"alg":"Ed25519","typ":"{TYP}"}}"#),
        JwsError::Lacks("kid"),
    );
    refused(
        &format!(r#"{{"alg":"Ed25519","kid":7,"typ":"{TYP}"}}"#),
        JwsError::Lacks("kid"),
    );
    refused(
        &format!(r#"{{"alg":"Ed25519","kid":"a b","typ":"{TYP}"}}"#),
        JwsError::Lacks("kid"),
    );
    refused("[]", JwsError::NoObject);
    let long = format!(r#"{{"alg":"Ed25519","kid":"{}"}}"#, "a".repeat(MAX_HEADER));
    refused(&long, JwsError::TooLong(MAX_HEADER));
    let twice = signed(&with(r#","kid":"kpp/1""#));
    let twice = verify_compact(&twice, TYP, |_| None).unwrap_err();
    assert!(matches!(twice, JwsError::Header(_)), "{twice}");
}

#[test]
fn what_has_another_form_is_refused() {
    let key = SigningKey::generate().unwrap();
    let jws = sign_compact(&key, TYP, KID, b"payload").unwrap();
    let verify = |jws: &str| verify_compact(jws, TYP, |_| Some(key.public_key())).map(drop);
    verify(&jws).unwrap();
    for (altered, why) in [
        (format!("{jws}."), JwsError::Parts),
        (String::new(), JwsError::Parts),
        (format!(".{jws}"), JwsError::Parts),
        (format!("{jws}="), JwsError::Base64("signature")),
        (format!("{jws}\n"), JwsError::Base64("signature")),
        (format!(" {jws}"), JwsError::Base64("header")),
        (jws.replacen('.', "\n.", 1), JwsError::Base64("header")),
        ("a".repeat(MAX_COMPACT + 1), JwsError::TooLong(MAX_COMPACT)),
    ] {
        assert_eq!(verify(&altered), Err(why), "{altered:.80}");
    }
    // The last character of 7 bytes leaves bits over, which would give a second way to write them.
    let (before, signature) = jws.rsplit_once('.').unwrap();
    let mut before = before.to_owned();
    let last = before.pop().unwrap();
    let other = char::from(u8::try_from(u32::from(last) + 1).unwrap());
    let altered = format!("{before}{other}.{signature}");
    assert_eq!(verify(&altered), Err(JwsError::Base64("payload")));
    let long = sign_compact(&key, TYP, KID, &vec![0; MAX_COMPACT]);
    assert_eq!(long, Err(JwsError::TooLong(MAX_COMPACT)));
    for name in ["", "a b", "é", &"k".repeat(MAX_NAME + 1)] {
        assert_eq!(
            sign_compact(&key, TYP, name, b"{}"),
            Err(JwsError::Lacks("kid"))
        );
        assert_eq!(
            sign_detached(&key, name, KID, b"{}"),
            Err(JwsError::Lacks("typ"))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bit_can_be_altered(
        payload in proptest::collection::vec(any::<u8>(), 1..80),
        place in any::<prop::sample::Index>(),
        bit in 0..7_u8,
        p256 in any::<bool>(),
    ) {
        let key = if p256 { es256() } else { SigningKey::generate().unwrap() };
        let find = |_: &str| Some(key.public_key());
        let alter = |jws: &str| {
            let mut bytes = jws.as_bytes().to_vec();
            bytes[place.index(jws.len())] ^= 1 << bit;
            String::from_utf8(bytes).unwrap()
        };
        let jws = sign_compact(&key, TYP, KID, &payload).unwrap();
        prop_assert!(verify_compact(&jws, TYP, find).is_ok());
        prop_assert!(verify_compact(&alter(&jws), TYP, find).is_err());
        let detached = sign_detached(&key, TYP, KID, &payload).unwrap();
        prop_assert!(verify_detached(&detached, &payload, TYP, find).is_ok());
        prop_assert!(verify_detached(&alter(&detached), &payload, TYP, find).is_err());
        let mut other = payload.clone();
        other[place.index(payload.len())] ^= 1 << bit;
        prop_assert!(verify_detached(&detached, &other, TYP, find).is_err());
    }

    #[test]
    fn bytes_never_panic(text in "[A-Za-z0-9_.=\\-]{0,200}") {
        let key = SigningKey::generate().unwrap();
        let find = |_: &str| Some(key.public_key());
        prop_assert!(verify_compact(&text, TYP, find).is_err());
        prop_assert!(verify_detached(&text, b"payload", TYP, find).is_err());
    }
}
