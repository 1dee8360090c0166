//! Signatures of answers.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::ids::{AgencyId, MemberId, Scheme, SystemId};
use crate::jws::SigningKey;
use crate::message::{SourceAnswer, SourceName, SourceStatus};
use crate::statement::{Question, Signer, Statement};

fn whole() -> Reply {
    Reply::found(sample("person-identity/1"), AS_OF.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn every_answer_is_signed_once_there_is_a_key() {
    let agency = AgencyId::parse("dukcapil").unwrap();
    let system = SystemId::parse("siak").unwrap();
    let key = SigningKey::generate().unwrap();
    let signer = Arc::new(Signer::new(agency.clone(), system.clone(), "2026-1", key).unwrap());
    let source = SourceName { agency, system };
    let member = MemberId::parse("bapenda-3510").unwrap();
    let record = "person-identity/1".parse().unwrap();
    let subject = SubjectKey {
        scheme: Scheme::Nik,
        value: NIK.to_owned().into(),
    };
    let binding = Question {
        organisation: &member,
        purpose: Purpose::IdentityCheck,
        record: &record,
        subject: &subject,
    };
    for (reply, status) in [
        (whole(), SourceStatus::Found),
        (Reply::NotFound, SourceStatus::NotFound),
        (Reply::Refused, SourceStatus::Refused),
    ] {
        let provider = Scripted(move |_| std::future::ready(Ok(reply.clone())));
        let with = signer.clone();
        let town = Town::with(provider, |server| server.signer(with)).await;
        let answer = town.gateway().post(PATH, &question()).await.unwrap();
        crate::schema::source_answer()
            .check(&answer.json())
            .unwrap();
        let answer: SourceAnswer = answer.json();
        let signature = answer.signature.unwrap();
        let find = |_: &str| Some(signer.public_key());
        let statement = Statement::verify(&signature, &source, &binding, find).unwrap();
        assert_eq!(statement.status(), status);
        statement.is_fresh(Timestamp::now()).unwrap();
        let given = answer.record.map_or(0, |record| record.expose().len());
        assert_eq!(signature.salts.expose().len(), given);
    }
}

#[tokio::test]
async fn what_is_of_tomorrow_isnt_signed() {
    let (agency, system) = (AgencyId::parse("dukcapil"), SystemId::parse("siak"));
    let key = SigningKey::generate().unwrap();
    let signer = Signer::new(agency.unwrap(), system.unwrap(), "2026-1", key).unwrap();
    let provider = Scripted(|_| async {
        let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
        Reply::found(sample("person-identity/1"), tomorrow)
    });
    let town = Town::with(provider, |server| server.signer(signer)).await;
    let answer = town.gateway().post(PATH, &question()).await.unwrap();
    assert_problem(&answer, Code::Internal);
}
