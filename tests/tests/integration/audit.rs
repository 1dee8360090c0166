//! No answer leaves without a durable entry, and the log tells everything but values.

mod shape;
mod witnesses;

use std::time::Duration;

use loket_gateway::audit::store::OpenError;
use loket_gateway::audit::tree::Tree;
use loket_gateway::audit::verify::{self, Verified, Violation};
use loket_gateway::checkpoint::Keys;
use loket_sdk::message::Answer;
use loket_sdk::problem::Problem;
use loket_sdk::testing::Fault;
use loket_sdk::transparency::{Checkpoint, Evidence, LogKeys};
use loket_tests::town::{AUDIT_ORIGIN, MALL, eventually};
use loket_tests::{Ask, BAGAS, Town, TownBuilder};
use serde_json::{Value, json};
use tlog_tiles::Hash;

const PERSON: &str = "person-identity/1";
const JSON: (&str, &str) = ("content-type", "application/json");

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil", "bpjs-kesehatan"])
}

#[tokio::test]
async fn an_entry_per_request_whatever_became_of_it() {
    let town = town().start().await;
    let counter = town.counter();
    let lookup = Ask::identity();
    let answer = town.answer(&lookup).await;
    counter.get("/v1/catalogue").await.unwrap();
    counter.get("/nothing").await.unwrap();
    town.problem(&Ask::new("passport_application").all("family-card/1"))
        .await;
    counter
        .send("POST", "/v1/lookups", &[JSON], "{")
        .await
        .unwrap();
    let stranger = town.ca().system("stranger", "counter");
    town.counter_as(&stranger)
        .get("/v1/catalogue")
        .await
        .unwrap();
    let headers = [JSON, ("accept", "text/event-stream")];
    let events = counter
        .events("POST", "/v1/lookups", &headers, Ask::identity().text())
        .await;
    events.unwrap().all().await.unwrap();
    town.agency("dukcapil").set_fault(Fault::Hang);
    let leaving = Ask::identity().within_ms(15_000);
    let (id, hanging) = (leaving.request_id(), counter.clone());
    let asking = tokio::spawn(async move { hanging.post("/v1/lookups", leaving.document()).await });
    town.agency("dukcapil").asked(3).await;
    asking.abort();
    town.audit_entries_of("abandoned", 1).await;

    let entries = town.audit_entries();
    let word = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            format!(
                "{} {} {}",
                word(entry, "kind"),
                word(entry, "operation"),
                word(entry, "refusal")
            )
        })
        .collect();
    let expected = [
        "lookup /v1/lookups ",
        "read /v1/catalogue ",
        "refusal  not_found",
        "refusal /v1/lookups nothing_granted",
        "refusal /v1/lookups malformed_request",
        "refusal /v1/catalogue not_enrolled",
        "result /v1/lookups ",
        "lookup /v1/lookups ",
        "abandoned /v1/lookups ",
    ];
    assert_eq!(lines, expected);

    let first = &entries[0];
    assert_eq!(first["member"], MALL);
    assert_eq!(first["system"], "counter");
    assert_eq!(first["request_id"], lookup.request_id());
    assert_eq!(first["trace_id"], answer.trace_id);
    for member in ["case_id", "purpose", "legal_basis", "clerk", "counter"] {
        assert_eq!(first[member], lookup.document()[member], "{member}");
        assert!(
            entries[3].get(member).is_some(),
            "a refused lookup is told as well: {member}"
        );
    }
    let source = &first["sources"][0];
    assert_eq!(source["agency"], "dukcapil");
    assert_eq!(
        source["grants"],
        json!(["identity_check.person-identity.read"])
    );
    assert_eq!(source["fields"], json!(["card_status", "identity_status"]));
    assert_eq!(
        entries[5]["certificate"],
        town.ca().spiffe("stranger", "counter").to_string()
    );
    assert!(entries[5].get("member").is_none());
    assert_eq!(entries[8]["request_id"], id);
    town.stop().await;
}

