use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;

use super::*;
use crate::audit::Audit;
use crate::audit::log::{Log, Options};
use crate::audit::store::Memory;
use crate::audit::store::suite::signer;
use crate::directory::Directory;
use crate::fixture::{self, town, world};
use crate::validate;

/// `entry at`, or `entry at approves|late of`.
fn line(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().unwrap();
    let (kind, glass) = match words[2..] {
        [] => ("break_glass", json!({"ground": "disaster"})),
        ["approves", of] => ("break_glass_approved", json!({"entry": number(of)})),
        [_, of] => {
            let glass = json!({"entry": number(of), "late": true});
            ("break_glass_approved", glass)
        }
        _ => panic!("{words:?}"),
    };
    json!({
        "entry": number(words[0]), "at": words[1], "kind": kind, "member": "dinsos", "clerk": "clk-1",
        "break_glass": glass,
    })
    .to_string()
}

/// How many are late at that moment, and how many of them still wait.
fn late(lines: &[&str], now: &str) -> (usize, usize) {
    let waiting = Waiting::default();
    for words in lines {
        waiting.replay(&line(words));
    }
    let now = now.parse().unwrap();
    (waiting.overdue(now), waiting.unapproved(now))
}

#[test]
fn what_nobody_approved_is_late_after_a_day_and_forgotten_after_three() {
    let open = "7 2026-11-20T05:00:00Z";
    let approved = "9 2026-11-20T06:00:00Z approves 7";
    let other = "9 2026-11-20T06:00:00Z approves 8";
    let too_late = "9 2026-11-21T06:00:00Z late 7";
    assert_eq!(late(&[open], "2026-11-21T05:00:00Z"), (0, 0));
    assert_eq!(late(&[open], "2026-11-21T05:00:01Z"), (1, 1));
    assert_eq!(late(&[open, other], "2026-11-22T05:00:00Z"), (1, 1));
    assert_eq!(late(&[open, approved], "2026-11-22T05:00:00Z"), (0, 0));
    assert_eq!(late(&[open], "2026-11-23T05:00:01Z"), (0, 0));
    // That it was late stays known as long.
    assert_eq!(late(&[open, too_late], "2026-11-22T05:00:00Z"), (1, 0));
    assert_eq!(late(&[open, too_late], "2026-11-23T05:00:01Z"), (0, 0));
}

#[test]
fn other_entries_say_nothing() {
    let waiting = Waiting::default();
    let looked_up = line("1 2026-11-20T05:00:00Z").replace("break_glass", "lookup");
    waiting.replay(&looked_up);
    waiting.replay(r#"{"kind":"break_glass"}"#);
    assert!(waiting.glasses().broken.is_empty());
}

/// Those that are being recorded have their places already.
#[test]
fn no_more_of_a_member_wait_than_may() {
    let waiting = Waiting::default();
    let (dinsos, polri) = ["dinsos", "polri"]
        .map(|member| MemberId::parse(member).unwrap())
        .into();
    for entry in 1..=500 {
        waiting.replay(&line(&format!("{entry} 2026-11-20T05:00:00Z")));
    }
    let mut opening: Vec<Opening> = (500..MOST)
        .map(|_| waiting.reserve(&dinsos).unwrap())
        .collect();
    let refused = waiting.reserve(&dinsos).map(drop);
    assert!(matches!(refused, Err(Refusal::SecondPersonNeeded(_))));
    drop(waiting.reserve(&polri).unwrap());
    opening.pop();
    opening.push(waiting.reserve(&dinsos).unwrap());
    drop(opening);
    waiting.reserve(&dinsos).unwrap();
    assert!(waiting.glasses().opening.is_empty());
    waiting.approved(1, false);
    waiting.approved(2, true);
    let opening: Vec<_> = (498..MOST).map(|_| waiting.reserve(&dinsos)).collect();
    assert!(opening.iter().all(Result::is_ok));
    assert!(waiting.reserve(&dinsos).is_err());
}

/// The caller leaves when the entry has been handed to the log, and nobody has heard of it yet.
#[tokio::test]
async fn what_is_on_record_can_be_approved_when_its_caller_left() {
    let mut parts = town::parts();
    for grant in &mut parts.grants {
        grant.break_glass_ok = true;
    }
    let directory = Directory::new(parts).unwrap();
    let mut lookup = fixture::lookup(
        "complaint_handling",
        json!([{"record": "person-identity/1", "fields": ["identity_status"]}]),
    );
    lookup["break_glass"] = json!({
        "ground": "threat_to_life", "justification": "An unconscious victim on the road.",
    });
    let permitted = fixture::permitted(&directory, "bapenda", &lookup).unwrap();
    assert!(permitted.breaks_glass());
    let store = Box::new(Memory::new(signer()));
    let log = Log::start(store, Options::default()).unwrap();
    let telemetry = world::telemetry();
    let open_trail = || {
        let (method, version) = (http::Method::POST, http::Version::HTTP_11);
        let span = telemetry.server_span(&method, "/", None, "/", "https", version, None);
        let audit = Audit::new(log.clone(), &[7; 32]);
        Trail::open(audit, telemetry.clone(), span, None)
    };
    let waiting = Waiting::default();
    let mut trail = open_trail();
    trail.identified(permitted.routed().admitted().identified());
    trail.lookup(&validate::lookup(lookup.to_string().as_bytes()).unwrap());
    let opened = open(&waiting, &permitted, &mut trail).now_or_never();
    assert!(opened.is_none(), "it waits for the log");
    drop(trail);
    let known = async {
        while waiting.glasses().broken.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, known).await.unwrap();
    let approval = Approval {
        clerk: "spv-1".to_owned(),
        counter: "B01".to_owned(),
    };
    let identified = fixture::identified(&directory, "bapenda");
    let mut trail = open_trail();
    let approved = approve(&waiting, 1, &approval, &identified, &mut trail).await;
    assert!(!approved.unwrap().late);
    log.close().await;
}
