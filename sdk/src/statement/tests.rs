//! What is signed and what isn't that any more.

mod counter;
mod golden;

use serde_json::{Value, json};

use super::*;
use crate::ids::Scheme;
use crate::jws::{JwsError, SigningKey};
use crate::message::SourceAnswer;

const NIK: &str = "3510161405889901";

fn signer() -> Signer {
    Signer::new(
        AgencyId::parse("djp").unwrap(),
        SystemId::parse("registry").unwrap(),
        "answers-2026",
        SigningKey::generate().unwrap(),
    )
    .unwrap()
}

fn source() -> SourceName {
    serde_json::from_value(json!({"agency": "djp", "system": "registry"})).unwrap()
}

fn now() -> Timestamp {
    "2026-11-24T03:00:00Z".parse().unwrap()
}

/// The question's parts, to be changed one by one.
struct Parts(MemberId, Purpose, RecordRef, SubjectKey);

impl Parts {
    fn new() -> Self {
        Self(
            MemberId::parse("mpp-kota").unwrap(),
            Purpose::BusinessLicence,
            "taxpayer/1".parse().unwrap(),
            SubjectKey {
                scheme: Scheme::Nik,
                value: NIK.to_owned().into(),
            },
        )
    }

    fn question(&self) -> Question<'_> {
        Question {
            organisation: &self.0,
            purpose: self.1,
            record: &self.2,
            subject: &self.3,
        }
    }
}

fn record() -> Value {
    json!({"npwp": NIK, "registered_name": "BAGAS CONTOH PRATAMA", "area": 100.10, "all": [1, {"b": null}]})
}

fn names() -> Vec<String> {
    ["npwp", "registered_name", "area", "all", "absent"]
        .map(str::to_owned)
        .into()
}

fn found(members: Value) -> SourceAnswer {
    let mut answer = json!({"status": "found", "as_of": "2026-11-24T02:59:00Z"});
    for (name, value) in members.as_object().unwrap() {
        answer[name] = value.clone();
    }
    serde_json::from_value(answer).unwrap()
}

fn said(answer: &SourceAnswer) -> Said<'_> {
    Said {
        status: answer.status,
        as_of: answer.as_of,
        record: answer.record.as_ref().map(|record| record.expose()),
        claims: answer.claims.as_deref(),
    }
}

fn claims() -> Vec<Claim> {
    serde_json::from_value(json!([
        {"field": "registered_name", "op": "name_matches", "value": "BAGAS CONTOH PRATAMA"},
        {"field": "npwp", "op": "exists"},
    ]))
    .unwrap()
}

fn answered() -> SourceAnswer {
    found(json!({"claims": [
        {"field": "registered_name", "op": "name_matches", "result": "match"},
        {"field": "npwp", "op": "exists", "result": "mismatch"},
    ]}))
}

fn signed(signer: &Signer, answer: &SourceAnswer, asked: Asked<'_>) -> SourceSignature {
    signer
        .sign(answer, &Parts::new().question(), asked, now())
        .unwrap()
}

fn verified(signer: &Signer, signature: &SourceSignature) -> Result<Statement, Error> {
    let parts = Parts::new();
    Statement::verify(signature, &source(), &parts.question(), |kid| {
        (kid == signer.kid()).then(|| signer.public_key())
    })
}

#[test]
fn what_was_said_is_proven_and_nothing_else() {
    let (signer, names) = (signer(), names());
    let answer = found(json!({"record": record()}));
    let signature = signed(&signer, &answer, Asked::Fields(&names));
    let statement = verified(&signer, &signature).unwrap();
    let salts = signature.salts.expose();
    let says = |answer: &SourceAnswer, names: &[String]| {
        statement.says(&said(answer), Asked::Fields(names), salts)
    };
    says(&answer, &names).unwrap();
    assert_eq!(says(&answer, &names[1..]), Err(Error::OtherFields));

    let changed = |change: fn(&mut Value)| {
        let mut record = record();
        change(&mut record);
        found(json!({"record": record}))
    };
    let named = |name: &str, error: fn(String) -> Error| Err(error(name.to_owned()));
    let altered = changed(|record| record["area"] = json!(100.11));
    assert_eq!(says(&altered, &names), named("area", Error::Altered));
    let left_out = changed(|record| drop(record.as_object_mut().unwrap().remove("npwp")));
    assert_eq!(says(&left_out, &names), named("npwp", Error::LeftOut));
    let put_in = changed(|record| record["absent"] = json!(1));
    assert_eq!(says(&put_in, &names), named("absent", Error::NoSalt));
    let mut swapped = salts.clone();
    swapped.insert("absent".to_owned(), "AAAA".to_owned());
    let put_in = statement.says(&said(&put_in), Asked::Fields(&names), &swapped);
    assert_eq!(put_in, named("absent", Error::PutIn));

    let mut later = answer.clone();
    later.as_of = Some(now());
    assert_eq!(says(&later, &names), Err(Error::OtherStatus));
    let none: SourceAnswer = serde_json::from_value(json!({"status": "not_found"})).unwrap();
    assert_eq!(says(&none, &names), Err(Error::OtherStatus));
    // The statement by itself gives nothing away, and Debug gives no salt.
    assert!(!format!("{signature:?}").contains(salts["npwp"].as_str()));
}

