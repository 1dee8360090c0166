mod calls;
mod matrix;
mod properties;

use serde_json::json;

use super::*;
use crate::directory::GrantState;
use crate::fixture::{self, town};

const CONSUMER: &str = "bapenda";

/// Purposes, mode, fields, then whatever is unusual about the grant.
fn grant(number: usize, words: &str) -> Grant {
    let mut words = words.split(' ');
    let [purposes, mode, fields] = [0; 3].map(|_| words.next().unwrap());
    let line = format!("{CONSUMER} {purposes} person-identity dukcapil {mode} {fields}");
    let mut grant = town::grant(number, &line);
    for word in words {
        match word.split_once('=') {
            None if word == "stale_ok" => grant.stale_ok = true,
            None if word == "break_glass_ok" => grant.break_glass_ok = true,
            None => {
                grant.state = match word {
                    "draft" => GrantState::Draft,
                    "proof_of_concept" => GrantState::ProofOfConcept,
                    "suspended" => GrantState::Suspended,
                    "ended" => GrantState::Ended,
                    other => panic!("no state: {other}"),
                }
            }
            Some(("from", day)) => grant.valid_from = day.parse().unwrap(),
            Some(("to", day)) => grant.valid_to = day.parse().unwrap(),
            Some(("by", source)) => grant.source = AgencyId::parse(source).unwrap(),
            Some(("of", consumer)) => grant.consumer = MemberId::parse(consumer).unwrap(),
            Some(other) => panic!("no such exception: {other:?}"),
        }
    }
    grant
}

/// A directory of these grants on one record, which two agencies serve.
fn directory(grants: Vec<Grant>) -> Directory {
    let record = || vec!["person-identity/1".parse().unwrap()];
    Directory::new(crate::directory::Parts {
        members: vec![town::member(CONSUMER), town::member("bpn")],
        sources: vec![
            town::source("dukcapil", record()),
            town::source("kemenag", record()),
        ],
        grants,
        ..town::parts()
    })
    .unwrap()
}

fn claim(field: &str, op: &str) -> Claim {
    let mut claim = json!({"field": field, "op": op});
    if op != "exists" {
        claim["value"] = json!("x");
    }
    serde_json::from_value(claim).unwrap()
}

/// Asks for `all`, for fields `a,b`, or for claims `a?equals,b?exists`.
fn ask(directory: &Directory, purpose: &str, wanted: &str, held: bool) -> Result<Permit, Reason> {
    ask_with(directory, purpose, wanted, held, false)
}

fn ask_with(
    directory: &Directory,
    purpose: &str,
    wanted: &str,
    held: bool,
    break_glass: bool,
) -> Result<Permit, Reason> {
    let words = || wanted.split(',');
    let claims: Vec<Claim> = words()
        .filter_map(|word| word.split_once('?'))
        .map(|(field, op)| claim(field, op))
        .collect();
    let fields: Vec<String> = words().map(str::to_owned).collect();
    let question = Question {
        consumer: &MemberId::parse(CONSUMER).unwrap(),
        purpose: purpose.parse().unwrap(),
        record: &"person-identity/1".parse().unwrap(),
        source: &AgencyId::parse("dukcapil").unwrap(),
        wanted: match (wanted, claims.is_empty()) {
            ("all", _) => Wanted::All,
            (_, true) => Wanted::Fields(&fields),
            (_, false) => Wanted::Claims(&claims),
        },
        today: town::TODAY,
        held,
        break_glass,
    };
    decide(directory, &question)
}

fn show(decision: &Result<Permit, Reason>) -> String {
    let permit = match decision {
        Ok(permit) => permit,
        Err(reason) => return reason.to_string(),
    };
    let claims = |claims: &[Claim]| -> Vec<String> {
        let show = |claim: &Claim| format!("{}?{}", claim.field, claim.op.as_str());
        claims.iter().map(show).collect()
    };
    let mut shown = match permit.allowed() {
        Allowed::Fields(fields) => fields.join(","),
        Allowed::Claims(allowed) => claims(allowed).join(","),
    };
    for Withheld { field, reason } in permit.withheld() {
        shown += &format!(" -{field}:{reason}");
    }
    for refused in claims(permit.refused()) {
        shown += &format!(" -{refused}");
    }
    shown += &format!(" by {:?}", permit.grants());
    if permit.stale_ok() {
        shown += " stale_ok";
    }
    if permit.breaks_glass() {
        shown += " broken";
    }
    shown
}

