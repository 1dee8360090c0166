//! Records that the others are of no use without.

use super::*;
use crate::directory::{Grant, Parts};
use crate::fixture::now;

fn quota(parts: &mut Parts, record: &str, quota: u64) {
    let ours = parts
        .grants
        .iter_mut()
        .filter(|grant| grant.consumer.as_str() == MEMBER);
    for grant in ours.filter(|grant| grant.record.name() == record) {
        grant.daily_quota = Some(quota);
    }
}

/// Asks with one question a day for licences and for memberships; afterwards, whether those are
/// left, and how many questions arrived.
async fn check_required(records: Value, expected: &[&str], left: [bool; 2], asked: usize) {
    let world = World::start(|parts| {
        quota(parts, "driving-licence", 1);
        quota(parts, "health-insurance", 1);
    })
    .await;
    let parts = world
        .parts(MEMBER, &lookup("driving_licence_renewal", records.clone()))
        .await;
    assert_eq!(all(&parts), expected, "{records}");
    assert_eq!(world.questions(), asked, "{records}");
    let grants = world.snapshot.directory.grants();
    for (record, left) in ["driving-licence", "health-insurance"]
        .into_iter()
        .zip(left)
    {
        let ours =
            |grant: &Grant| grant.consumer.as_str() == MEMBER && grant.record.name() == record;
        let grant = grants.iter().position(ours).unwrap();
        let drawn = world.snapshot.admission.draw(&[grant], now());
        assert_eq!(drawn.is_ok(), left, "{record} of {records}");
    }
}

#[tokio::test]
async fn where_a_required_record_is_denied_nothing_is_asked() {
    let licence = |required| json!({"record": "driving-licence/1", "required": required});
    let member = |required| json!({"record": "health-insurance/1", "required": required});
    let family = |required| json!({"record": "family-card/1", "required": required});
    let skipped = "not_attempted/required_source_failed";

    let asked = ["found/complete", "found/complete", "denied/no_grant"];
    check_required(
        json!([licence(true), member(false), family(false)]),
        &asked,
        [false, false],
        2,
    )
    .await;
    let denied = [skipped, skipped, "denied/no_grant"];
    check_required(
        json!([licence(false), member(false), family(true)]),
        &denied,
        [true, true],
        0,
    )
    .await;
    check_required(
        json!([licence(true), member(true), family(true)]),
        &denied,
        [true, true],
        0,
    )
    .await;
}

#[tokio::test]
async fn where_a_required_record_has_no_quota_left_nothing_is_asked() {
    let licence = json!({"record": "driving-licence/1", "required": true});
    let member = json!({"record": "health-insurance/1", "required": true});
    let used_up = format!("denied/quota_used_up {} s", 48_600);
    let skipped = "not_attempted/required_source_failed";
    // The second question of the licence is one too many, and takes the others with it.
    let claim = json!({"field": "licence_number", "op": "exists"});
    let claimed = json!({"record": "driving-licence/1", "claims": [claim], "required": true});
    let records = json!([licence, member, claimed]);
    check_required(records, &[skipped, skipped, &used_up], [true, true], 0).await;
}
