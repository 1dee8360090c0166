use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::directory::Parts;
use crate::fixture::{self, town};

/// Grants with these quotas, and a member that may ask `burst` times at once.
fn admission(quotas: &[Option<u64>], per_second: u32, burst: u32) -> (Admission, Directory) {
    let mut parts = Parts {
        members: vec![town::member("bapenda"), town::member("bpn")],
        grants: Vec::new(),
        ..town::parts()
    };
    parts.members[0].rate = Rate {
        per_second: NonZeroU32::new(per_second).unwrap(),
        burst: NonZeroU32::new(burst).unwrap(),
    };
    for (n, quota) in quotas.iter().enumerate() {
        let line = "bapenda property_tax person-identity dukcapil read nik";
        let mut grant = town::grant(n, line);
        grant.daily_quota = *quota;
        parts.grants.push(grant);
    }
    let directory = Directory::new(parts).unwrap();
    (Admission::new(&directory, town::zone()), directory)
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

#[test]
fn a_member_is_limited_when_its_burst_is_used_up() {
    // One a minute would be too coarse for the type; one a second leaves time enough for the test.
    let (admission, directory) = admission(&[], 1, 3);
    let ask = |member| admission.admit(fixture::identified(&directory, member));
    for _ in 0..3 {
        assert_eq!(
            ask("bapenda").unwrap().identified().member().as_str(),
            "bapenda"
        );
    }
    let Err(Refusal::RateLimited(limited)) = ask("bapenda") else {
        panic!("the burst is used up");
    };
    assert_eq!((limited.burst, limited.per_second), (3, 1));
    assert!(limited.retry_after > Duration::ZERO, "{limited:?}");
    assert!(limited.retry_after <= Duration::from_secs(1), "{limited:?}");
    // What one member does takes nothing from another.
    assert!(ask("bpn").is_ok());
}

/// `draw 0,1 03:30` draws of grants at a time of 24 November, UTC; `recount 0 2026-11-24 5` counts.
fn check(quotas: &[Option<u64>], steps: &[(&str, bool)]) {
    let (admission, _) = admission(quotas, 1, 1);
    for (n, (step, expected)) in steps.iter().enumerate() {
        let words: Vec<&str> = step.split(' ').collect();
        let done = match words.as_slice() {
            ["draw", grants, time] => {
                let grants: Vec<GrantIndex> =
                    grants.split(',').map(|g| g.parse().unwrap()).collect();
                admission
                    .draw(&grants, at(&format!("2026-11-24T{time}:00Z")))
                    .is_ok()
            }
            ["recount", grant, day, questions] => {
                admission.recount(
                    grant.parse().unwrap(),
                    day.parse().unwrap(),
                    questions.parse().unwrap(),
                );
                true
            }
            other => panic!("no step: {other:?}"),
        };
        assert_eq!(done, *expected, "step {n}, {step}");
    }
}

#[test]
fn a_quota_is_used_up_and_comes_back_at_midnight_in_jakarta() {
    let day = [
        ("draw 0 16:58", true),
        ("draw 0 16:59", true),
        ("draw 0 16:59", false),
    ];
    check(&[Some(2)], &day);
    let next = [
        ("draw 0 16:59", true),
        ("draw 0 16:59", false),
        ("draw 0 17:00", true),
        ("draw 0 17:00", false),
    ];
    check(&[Some(1)], &next);
    check(&[None], &[("draw 0 03:30", true), ("draw 0 03:30", true)]);
    check(&[Some(0)], &[("draw 0 03:30", false)]);
}

#[test]
fn of_two_grants_both_are_drawn_or_none() {
    let steps = [
        ("draw 1 03:30", true),
        ("draw 0,1 03:30", false),
        ("draw 0 03:30", true),
        ("draw 0 03:30", false),
    ];
    check(&[Some(1), Some(1)], &steps);
}

#[test]
fn what_was_asked_before_a_restart_counts() {
    let recounted = [
        ("recount 0 2026-11-24 2", true),
        ("draw 0 03:30", true),
        ("draw 0 03:30", false),
    ];
    check(&[Some(3)], &recounted);
    let yesterday = [("recount 0 2026-11-23 3", true), ("draw 0 03:30", true)];
    check(&[Some(3)], &yesterday);
    let most = u64::MAX.to_string();
    let twice = format!("recount 0 2026-11-24 {most}");
    check(
        &[Some(3)],
        &[(&twice, true), (&twice, true), ("draw 0 03:30", false)],
    );
    check(
        &[None],
        &[("recount 0 2026-11-24 9", true), ("draw 0 03:30", true)],
    );
}

/// A request that began before midnight and draws after another of the new day.
#[test]
fn a_straggler_of_yesterday_does_not_forget_today() {
    let steps = [
        ("draw 0 17:00", true),
        ("draw 0 16:59", false),
        ("draw 0 17:00", false),
    ];
    check(&[Some(1)], &steps);
    let late = [
        ("draw 0 03:30", true),
        ("recount 0 2026-11-23 1", true),
        ("draw 0 03:30", false),
    ];
    check(&[Some(1)], &late);
}

#[test]
fn the_day_is_the_agencies_own() {
    let (admission, _) = admission(&[Some(0)], 1, 1);
    for (now, today, seconds) in [
        ("2026-11-24T16:59:59Z", "2026-11-24", 1),
        ("2026-11-24T17:00:00Z", "2026-11-25", 86_400),
        ("2026-11-24T03:30:00Z", "2026-11-24", 48_600),
        ("2026-12-31T17:00:00Z", "2027-01-01", 86_400),
    ] {
        let used_up = admission.draw(&[0], at(now)).unwrap_err();
        assert_eq!(admission.today(at(now)).to_string(), today, "{now}");
        assert_eq!(used_up.retry_after, Duration::from_secs(seconds), "{now}");
    }
}

#[test]
fn no_more_are_drawn_than_the_quota_has() {
    let (admission, _) = admission(&[Some(1000), Some(1500)], 1, 1);
    let admission = Arc::new(admission);
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let admission = admission.clone();
            let grants = if n % 2 == 0 { vec![0, 1] } else { vec![1] };
            std::thread::spawn(move || {
                (0..1000)
                    .filter(|_| admission.draw(&grants, fixture::now()).is_ok())
                    .count()
            })
        })
        .collect();
    let drawn: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(drawn, 1500);
}

