//! Outcomes of sources that fail, and of callers that leave.

use std::time::Duration;

use loket_sdk::message::{Overall, Reason};
use loket_sdk::testing::Fault;
use loket_tests::town::{MALL, eventually};
use loket_tests::{Ask, SEKAR};

use super::{JKN, PERSON, seen, town};

#[tokio::test]
async fn the_last_good_answer_stands_in_where_the_grant_allows_it() {
    let builder = town().grants(|g| g.stale_ok = g.record.name() == "health-insurance");
    let town = builder.start().await;
    let ask = || {
        Ask::new("driving_licence_renewal")
            .fields(PERSON, &["identity_status"])
            .fields(JKN, &["membership_status"])
            .within_ms(400)
    };
    let fresh = town.answer(&ask()).await;
    for fault in [Fault::Down, Fault::Hang, Fault::Status(500)] {
        town.agency("bpjs-kesehatan").set_fault(fault);
        let stale = seen(&town, &ask(), Reason::Stale).await;
        assert_eq!(stale.data, fresh.results[1].data);
        assert_eq!(stale.as_of, fresh.results[1].as_of);
    }
    // About someone else there is no last good answer; for another purpose neither.
    let other = ask().about(SEKAR);
    seen(&town, &other, Reason::SourceError).await;
    let purpose = Ask::new("address_change").fields(JKN, &["membership_status"]);
    seen(&town, &purpose, Reason::SourceError).await;
    town.agency("dukcapil").set_fault(Fault::Down);
    let answer = town.answer(&ask()).await;
    assert_eq!(answer.results[0].reason, Reason::Unreachable);
    town.stop().await;
}

#[tokio::test]
async fn a_source_that_fails_on_and_on_isnt_asked() {
    let town = town().start().await;
    town.agency("dukcapil").set_fault(Fault::Status(500));
    let ask = || Ask::identity().within_ms(1000);
    let mut reasons = Vec::new();
    while reasons.last() != Some(&Reason::BreakerOpen) && reasons.len() < 20 {
        reasons.push(town.answer(&ask()).await.results[0].reason);
    }
    let result = seen(&town, &ask(), Reason::BreakerOpen).await;
    assert!(result.retry_after_s.is_some_and(|wait| wait >= 1));
    let asked = town.agency("dukcapil").requests().len();
    assert_eq!(asked, reasons.len() - 1, "{reasons:?}");
    // Nobody else pays for it.
    let jkn = Ask::new("address_change").fields(JKN, &["membership_status"]);
    seen(&town, &jkn, Reason::Complete).await;
    town.stop().await;
}

#[tokio::test]
async fn a_full_source_is_overloaded_and_no_other() {
    let town = town()
        .sources(1, Duration::from_secs(10), 65_536)
        .start()
        .await;
    let agency = town.agency("dukcapil");
    agency.set_fault(Fault::Hang);
    let (counter, hanging) = (town.counter(), Ask::identity().within_ms(15_000));
    let hanging =
        tokio::spawn(async move { counter.post("/v1/lookups", hanging.document()).await });
    agency.asked(1).await;
    let ask = Ask::new("driving_licence_renewal")
        .all(JKN)
        .fields(PERSON, &["identity_status"]);
    let answer = town.answer(&ask).await;
    assert_eq!(answer.results[0].reason, Reason::Complete);
    assert_eq!(answer.results[1].reason, Reason::Overloaded);
    assert_eq!(answer.overall, Overall::Partial);
    hanging.abort();
    town.stop().await;
}

#[tokio::test]
async fn a_caller_who_leaves_is_in_the_log() {
    let town = town().start().await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let (counter, ask) = (town.counter(), Ask::identity().within_ms(15_000));
    let id = ask.request_id();
    let asking = tokio::spawn(async move { counter.post("/v1/lookups", ask.document()).await });
    town.agency("dukcapil").asked(1).await;
    asking.abort();
    let entries = town.audit_entries_of("abandoned", 1).await;
    assert_eq!(entries[0]["request_id"], id);
    assert_eq!(entries[0]["member"], MALL);
    // The agency has the question and may answer it.
    let source = &entries[0]["sources"][0];
    assert_eq!(source["reason"], Reason::NoAnswerYet.as_str());
    assert!(source["grants"].is_array(), "the question counts");
    let gone = async || {
        let in_flight = town.metric("loket_agency_in_flight", &[]).await;
        (in_flight == 0.0).then_some(())
    };
    eventually("nothing in flight", gone).await;
    town.stop().await;
}
