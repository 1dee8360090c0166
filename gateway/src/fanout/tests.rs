mod required;

use loket_sdk::jws::SigningKey;
use loket_sdk::testing::Fault;
use serde_json::{Value, json};

use super::*;
use crate::directory::{KeyUse, MemberKey, Parts};
use crate::fixture::{self, lookup, town, world::World};

const MEMBER: &str = "korlantas";

/// A renewal with a record each of three agencies.
fn renewal() -> Value {
    lookup(
        "driving_licence_renewal",
        json!([
            {"record": "driving-licence/1", "fields": ["licence_number", "state"]},
            {"record": "health-insurance/1"},
            {"record": "person-identity/1", "claims": [
                {"field": "full_name", "op": "name_matches", "value": "BAGAS CONTOH PRATAMA"},
                {"field": "religion", "op": "equals", "value": "1"},
                {"field": "birth_date", "op": "equals", "value": "1988-05-15"},
            ]},
        ]),
    )
}

fn words(part: &Part) -> String {
    assert_eq!(
        (part.entry.outcome, part.entry.reason),
        (part.result.outcome, part.result.reason)
    );
    let retry = part
        .result
        .retry_after_s
        .map_or_else(String::new, |s| format!(" {s} s"));
    format!("{}/{}{retry}", part.result.outcome, part.result.reason)
}

fn all(parts: &[Part]) -> Vec<String> {
    parts.iter().map(words).collect()
}

#[tokio::test]
async fn what_is_granted_is_asked_and_nothing_else() {
    let world = World::start(|_| {}).await;
    let parts = world.parts(MEMBER, &renewal()).await;
    assert_eq!(
        all(&parts),
        ["found/complete", "found/complete", "found/in_part"]
    );

    let data = |part: &Part| json!(part.result.data);
    assert_eq!(
        data(&parts[0]),
        json!({"licence_number": fixture::NIK, "state": "valid"})
    );
    assert_eq!(
        data(&parts[1]),
        json!({"membership_status": "inactive_arrears"})
    );
    let results: Vec<&str> = parts[2]
        .result
        .claims
        .iter()
        .map(|it| it.result.as_str())
        .collect();
    assert_eq!(results, ["match", "not_permitted", "mismatch"]);
    assert_eq!(parts[2].result.data, None);

    let entry = &parts[1].entry;
    assert_eq!(entry.fields, ["membership_status"]);
    assert_eq!(entry.grants.len(), 1);
    assert_eq!(parts[2].entry.claims, ["full_name", "birth_date"]);

    let asked = &world.agency("bpjs-kesehatan").requests()[0];
    assert_eq!(
        asked.fields.as_deref(),
        Some(&["membership_status".to_owned()][..])
    );
    assert_eq!(asked.requester.organisation.as_str(), MEMBER);
    assert_eq!(
        asked
            .requester
            .mall
            .as_ref()
            .map(loket_sdk::ids::MallId::as_str),
        Some("ID-3510")
    );
    let asked = world.agency("dukcapil").requests()[0]
        .claims
        .clone()
        .unwrap();
    assert_eq!(asked.len(), 2, "{asked:?}");
}

/// One agency is at fault: its part says so, the others' don't, and afterwards all is well.
#[tokio::test]
async fn a_fault_costs_its_own_part_only() {
    let world = World::start(|_| {}).await;
    let question = lookup(
        "driving_licence_renewal",
        json!([{"record": "driving-licence/1"}, {"record": "health-insurance/1"}]),
    );
    for (fault, expected) in [
        (Fault::None, "found/complete"),
        (Fault::Broken, "invalid/breaks_schema"),
        (Fault::NotJson, "invalid/not_json"),
        (Fault::TooLarge, "invalid/too_large"),
        (Fault::WrongCitizen, "invalid/other_subject"),
        (Fault::Refusing, "denied/refused_by_source"),
        (Fault::QuotaUsedUp, "denied/quota_used_up 3600 s"),
        (Fault::Later, "deferred/source_will_answer_later 60 s"),
        (Fault::CitizenMustAct, "deferred/citizen_must_act"),
        (Fault::SeveralRecords, "not_found/several_records"),
        (Fault::Status(500), "unavailable/source_error"),
        (Fault::Status(404), "unavailable/source_error"),
        (Fault::Status(403), "denied/refused_by_source"),
        (Fault::Status(429), "unavailable/overloaded"),
        (Fault::Draining, "unavailable/draining 1 s"),
        (Fault::ExtraField, "found/complete"),
        (Fault::Down, "unavailable/unreachable"),
    ] {
        world.set_fault("korlantas", fault.clone());
        let parts = world.parts(MEMBER, &question).await;
        assert_eq!(all(&parts), [expected, "found/complete"], "{fault:?}");
        let given = parts[0]
            .result
            .data
            .as_ref()
            .map(|data| data.expose().len());
        assert_eq!(
            given,
            expected.starts_with("found").then_some(11),
            "{fault:?}"
        );
        world.set_fault("korlantas", Fault::None);
        if fault == Fault::Draining {
            // It said when it wants to be asked again.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::time::resume();
        }
        let parts = world.parts(MEMBER, &question).await;
        assert_eq!(
            all(&parts),
            ["found/complete", "found/complete"],
            "after {fault:?}"
        );
    }
}

