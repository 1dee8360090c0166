//! The same lookup again: the same answer, nobody asked, and on record.

mod process;

use std::path::Path;

use jiff::Timestamp;
use loket_gateway::directory::{Grant, MemberKey, Parts, Signature};
use loket_sdk::client::event::{Accepted, IndexedResult};
use loket_sdk::message::Answer;
use loket_sdk::problem::Code;
use loket_sdk::testing::{CounterAnswer, Fault};
use loket_tests::town::{MALL, eventually};
use loket_tests::{Ask, BAGAS, Town, TownBuilder};
use serde_json::{Value, json};

const PERSON: &str = "person-identity/1";
const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const OTHER_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil", "bpjs-kesehatan"])
}

fn ask() -> Ask {
    Ask::new("driving_licence_renewal")
        .fields(PERSON, &["identity_status", "address"])
        .fields("health-insurance/1", &["membership_status"])
}

/// Sends it with a key; again while its copy is being written.
async fn send(town: &Town, ask: &Ask, key: &str) -> CounterAnswer {
    let headers = [
        ("content-type", "application/json"),
        ("loket-replay-key", key),
    ];
    eventually("it isn't under way", async || {
        let counter = town.counter();
        let sent = counter.send("POST", "/v1/lookups", &headers, ask.text());
        let answer = sent.await.unwrap();
        (!is_busy(&answer)).then_some(answer)
    })
    .await
}

/// The same without a key.
async fn send_bare(town: &Town, ask: &Ask) -> CounterAnswer {
    eventually("it isn't under way", async || {
        let answer = town.ask(ask).await;
        (!is_busy(&answer)).then_some(answer)
    })
    .await
}

fn is_busy(answer: &CounterAnswer) -> bool {
    answer.status == 409 && answer.json::<Value>()["code"] == "request_in_progress"
}

/// How often each agency was asked.
fn asked(town: &Town) -> Vec<usize> {
    town.agencies()
        .map(|(_, agency)| agency.requests().len())
        .collect()
}

fn entries(town: &Town, kind: &str) -> Vec<Value> {
    let mut entries = town.audit_entries();
    entries.retain(|entry| entry["kind"] == kind);
    entries
}

