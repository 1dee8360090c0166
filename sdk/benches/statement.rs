//! What a signed answer costs the agency that signs it and whoever verifies it.

#![expect(clippy::expect_used, reason = "a benchmark that can't run should stop")]

use divan::Bencher;
use jiff::Timestamp;
use loket_sdk::ids::{AgencyId, MemberId, Scheme, SystemId};
use loket_sdk::jws::SigningKey;
use loket_sdk::message::{Purpose, RecordRef, SourceAnswer, SourceName, SubjectKey};
use loket_sdk::statement::{Asked, Question, Said, Signer, Statement};
use loket_sdk::testing::sample;
use serde_json::json;

fn main() {
    divan::main();
}

/// One answer of so many fields, signed with Ed25519.
struct Case {
    organisation: MemberId,
    record: RecordRef,
    subject: SubjectKey,
    source: SourceName,
    asked: Vec<String>,
    answer: SourceAnswer,
    signer: Signer,
}

impl Case {
    fn new(fields: usize) -> Self {
        let whole = sample("person-identity/1");
        let members = whole.as_object().expect("an object").iter().take(fields);
        let record: serde_json::Map<_, _> = members.map(|(k, v)| (k.clone(), v.clone())).collect();
        let (agency, system) = (AgencyId::parse("dukcapil"), SystemId::parse("siak"));
        let source = SourceName {
            agency: agency.expect("an id"),
            system: system.expect("an id"),
        };
        let key = SigningKey::generate().expect("a key");
        let signer = Signer::new(source.agency.clone(), source.system.clone(), "1", key);
        let answer = json!({"status": "found", "as_of": "2026-11-24T03:00:00Z", "record": record});
        Self {
            organisation: MemberId::parse("mpp-kota").expect("an id"),
            record: "person-identity/1".parse().expect("a record"),
            subject: SubjectKey {
                scheme: Scheme::Nik,
                value: "3510161405889901".to_owned().into(),
            },
            source,
            asked: record.keys().cloned().collect(),
            answer: serde_json::from_value(answer).expect("an answer"),
            signer: signer.expect("an id"),
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            organisation: &self.organisation,
            purpose: Purpose::IdentityCheck,
            record: &self.record,
            subject: &self.subject,
        }
    }
}

#[divan::bench(args = [1, 8, 21])]
fn sign(bencher: Bencher<'_, '_>, fields: usize) {
    let case = Case::new(fields);
    let (now, asked) = (Timestamp::now(), Asked::Fields(&case.asked));
    bencher.bench(|| case.signer.sign(&case.answer, &case.question(), asked, now));
}

/// Signature, question and every digest, as the gateway does with each answer.
#[divan::bench(args = [1, 8, 21])]
fn verify(bencher: Bencher<'_, '_>, fields: usize) {
    let case = Case::new(fields);
    let asked = Asked::Fields(&case.asked);
    let signed = case
        .signer
        .sign(&case.answer, &case.question(), asked, Timestamp::now());
    let signature = signed.expect("signed");
    let said = Said {
        status: case.answer.status,
        as_of: case.answer.as_of,
        record: case.answer.record.as_ref().map(|record| record.expose()),
        claims: None,
    };
    bencher.bench(|| {
        let key = Some(case.signer.public_key());
        let question = case.question();
        let read = Statement::verify(&signature, &case.source, &question, |_| key);
        let read = read.expect("verified");
        read.says(&said, asked, signature.salts.expose())
            .expect("as signed");
    });
}
