//! Signed answers: whose, to what, when; and what was changed on the way.

use jiff::SignedDuration;
use loket_sdk::jws::SigningKey;
use loket_sdk::message::ProvenanceMethod;
use loket_sdk::statement::{Asked, Signer};

use super::*;
use crate::directory::{KeyUse, MemberKey};

const FIELDS: &str = "full_name,issuing_office,nik";

/// What is signed, and with which key it is enrolled; good unless a test changes it.
struct Case {
    answer: Value,
    organisation: &'static str,
    purpose: Purpose,
    record: &'static str,
    subject: &'static str,
    asked: &'static str,
    age: SignedDuration,
    key: MemberKey,
    requires: bool,
}

fn signer() -> Signer {
    let id = |it: &str| AgencyId::parse(it).unwrap();
    let system = SystemId::parse("registry").unwrap();
    let key = SigningKey::generate().unwrap();
    Signer::new(id("imigrasi"), system, "answers-1", key).unwrap()
}

impl Case {
    fn signed_by(signer: &Signer) -> Self {
        let whole = sample(RECORD);
        let mut answer = found();
        answer["record"] = json!({
            "full_name": whole["full_name"], "issuing_office": whole["issuing_office"],
            "nik": whole["nik"],
        });
        Self {
            answer,
            organisation: "mpp-kota",
            purpose: Purpose::PassportApplication,
            record: RECORD,
            subject: NIK,
            asked: FIELDS,
            age: SignedDuration::ZERO,
            key: MemberKey {
                id: "answers-1".to_owned(),
                allows: KeyUse::Answer,
                public: signer.public_key().clone(),
                from: None,
                to: None,
            },
            requires: true,
        }
    }

    /// The answer with its signature.
    fn document(&self, signer: &Signer) -> Value {
        let organisation = MemberId::parse(self.organisation).unwrap();
        let subject = SubjectKey {
            scheme: Scheme::Nik,
            value: self.subject.to_owned().into(),
        };
        let question = Question {
            organisation: &organisation,
            purpose: self.purpose,
            record: &self.record.parse().unwrap(),
            subject: &subject,
        };
        let answer: SourceAnswer = serde_json::from_value(self.answer.clone()).unwrap();
        let allowed = asked(self.asked);
        let asked = match &allowed {
            Allowed::Fields(names) => Asked::Fields(names),
            Allowed::Claims(claims) => Asked::Claims(claims),
        };
        let at = fixture::now() - self.age;
        let signature = signer.sign(&answer, &question, asked, at).unwrap();
        let mut document = self.answer.clone();
        document["signature"] = json!(signature);
        document
    }

    fn verdict(&self, document: &Value, wanted: &str) -> Result<Vouched, Unusable> {
        let mut agency = fixture::town::member("imigrasi");
        agency.keys.push(self.key.clone());
        let body = document.to_string();
        vouched(body.as_bytes(), &asked(wanted), &[agency], self.requires)
    }
}

/// The sentence with which an answer is refused.
#[track_caller]
fn refused(expect: &str, change: impl FnOnce(&mut Case), spoil: impl FnOnce(&mut Value)) {
    let signer = signer();
    let mut case = Case::signed_by(&signer);
    change(&mut case);
    let mut document = case.document(&signer);
    spoil(&mut document);
    let unusable = case.verdict(&document, FIELDS).unwrap_err();
    assert_eq!(unusable.reason, Reason::BadSignature);
    let violation = &unusable.violations[0];
    assert_eq!(violation.pointer, "/signature");
    assert!(violation.message.contains(expect), "{}", violation.message);
}

#[test]
fn a_signed_answer_is_the_sources() {
    let signer = signer();
    let case = Case::signed_by(&signer);
    let document = case.document(&signer);
    let vouched = case.verdict(&document, FIELDS).unwrap();
    assert_eq!(vouched.provenance.method, ProvenanceMethod::SourceSigned);
    let jws = &vouched.provenance.signature.unwrap().jws;
    assert_eq!(json!(jws), document["signature"]["jws"]);
}