#[tokio::test]
async fn a_part_waits_for_no_other_and_the_deadline_for_none() {
    let world = World::start(|_| {}).await;
    world.set_fault("korlantas", Fault::Hang);
    let mut fan_out = world.ask(MEMBER, &renewal());
    let mut first: Vec<usize> = Vec::new();
    for _ in 0..2 {
        first.push(fan_out.next().await.unwrap().leg);
    }
    first.sort_unstable();
    assert_eq!(first, [1, 2]);

    world.agency("korlantas").asked(1).await;
    let started = Instant::now();
    // Nothing but the deadline is left to wait for.
    tokio::time::pause();
    let last = fan_out.next().await.unwrap();
    assert_eq!(
        (last.leg, words(&last).as_str()),
        (0, "timed_out/no_answer_yet")
    );
    // The timer is good to the millisecond.
    let deadline = u64::from(DEFAULT_DEADLINE_MS) + 2;
    assert!(started.elapsed() <= Duration::from_millis(deadline));
    assert!(
        last.result.elapsed_ms <= deadline,
        "{}",
        last.result.elapsed_ms
    );
    assert!(fan_out.next().await.is_none());
}

#[tokio::test]
async fn the_caller_may_wait_less_than_usual() {
    let world = World::start(|_| {}).await;
    world.set_fault("korlantas", Fault::Hang);
    let mut question = renewal();
    question["deadline_ms"] = json!(200);
    question["records"] = json!([{"record": "driving-licence/1"}]);
    let mut fan_out = world.ask(MEMBER, &question);
    tokio::select! {
        _ = fan_out.next() => panic!("the agency hangs"),
        () = world.agency("korlantas").asked(1) => {}
    }
    tokio::time::pause();
    let part = fan_out.next().await.unwrap();
    assert_eq!(words(&part), "timed_out/no_answer_yet");
    assert!(
        (200..3000).contains(&part.result.elapsed_ms),
        "{}",
        part.result.elapsed_ms
    );
}

#[tokio::test]
async fn a_caller_who_leaves_gives_the_slot_back() {
    let world = World::start(|parts| {
        for source in &mut parts.sources {
            source.backend.max_in_flight = std::num::NonZeroUsize::MIN;
            source.backend.single_flight = false;
        }
    })
    .await;
    world.set_fault("korlantas", Fault::Hang);
    let question = lookup(
        "driving_licence_renewal",
        json!([{"record": "driving-licence/1"}]),
    );
    let mut fan_out = world.ask(MEMBER, &question);
    tokio::select! {
        _ = fan_out.next() => panic!("the agency hangs"),
        () = world.agency("korlantas").asked(1) => {}
    }
    assert_eq!(
        all(&world.parts(MEMBER, &question).await),
        ["unavailable/overloaded"]
    );
    drop(fan_out);
    world.set_fault("korlantas", Fault::None);
    assert_eq!(
        all(&world.parts(MEMBER, &question).await),
        ["found/complete"]
    );
}