#[test]
fn claims_are_bound_to_what_was_claimed() {
    let (signer, asked, answer) = (signer(), claims(), answered());
    let signature = signed(&signer, &answer, Asked::Claims(&asked));
    let statement = verified(&signer, &signature).unwrap();
    let says = |answer: &SourceAnswer, asked: &[Claim]| {
        statement.says(
            &said(answer),
            Asked::Claims(asked),
            signature.salts.expose(),
        )
    };
    says(&answer, &asked).unwrap();
    let mut other = asked.clone();
    other[0].value = Some(json!("SITI CONTOH").into());
    let altered = Err(Error::Altered("registered_name".to_owned()));
    assert_eq!(says(&answer, &other), altered);
    let mut turned = answer.clone();
    turned.claims.as_mut().unwrap()[0].result = crate::claims::ClaimResult::Mismatch;
    assert_eq!(says(&turned, &asked), altered);
    let twice = [asked.clone(), asked].concat();
    let question = Parts::new();
    let error = signer.sign(&answer, &question.question(), Asked::Claims(&twice), now());
    assert_eq!(error, Err(Error::Twice("registered_name".to_owned())));
}

/// Digests of what nobody asked for, under the agency's own key.
#[test]
fn more_than_was_asked_isnt_signed_nor_taken() {
    let (signer, names, claims) = (signer(), names(), claims());
    let with = |signature: &SourceSignature, digests: &str| {
        let mut wire = verified(&signer, signature).unwrap().wire;
        let extra = ("status".to_owned(), "AAAA".to_owned());
        match digests {
            "fields" => wire.fields.extend([extra]),
            _ => wire.claims.extend([extra]),
        }
        let payload = serde_json::to_vec(&wire).unwrap();
        let jws = jws::sign_compact(&signer.key, TYPE, signer.kid(), &payload).unwrap();
        SourceSignature {
            jws,
            ..signature.clone()
        }
    };
    let check = |answer: &SourceAnswer, asked: Asked<'_>| {
        let good = signed(&signer, answer, asked);
        let says = |signature: &SourceSignature| {
            let statement = verified(&signer, signature).unwrap();
            statement.says(&said(answer), asked, signature.salts.expose())
        };
        says(&good).unwrap();
        for digests in ["fields", "claims"] {
            let refused = Err(Error::Unasked("status".to_owned()));
            assert_eq!(says(&with(&good, digests)), refused, "{digests}");
        }
    };
    check(&found(json!({"record": record()})), Asked::Fields(&names));
    check(&answered(), Asked::Claims(&claims));
    let nothing = serde_json::from_value(json!({"status": "not_found"})).unwrap();
    check(&nothing, Asked::Fields(&names));

    // A field of the agency's own beside it is no part of what is signed.
    let mut wide = record();
    wide["status"] = json!("active");
    let answer = found(json!({"record": wide}));
    let signature = signed(&signer, &answer, Asked::Fields(&names));
    assert!(!signature.salts.expose().contains_key("status"));
    let statement = verified(&signer, &signature).unwrap();
    let says = statement.says(
        &said(&answer),
        Asked::Fields(&names),
        signature.salts.expose(),
    );
    says.unwrap();
}

