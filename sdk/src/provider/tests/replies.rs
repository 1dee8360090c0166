//! What is answered: of the record only what was asked, and nothing that is wrong.

use std::time::Duration;

use super::*;
use crate::claims::{self, ClaimAnswer, ClaimResult, Op};
use crate::message::{SourceAnswer, SourceStatus};

async fn answer_to(
    asked: Value,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> CounterAnswer {
    let town = Town::new(Scripted(move |_| {
        let reply = reply();
        async { Ok(reply) }
    }))
    .await;
    let answer = town.gateway().post(PATH, &asked).await.unwrap();
    if answer.status == 200 {
        crate::schema::source_answer()
            .check(&answer.json())
            .unwrap();
    }
    answer
}

fn found(changes: Value) -> impl Fn() -> Reply {
    let record = with(sample("person-identity/1"), changes);
    move || Reply::found(record.clone(), AS_OF.parse().unwrap()).unwrap()
}

fn claimed() -> Value {
    let name = json!({"field": "full_name", "op": "name_matches", "value": "BAGAS CONTOH PRATAMA"});
    let born = json!({"field": "birth_date", "op": "date_equals", "value": "1988-05-14"});
    with(question(), json!({"fields": null, "claims": [name, born]}))
}

#[tokio::test]
async fn fields_are_sent_and_no_others() {
    let answer = answer_to(question(), found(json!({}))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.header("loket-request-id"),
        "0192f0c4-7d1a-7e55-9b61-000000000001"
    );
    assert_eq!(
        answer.json::<Value>(),
        json!({
            "status": "found",
            "as_of": AS_OF,
            "subject": {"scheme": "nik", "value": NIK},
            "record": {"full_name": "BAGAS CONTOH PRATAMA", "birth_date": "1988-05-14"},
        })
    );
}

#[tokio::test]
async fn a_field_that_the_source_lacks_is_left_out() {
    let asked = with(question(), json!({"fields": ["full_name", "blood_type"]}));
    let answer = answer_to(asked, found(json!({"blood_type": null}))).await;
    let answer: SourceAnswer = answer.json();
    let record = answer.record.unwrap();
    assert_eq!(record.expose().keys().collect::<Vec<_>>(), ["full_name"]);
}

#[tokio::test]
async fn claims_are_answered_from_the_record_without_it() {
    let answer = answer_to(claimed(), found(json!({}))).await;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!body.contains("BAGAS") && !body.contains("1988"), "{body}");
    let schema = crate::schema::record(&"person-identity/1".parse().unwrap()).unwrap();
    let whole = sample("person-identity/1");
    let expected: Vec<ClaimAnswer> =
        serde_json::from_value::<Vec<Claim>>(claimed()["claims"].take())
            .unwrap()
            .iter()
            .map(|claim| {
                let verify = schema.field(&claim.field).unwrap().verify;
                claims::evaluate(verify, claim, whole.get(&claim.field))
            })
            .collect();
    let answer: SourceAnswer = answer.json();
    assert_eq!(answer.claims.unwrap(), expected);
    assert!(answer.record.is_none());
}

#[tokio::test]
async fn a_provider_may_answer_claims_itself() {
    let own = |field: &str, op| ClaimAnswer {
        field: field.to_owned(),
        op,
        result: ClaimResult::Match,
        name_match: None,
    };
    let answers = vec![
        own("full_name", Op::NameMatches),
        own("birth_date", Op::DateEquals),
    ];
    let reply = |answers: Vec<ClaimAnswer>| {
        move || Reply::Claims {
            answers: answers.clone(),
            as_of: AS_OF.parse().unwrap(),
        }
    };
    let right = answer_to(claimed(), reply(answers.clone())).await;
    assert_eq!(right.json::<SourceAnswer>().claims.unwrap(), answers);
    let too_few = answer_to(claimed(), reply(answers[..1].to_vec())).await;
    assert_problem(&too_few, Code::Internal);
    let not_asked = answer_to(question(), reply(answers)).await;
    assert_problem(&not_asked, Code::Internal);
}

#[tokio::test]
async fn a_wrong_record_does_not_leave() {
    for changes in [
        json!({"birth_date": "14-05-1988"}),
        json!({"mother_name": null, "full_name": null}),
        json!({"note_of_the_registry": "x"}),
        json!({"nik": "3510166307919902"}),
    ] {
        let answer = answer_to(question(), found(changes)).await;
        assert_problem(&answer, Code::Internal);
        assert!(!String::from_utf8_lossy(&answer.body).contains("BAGAS"));
    }
    let unsendable = || found(json!({}))().with_reference("x".repeat(81));
    assert_problem(&answer_to(question(), unsendable).await, Code::Internal);
}

#[tokio::test]
async fn every_other_reply_has_its_status() {
    let soon = Some(Duration::from_millis(1500));
    let cases = [
        (Reply::NotFound, SourceStatus::NotFound, None),
        (Reply::SeveralRecords, SourceStatus::SeveralRecords, None),
        (Reply::Refused, SourceStatus::Refused, None),
        (
            Reply::QuotaUsedUp { retry_after: soon },
            SourceStatus::QuotaUsedUp,
            Some(2),
        ),
        (
            Reply::Later {
                retry_after: Some(Duration::MAX),
            },
            SourceStatus::Later,
            Some(86_400),
        ),
        (Reply::CitizenMustAct, SourceStatus::CitizenMustAct, None),
    ];
    for (reply, status, retry_after_s) in cases {
        let answer = answer_to(question(), move || reply.clone()).await;
        assert_eq!(answer.status, 200);
        let answer: SourceAnswer = answer.json();
        assert_eq!(
            (answer.status, answer.retry_after_s),
            (status, retry_after_s)
        );
        assert_eq!(
            (answer.record, answer.claims, answer.subject),
            (None, None, None)
        );
    }
}

#[test]
fn a_record_is_an_object() {
    let at = AS_OF.parse().unwrap();
    assert!(Reply::found("text", at).is_err());
    assert!(Reply::found(json!([1]), at).is_err());
    let Ok(Reply::Found { record, .. }) = Reply::found(json!({"a": {"b": null}, "c": null}), at)
    else {
        panic!("an object is a record");
    };
    assert_eq!(json!(record), json!({"a": {}}));
}
