use loket_sdk::jws::SigningKey;

use super::*;
use crate::fixture::town;

const PIN: [u8; 32] = [9; 32];

/// Builds the changed town; `expected` is one `place key: message` a line.
fn check(change: impl FnOnce(&mut Parts), expected: &[&str]) {
    let mut parts = town::parts();
    change(&mut parts);
    let wrong: Vec<String> = match Directory::new(parts) {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong
            .iter()
            .map(
                |Inconsistency {
                     place,
                     key,
                     message,
                     remedy,
                 }| {
                    assert!(!remedy.is_empty());
                    format!("{place:?} {key}: {message}")
                },
            )
            .collect(),
    };
    assert_eq!(wrong, expected);
}

#[test]
fn a_sound_directory_stands() {
    check(|_| {}, &[]);
    check(|parts| *parts = Parts::default(), &[]);
    // Two agencies may serve one record, and one agency may have two systems.
    check(
        |parts| {
            let mut second = town::source("dukcapil", Vec::new());
            second.system = SystemId::parse("archive").unwrap();
            parts.sources.push(second);
            parts.sources.push(town::source(
                "kemenag",
                vec!["marriage-certificate/1".parse().unwrap()],
            ));
        },
        &[],
    );
}

#[test]
fn members_and_systems_are_named_once() {
    check(
        |parts| parts.members.push(parts.members[0].clone()),
        &[
            "Member(11) id: member bapenda is named twice",
            "Member(11) systems: system bapenda/counter is named twice",
        ],
    );
    check(
        |parts| {
            for member in 0..2 {
                parts.members[member].systems[0].pins.push(PIN);
            }
        },
        &["Member(1) systems: a pinned key belongs to two systems"],
    );
}

#[test]
fn a_source_that_must_sign_has_a_key_for_it() {
    let key = |allows| MemberKey {
        id: "1".to_owned(),
        allows,
        public: SigningKey::generate().unwrap().public_key().clone(),
        from: None,
        to: None,
    };
    for (allows, expected) in [
        (KeyUse::Answer, &[] as &[&str]),
        (
            KeyUse::Grant,
            &["Source(0) source_requires_signature: az-mia has no key for answers"],
        ),
    ] {
        check(
            |parts| {
                parts.sources[0].requires_signature = true;
                let mut agency = town::member("az-mia");
                agency.keys.push(key(allows));
                parts.members.push(agency);
            },
            expected,
        );
    }
}

#[test]
fn sources_are_named_once_and_share_no_record_within_an_agency() {
    check(
        |parts| {
            let mut twin = parts.sources[0].clone();
            twin.records.clear();
            parts.sources.push(twin);
        },
        &["Source(12) system: source az-mia/registry is named twice"],
    );
    check(
        |parts| {
            let mut second = town::source("dukcapil", vec!["family-card/1".parse().unwrap()]);
            second.system = SystemId::parse("archive").unwrap();
            parts.sources.push(second);
        },
        &["Source(12) records: agency dukcapil serves family-card/1 from two sources"],
    );
    check(
        |parts| parts.sources[0].records.push("nobody/1".parse().unwrap()),
        &["Source(0) records: there is no schema of nobody/1"],
    );
}

#[test]
fn grants_name_what_there_is() {
    let grant = |change: fn(&mut Grant)| move |parts: &mut Parts| change(&mut parts.grants[0]);
    check(
        grant(|it| it.consumer = MemberId::parse("nobody").unwrap()),
        &["Grant(0) consumer: nobody isn't a member"],
    );
    check(
        grant(|it| it.source = AgencyId::parse("bpn").unwrap()),
        &["Grant(0) source: no source of bpn serves person-identity/1"],
    );
    check(
        grant(|it| it.record = "person-identity/2".parse().unwrap()),
        &[
            "Grant(0) source: no source of dukcapil serves person-identity/2",
            "Grant(0) record: there is no schema of person-identity/2",
        ],
    );
    check(
        grant(|it| it.fields.extend(["shoe_size".to_owned()])),
        &["Grant(0) fields: person-identity/1 has no field shoe_size"],
    );
    check(
        grant(|it| it.valid_to = "2025-12-31".parse().unwrap()),
        &["Grant(0) valid_to: the last day lies before the first"],
    );
    check(
        |parts| parts.grants.push(parts.grants[0].clone()),
        &["Grant(68) grant_id: grant G-001 is named twice"],
    );
}

#[test]
fn everything_that_is_found_is_what_was_put_in() {
    let mut parts = town::parts();
    parts.members[1].systems[0].pins.push(PIN);
    parts.holds.push("ab".repeat(32));
    let directory = Directory::new(parts).unwrap();

    let id = "spiffe://loket.example/bpn/counter".parse().unwrap();
    assert_eq!(directory.system_by_spiffe(&id).unwrap().0, 1);
    assert_eq!(directory.system_by_pin(&PIN).unwrap().0, 1);
    assert!(directory.system_by_pin(&[0; 32]).is_none());
    assert!(directory.is_held(&"ab".repeat(32)));
    assert!(!directory.is_held(&"cd".repeat(32)));

    for (index, grant) in directory.grants().iter().enumerate() {
        let found = directory.grants_of(&grant.consumer, &grant.record);
        assert!(
            found.into_iter().any(|(found, _)| found == index),
            "{}",
            grant.id
        );
    }
    for source in directory.sources() {
        for record in &source.records {
            let found = directory.sources_of(record);
            assert!(
                found
                    .iter()
                    .any(|&index| directory.sources()[index].agency == source.agency)
            );
        }
    }
    assert_eq!(
        directory.sources_of(&"person-identity/2".parse().unwrap()),
        [] as [SourceIndex; 0]
    );
}