#[tokio::test]
async fn a_last_good_answer_stands_in_where_the_grant_allows_it() {
    let world = World::start(|parts| {
        let licences = parts
            .grants
            .iter_mut()
            .filter(|it| it.record.name() == "driving-licence");
        licences.for_each(|grant| grant.stale_ok = true);
    })
    .await;
    let both = json!([{"record": "driving-licence/1"}, {"record": "health-insurance/1"}]);
    let question = lookup("driving_licence_renewal", both);
    let mut narrower = question.clone();
    narrower["records"][0]["fields"] = json!(["state"]);
    let mut other = question.clone();
    other["subject"]["value"] = json!("3510166307919902");

    let mut fresh = world.parts(MEMBER, &question).await;
    for (fault, stale, none) in [
        (
            Fault::Status(500),
            "found/stale",
            "unavailable/source_error",
        ),
        (Fault::Down, "found/stale", "unavailable/unreachable"),
        (Fault::Status(503), "found/stale", "unavailable/overloaded"),
        (
            Fault::Broken,
            "invalid/breaks_schema",
            "invalid/breaks_schema",
        ),
        (
            Fault::Refusing,
            "denied/refused_by_source",
            "denied/refused_by_source",
        ),
    ] {
        world.set_fault("korlantas", fault.clone());
        world.set_fault("bpjs-kesehatan", fault.clone());
        let parts = world.parts(MEMBER, &question).await;
        assert_eq!(all(&parts), [stale, none]);
        if stale == "found/stale" {
            let (kept, first) = (&parts[0].result, &fresh[0].result);
            assert_eq!(
                (&kept.data, kept.as_of, &kept.withheld),
                (&first.data, first.as_of, &first.withheld)
            );
            assert_eq!(parts[0].entry.fields, fresh[0].entry.fields);
        }
        // Another question isn't answered by it.
        for question in [&narrower, &other] {
            assert_eq!(
                words(&world.parts(MEMBER, question).await[0]),
                none,
                "{fault:?}"
            );
        }
        // Keeps the breakers closed.
        world.set_fault("korlantas", Fault::None);
        world.set_fault("bpjs-kesehatan", Fault::None);
        fresh = world.parts(MEMBER, &question).await;
    }
}

/// It stands in only while what vouched for it still would.
#[tokio::test]
async fn a_last_good_answer_goes_with_the_key_it_was_believed_by() {
    let signer = SigningKey::generate().unwrap();
    let key = MemberKey {
        id: "answers-1".to_owned(),
        allows: KeyUse::Answer,
        public: signer.public_key().clone(),
        from: None,
        to: None,
    };
    let keys = |parts: &mut Parts, keys: &[MemberKey]| {
        let mut members = parts.members.iter_mut();
        let member = members.find(|member| member.id.as_str() == "korlantas");
        member.unwrap().keys = keys.to_vec();
    };
    let requires = |parts: &mut Parts| {
        let mut sources = parts.sources.iter_mut();
        let source = sources.find(|source| source.agency.as_str() == "korlantas");
        source.unwrap().requires_signature = true;
    };
    let mut world = World::start(|parts| {
        parts
            .grants
            .iter_mut()
            .for_each(|grant| grant.stale_ok = true);
        keys(parts, std::slice::from_ref(&key));
    })
    .await;
    let question = lookup(
        "driving_licence_renewal",
        json!([{"record": "driving-licence/1"}]),
    );
    world.parts(MEMBER, &question).await;
    world.set_fault("korlantas", Fault::Down);
    let (stale, none) = ("found/stale", "unavailable/unreachable");
    let mut later = key.clone();
    later.to = Some(town::TODAY);
    type Change<'a> = &'a dyn Fn(&mut Parts);
    let changes: [(Change<'_>, &str); 5] = [
        (&|_| {}, stale),
        (&|parts| keys(parts, &[]), none),
        (&|parts| keys(parts, std::slice::from_ref(&later)), none),
        (&requires, none),
        (&|_| {}, stale),
    ];
    for (change, expected) in changes {
        world.reload(change);
        assert_eq!(all(&world.parts(MEMBER, &question).await), [expected]);
    }
}

#[tokio::test]
async fn an_honest_no_is_no_fault() {
    let world = World::start(|_| {}).await;
    world
        .agency("korlantas")
        .set_records("driving-licence/1", Vec::new());
    let question = lookup(
        "driving_licence_renewal",
        json!([{"record": "driving-licence/1"}]),
    );
    for _ in 0..10 {
        assert_eq!(
            all(&world.parts(MEMBER, &question).await),
            ["not_found/no_record"]
        );
    }
}
