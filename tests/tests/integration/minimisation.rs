//! What no grant names is neither asked of a source nor passed on, whatever the source sends.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use loket_gateway::directory::{Grant, Mode};
use loket_sdk::claims::{ClaimResult, Verify};
use loket_sdk::message::{Answer, RecordRef};
use loket_sdk::schema;
use loket_sdk::testing::Fault;
use loket_tests::town::MALL;
use loket_tests::{Ask, Town, grants};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

const PERSON: &str = "person-identity/1";
const PURPOSES: [&str; 2] = ["identity_check", "address_change"];

fn fields() -> Vec<String> {
    let record: RecordRef = PERSON.parse().unwrap();
    let schema = schema::record(&record).unwrap();
    schema
        .fields()
        .iter()
        .map(|field| field.name.clone())
        .collect()
}

/// One case: grants, and what is asked under them.
#[derive(Debug, Clone)]
struct Case {
    /// Purpose, whether it reads, fields.
    grants: Vec<(usize, bool, Vec<String>)>,
    purpose: usize,
    /// No fields at all: everything that may be read.
    wanted: Option<Vec<String>>,
    claims: bool,
    chatty: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let some = || prop::sample::subsequence(fields(), 0..=21);
    let grant = (0..PURPOSES.len(), any::<bool>(), some());
    let wanted = prop::option::of(prop::sample::subsequence(fields(), 1..=16).prop_shuffle());
    (
        prop::collection::vec(grant, 0..6),
        0..PURPOSES.len(),
        wanted,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(grants, purpose, wanted, claims, chatty)| Case {
            grants,
            purpose,
            claims: claims && wanted.is_some(),
            wanted,
            chatty,
        })
}

impl Case {
    fn grants(&self) -> Vec<Grant> {
        let grant = |(n, (purpose, reads, fields)): (usize, &(usize, bool, Vec<String>))| {
            let mode = if *reads { Mode::Read } else { Mode::Verify };
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let mut grant = grants::grant(MALL, PURPOSES[*purpose], PERSON, mode, &fields);
            grant.id = format!("g{n}");
            grant
        };
        self.grants.iter().enumerate().map(grant).collect()
    }

    /// Said anew and simply: the fields that grants for this purpose name, in this mode or any.
    fn granted(&self, reads_only: bool) -> BTreeSet<&str> {
        let record: RecordRef = PERSON.parse().unwrap();
        let schema = schema::record(&record).unwrap();
        // What the schema doesn't let verify, no grant does.
        let askable =
            |name: &&str| reads_only || schema.field(name).unwrap().verify != Verify::None;
        let counting = self
            .grants
            .iter()
            .filter(|(purpose, reads, _)| *purpose == self.purpose && (*reads || !reads_only));
        counting
            .flat_map(|(_, _, fields)| fields.iter().map(String::as_str))
            .filter(askable)
            .collect()
    }

    fn ask(&self) -> Ask {
        let ask = Ask::new(PURPOSES[self.purpose]);
        match &self.wanted {
            None => ask.all(PERSON),
            Some(fields) if self.claims => {
                let claims: Vec<_> = fields
                    .iter()
                    .map(|f| (f.as_str(), "exists", Value::Null))
                    .collect();
                ask.claims(PERSON, &claims)
            }
            Some(fields) => {
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                ask.fields(PERSON, &fields)
            }
        }
    }
}