/// `wanted` is asked for a purpose; `held` behind it puts a hold on the subject, and `glass` behind that
/// would break the glass.
fn check(grants: &[&str], purpose: &str, wanted: &str, expected: &str) {
    let built = grants
        .iter()
        .enumerate()
        .map(|(n, words)| grant(n, words))
        .collect();
    let (wanted, glass) = wanted
        .strip_suffix(" glass")
        .map_or((wanted, false), |it| (it, true));
    let (wanted, held) = wanted
        .strip_suffix(" held")
        .map_or((wanted, false), |it| (it, true));
    let decision = ask_with(&directory(built), purpose, wanted, held, glass);
    assert_eq!(
        show(&decision),
        expected,
        "{wanted} for {purpose} under {grants:?}"
    );
}

#[test]
fn what_no_grant_names_is_refused() {
    let read = "property_tax read nik,full_name";
    check(&[], "property_tax", "nik", "no_grant");
    check(&[read], "property_tax", "nik", "nik by [0]");
    check(&[read], "property_tax", "all", "full_name,nik by [0]");
    check(&[read], "land_transfer", "nik", "not_this_purpose");
    check(&[read], "property_tax", "sex", "not_these_fields");
    check(&[read], "property_tax", "sex?equals", "not_these_fields");
    check(
        &[read],
        "property_tax",
        "nik,sex",
        "nik -sex:not_granted by [0]",
    );
    check(
        &["property_tax read nik of=bpn"],
        "property_tax",
        "nik",
        "no_grant",
    );
    check(
        &["property_tax read nik by=kemenag"],
        "property_tax",
        "nik",
        "no_grant",
    );
}

#[test]
fn only_a_grant_in_force_counts() {
    for (exception, expected) in [
        ("draft", "no_grant"),
        ("proof_of_concept", "no_grant"),
        ("suspended", "no_grant"),
        ("ended", "no_grant"),
        ("from=2026-11-25", "no_grant"),
        ("to=2026-11-23", "no_grant"),
        ("from=2026-11-24", "nik by [0]"),
        ("to=2026-11-24", "nik by [0]"),
    ] {
        let grant = format!("property_tax read nik {exception}");
        check(&[&grant], "property_tax", "nik", expected);
        // One that isn't in force takes nothing from one that is.
        check(
            &[&grant, "property_tax read nik,sex"],
            "property_tax",
            "sex",
            "sex by [1]",
        );
    }
}

#[test]
fn a_grant_to_verify_gives_no_value() {
    let verify = "property_tax verify nik,full_name";
    check(&[verify], "property_tax", "nik", "not_these_fields");
    check(&[verify], "property_tax", "all", "not_these_fields");
    check(&[verify], "property_tax", "nik?equals", "nik?equals by [0]");
    let read = "property_tax read sex";
    check(
        &[verify, read],
        "property_tax",
        "sex,nik",
        "sex -nik:verify_only by [1]",
    );
    check(&[verify, read], "property_tax", "all", "sex by [1]");
}

#[test]
fn a_grant_to_read_is_one_to_verify() {
    let read = "property_tax read nik";
    check(&[read], "property_tax", "nik?equals", "nik?equals by [0]");
    let wanted = "nik?equals,sex?equals,nik?exists";
    check(
        &[read],
        "property_tax",
        wanted,
        "nik?equals,nik?exists -sex?equals by [0]",
    );
}

/// The schema's `x-verify` says what may be asked of a field at all; a source that answers more
/// mustn't be asked.
#[test]
fn a_claim_that_the_schema_forbids_is_not_asked() {
    let read = "property_tax read nik,full_name,religion";
    check(&[read], "property_tax", "religion", "religion by [0]");
    let wanted = "religion?equals,nik?equals,full_name?at_least";
    check(
        &[read],
        "property_tax",
        wanted,
        "nik?equals -religion?equals -full_name?at_least by [0]",
    );
    check(
        &[read],
        "property_tax",
        "religion?exists",
        "not_these_fields",
    );
}

#[test]
fn grants_add_up() {
    let (one, two) = (
        "property_tax read nik,sex",
        "property_tax,land_transfer read sex,citizenship",
    );
    check(
        &[one, two],
        "property_tax",
        "all",
        "citizenship,nik,sex by [0, 1]",
    );
    // A field that both name counts against the first only.
    check(&[one, two], "property_tax", "sex", "sex by [0]");
    check(
        &[one, two],
        "land_transfer",
        "all",
        "citizenship,sex by [1]",
    );
    let verify = "property_tax verify nik";
    check(&[verify, one], "property_tax", "nik", "nik by [1]");
    check(
        &[verify, one],
        "property_tax",
        "nik?equals",
        "nik?equals by [0]",
    );
}

