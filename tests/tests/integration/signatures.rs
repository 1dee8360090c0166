//! What an agency signs: proven by the counter, on record, and of no use for another answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use loket_gateway::directory::MemberKey;
use loket_sdk::ids::{MemberId, Scheme};
use loket_sdk::jws::{self, SigningKey};
use loket_sdk::message::{
    Answer, Lookup, ProvenanceMethod, Purpose, Reason, RecordRef, SourceAnswer, SourceResult,
    SubjectKey,
};
use loket_sdk::statement::{Asked, Error, Question, SourceKeys, Statement, TYPE};
use loket_sdk::testing::Fault;
use loket_tests::town::MALL;
use loket_tests::{Ask, BAGAS, SEKAR, Town};
use serde_json::{Value, json};

const PERSON: &str = "person-identity/1";
const STATUS: [&str; 2] = ["identity_status", "card_status"];

fn keys(town: &Town) -> SourceKeys {
    ["dukcapil", "bpjs-kesehatan", "djp"]
        .iter()
        .map(|agency| town.signer(agency))
        .fold(SourceKeys::new(), |keys, signer| {
            keys.with(signer.kid(), signer.public_key().clone(), None, None)
        })
}

fn prove(town: &Town, ask: &Ask, result: &SourceResult) -> Result<Statement, Error> {
    let lookup: Lookup = serde_json::from_value(ask.document().clone()).unwrap();
    result.verify_source(&keys(town), &lookup, &MemberId::parse(MALL).unwrap())
}

fn jws_of(result: &SourceResult) -> &str {
    let provenance = result.provenance.as_ref().unwrap();
    assert_eq!(provenance.method, ProvenanceMethod::SourceSigned);
    &provenance.signature.as_ref().unwrap().jws
}

#[tokio::test]
async fn a_counter_proves_what_each_agency_said() {
    let town = Town::builder().signed().start().await;
    let ask = Ask::new("business_licence")
        .fields(
            "taxpayer/1",
            &["npwp", "registered_name", "registration_status"],
        )
        .claims(
            PERSON,
            &[
                ("full_name", "name_matches", json!("BAGAS CONTOH PRATAMA")),
                ("religion", "equals", json!("1")),
                ("birth_date", "date_equals", json!("1988-05-15")),
            ],
        )
        .all("birth-certificate/1");
    let answer = town.answer(&ask).await;
    for result in &answer.results[..2] {
        let statement = prove(&town, &ask, result).unwrap();
        assert_eq!(*statement.agency(), result.source.clone().unwrap().agency);
    }
    // What wasn't asked is said by nobody.
    assert_eq!(answer.results[2].reason, Reason::NotThisPurpose);
    assert_eq!(answer.results[2].provenance, None);

    let entries = town.audit_entries();
    let sources = &entries.last().unwrap()["sources"];
    for (place, result) in answer.results[..2].iter().enumerate() {
        let provenance = result.provenance.as_ref().unwrap();
        let hash = provenance.signature.as_ref().unwrap().sha256();
        assert_eq!(sources[place]["signature"], hash);
    }
    assert_eq!(sources[2]["signature"], Value::Null);

    // An honest no is signed as well.
    let nobody = Ask::identity().about("3510166307919999");
    let answer = town.answer(&nobody).await;
    assert_eq!(answer.results[0].reason, Reason::NoRecord);
    prove(&town, &nobody, &answer.results[0]).unwrap();
    town.stop().await;
}

#[tokio::test]
async fn an_unsigned_answer_is_told_as_such() {
    let town = Town::start().await;
    let answer = town.answer(&Ask::identity()).await;
    let provenance = answer.results[0].provenance.clone().unwrap();
    assert_eq!(provenance.method, ProvenanceMethod::SourceTls);
    assert_eq!(provenance.signature, None);
    assert_eq!(
        town.audit_entries()[0]["sources"][0]["signature"],
        Value::Null
    );
    town.stop().await;
}