async fn holds(town: &Town, case: &Case, found: &AtomicUsize) {
    let agency = town.agency("dukcapil");
    agency.set_fault(if case.chatty {
        Fault::ExtraField
    } else {
        Fault::None
    });
    let mut parts = town.parts();
    parts.grants = case.grants();
    town.swap(parts);
    let before = agency.requests().len();
    let answer = town.ask(&case.ask()).await;
    let asked = agency.requests().split_off(before);
    let granted = case.granted(!case.claims);
    if answer.status != 200 {
        assert!(asked.is_empty(), "a refused lookup asks nobody");
        let wanted: BTreeSet<&str> = case.wanted.iter().flatten().map(String::as_str).collect();
        let hopeless = match case.wanted {
            None => granted.is_empty(),
            Some(_) => wanted.is_disjoint(&granted),
        };
        assert!(hopeless, "what is granted isn't refused");
        return;
    }
    found.fetch_add(1, Ordering::Relaxed);
    for question in &asked {
        let fields = question.fields.iter().flatten().cloned();
        let claims = question
            .claims
            .iter()
            .flatten()
            .map(|claim| claim.field.clone());
        for name in fields.chain(claims) {
            assert!(
                granted.contains(name.as_str()),
                "{name} was asked of the source"
            );
        }
        assert_eq!(question.fields.is_some(), !case.claims);
    }
    let answer: Answer = answer.json();
    let result = &answer.results[0];
    let given = result.data.iter().flat_map(|data| data.expose().keys());
    for name in given {
        assert!(granted.contains(name.as_str()), "{name} was passed on");
        assert!(!case.claims, "a claim gives no value");
        let wanted = case
            .wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(name));
        assert!(wanted, "{name} wasn't asked for");
    }
    for claim in &result.claims {
        let may = granted.contains(claim.field.as_str());
        assert!(
            may || claim.result == ClaimResult::NotPermitted,
            "{}",
            claim.field
        );
    }
    // Each wanted field is given, or it is said why not.
    for name in case.wanted.iter().flatten().filter(|_| !case.claims) {
        let given = result
            .data
            .as_ref()
            .is_some_and(|data| data.expose().contains_key(name));
        let withheld = result
            .withheld
            .iter()
            .any(|withheld| withheld.field == *name);
        assert!(given != withheld, "{name}");
    }
}

#[test]
fn what_isnt_granted_never_moves() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let town = runtime.block_on(Town::builder().agencies(&["dukcapil"]).start());
    let found = AtomicUsize::new(0);
    let config = Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&case(), |case| {
        runtime.block_on(holds(&town, &case, &found));
        Ok(())
    });
    outcome.unwrap();
    assert!(
        found.load(Ordering::Relaxed) > 30,
        "enough of it was granted to tell"
    );
    runtime.block_on(town.stop());
}

/// A claim is answered with a word; no value of the record is in the whole answer, be the claim
/// right or wrong, and even if the source sends the record.
#[tokio::test]
async fn claims_never_reveal_values() {
    let town = Town::builder()
        .agencies(&["dukcapil", "kemensos"])
        .start()
        .await;
    let ask = || {
        Ask::new("social_assistance")
            .about_by("kk", "3510161006159901")
            .claims(
                "social-assistance/1",
                &[
                    ("decile", "at_most", json!(4)),
                    ("objection_open", "equals", json!(true)),
                ],
            )
            .claims(
                "family-card/1",
                &[
                    ("kk_number", "equals", json!("3510161006159902")),
                    ("members", "exists", Value::Null),
                ],
            )
    };
    for fault in [Fault::None, Fault::ExtraField] {
        for (_, agency) in town.agencies() {
            agency.set_fault(fault.clone());
        }
        let answer = town.ask(&ask()).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        for value in [
            "BAGAS",
            "3510161405889901",
            "3510161006159901",
            "2026-Q4",
            "\"decile\":5",
        ] {
            assert!(!text.contains(value), "{value} is in {text}");
        }
        let answer: Answer = answer.json();
        let words: Vec<&str> = answer
            .results
            .iter()
            .flat_map(|r| &r.claims)
            .map(|c| c.result.as_str())
            .collect();
        assert_eq!(
            words,
            ["mismatch", "mismatch", "mismatch", "match"],
            "{fault:?}"
        );
        assert!(answer.results.iter().all(|result| result.data.is_none()));
        assert!(!text.contains("name_match"));
    }
    town.stop().await;
}

/// Two ranges of one field would tell its value, in one lookup as little as in one record.
#[tokio::test]
async fn a_range_cant_be_narrowed_in_one_lookup() {
    let town = Town::builder().agencies(&["kemensos"]).start().await;
    let claim = |op, n: u8| [("decile", op, json!(n))];
    let ask = Ask::new("social_assistance")
        .about_by("kk", "3510161006159901")
        .claims("social-assistance/1", &claim("at_least", 5))
        .claims("social-assistance/1", &claim("at_most", 5));
    let problem = town.problem(&ask).await;
    assert_eq!(problem.code.as_str(), "breaks_schema");
    assert!(town.agency("kemensos").requests().is_empty());
    town.stop().await;
}
