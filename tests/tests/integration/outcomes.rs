//! Every outcome and reason of the wire, seen over the wire.

mod failing;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::date;
use loket_gateway::directory::{Grant, GrantState};
use loket_sdk::message::{Overall, Reason, SourceResult};
use loket_sdk::testing::{Fault, sample};
use loket_tests::town::MALL;
use loket_tests::{Ask, LARAS, SEKAR, Town, TownBuilder, grants};

const PERSON: &str = "person-identity/1";
const JKN: &str = "health-insurance/1";

/// Signed by nobody.
const FORGED: &str = r#"{"status": "not_found",
    "signature": {"jws": "e30.e30.e30", "salt": "AAAAAAAAAAAAAAAAAAAAAA"}}"#;

/// What the tests of this file show, one by one; `every_reason_is_seen` compares it with the wire.
const SEEN: &[Reason] = &[
    Reason::Complete,
    Reason::InPart,
    Reason::Stale,
    Reason::NoRecord,
    Reason::SeveralRecords,
    Reason::NoGrant,
    Reason::NotThisPurpose,
    Reason::NotTheseFields,
    Reason::OnHold,
    Reason::QuotaUsedUp,
    Reason::RefusedBySource,
    Reason::NoAnswerYet,
    Reason::Unreachable,
    Reason::BreakerOpen,
    Reason::Overloaded,
    Reason::SourceError,
    Reason::Draining,
    Reason::NotJson,
    Reason::BreaksSchema,
    Reason::TooLarge,
    Reason::OtherSubject,
    Reason::BadSignature,
    Reason::SourceWillAnswerLater,
    Reason::CitizenMustAct,
    Reason::RequiredSourceFailed,
];

/// Recorded of a question that its caller left before it was asked, a moment that nobody outside
/// can choose: the tests of the gateway's trail show it.
const OUT_OF_SIGHT: &[Reason] = &[Reason::CallerLeft];

#[test]
fn every_reason_is_seen() {
    let seen: BTreeSet<Reason> = SEEN.iter().chain(OUT_OF_SIGHT).copied().collect();
    let all: BTreeSet<Reason> = Reason::ALL.iter().copied().collect();
    assert_eq!(seen, all);
    let source = concat!(
        include_str!("outcomes.rs"),
        include_str!("outcomes/failing.rs")
    );
    for reason in SEEN {
        // Once in the list above, and once where it is shown.
        let name = format!("Reason::{reason:?}");
        let whole = |after: &str| !after.starts_with(|c: char| c.is_ascii_alphanumeric());
        let count = source.split(&name).skip(1).filter(|a| whole(a)).count();
        assert!(count >= 2, "{reason} is shown nowhere");
    }
}

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil", "bpjs-kesehatan"])
}

/// The last result of what is asked, which must have this reason and the outcome that goes with it.
async fn seen(town: &Town, ask: &Ask, reason: Reason) -> SourceResult {
    let answer = town.answer(ask).await;
    let result = answer.results.last().unwrap().clone();
    assert_eq!(result.reason, reason);
    assert_eq!(result.outcome, reason.outcome());
    if result.outcome.as_str() != "found" {
        assert!(result.data.is_none() && result.claims.is_empty());
    }
    // The log says the same word.
    let entries = town.audit_entries();
    let sources = entries.last().unwrap()["sources"].as_array().unwrap();
    assert_eq!(sources.last().unwrap()["reason"], reason.as_str());
    assert_eq!(entries.len() as u64, answer.receipt.entry);
    result
}

/// The last result while the agency has this fault.
async fn check(fault: Fault, reason: Reason) -> SourceResult {
    let town = town()
        .sources(4, Duration::from_secs(10), 256 * 1024)
        .start()
        .await;
    // Only silence is waited for; the others may take what a busy machine takes.
    let patience = if matches!(fault, Fault::Hang) {
        400
    } else {
        10_000
    };
    town.agency("dukcapil").set_fault(fault);
    let ask = Ask::identity().within_ms(patience);
    let result = seen(&town, &ask, reason).await;
    town.stop().await;
    result
}

