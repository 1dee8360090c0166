//! Who watches the log finds out when it goes back.

use loket_sdk::transparency::{Checkpoint, Evidence, LogKeys};
use loket_tests::town::{AUDIT_ORIGIN, eventually};
use loket_tests::witness::Witness;
use loket_tests::{Ask, Town};

use super::town;

fn log_keys(town: &Town) -> LogKeys {
    LogKeys::new(AUDIT_ORIGIN, town.audit_verifier_keys()).unwrap()
}

/// The log's keys and the witness's, who must have cosigned.
fn with_quorum(town: &Town, witness: &Witness) -> LogKeys {
    log_keys(town).witnessed([witness.key()], 1).unwrap()
}

/// Waits until the gateway has the cosignature of a tree that holds the entry.
async fn cosigned(town: &Town, witness: &Witness, entry: u64) {
    let keys = with_quorum(town, witness);
    eventually("a cosigned checkpoint", async || {
        let note = town.counter().get("/v1/log/checkpoint").await.unwrap();
        let note = String::from_utf8(note.body.to_vec()).unwrap();
        let checkpoint = Checkpoint::verify(&note, &keys).ok()?;
        (checkpoint.size() >= entry).then_some(())
    })
    .await;
}

#[tokio::test]
async fn evidence_bears_the_cosignature_of_who_watches() {
    let witness = Witness::start(Town::audit_log_keys()).await;
    let town = town().witness(&witness).start().await;
    // Twice, so that the second checkpoint has to continue the first.
    for _ in 0..2 {
        let answer = town.answer(&Ask::identity()).await;
        cosigned(&town, &witness, answer.receipt.entry).await;
        let path = format!("/v1/receipts/{}", answer.receipt.entry);
        let evidence: Evidence = town.counter().get(&path).await.unwrap().json();
        let keys = with_quorum(&town, &witness);
        evidence.verify(&keys, &answer.receipt).unwrap();
    }
    town.stop().await;
}

/// The whole directory of an earlier day put back is a log like any other; only who saw the later one
/// knows.
#[tokio::test]
async fn a_log_that_was_rolled_back_finds_no_witness() {
    let witness = Witness::start(Town::audit_log_keys()).await;
    let mut town = town().witness(&witness).start().await;
    town.answer(&Ask::identity()).await;
    town.stop_gateway().await;
    let earlier = town.scratch().join("earlier");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        std::fs::remove_dir_all(to).ok();
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([from, to])
            .status();
        assert!(copied.unwrap().success());
    };
    copy(&town.audit_dir(), &earlier);
    town.start_gateway().await;
    let mut later = town.answer(&Ask::identity()).await;
    for _ in 0..3 {
        later = town.answer(&Ask::identity()).await;
    }
    cosigned(&town, &witness, later.receipt.entry).await;
    town.stop_gateway().await;
    copy(&earlier, &town.audit_dir());
    town.start_gateway().await;
    town.answer(&Ask::identity()).await;
    eventually("a witness that refuses", async || {
        let failures = town
            .metric("loket_audit_witness_failures_total", &["witness.example"])
            .await;
        (failures >= 1.0).then_some(())
    })
    .await;
    assert!(loket_tests::logs::text().contains("a witness contradicts the audit log"));
    assert_eq!(town.metric("loket_audit_witnessed", &[]).await, 0.0);
    // And the receipt of then is of no entry of now.
    let path = format!("/v1/receipts/{}", later.receipt.entry);
    let evidence = town.counter().get(&path).await.unwrap();
    if evidence.status == 200 {
        let evidence: Evidence = evidence.json();
        evidence
            .verify(&log_keys(&town), &later.receipt)
            .unwrap_err();
    }
    town.stop().await;
}