/// A signed town in which the registry's answers are what the test says.
struct Forgery {
    subject: &'static str,
    record: RecordRef,
    organisation: &'static str,
    purpose: Purpose,
    age: SignedDuration,
}

impl Forgery {
    /// The answer to the father's identity, signed by the registry itself.
    fn answer(&self, town: &Town) -> Value {
        let at = Timestamp::now() - self.age;
        let mut answer = json!({
            "status": "found",
            "as_of": at - SignedDuration::from_secs(1),
            "subject": {"scheme": "nik", "value": BAGAS},
            "record": {},
        });
        let whole = loket_sdk::testing::sample(PERSON);
        for name in STATUS {
            answer["record"][name] = whole[name].clone();
        }
        self.signed(town, answer)
    }

    fn signed(&self, town: &Town, mut answer: Value) -> Value {
        let fields = STATUS.map(str::to_owned);
        let at = Timestamp::now() - self.age;
        let signed: SourceAnswer = serde_json::from_value(answer.clone()).unwrap();
        let organisation = MemberId::parse(self.organisation).unwrap();
        let subject = SubjectKey {
            scheme: Scheme::Nik,
            value: self.subject.to_owned().into(),
        };
        let question = Question {
            organisation: &organisation,
            purpose: self.purpose,
            record: &self.record,
            subject: &subject,
        };
        let signer = town.signer("dukcapil");
        let signature = signer.sign(&signed, &question, Asked::Fields(&fields), at);
        answer["signature"] = json!(signature.unwrap());
        answer
    }

    fn of_this_question() -> Self {
        Self {
            subject: BAGAS,
            record: PERSON.parse().unwrap(),
            organisation: MALL,
            purpose: Purpose::IdentityCheck,
            age: SignedDuration::ZERO,
        }
    }
}

#[tokio::test]
async fn a_signature_is_of_no_use_for_another_answer() {
    let town = Town::builder()
        .signed()
        .agencies(&["dukcapil"])
        .each_asked();
    let town = town.start().await;
    let asked = async |answer: Value| {
        let fault = Fault::Instead(answer.to_string());
        town.agency("dukcapil").set_fault(fault);
        let answer: Answer = town.answer(&Ask::identity()).await;
        let result = &answer.results[0];
        assert!(result.data.is_none() == (result.reason == Reason::BadSignature));
        result.reason
    };
    let good = Forgery::of_this_question;
    assert_eq!(asked(good().answer(&town)).await, Reason::Complete);
    for (what, forgery) in [
        (
            "another subject",
            Forgery {
                subject: SEKAR,
                ..good()
            },
        ),
        (
            "another record",
            Forgery {
                record: "family-card/1".parse().unwrap(),
                ..good()
            },
        ),
        (
            "another counter",
            Forgery {
                organisation: "mpp-desa",
                ..good()
            },
        ),
        (
            "another purpose",
            Forgery {
                purpose: Purpose::AddressChange,
                ..good()
            },
        ),
        (
            "an old answer",
            Forgery {
                age: SignedDuration::from_mins(10),
                ..good()
            },
        ),
        (
            "a coming answer",
            Forgery {
                age: SignedDuration::from_mins(-10),
                ..good()
            },
        ),
    ] {
        let reason = asked(forgery.answer(&town)).await;
        assert_eq!(reason, Reason::BadSignature, "{what}");
    }
    let mut changed = good().answer(&town);
    changed["record"]["identity_status"] = json!("deceased");
    assert_eq!(asked(changed).await, Reason::BadSignature);
    let mut unsigned = good().answer(&town);
    unsigned.as_object_mut().unwrap().remove("signature");
    assert_eq!(asked(unsigned).await, Reason::BadSignature);
    town.stop().await;
}