/// All bytes of the files below.
fn bytes_of(dir: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(dir).unwrap();
    files
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

#[tokio::test]
async fn the_same_lookup_has_the_same_answer_and_asks_nobody() {
    let town = town().start().await;
    for key in [Some(KEY), None] {
        let ask = ask();
        let before = asked(&town);
        let send = async || match key {
            Some(key) => send(&town, &ask, key).await,
            None => send_bare(&town, &ask).await,
        };
        let first = send().await;
        assert_eq!(first.status, 200);
        let once = asked(&town);
        assert!(once.iter().zip(&before).all(|(now, then)| *now == then + 1));
        town.agency("dukcapil").set_fault(Fault::Status(500));
        let again = send().await;
        town.agency("dukcapil").set_fault(Fault::None);
        assert_eq!(again.status, 200);
        assert_eq!(again.body, first.body, "to the byte");
        assert_eq!(again.header("cache-control"), "no-store");
        assert_eq!(again.header("content-type"), "application/json");
        assert_ne!(again.header("x-trace-id"), first.header("x-trace-id"));
        assert_eq!(asked(&town), once);

        let answer: Answer = first.json();
        let told = entries(&town, "lookup").pop().unwrap();
        let repeated = entries(&town, "replay").pop().unwrap();
        assert_eq!(repeated["replays"], answer.receipt.entry);
        assert_eq!(repeated["sources"], told["sources"]);
        assert_eq!(repeated["request_id"], ask.request_id());
        assert_eq!(repeated["trace_id"], again.header("x-trace-id"));
        assert_eq!(told["body_mac"].as_str().unwrap().len(), 16);
        assert_eq!(repeated["body_mac"], Value::Null);
    }
    let replayed = r#"loket_outcome="replayed""#;
    assert_eq!(town.metric("loket_replay_total", &[replayed]).await, 2.0);
    let kept = bytes_of(&town.audit_dir().with_file_name("audit-replay"));
    assert!(kept.len() > 1_000, "{}", kept.len());
    for word in [BAGAS, "CONTOH", "identity_status", MALL, "clk-7f3a"] {
        assert!(!has(&kept, word), "{word}");
    }
    let key = [1_u8; 32];
    assert!(!kept.windows(32).any(|part| part == key), "nor the key");
    assert!(!loket_tests::logs::text().contains(KEY));
    town.stop().await;
}

#[tokio::test]
async fn a_repeat_draws_no_quota() {
    let town = town()
        .grants(|grant| grant.daily_quota = Some(1))
        .start()
        .await;
    let ask = Ask::identity();
    let first = send(&town, &ask, KEY).await;
    for _ in 0..3 {
        assert_eq!(send(&town, &ask, KEY).await.body, first.body);
    }
    let another = town.answer(&Ask::identity()).await;
    assert_eq!(another.results[0].reason.as_str(), "quota_used_up");
    town.stop().await;
}

#[tokio::test]
async fn another_body_is_refused_and_another_member_is_not() {
    let town = Town::builder()
        .agencies(&["dukcapil"])
        .member("polri", "counter", Vec::new())
        .start()
        .await;
    let ask = Ask::identity();
    send(&town, &ask, KEY).await;
    for other in [
        ask.clone().with("/counter", json!("B08")),
        ask.clone().with("/deadline_ms", json!(5001)),
    ] {
        let refused = send(&town, &other, KEY).await;
        let problem: loket_sdk::problem::Problem = refused.json();
        assert_eq!((problem.code, problem.status), (Code::RequestIdReused, 409));
        assert!(!problem.retryable);
        let entry = entries(&town, "refusal").pop().unwrap();
        assert_eq!(entry["refusal"], "request_id_reused");
        assert_eq!(entry["request_id"], ask.request_id());
    }
    assert_eq!(town.agency("dukcapil").requests().len(), 1);
    // The id is the member's: another one's is its own.
    let theirs = town.counter_as(&town.ca().system("polri", "counter"));
    let answer = theirs.post("/v1/lookups", ask.document()).await.unwrap();
    assert_eq!(answer.status, 403, "nothing is granted to them");
    let conflict = r#"loket_outcome="conflict""#;
    assert_eq!(town.metric("loket_replay_total", &[conflict]).await, 2.0);
    town.stop().await;
}

#[tokio::test]
async fn one_that_is_under_way_is_told_so_and_can_be_asked_again() {
    let town = Town::builder().agencies(&["dukcapil"]).start().await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let ask = Ask::identity().within_ms(15_000);
    let (counter, first) = (town.counter(), ask.clone());
    let waiting = tokio::spawn(async move { counter.post("/v1/lookups", first.document()).await });
    town.agency("dukcapil").asked(1).await;
    let refused = town.ask(&ask).await;
    assert!(is_busy(&refused));
    assert_eq!(refused.header("retry-after"), "1");
    waiting.abort();
    town.audit_entries_of("abandoned", 1).await;
    town.agency("dukcapil").set_fault(Fault::None);
    // Nobody had an answer, so it is asked, and with another body as well.
    let answer = send(&town, &ask.with("/counter", json!("B08")), KEY).await;
    assert_eq!(answer.status, 200);
    town.stop().await;
}

/// What isn't granted any more isn't given again.
#[tokio::test]
async fn a_grant_that_was_withdrawn_or_a_hold_counts_at_once() {
    let mut town = town().start().await;
    let ask = ask();
    let first: Answer = send(&town, &ask, KEY).await.json();
    let before = town.parts();

    let mut parts = before.clone();
    for grant in &mut parts.grants {
        grant.fields.retain(|field| field != "address");
    }
    town.settle(parts);
    let narrower: Answer = send(&town, &ask, KEY).await.json();
    let data = narrower.results[0].data.as_ref().unwrap().expose();
    assert!(!data.contains_key("address") && data.contains_key("identity_status"));
    assert_ne!(narrower.receipt.entry, first.receipt.entry);
    // From now on that is the answer.
    let again: Answer = send(&town, &ask, KEY).await.json();
    assert_eq!(again.receipt.entry, narrower.receipt.entry);

    let mut parts = before.clone();
    parts.holds = vec![
        entries(&town, "lookup")[0]["subject_ref"]
            .as_str()
            .unwrap()
            .to_owned(),
    ];
    town.settle(parts);
    let held: Answer = send(&town, &ask, KEY).await.json();
    assert!(held.results.iter().all(|result| result.data.is_none()));

    let mut parts = before.clone();
    parts.grants.clear();
    town.settle(parts);
    let refused = send(&town, &ask, KEY).await;
    assert_eq!(refused.json::<Value>()["code"], "nothing_granted");
    // A refusal doesn't make the id another's.
    let other = ask.clone().with("/counter", json!("B08"));
    let refused = send(&town, &other, KEY).await;
    assert_eq!(refused.json::<Value>()["code"], "request_id_reused");
    town.stop().await;
}

/// Signed anew, under other keys, or on other terms: that is another decision.
#[tokio::test]
async fn what_an_answer_rests_on_is_decided_anew() {
    let mut town = town().signed().start().await;
    let ask = ask();
    let mut last: Answer = send(&town, &ask, KEY).await.json();
    let grants =
        |parts: &mut Parts, change: fn(&mut Grant)| parts.grants.iter_mut().for_each(change);
    let signed = |kid: &str, serial| {
        Some(Signature {
            serial,
            issued_at: Timestamp::UNIX_EPOCH,
            kid: kid.to_owned(),
            sha256: [0; 32],
        })
    };
    for step in 0..6 {
        let mut parts = town.parts();
        match step {
            0..=2 => {
                let of = [("dukcapil/a", 1), ("dukcapil/a", 2), ("dukcapil/b", 2)][step];
                for grant in &mut parts.grants {
                    grant.signature = signed(of.0, of.1);
                }
            }
            3 => grants(&mut parts, |grant| grant.stale_ok = true),
            4 => {
                for source in &mut parts.sources {
                    source.requires_signature = false;
                }
            }
            _ => {
                let signers = parts.members.iter_mut().filter(|it| !it.keys.is_empty());
                for member in signers {
                    let next = member.keys[0].clone();
                    member.keys.push(MemberKey {
                        id: "next".to_owned(),
                        ..next
                    });
                }
            }
        }
        town.settle(parts);
        let anew: Answer = send(&town, &ask, KEY).await.json();
        assert_ne!(anew.receipt.entry, last.receipt.entry, "{step}");
        last = send(&town, &ask, KEY).await.json();
        assert_eq!(anew.receipt.entry, last.receipt.entry, "{step}");
    }
    town.stop().await;
}

#[tokio::test]
async fn only_the_same_key_opens() {
    let town = Town::builder().agencies(&["dukcapil"]).start().await;
    let ask = Ask::identity();
    let first = send(&town, &ask, KEY).await;
    let other = send(&town, &ask, OTHER_KEY).await;
    assert_eq!(other.status, 200);
    assert_ne!(first.body, other.body);
    assert_eq!(town.agency("dukcapil").requests().len(), 2);
    let bare = send_bare(&town, &ask).await;
    assert_ne!(bare.body, other.body);
    assert_eq!(town.agency("dukcapil").requests().len(), 3);
    let headers = [
        ("content-type", "application/json"),
        ("loket-replay-key", "short"),
    ];
    let counter = town.counter();
    let refused = counter
        .send("POST", "/v1/lookups", &headers, ask.text())
        .await;
    assert_eq!(refused.unwrap().status, 400);
    town.stop().await;
}

#[tokio::test]
async fn it_survives_a_restart() {
    let mut town = town().start().await;
    let ask = ask();
    let first = send(&town, &ask, KEY).await;
    let once = asked(&town);
    town.stop_gateway().await;
    town.start_gateway().await;
    assert_eq!(send(&town, &ask, KEY).await.body, first.body);
    assert_eq!(asked(&town), once);
    let other = ask.clone().with("/counter", json!("B08"));
    assert_eq!(send(&town, &other, KEY).await.status, 409);
    // The answer is lost, the id isn't.
    town.stop_gateway().await;
    std::fs::remove_dir_all(town.audit_dir().with_file_name("audit-replay")).unwrap();
    town.start_gateway().await;
    assert_eq!(send(&town, &other, KEY).await.status, 409);
    let anew = send(&town, &ask, KEY).await;
    assert_eq!(anew.status, 200);
    assert_ne!(anew.body, first.body);
    town.stop().await;
}

/// A stream again, and one after a whole answer: the events that it had, in order.
#[tokio::test]
async fn a_stream_is_given_again() {
    let town = town().start().await;
    let ask = ask();
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
        ("loket-replay-key", KEY),
    ];
    let read = async || {
        let counter = town.counter();
        let mut events = counter
            .events("POST", "/v1/lookups", &headers, ask.text())
            .await
            .unwrap();
        assert_eq!(events.status, 200);
        let mut all = Vec::new();
        while let Some(event) = events.next().await.unwrap() {
            all.push(event);
        }
        all
    };
    let first = read().await;
    let once = asked(&town);
    let whole: Answer = send(&town, &ask, KEY).await.json();
    let again = read().await;
    let names = |events: &[loket_sdk::testing::Event]| -> Vec<String> {
        events.iter().map(|event| event.name.clone()).collect()
    };
    assert_eq!(names(&again)[..3], ["accepted", "result", "result"]);
    let mut sorted = [names(&first), names(&again)];
    sorted.iter_mut().for_each(|names| names.sort());
    assert_eq!(sorted[0], sorted[1]);
    let accepted: Accepted = again[0].json();
    assert_eq!(accepted.request_id.to_string(), ask.request_id());
    for (index, event) in again[1..3].iter().enumerate() {
        let result: IndexedResult = event.json();
        assert_eq!(result.index, index);
        assert_eq!(json!(result.result), json!(whole.results[index]));
    }
    assert_eq!(again.last().unwrap().data, first.last().unwrap().data);
    let done: Answer = again.last().unwrap().json();
    assert_eq!(done.receipt, whole.receipt);
    assert_eq!(asked(&town), once);
    assert_eq!(entries(&town, "replay").len(), 2);
    town.stop().await;
}