/// Names only: no value, no number, not even in the legal basis.
#[tokio::test]
async fn an_entry_names_fields_and_gives_no_value() {
    let town = town().start().await;
    let ask = Ask::new("address_change")
        .all(PERSON)
        .all("family-card/1")
        .claims(
            PERSON,
            &[("full_name", "name_matches", json!("BAGAS CONTOH PRATAMA"))],
        );
    let answer = town.answer(&ask).await;
    assert!(answer.results.iter().all(|r| r.outcome.as_str() == "found"));
    let entries = town.audit_entries();
    let text = entries[0].to_string();
    for value in [BAGAS, "CONTOH", "3510161006159901", "BANYUWANGI"] {
        assert!(!text.contains(value), "{value}: {text}");
    }
    assert_eq!(entries[0]["sources"][2]["claims"], json!(["full_name"]));
    assert_eq!(
        entries[0]["sources"][0]["fields"].as_array().unwrap().len(),
        5
    );
    town.stop().await;
}

/// Many at once share syncs; each has its own entry and a receipt that names it, and the evidence of it
/// convinces offline whoever has the log's public key.
#[tokio::test]
async fn every_receipt_is_in_the_log() {
    let town = town().start().await;
    let asks = (0..40).map(|_| async { town.answer(&Ask::identity()).await });
    let answers: Vec<Answer> = futures_util::future::join_all(asks).await;
    let keys = LogKeys::new(AUDIT_ORIGIN, town.audit_verifier_keys()).unwrap();
    let entries = town.audit_entries();
    assert_eq!(entries.len(), 40);
    for answer in answers {
        let receipt = &answer.receipt;
        let at = usize::try_from(receipt.entry).unwrap() - 1;
        assert_eq!(entries[at]["request_id"], answer.request_id.to_string());
        assert_eq!(entries[at]["entry"], receipt.entry);
        let signed = Checkpoint::signed(receipt.checkpoint.as_deref().unwrap(), &keys).unwrap();
        assert!(signed.size() >= receipt.entry);
        let path = format!("/v1/receipts/{}", receipt.entry);
        let evidence = town.counter().get(&path).await.unwrap();
        let evidence: Evidence = evidence.json();
        evidence.verify(&keys, receipt).unwrap();
    }
    town.stop().await;
}

/// The evidence of an entry is for the system whose exchange it records; others, also of the same member,
/// learn not even that there is one.
#[tokio::test]
async fn evidence_is_given_to_whose_exchange_it_is() {
    let town = town()
        .member("dinas-sosial", "counter", Vec::new())
        .start()
        .await;
    let answer = town.answer(&Ask::identity()).await;
    let mut parts = town.parts();
    let member = parts.members[0].id.to_string();
    let mut second = parts.members[0].systems[0].clone();
    second.id = "second".parse().unwrap();
    parts.members[0].systems.push(second);
    town.swap(parts);
    let second = town.ca().system(&member, "second");
    let other = town.ca().system("dinas-sosial", "counter");
    for (counter, entry, status) in [
        (town.counter(), answer.receipt.entry, 200),
        (town.counter_as(&other), answer.receipt.entry, 404),
        (town.counter_as(&second), answer.receipt.entry, 404),
        (town.counter(), 0, 404),
        (town.counter(), 1000, 404),
    ] {
        let path = format!("/v1/receipts/{entry}");
        assert_eq!(counter.get(&path).await.unwrap().status, status, "{path}");
    }
    for path in ["/v1/receipts/01", "/v1/receipts/-1", "/v1/receipts/x"] {
        assert_eq!(
            town.counter().get(path).await.unwrap().status,
            404,
            "{path}"
        );
    }
    town.stop().await;
}

/// Any tool that reads tiles finds the root that the checkpoint names.
#[tokio::test]
async fn the_tree_is_there_for_tools_of_others() {
    let town = town().start().await;
    for _ in 0..5 {
        town.answer(&Ask::identity()).await;
    }
    let counter = town.counter();
    let note = counter.get("/v1/log/checkpoint").await.unwrap();
    let note = String::from_utf8(note.body.to_vec()).unwrap();
    let keys = LogKeys::new(AUDIT_ORIGIN, town.audit_verifier_keys()).unwrap();
    let checkpoint = Checkpoint::verify(&note, &keys).unwrap();
    let width = checkpoint.size();
    assert!(width >= 5);
    let tile = counter
        .get(&format!("/v1/log/tile/0/000.p/{width}"))
        .await
        .unwrap();
    let hashes = tile
        .body
        .chunks(32)
        .map(|hash| Hash(hash.try_into().unwrap()));
    let mut tree = Tree::default();
    hashes.for_each(|hash| tree.push(hash, |_, _| {}));
    assert_eq!((tree.size(), tree.root().0), (width, *checkpoint.root()));
    for none in [
        "/v1/log/tile/0/000",
        "/v1/log/tile/1/000.p/1",
        "/v1/log/tile/0/001.p/1",
    ] {
        assert_eq!(counter.get(none).await.unwrap().status, 404, "{none}");
    }
    town.stop().await;
}

