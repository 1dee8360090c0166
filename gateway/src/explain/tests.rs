use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::admission::Admission;
use crate::directory::{Grant, GrantState, Mode, Parts};
use crate::fixture::{self, golden, now, routed, town};
use crate::policy;

const CONSUMER: &str = "bapenda";
const IDENTITY: &str = "identity_check person-identity dukcapil";

/// Two agencies serve the record; one of them serves nobody else knows what.
fn parts(grants: Vec<Grant>) -> Parts {
    let record = || vec!["person-identity/1".parse().unwrap()];
    Parts {
        members: vec![town::member(CONSUMER), town::member("dinsos")],
        sources: vec![
            town::source("dukcapil", record()),
            town::source("kemenag", record()),
        ],
        grants,
        ..town::parts()
    }
}

/// A grant of the consumer, and what is unusual about it.
fn grant(number: usize, fields: &str, change: impl FnOnce(&mut Grant)) -> Grant {
    let mut grant = town::grant(number, &format!("{CONSUMER} {IDENTITY} {fields}"));
    change(&mut grant);
    grant
}

fn explained(
    parts: Parts,
    purpose: &str,
    records: &Value,
    held: bool,
    audience: Audience,
) -> Explanation {
    let directory = Directory::new(parts).unwrap();
    let routed = routed(
        &directory,
        CONSUMER,
        &fixture::lookup(purpose, records.clone()),
    );
    let admission = Admission::new(&directory, town::zone());
    let inquiry = Inquiry {
        asked: Asked::of(&routed, town::TODAY, held),
        legs: routed.legs(),
        legal_basis: Some(routed.lookup().legal_basis.kind),
        subject_named: true,
        audience,
    };
    let names = Names {
        request_id: routed.lookup().request_id,
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    };
    let steps = admitted(routed.admitted().identified());
    let left = |grant| admission.left(grant, now());
    explain(names, steps, &inquiry, &directory, &left)
}

fn show(explanation: &Explanation) -> String {
    let step = |step: &ExplainedStep| {
        let mark = if step.passed { "√" } else { "×" };
        let by = step
            .mended_by
            .map_or(String::new(), |by| format!(" [{by}]"));
        format!("  {mark} {}: {}{by}\n", step.step, step.says)
    };
    let mut shown = format!("{}", explanation.verdict);
    if let Some(first) = explanation.first_failing {
        shown += &format!(", first {first}");
    }
    shown.push('\n');
    shown.extend(explanation.steps.iter().map(step));
    for record in &explanation.records {
        let source = record.source.as_ref().map_or("-", |it| it.agency.as_str());
        let reason = record.reason.map_or("", Reason::as_str);
        shown += &format!(" {} {source}: {} {reason}\n", record.record, record.verdict);
        shown.extend(record.steps.iter().map(step));
    }
    shown
}

/// What each step says, to a caller and to the operator, for a person to read.
#[test]
fn what_is_said_is_golden() {
    let plain = || {
        vec![
            grant(1, "read nik,sex", |_| ()),
            grant(2, "verify birth_date", |_| ()),
        ]
    };
    let read = |fields: &str| json!([{"record": "person-identity/1", "fields": fields.split(',').collect::<Vec<_>>()}]);
    let stopped = |change: fn(&mut Grant)| vec![grant(1, "read nik,sex", change)];
    let other = town::grant(9, &format!("dinsos {IDENTITY} read nik"));
    let cases: Vec<(&str, Vec<Grant>, &str, Value, bool)> = vec![
        ("granted", plain(), "identity_check", read("nik"), false),
        (
            "in part",
            plain(),
            "identity_check",
            read("nik,birth_date,full_name"),
            false,
        ),
        (
            "verify only",
            plain(),
            "identity_check",
            read("birth_date"),
            false,
        ),
        (
            "no such field",
            plain(),
            "identity_check",
            read("religion"),
            false,
        ),
        (
            "other purpose",
            plain(),
            "land_transfer",
            read("nik"),
            false,
        ),
        ("held", plain(), "identity_check", read("nik"), true),
        (
            "no grant, but another's",
            vec![other],
            "identity_check",
            read("nik"),
            false,
        ),
        (
            "suspended",
            stopped(|it| it.state = GrantState::Suspended),
            "identity_check",
            read("nik"),
            false,
        ),
        (
            "over",
            stopped(|it| it.valid_to = town::TODAY.yesterday().unwrap()),
            "identity_check",
            read("nik"),
            false,
        ),
        (
            "not begun",
            stopped(|it| it.valid_from = town::TODAY.tomorrow().unwrap()),
            "identity_check",
            read("nik"),
            false,
        ),
        (
            "quota",
            stopped(|it| it.daily_quota = Some(10)),
            "identity_check",
            read("nik"),
            false,
        ),
        (
            "used up",
            stopped(|it| it.daily_quota = Some(0)),
            "identity_check",
            read("nik"),
            false,
        ),
        (
            "required",
            plain(),
            "identity_check",
            json!([
                {"record": "person-identity/1", "fields": ["nik"]},
                {"record": "passport/1", "required": true},
            ]),
            false,
        ),
    ];
    let mut text = String::new();
    for (name, grants, purpose, records, held) in cases {
        for audience in [Audience::Caller, Audience::Operator] {
            let explanation = explained(parts(grants.clone()), purpose, &records, held, audience);
            text += &format!("# {name}, to the {audience:?}\n{}\n", show(&explanation));
            let document = serde_json::to_value(&explanation).unwrap();
            loket_sdk::schema::explanation().check(&document).unwrap();
        }
    }
    golden::check("explanations.txt", &text);
}