proptest! {
    /// Whatever the order: each grant gives its quota and no more, and a refused draw takes nothing.
    #[test]
    fn draws_are_all_or_nothing(
        quotas in proptest::collection::vec(0_u64..6, 3),
        draws in proptest::collection::vec(proptest::sample::subsequence(vec![0_usize, 1, 2], 1..=3), 0..40),
    ) {
        let given: Vec<Option<u64>> = quotas.iter().copied().map(Some).collect();
        let (admission, _) = admission(&given, 1, 1);
        let mut left = quotas;
        for grants in draws {
            let possible = grants.iter().all(|&grant| left[grant] > 0);
            prop_assert_eq!(admission.draw(&grants, fixture::now()).is_ok(), possible);
            if possible {
                grants.iter().for_each(|&grant| left[grant] -= 1);
            }
        }
    }
}

#[test]
fn the_next_snapshot_goes_on_where_this_one_is() {
    let (first, directory) = admission(&[Some(2)], 1, 2);
    let now = at("2026-11-24T03:30:00Z");
    let ask = |admission: &Admission| admission.admit(fixture::identified(&directory, "bapenda"));
    assert!(ask(&first).is_ok());
    assert!(first.draw(&[0], now).is_ok());

    let same = first.succeeded_by(&directory);
    assert!(ask(&same).is_ok());
    assert!(ask(&same).is_err(), "the burst of two is used up");
    assert!(same.draw(&[0], now).is_ok());
    assert!(same.draw(&[0], now).is_err());
    // Whoever still sees the first draws from the same.
    assert!(first.draw(&[0], now).is_err());

    // Gone and back again, with a higher quota and another rate.
    let (_, other) = admission(&[], 1, 3);
    let (_, back) = admission(&[Some(3)], 1, 3);
    let back = same.succeeded_by(&other).succeeded_by(&back);
    assert!(back.draw(&[0], now).is_ok());
    assert!(back.draw(&[0], now).is_err());
    assert!(ask(&back).is_ok());
}

/// What was used up to is said once a day and step, whatever is given back in between.
#[test]
fn a_quota_is_warned_of_once_a_step() {
    let mut spent = Spent::default();
    let mut said = Vec::new();
    for used in [7, 8, 7, 8, 9, 10, 9, 10, 10] {
        spent.used = used;
        said.extend(spent.warning(10).map(|percent| (used, percent)));
    }
    assert_eq!(said, [(8, 80), (10, 100)]);
    let mut small = Spent {
        used: 1,
        ..Spent::default()
    };
    assert_eq!((small.warning(1), small.warning(1)), (Some(100), None));
}

#[test]
fn what_is_used_is_told_by_grant() {
    let (admission, _) = admission(&[Some(4), None, Some(2)], 1, 1);
    let noon = at("2026-11-24T05:00:00Z");
    for _ in 0..3 {
        admission.draw(&[0], noon).unwrap();
    }
    admission.draw(&[1, 2], noon).unwrap();
    let used = |moment| {
        admission
            .used(moment)
            .map(|(_, used)| used)
            .collect::<Vec<_>>()
    };
    assert_eq!(used(noon), [0.75, 0.5]);
    assert_eq!(used(at("2026-11-24T18:00:00Z")), [0.0, 0.0]);
}