/// The agency's own key is over a digest of what nobody asked for.
#[tokio::test]
async fn a_signature_over_more_than_was_asked_isnt_taken() {
    let mut town = Town::builder()
        .signed()
        .agencies(&["dukcapil"])
        .each_asked()
        .start()
        .await;
    let key = SigningKey::generate().unwrap();
    let mut parts = town.parts();
    let registry = parts
        .members
        .iter_mut()
        .find(|it| it.id.as_str() == "dukcapil");
    let keys = &mut registry.unwrap().keys;
    keys.push(MemberKey {
        id: "more".to_owned(),
        public: key.public_key().clone(),
        ..keys[0].clone()
    });
    town.settle(parts);
    let answer = Forgery::of_this_question().answer(&town);
    let signed = answer["signature"]["jws"].as_str().unwrap();
    let payload = signed.split('.').nth(1).unwrap();
    let statement: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    for (more, reason) in [
        (None, Reason::Complete),
        (Some("fields"), Reason::BadSignature),
        (Some("claims"), Reason::BadSignature),
    ] {
        let (mut answer, mut statement) = (answer.clone(), statement.clone());
        if let Some(more) = more {
            statement[more]["religion"] = json!("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
        }
        let payload = serde_json::to_vec(&statement).unwrap();
        let jws = jws::sign_compact(&key, TYPE, "dukcapil/more", &payload).unwrap();
        answer["signature"]["jws"] = json!(jws);
        let fault = Fault::Instead(answer.to_string());
        town.agency("dukcapil").set_fault(fault);
        let result = town.answer(&Ask::identity()).await.results.remove(0);
        assert_eq!(result.reason, reason, "{more:?}");
    }
    town.stop().await;
}

/// With its salt, a value that isn't given could be found by trying.
#[tokio::test]
async fn an_answer_without_data_carries_no_salts() {
    let town = Town::builder()
        .signed()
        .agencies(&["dukcapil"])
        .start()
        .await;
    let subject = "3510166307919999";
    let nobody = Ask::identity().about(subject);
    let forgery = Forgery {
        subject,
        ..Forgery::of_this_question()
    };
    let mut answer = forgery.signed(&town, json!({"status": "not_found"}));
    answer["signature"]["salts"]["religion"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    let fault = Fault::Instead(answer.to_string());
    town.agency("dukcapil").set_fault(fault);
    let result = town.answer(&nobody).await.results.remove(0);
    assert_eq!(result.reason, Reason::NoRecord);
    let provenance = result.provenance.as_ref().unwrap();
    let signature = provenance.signature.as_ref().unwrap();
    assert!(signature.salts.expose().is_empty());
    prove(&town, &nobody, &result).unwrap();
    town.stop().await;
}

#[tokio::test]
async fn a_stale_answer_keeps_its_signature() {
    let builder = Town::builder().signed().agencies(&["dukcapil"]);
    let town = builder.grants(|grant| grant.stale_ok = true).start().await;
    let ask = Ask::identity();
    let fresh = town.answer(&ask).await;
    town.agency("dukcapil").set_fault(Fault::Down);
    let again = Ask::identity();
    let stale = town.answer(&again).await;
    assert_eq!(stale.results[0].reason, Reason::Stale);
    assert_eq!(jws_of(&stale.results[0]), jws_of(&fresh.results[0]));
    prove(&town, &again, &stale.results[0]).unwrap();
    town.stop().await;
}

#[tokio::test]
async fn lookups_that_share_an_answer_share_its_signature() {
    let town = Town::builder()
        .signed()
        .agencies(&["dukcapil"])
        .start()
        .await;
    let registry = town.agency("dukcapil");
    registry.set_fault(Fault::Slow(std::time::Duration::from_millis(1500)));
    let (one, two) = (Ask::identity(), Ask::identity());
    let (first, second) = tokio::join!(town.answer(&one), town.answer(&two));
    assert_eq!(registry.requests().len(), 1);
    assert_eq!(jws_of(&first.results[0]), jws_of(&second.results[0]));
    prove(&town, &one, &first.results[0]).unwrap();
    prove(&town, &two, &second.results[0]).unwrap();
    town.stop().await;
}
