//! What is signed and what isn't that any more.

use serde_json::{Value, json};

use super::*;
use crate::ids::Scheme;
use crate::jws::{JwsError, SigningKey};
use crate::message::{Lookup, Provenance, ProvenanceMethod, Reason, SourceAnswer, SourceResult};

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

fn lookup(query: Value) -> Lookup {
    let (_, text) = loket_schemas::envelope("lookup").unwrap().valid[0];
    let mut lookup: Value = serde_json::from_str(text).unwrap();
    lookup["purpose"] = json!("business_licence");
    lookup["subject"] = json!({"scheme": "nik", "value": NIK});
    lookup["records"] = json!([query]);
    serde_json::from_value(lookup).unwrap()
}

fn result(reason: Reason, signature: SourceSignature, more: Value) -> SourceResult {
    let mut result = json!({
        "record": "taxpayer/1", "version": "1.0", "source": source(), "outcome": reason.outcome(),
        "reason": reason, "elapsed_ms": 1, "as_of": "2026-11-24T02:59:00Z",
    });
    for (name, value) in more.as_object().unwrap() {
        result[name] = value.clone();
    }
    let mut result: SourceResult = serde_json::from_value(result).unwrap();
    result.provenance = Some(Provenance {
        method: ProvenanceMethod::SourceSigned,
        signature: Some(signature),
    });
    result
}

#[test]
fn a_counter_proves_what_the_agency_said() {
    let signer = signer();
    let member = MemberId::parse("mpp-kota").unwrap();
    let key = signer.public_key().clone();
    let keys = SourceKeys::new().with(signer.kid(), key.clone(), None, None);

    let names: Vec<String> = vec!["npwp".into(), "registered_name".into()];
    let data = json!({"npwp": NIK, "registered_name": "BAGAS CONTOH PRATAMA"});
    let answer = found(json!({"record": data}));
    let signature = signed(&signer, &answer, Asked::Fields(&names));
    let asked = lookup(json!({"record": "taxpayer/1", "fields": names}));
    let good = result(Reason::Complete, signature, json!({"data": data}));
    let statement = good.verify_source(&keys, &asked, &member).unwrap();
    assert_eq!(
        (statement.agency().as_str(), statement.issued_at()),
        ("djp", now())
    );
    let check = |change: fn(&mut SourceResult)| {
        let mut result = good.clone();
        change(&mut result);
        result.verify_source(&keys, &asked, &member).map(|_| ())
    };
    let less = |name: &str| Err(Error::LeftOut(name.to_owned()));
    assert_eq!(
        check(|result| {
            let mut data = result.data.take().unwrap().into_exposed();
            data.remove("npwp");
            result.data = Some(data.into());
        }),
        less("npwp")
    );
    assert_eq!(
        check(|result| {
            let mut data = result.data.take().unwrap().into_exposed();
            data.insert("status".into(), json!("active"));
            result.data = Some(data.into());
        }),
        Err(Error::PutIn("status".into()))
    );
    assert_eq!(
        check(|result| result.reason = Reason::NoRecord),
        Err(Error::OtherStatus)
    );
    assert_eq!(
        check(|result| result.provenance = None),
        Err(Error::NotSigned)
    );
    let someone = MemberId::parse("mpp-desa").unwrap();
    assert_eq!(
        good.verify_source(&keys, &asked, &someone),
        Err(Error::OtherQuestion)
    );
    let ended =
        SourceKeys::new().with(signer.kid(), key, None, Some("2026-11-23".parse().unwrap()));
    assert_eq!(
        good.verify_source(&ended, &asked, &member),
        Err(Error::KeyOutOfTime)
    );

    let nothing: SourceAnswer = serde_json::from_value(json!({"status": "not_found"})).unwrap();
    let signature = signed(&signer, &nothing, Asked::Fields(&names));
    let mut none = result(Reason::NoRecord, signature, json!({}));
    none.as_of = None;
    none.verify_source(&keys, &asked, &member).unwrap();
}

#[test]
fn a_counter_proves_answered_claims_among_those_the_gateway_refused() {
    let signer = signer();
    let member = MemberId::parse("mpp-kota").unwrap();
    let keys = SourceKeys::new().with(signer.kid(), signer.public_key().clone(), None, None);
    let (claims, answer) = (claims(), answered());
    let signature = signed(&signer, &answer, Asked::Claims(&claims));
    let refused = json!({"field": "status", "op": "equals", "value": "active"});
    let mut asked = vec![refused];
    asked.extend(claims.iter().map(|claim| json!(claim)));
    let lookup = lookup(json!({"record": "taxpayer/1", "claims": asked}));
    let answers = |status: &str| {
        json!({"claims": [
            {"field": "status", "op": "equals", "result": status},
            {"field": "registered_name", "op": "name_matches", "result": "match"},
            {"field": "npwp", "op": "exists", "result": "mismatch"},
        ]})
    };
    let good = result(Reason::InPart, signature.clone(), answers("not_permitted"));
    good.verify_source(&keys, &lookup, &member).unwrap();
    let forged = result(Reason::InPart, signature, answers("match"));
    let error = forged.verify_source(&keys, &lookup, &member);
    assert_eq!(error, Err(Error::PutIn("status".into())));
}