#[tokio::test]
async fn without_a_key_it_is_asked_again_where_one_is_required() {
    let town = Town::builder()
        .agencies(&["dukcapil"])
        .replay(|replay| replay.require_key = true)
        .start()
        .await;
    let ask = Ask::identity();
    let first = send_bare(&town, &ask).await;
    let second = send_bare(&town, &ask).await;
    assert_ne!(first.body, second.body);
    assert_eq!(second.status, 200);
    let again = r#"loket_outcome="asked_again""#;
    assert_eq!(town.metric("loket_replay_total", &[again]).await, 1.0);
    town.stop().await;
}

/// The SDK's own client sends keys: a program that sends its lookup again has the same answer.
#[tokio::test]
async fn the_client_sends_the_same_key_again() {
    let town = Town::builder()
        .agencies(&["dukcapil"])
        .replay(|replay| replay.require_key = true)
        .start()
        .await;
    let lookup = serde_json::from_value(Ask::identity().document().clone()).unwrap();
    let client = town.client();
    let first = client.send(&lookup).await.unwrap();
    let again = client.send(&lookup).await.unwrap();
    assert_eq!(first.receipt, again.receipt);
    let another = town.client().send(&lookup).await.unwrap();
    assert_ne!(first.receipt, another.receipt);
    town.stop().await;
}