/// One grant, two questions of it: the second finds it used up, as it would.
#[test]
fn what_a_lookup_would_draw_itself_counts() {
    let grants = vec![grant(1, "read nik,sex", |grant| {
        grant.daily_quota = Some(1)
    })];
    let records = json!([
        {"record": "person-identity/1", "fields": ["nik"]},
        {"record": "person-identity/1", "claims": [{"field": "sex", "op": "exists"}]},
    ]);
    let explanation = explained(
        parts(grants),
        "identity_check",
        &records,
        false,
        Audience::Operator,
    );
    let of_dukcapil = explanation.records.iter().filter(|record| {
        record
            .source
            .as_ref()
            .is_some_and(|it| it.agency.as_str() == "dukcapil")
    });
    let reasons: Vec<Option<Reason>> = of_dukcapil.map(|record| record.reason).collect();
    assert_eq!(reasons, [None, Some(Reason::QuotaUsedUp)]);
}

/// Nothing of another consumer, of an agency that gave no grant, of a hold that doesn't count.
#[test]
fn a_caller_learns_nothing_of_others() {
    let other = |number, agency: &str| {
        let mut other = town::grant(number, &format!("dinsos {IDENTITY} read nik"));
        other.source = loket_sdk::ids::AgencyId::parse(agency).unwrap();
        other.agreement = "PKS-OTHERS".to_owned();
        other
    };
    let grants = vec![
        other(91, "dukcapil"),
        other(92, "kemenag"),
        grant(1, "read nik", |it| {
            it.purposes.insert("vehicle_tax".parse().unwrap());
        }),
    ];
    let records = json!([{"record": "person-identity/1"}, {"record": "passport/1"}]);
    for purpose in ["identity_check", "land_transfer", "vehicle_tax"] {
        let told = |held| {
            show(&explained(
                parts(grants.clone()),
                purpose,
                &records,
                held,
                Audience::Caller,
            ))
        };
        for held in [false, true] {
            let told = told(held);
            for word in [
                "dinsos",
                "kemenag",
                "imigrasi",
                "G-091",
                "G-092",
                "PKS-OTHERS",
            ] {
                assert!(!told.contains(word), "{word} in\n{told}");
            }
        }
        // A hold shows only where a lookup would be refused for it.
        assert_eq!(told(true) == told(false), purpose != "identity_check");
    }
}

fn any_grant() -> impl Strategy<Value = (bool, bool, bool, bool, Option<u64>, Vec<&'static str>)> {
    let fields =
        proptest::sample::subsequence(&["nik", "full_name", "sex", "birth_date"][..], 1..=4);
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(0_u64..3),
        fields,
    )
}

proptest! {
    /// Whatever the directory: what is explained is what is decided and planned.
    #[test]
    fn an_explanation_is_the_lookups_decision(
        grants in proptest::collection::vec(any_grant(), 0..6),
        asked in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..3),
        purpose in proptest::sample::select(vec!["identity_check", "property_tax"]),
        held in any::<bool>(),
    ) {
        let grants: Vec<Grant> = grants.iter().enumerate().map(|(n, (read, active, own, purpose, quota, fields))| {
            grant(n + 1, &format!("read {}", fields.join(",")), |grant| {
                if !read { grant.mode = Mode::Verify; }
                if !active { grant.state = GrantState::Suspended; }
                if !own { grant.source = "kemenag".parse().unwrap(); }
                if *purpose { grant.purposes = ["property_tax".parse().unwrap()].into(); }
                grant.daily_quota = *quota;
            })
        }).collect();
        let mut ways = asked;
        ways.dedup_by_key(|(claims, _)| *claims);
        let records: Vec<Value> = ways.iter().map(|(claims, required)| if *claims {
            json!({"record": "person-identity/1", "required": required, "claims": [{"field": "sex", "op": "exists"}]})
        } else {
            json!({"record": "person-identity/1", "required": required, "fields": ["nik", "birth_date"]})
        }).collect();
        let records = json!(records);
        let parts = parts(grants);
        let directory = Directory::new(parts.clone()).unwrap();
        let lookup = fixture::lookup(purpose, records.clone());
        let admission = Admission::new(&directory, town::zone());

        struct Real<'a>(&'a Admission);
        impl Quotas for Real<'_> {
            fn draw(&mut self, permit: &Permit) -> Result<(), Unasked> {
                self.0.draw(permit.grants(), now()).map_err(|_| Reason::QuotaUsedUp.into())
            }
            fn give_back(&mut self, permit: &Permit) {
                self.0.give_back(permit.grants(), now());
            }
        }
        let routed = routed(&directory, CONSUMER, &lookup);
        let legs = routed.legs().to_vec();
        let queries = routed.lookup().records.clone();
        let expected: Vec<Option<Reason>> = match policy::authorise(routed, &directory, town::TODAY, held) {
            Ok(permitted) => plan(&queries, &legs, permitted.into_parts().1, &mut Real(&admission))
                .into_iter().map(|plan| plan.err().map(|unasked| unasked.reason)).collect(),
            Err(denied) => denied.legs().map(|(_, reason)| Some(reason)).collect(),
        };

        let whole = explained(parts.clone(), purpose, &records, held, Audience::Operator);
        let told: Vec<Option<Reason>> = whole.records.iter().map(|record| record.reason).collect();
        prop_assert_eq!(&told, &expected);
        let denied = expected.iter().all(Option::is_some);
        prop_assert_eq!(whole.verdict == Verdict::Denied, denied);
        prop_assert_eq!(whole.first_failing.is_some(), expected.iter().any(Option::is_some));
        let caller = explained(parts, purpose, &records, held, Audience::Caller);
        prop_assert_eq!((caller.verdict, caller.first_failing), (whole.verdict, whole.first_failing));
    }
}