#[test]
fn an_unsigned_answer_counts_where_it_may() {
    refused(
        "bears no signature",
        |_| (),
        |document| {
            document.as_object_mut().unwrap().remove("signature");
        },
    );
    let vouched = vouched(found().to_string().as_bytes(), &asked("nik"), &[], false);
    let method = vouched.unwrap().provenance.method;
    assert_eq!(method, ProvenanceMethod::SourceTls);
    // One that is there must be right, required or not.
    refused(
        "isn't that of the key",
        |case| {
            case.key.public = signer().public_key().clone();
            case.requires = false;
        },
        |_| (),
    );
}

#[test]
fn a_signature_of_another_answer_isnt_reused() {
    let other = "answers another question";
    refused(other, |case| case.subject = "3510166307919902", |_| ());
    refused(other, |case| case.record = "person-identity/1", |_| ());
    refused(other, |case| case.organisation = "mpp-desa", |_| ());
    refused(other, |case| case.purpose = Purpose::IdentityCheck, |_| ());
    refused(
        "for other fields",
        |case| case.asked = "full_name,nik",
        |_| (),
    );
    let old = SignedDuration::from_mins(6);
    refused("isn't of now", |case| case.age = old, |_| ());
    refused("isn't of now", |case| case.age = -old, |_| ());
}

#[test]
fn what_was_changed_on_the_way_is_found() {
    let replaced = |pointer: &'static str, value: Value| {
        move |document: &mut Value| put(document, pointer, value)
    };
    refused(
        "full_name: the value isn't",
        |_| (),
        replaced("/record/full_name", json!("X")),
    );
    refused(
        "issuing_office: the source signed",
        |_| (),
        replaced("/record/issuing_office", json!("~")),
    );
    refused(
        "status or as_of",
        |_| (),
        replaced("/as_of", json!("2026-11-24T03:01:00Z")),
    );
    refused(
        "status or as_of",
        |_| (),
        |document| {
            let signature = document["signature"].take();
            *document = json!({"status": "not_found", "signature": signature});
        },
    );
    refused(
        "no salt",
        |_| (),
        replaced("/signature/salts/nik", json!("~")),
    );
    let salt = json!("AAAAAAAAAAAAAAAAAAAAAA");
    refused(
        "another question",
        |_| (),
        replaced("/signature/salt", salt),
    );
}

#[test]
fn only_a_key_for_answers_that_is_in_time_counts() {
    let unknown = "isn't known";
    refused(unknown, |case| case.key.allows = KeyUse::Grant, |_| ());
    refused(unknown, |case| case.key.id = "answers-2".to_owned(), |_| ());
    let day = fixture::town::TODAY;
    refused(unknown, |case| case.key.from = day.tomorrow().ok(), |_| ());
    refused(unknown, |case| case.key.to = day.yesterday().ok(), |_| ());
}

#[test]
fn claims_and_noes_are_signed_too() {
    let signer = signer();
    let mut case = Case::signed_by(&signer);
    case.asked = "full_name?,nik?";
    case.answer.as_object_mut().unwrap().remove("record");
    case.answer["claims"] = json!([
        {"field": "full_name", "op": "exists", "result": "match"},
        {"field": "nik", "op": "exists", "result": "match"},
    ]);
    let mut document = case.document(&signer);
    case.verdict(&document, case.asked).unwrap();
    document["claims"][0]["result"] = json!("mismatch");
    let unusable = case.verdict(&document, case.asked).unwrap_err();
    assert_eq!(unusable.reason, Reason::BadSignature);

    case.answer = json!({"status": "not_found"});
    case.asked = FIELDS;
    let document = case.document(&signer);
    let vouched = case.verdict(&document, FIELDS).unwrap();
    assert_eq!(vouched.checked.reason(), Reason::NoRecord);
    assert_eq!(vouched.provenance.method, ProvenanceMethod::SourceSigned);
}

/// The agency signed its whole record; the gateway asked for less, and answers claims itself.
#[test]
fn a_record_in_place_of_claims_is_verified_by_the_gateway() {
    let signer = signer();
    let mut case = Case::signed_by(&signer);
    case.asked = "full_name?,nik?";
    let mut document = case.document(&signer);
    case.verdict(&document, case.asked).unwrap();
    document["record"]["full_name"] = json!("SITI CONTOH");
    let unusable = case.verdict(&document, case.asked).unwrap_err();
    assert_eq!(unusable.reason, Reason::BadSignature);
}