/// A restart goes on with the chain and with what was asked today.
#[tokio::test]
async fn a_restart_forgets_no_question() {
    let mut town = town()
        .grants(|grant| grant.daily_quota = Some(4))
        .start()
        .await;
    town.answer(&Ask::identity()).await;
    let headers = [JSON, ("accept", "text/event-stream")];
    let events = town
        .counter()
        .events("POST", "/v1/lookups", &headers, Ask::identity().text())
        .await;
    events.unwrap().all().await.unwrap();
    town.stop_gateway().await;
    let before = town.audit_entries().len();
    town.start_gateway().await;
    let reasons = reasons(&town, 3).await;
    assert_eq!(reasons, ["complete", "complete", "quota_used_up"]);
    assert_eq!(town.audit_entries().len(), before + 3);
    town.stop().await;
}

/// The agency was asked, so the question counts, even if nobody waited for its answer.
#[tokio::test]
async fn a_restart_forgets_no_abandoned_question() {
    let mut town = town()
        .grants(|grant| grant.daily_quota = Some(2))
        .start()
        .await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let (counter, ask) = (town.counter(), Ask::identity().within_ms(15_000));
    let asking = tokio::spawn(async move { counter.post("/v1/lookups", ask.document()).await });
    town.agency("dukcapil").asked(1).await;
    asking.abort();
    town.audit_entries_of("abandoned", 1).await;
    town.agency("dukcapil").set_fault(Fault::None);
    town.stop_gateway().await;
    town.start_gateway().await;
    assert_eq!(reasons(&town, 2).await, ["complete", "quota_used_up"]);
    town.stop().await;
}

async fn reasons(town: &Town, count: usize) -> Vec<String> {
    let mut reasons = Vec::new();
    for _ in 0..count {
        let answer = town.answer(&Ask::identity()).await;
        reasons.push(answer.results[0].reason.to_string());
    }
    reasons
}

/// What can't be recorded isn't answered: the agency said everything, the caller gets nothing.
#[tokio::test]
async fn without_a_log_no_data_leaves() {
    let town = town().start().await;
    town.answer(&Ask::identity()).await;
    std::fs::remove_dir_all(town.audit_dir()).unwrap();
    for path in [
        "/v1/catalogue",
        "/v1/schemas/person-identity/1",
        "/openapi.json",
        "/nothing",
    ] {
        let answer = town.counter().get(path).await.unwrap();
        assert_eq!(answer.status, 503, "{path}");
    }
    let ask = Ask::new("address_change").all(PERSON);
    let asked = town.agency("dukcapil").requests().len();
    let answer = town.ask(&ask).await;
    assert_eq!(answer.status, 503);
    assert!(!String::from_utf8_lossy(&answer.body).contains("CONTOH"));
    assert_eq!(answer.json::<Problem>().code.as_str(), "audit_unavailable");
    assert!(town.agency("dukcapil").requests().len() <= asked + 1);
    assert!(town.metric("loket_audit_write_failures_total", &[]).await >= 5.0);
    town.stop().await;
}

/// Somebody appends to the log behind its back: it refuses, and heals once that is undone.
#[tokio::test]
async fn a_log_that_another_hand_changed_refuses_until_it_is_mended() {
    let town = town().start().await;
    town.answer(&Ask::identity()).await;
    let segment = segment(&town);
    let good = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, [good.as_slice(), b"a stranger's line\n"].concat()).unwrap();
    assert_eq!(town.ask(&Ask::identity()).await.status, 503);
    let again = async || (town.ask(&Ask::identity()).await.status == 200).then_some(());
    eventually("an answer again", again).await;
    assert!(verified(&town).is_ok());
    town.stop().await;
}

/// What is written first.
fn segment(town: &Town) -> std::path::PathBuf {
    town.audit_dir().join("wal/00000000000000000000.wal")
}