#[tokio::test]
async fn what_the_source_says_is_what_the_caller_reads() {
    let cases = [
        (Fault::None, Reason::Complete),
        (Fault::ExtraField, Reason::Complete),
        (Fault::Slow(Duration::from_millis(20)), Reason::Complete),
        (Fault::SeveralRecords, Reason::SeveralRecords),
        (Fault::Refusing, Reason::RefusedBySource),
        (Fault::Status(403), Reason::RefusedBySource),
        (Fault::Hang, Reason::NoAnswerYet),
        (Fault::Down, Reason::Unreachable),
        (Fault::Status(429), Reason::Overloaded),
        (Fault::Status(503), Reason::Overloaded),
        (Fault::Status(500), Reason::SourceError),
        (Fault::Status(404), Reason::SourceError),
        (Fault::Draining, Reason::Draining),
        (Fault::NotJson, Reason::NotJson),
        (Fault::Broken, Reason::BreaksSchema),
        (Fault::TooLarge, Reason::TooLarge),
        (Fault::WrongCitizen, Reason::OtherSubject),
        (Fault::Instead(FORGED.to_owned()), Reason::BadSignature),
    ];
    for (fault, reason) in cases {
        check(fault, reason).await;
    }
}

#[tokio::test]
async fn a_wait_is_told_in_seconds() {
    let later = check(Fault::Later, Reason::SourceWillAnswerLater).await;
    assert_eq!(later.retry_after_s, Some(60));
    let used_up = check(Fault::QuotaUsedUp, Reason::QuotaUsedUp).await;
    assert_eq!(used_up.retry_after_s, Some(3600));
    let draining = check(Fault::Draining, Reason::Draining).await;
    assert_eq!(draining.retry_after_s, Some(1));
    let act = check(Fault::CitizenMustAct, Reason::CitizenMustAct).await;
    assert_eq!(act.retry_after_s, None);
}

#[tokio::test]
async fn nobody_and_two() {
    let town = town().start().await;
    let ask = Ask::identity().about(LARAS);
    seen(&town, &ask, Reason::NoRecord).await;
    let twice = [sample(PERSON), sample(PERSON)];
    town.agency("dukcapil").set_records(PERSON, twice);
    seen(&town, &Ask::identity(), Reason::SeveralRecords).await;
    town.stop().await;
}

#[tokio::test]
async fn what_is_granted_and_what_not() {
    let town = town().start().await;
    let in_part = [
        Ask::new("identity_check").fields(PERSON, &["identity_status", "full_name"]),
        Ask::new("identity_check").fields(PERSON, &["identity_status", "religion"]),
    ];
    for (ask, why) in in_part.iter().zip(["verify_only", "not_granted"]) {
        let result = seen(&town, ask, Reason::InPart).await;
        assert_eq!(result.withheld[0].reason.as_str(), why);
        assert_eq!(result.data.unwrap().expose().len(), 1);
    }
    let person = Ask::identity;
    seen(&town, &person().all("taxpayer/1"), Reason::NoGrant).await;
    seen(&town, &person().all(JKN), Reason::NotThisPurpose).await;
    let other_fields = Ask::new("address_change")
        .fields(JKN, &["membership_status"])
        .fields(PERSON, &["religion", "blood_type"]);
    seen(&town, &other_fields, Reason::NotTheseFields).await;
    town.stop().await;
}

#[tokio::test]
async fn a_grant_that_isnt_in_force_is_none() {
    let changes: [fn(&mut Grant); 6] = [
        |grant| grant.state = GrantState::Draft,
        |grant| grant.state = GrantState::ProofOfConcept,
        |grant| grant.state = GrantState::Suspended,
        |grant| grant.state = GrantState::Ended,
        |grant| grant.valid_to = date(2020, 1, 2),
        |grant| grant.valid_from = date(2099, 12, 30),
    ];
    for change in changes {
        let builder = town().grants(|grant| {
            if grant.record.name() == "health-insurance" {
                change(grant);
            }
        });
        let town = builder.start().await;
        let ask = Ask::new("driving_licence_renewal")
            .fields(PERSON, &["identity_status"])
            .all(JKN);
        seen(&town, &ask, Reason::NoGrant).await;
        assert!(town.agency("bpjs-kesehatan").requests().is_empty());
        town.stop().await;
    }
}