#[test]
fn a_hold_stops_what_the_law_does_not_oblige() {
    let grant = "property_tax,police_clearance read nik";
    check(&[grant], "police_clearance", "nik held", "on_hold");
    check(&[grant], "police_clearance", "nik?equals held", "on_hold");
    check(&[grant], "property_tax", "nik held", "nik by [0]");
    // Without a grant there is nothing to tell of a hold.
    check(
        &[grant],
        "passport_application",
        "nik held",
        "not_this_purpose",
    );
    check(&[], "police_clearance", "nik held", "no_grant");
}

#[test]
fn stale_only_where_every_grant_allows_it() {
    let (fresh, stale) = ("property_tax read nik", "property_tax read sex stale_ok");
    check(
        &[fresh, stale],
        "property_tax",
        "sex",
        "sex by [1] stale_ok",
    );
    check(&[fresh, stale], "property_tax", "all", "nik,sex by [0, 1]");
    check(
        &[fresh, stale],
        "property_tax",
        "sex?equals",
        "sex?equals by [1] stale_ok",
    );
}

#[test]
fn a_lookup_of_which_nothing_is_granted_is_refused() {
    let directory = town::directory();
    let ask = |records| {
        let lookup = fixture::lookup("property_tax", records);
        let permitted = fixture::permitted(&directory, "bapenda", &lookup).map_err(|denied| {
            denied
                .legs()
                .map(|(leg, reason)| format!("{} {reason}", leg.schema.record))
                .collect::<Vec<_>>()
        })?;
        Ok(permitted.decisions().iter().map(show).collect::<Vec<_>>())
    };
    let ungranted = json!({"record": "passport/1"});
    let granted = json!({"record": "property-tax/1", "fields": ["nop"]});
    assert_eq!(
        ask(json!([ungranted])),
        Err(vec!["passport/1 no_grant".to_owned()])
    );
    let decisions = ask(json!([ungranted, granted])).unwrap();
    assert_eq!(decisions[0], "no_grant");
    assert!(decisions[1].starts_with("nop by"), "{decisions:?}");
}

#[test]
fn a_hold_is_told_and_not_refused() {
    let directory = town::directory();
    let lookup = fixture::lookup(
        "police_clearance",
        json!([{"record": "health-insurance/1"}]),
    );
    let routed = fixture::routed(&directory, "intelkam", &lookup);
    let permitted = authorise(routed, &directory, town::TODAY, true).unwrap();
    assert_eq!(permitted.decisions(), [Err(Reason::OnHold)]);
}

/// A glass that is broken opens holds and purposes, only of grants that are marked for it, and none of
/// their fields; and only where no grant covers the question without.
#[test]
fn a_broken_glass_opens_what_its_grants_name() {
    let marked = "identity_check read nik,sex break_glass_ok";
    let plain = "identity_check read nik,sex";
    check(&[marked], "land_transfer", "nik", "not_this_purpose");
    check(&[plain], "land_transfer", "nik glass", "not_this_purpose");
    check(&[marked], "land_transfer", "nik glass", "nik by [0] broken");
    check(&[marked], "identity_check", "nik held", "on_hold");
    check(&[plain], "identity_check", "nik held glass", "on_hold");
    check(
        &[marked],
        "identity_check",
        "nik held glass",
        "nik by [0] broken",
    );
    check(&[marked], "identity_check", "nik glass", "nik by [0]");
    check(
        &[marked],
        "police_clearance",
        "nik,birth_date held glass",
        "nik -birth_date:not_granted by [0] broken",
    );
    check(
        &[marked],
        "land_transfer",
        "birth_date glass",
        "not_these_fields",
    );
    let suspended = format!("{marked} suspended");
    check(&[&suspended], "land_transfer", "nik glass", "no_grant");
    // The ordinary grant first, whatever the order.
    check(
        &[marked, "land_transfer read nik"],
        "land_transfer",
        "nik glass",
        "nik by [1]",
    );
    check(
        &[marked, "land_transfer read nik"],
        "land_transfer",
        "nik,sex glass",
        "nik,sex by [0, 1] broken",
    );
    check(
        &[marked, "land_transfer read nik"],
        "land_transfer",
        "all glass",
        "nik,sex by [0, 1] broken",
    );
    check(
        &["identity_check verify sex break_glass_ok"],
        "land_transfer",
        "sex?exists glass",
        "sex?exists by [0] broken",
    );
    check(
        &["identity_check verify sex break_glass_ok"],
        "land_transfer",
        "sex glass",
        "not_these_fields",
    );
}