fn verified(town: &Town) -> Result<Verified, Violation> {
    let keys = Keys::new(AUDIT_ORIGIN, town.audit_verifier_keys()).unwrap();
    verify::verify(&town.audit_dir(), Some(&keys), |_| {})
}

/// What was written at once: leaves, each behind its length, then the checkpoint, whose length has the
/// highest bit set.
fn batches(segment: &[u8]) -> Vec<Vec<u8>> {
    let (mut batches, mut batch, mut rest) = (Vec::new(), Vec::new(), segment);
    while let Some((length, _)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length);
        // Room for more.
        if length == 0 {
            break;
        }
        let (frame, after) = rest.split_at(4 + (length & !(1 << 31)) as usize);
        batch.extend_from_slice(frame);
        rest = after;
        if length >> 31 == 1 {
            batches.push(std::mem::take(&mut batch));
        }
    }
    batches
}

/// A write that was cut off has no receipt: the next start cuts it off and goes on.
#[tokio::test]
async fn a_torn_last_write_is_cut_off() {
    let mut town = town().start().await;
    let answer = town.answer(&Ask::identity()).await;
    town.stop_gateway().await;
    let good = std::fs::read(segment(&town)).unwrap();
    let torn = [good.as_slice(), &good[..100]].concat();
    std::fs::write(segment(&town), torn).unwrap();
    town.start_gateway().await;
    let next = town.answer(&Ask::identity()).await;
    // The drain is on record in between.
    assert_eq!(next.receipt.entry, answer.receipt.entry + 2);
    town.stop().await;
}

/// A log that was tampered with is shown, and nobody starts on it.
#[tokio::test]
async fn a_log_that_was_tampered_with_starts_nobody() {
    let mut town = town().start().await;
    for _ in 0..3 {
        town.answer(&Ask::identity()).await;
    }
    town.stop_gateway().await;
    let good = std::fs::read(segment(&town)).unwrap();
    let batches = batches(&good);
    assert_eq!(batches.len(), 4, "three answers and the drain");
    let clerk = memmem(&good, b"clk-7f3a");
    let altered = |at: usize| {
        let mut altered = good.clone();
        altered[at + 7] = b'b';
        altered
    };
    let of =
        |order: &[usize]| -> Vec<u8> { order.iter().flat_map(|at| batches[*at].clone()).collect() };
    let cases = [
        ("altered", altered(clerk[0])),
        ("altered at the end", altered(clerk[2])),
        ("removed", of(&[0, 2, 3])),
        ("reordered", of(&[1, 0, 2, 3])),
        ("twice", of(&[0, 1, 2, 3, 3])),
        ("cut off", of(&[0, 1, 2])),
        ("emptied", Vec::new()),
    ];
    for (what, bytes) in cases {
        std::fs::write(segment(&town), bytes).unwrap();
        assert!(verified(&town).is_err(), "{what}");
        let refused = town.try_start_gateway().await;
        assert!(
            matches!(refused, Some(OpenError::Broken { .. })),
            "{what}: {refused:?}"
        );
    }
    std::fs::write(segment(&town), good).unwrap();
    town.start_gateway().await;
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// Two gateways on one log would break its chain.
#[tokio::test]
async fn a_log_has_one_gateway() {
    let town = town().start().await;
    let refused = town.try_start_gateway().await;
    assert!(
        matches!(refused, Some(OpenError::Locked { .. })),
        "{refused:?}"
    );
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// Entries in flight when the gateway stops are written before it ends.
#[tokio::test]
async fn a_stop_writes_what_runs() {
    let mut town = town().start().await;
    town.agency("dukcapil")
        .set_fault(Fault::Slow(Duration::from_millis(200)));
    let (counter, ask) = (town.counter(), Ask::identity());
    let asking = tokio::spawn(async move { counter.post("/v1/lookups", ask.document()).await });
    town.agency("dukcapil").asked(1).await;
    town.stop_gateway().await;
    let answer: Answer = asking.await.unwrap().unwrap().json();
    assert_eq!(town.audit_entries().len() as u64, answer.receipt.entry);
    town.stop().await;
}

/// Where the bytes stand.
fn memmem(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows
        .filter(|(_, found)| *found == wanted)
        .map(|(at, _)| at)
        .collect()
}