#[tokio::test]
async fn a_hold_is_told_except_where_the_law_obliges() {
    let town = town().start().await;
    seen(&town, &Ask::identity(), Reason::Complete).await;
    let entries = town.audit_entries();
    let held = entries[0]["subject_ref"].as_str().unwrap().to_owned();
    let mut parts = town.parts();
    parts.holds.push(held);
    town.swap(parts);
    let asked = town.agency("dukcapil").requests().len();
    seen(&town, &Ask::identity(), Reason::OnHold).await;
    assert_eq!(town.agency("dukcapil").requests().len(), asked);
    let by_law = Ask::new("address_change").all(PERSON);
    seen(&town, &by_law, Reason::Complete).await;
    let another = Ask::new("birth_registration")
        .about(SEKAR)
        .all("family-card/1");
    seen(&town, &another, Reason::Complete).await;
    town.stop().await;
}

#[tokio::test]
async fn a_quota_counts_questions() {
    let builder = town().grants(|grant| grant.daily_quota = Some(2));
    let town = builder.start().await;
    for _ in 0..2 {
        seen(&town, &Ask::identity(), Reason::Complete).await;
    }
    let result = seen(&town, &Ask::identity(), Reason::QuotaUsedUp).await;
    let wait = result.retry_after_s.unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    assert_eq!(town.agency("dukcapil").requests().len(), 2);
    // Another grant has its own.
    let other = Ask::new("address_change").all(PERSON);
    seen(&town, &other, Reason::Complete).await;
    town.stop().await;
}

/// A lookup that asks nobody because a required record is out of reach costs no question.
#[tokio::test]
async fn what_isnt_asked_costs_no_quota() {
    let builder = town().grants(|grant| grant.daily_quota = Some(1));
    let town = builder.start().await;
    let jkn = || Ask::new("driving_licence_renewal").fields(JKN, &["membership_status"]);
    let denied = jkn().required().fields(PERSON, &["religion"]).required();
    for _ in 0..2 {
        let answer = town.answer(&denied).await;
        assert_eq!(answer.results[0].reason, Reason::RequiredSourceFailed);
    }
    // Here the second is out of reach because its quota is used up.
    let used_up = jkn()
        .required()
        .fields(PERSON, &["identity_status"])
        .required();
    let person = Ask::new("driving_licence_renewal").fields(PERSON, &["identity_status"]);
    seen(&town, &person, Reason::Complete).await;
    let answer = town.answer(&used_up).await;
    assert_eq!(answer.results[1].reason, Reason::QuotaUsedUp);
    seen(&town, &jkn(), Reason::Complete).await;
    town.stop().await;
}

#[tokio::test]
async fn nothing_is_asked_when_a_required_record_cant_be() {
    let town = town().start().await;
    let ask = Ask::new("driving_licence_renewal")
        .fields(PERSON, &["religion"])
        .required()
        .all(JKN);
    // A hold or a denial of the required record; the other is granted and left alone.
    let result = seen(&town, &ask, Reason::RequiredSourceFailed).await;
    assert_eq!(result.outcome.as_str(), "not_attempted");
    let answer = town.answer(&ask).await;
    assert_eq!(answer.overall, Overall::None);
    assert_eq!(answer.required_missing.len(), 1);
    assert!(
        town.agencies()
            .all(|(_, agency)| agency.requests().is_empty())
    );
    town.stop().await;
}

#[tokio::test]
async fn two_grants_join_and_default_is_deny() {
    use loket_gateway::directory::Mode::{Read, Verify};
    let grant = |id: &str, mode, fields: &[&str]| {
        let mut grant = grants::grant(MALL, "identity_check", PERSON, mode, fields);
        grant.id = id.to_owned();
        grant
    };
    let town = town()
        .without_grants()
        .grant(grant("a", Read, &["sex"]))
        .grant(grant("b", Read, &["birth_place"]))
        .grant(grant("c", Verify, &["full_name"]))
        .start()
        .await;
    let result = seen(
        &town,
        &Ask::new("identity_check").all(PERSON),
        Reason::Complete,
    )
    .await;
    let data = result.data.unwrap().into_exposed();
    let names: Vec<&String> = data.keys().collect();
    assert_eq!(names, ["birth_place", "sex"]);
    let entries = town.audit_entries();
    assert_eq!(
        entries[0]["sources"][0]["grants"],
        serde_json::json!(["a", "b"])
    );
    let denied = town.problem(&Ask::new("address_change").all(PERSON)).await;
    assert_eq!(denied.code.as_str(), "nothing_granted");
    town.stop().await;
}