#[test]
fn a_signature_isnt_used_twice() {
    let (signer, names) = (signer(), names());
    let answer = found(json!({"record": record()}));
    let signature = signed(&signer, &answer, Asked::Fields(&names));
    let check = |change: fn(&mut Parts)| {
        let mut parts = Parts::new();
        change(&mut parts);
        let key = Some(signer.public_key());
        Statement::verify(&signature, &source(), &parts.question(), |_| key).map(|_| ())
    };
    check(|_| ()).unwrap();
    let other = Err(Error::OtherQuestion);
    assert_eq!(
        check(|it| it.0 = MemberId::parse("mpp-desa").unwrap()),
        other
    );
    assert_eq!(check(|it| it.1 = Purpose::LandTransfer), other);
    assert_eq!(check(|it| it.2 = "taxpayer/2".parse().unwrap()), other);
    assert_eq!(
        check(|it| it.3.value = "3510166307919902".to_owned().into()),
        other
    );
    assert_eq!(check(|it| it.3.scheme = Scheme::Npwp), other);

    let statement = verified(&signer, &signature).unwrap();
    let at = |seconds: i64| now() + jiff::SignedDuration::from_secs(seconds);
    statement.is_fresh(now()).unwrap();
    statement.is_fresh(at(300)).unwrap();
    statement.is_fresh(at(-300)).unwrap();
    assert_eq!(statement.is_fresh(at(301)), Err(Error::NotFresh));
    assert_eq!(statement.is_fresh(at(-301)), Err(Error::NotFresh));
    let mut ahead = found(json!({"record": record()}));
    ahead.as_of = Some(at(1));
    let asked = Asked::Fields(&names);
    let error = signer.sign(&ahead, &Parts::new().question(), asked, now());
    assert_eq!(error, Err(Error::AheadOfItself));
}

#[test]
fn only_the_agencys_own_key_counts() {
    let names = names();
    let (own, other) = (signer(), signer());
    let answer = found(json!({"record": record()}));
    let signature = signed(&own, &answer, Asked::Fields(&names));
    let forged = signed(&other, &answer, Asked::Fields(&names));
    let wrong = verified(&own, &forged).unwrap_err();
    assert!(matches!(wrong, Error::Signature(JwsError::Signature(_))));
    let key = Some(own.public_key());
    let mut elsewhere = source();
    elsewhere.agency = AgencyId::parse("bpn").unwrap();
    let parts = Parts::new();
    let error = Statement::verify(&signature, &elsewhere, &parts.question(), |_| key).unwrap_err();
    assert!(matches!(error, Error::Signature(JwsError::UnknownKey(_))));
    let mut elsewhere = source();
    elsewhere.system = SystemId::parse("archive").unwrap();
    let error = Statement::verify(&signature, &elsewhere, &parts.question(), |_| key);
    assert_eq!(error, Err(Error::OtherSource));
    // Another document of the same key is no statement.
    let grant = jws::sign_compact(&own.key, "loket-grant+jws", own.kid(), b"{}").unwrap();
    let statement = jws::sign_compact(&own.key, TYPE, own.kid(), b"{}").unwrap();
    for (jws, expect) in [(grant, "its type"), (statement, "version 1")] {
        let signature = SourceSignature {
            jws,
            ..signature.clone()
        };
        let error = verified(&own, &signature).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
    let id = Signer::new(
        own.agency.clone(),
        own.system.clone(),
        "a/b",
        SigningKey::generate().unwrap(),
    );
    assert_eq!(id.unwrap_err(), Error::KeyId);
}

#[track_caller]
fn canonical(text: &str, expect: Option<&str>) {
    let mut out = String::new();
    let written = canonical::write(&serde_json::from_str(text).unwrap(), &mut out);
    assert_eq!(written.ok().map(|()| out.as_str()), expect, "{text}");
}

#[test]
fn the_canonical_form_is_rfc_8785() {
    canonical(
        r#"{"b": [56.0, 4.50, 2e-3, -0.0], "a": null}"#,
        Some(r#"{"a":null,"b":[56,4.5,0.002,0]}"#),
    );
    canonical("333333333.33333329", Some("333333333.3333333"));
    canonical("9007199254740992", Some("9007199254740992"));
    canonical("-1", Some("-1"));
    for beyond in [
        "9007199254740993",
        "18446744073709551615",
        "1e30",
        "1e-27",
        "1e16",
    ] {
        canonical(beyond, None);
    }
    // Sorted by UTF-16: a surrogate pair comes before U+FB33.
    canonical(
        r#"{"\ufb33": 1, "\ud83d\ude00": 2, "\r": 3, "1": 4}"#,
        Some("{\"\\r\":3,\"1\":4,\"\u{1f600}\":2,\"\u{fb33}\":1}"),
    );
    canonical(
        r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#,
        Some(r#""€$\u000f\nA'B\"\\\\\"/""#),
    );
}
