//! The counter's side: results, and what was left out of them or put in.

use super::*;
use crate::claims::{ClaimResult, Op};
use crate::message::{Lookup, Outcome, Provenance, ProvenanceMethod, Reason, SourceResult};

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
    let good_signature = signature.clone();
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

    // What a gateway could put beside the signature, or in place of what it is over.
    let good = result(Reason::InPart, good_signature, answers("not_permitted"));
    let forged = |change: fn(&mut SourceResult)| {
        let mut result = good.clone();
        change(&mut result);
        result.verify_source(&keys, &lookup, &member).map(|_| ())
    };
    let put_in = |name: &str| Err(Error::PutIn(name.to_owned()));
    assert_eq!(
        forged(|it| it.data = Some(Map::new().into())),
        put_in("registered_name")
    );
    assert_eq!(
        forged(|it| {
            let mut again = it.claims[1].clone();
            again.result = ClaimResult::Mismatch;
            it.claims.push(again);
        }),
        put_in("registered_name")
    );
    assert_eq!(
        forged(|it| {
            let mut other = it.claims[1].clone();
            other.op = Op::Equals;
            it.claims.push(other);
        }),
        put_in("registered_name")
    );
    assert_eq!(
        forged(|it| it.outcome = Outcome::NotFound),
        Err(Error::OtherStatus)
    );
    let nothing: SourceAnswer = serde_json::from_value(json!({"status": "not_found"})).unwrap();
    let signature = signed(&signer, &nothing, Asked::Claims(&claims));
    let mut none = result(Reason::NoRecord, signature, json!({}));
    none.as_of = None;
    none.verify_source(&keys, &lookup, &member).unwrap();
    none.claims = good.claims[1..2].to_vec();
    assert_eq!(
        none.verify_source(&keys, &lookup, &member),
        Err(Error::PutIn("registered_name".into()))
    );
}
