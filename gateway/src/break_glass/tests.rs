use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::*;
use crate::audit::Audit;
use crate::audit::log::{Log, Options};
use crate::audit::store::copy::Target;
use crate::audit::store::suite::signer;
use crate::audit::store::{Batch, Head, Memory};
use crate::directory::Directory;
use crate::fixture::{self, town, world};
use crate::telemetry::Telemetry;
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

/// A member's system that breaks a glass, and the log.
struct Scene {
    directory: Directory,
    lookup: Value,
    log: Log,
    telemetry: Telemetry,
    waiting: Waiting,
}

impl Scene {
    fn on(store: Memory) -> Self {
        let mut parts = town::parts();
        for grant in &mut parts.grants {
            grant.break_glass_ok = true;
        }
        let mut lookup = fixture::lookup(
            "complaint_handling",
            json!([{"record": "person-identity/1", "fields": ["identity_status"]}]),
        );
        lookup["clerk"] = json!("clk-7f3a");
        lookup["break_glass"] = json!({
            "ground": "threat_to_life", "justification": "An unconscious victim on the road.",
        });
        Self {
            directory: Directory::new(parts).unwrap(),
            lookup,
            log: Log::start(Box::new(store), Options::default()).unwrap(),
            telemetry: world::telemetry(),
            waiting: Waiting::default(),
        }
    }

    fn trail(&self) -> Trail {
        let (method, version) = (http::Method::POST, http::Version::HTTP_11);
        let telemetry = &self.telemetry;
        let span = telemetry.server_span(&method, "/", None, "/", "https", version, None);
        let audit = Audit::new(self.log.clone(), &[7; 32]);
        Trail::open(audit, telemetry.clone(), span, None)
    }

    fn permitted(&self) -> (Permitted, Trail) {
        let permitted = fixture::permitted(&self.directory, "bapenda", &self.lookup).unwrap();
        assert!(permitted.breaks_glass());
        let mut trail = self.trail();
        trail.identified(permitted.routed().admitted().identified());
        trail.lookup(&validate::lookup(self.lookup.to_string().as_bytes()).unwrap());
        (permitted, trail)
    }

    /// Waits until so many wait for a second person.
    async fn waits_for(&self, count: usize) {
        let known = async {
            while self.waiting.glasses().broken.len() != count {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_secs(10);
        tokio::time::timeout(patience, known).await.unwrap();
    }

    async fn approve(&self, entry: u64, clerk: &str) -> Result<Approved, Refusal> {
        let identified = fixture::identified(&self.directory, "bapenda");
        let (approval, mut trail) = (by(clerk), self.trail());
        approve(&self.waiting, entry, &approval, &identified, &mut trail).await
    }
}

fn by(clerk: &str) -> Approval {
    Approval {
        clerk: clerk.to_owned(),
        counter: "B01".to_owned(),
    }
}

/// The caller leaves when the entry has been handed to the log, and nobody has heard of it yet.
#[tokio::test]
async fn what_is_on_record_can_be_approved_when_its_caller_left() {
    let scene = Scene::on(Memory::new(signer()));
    let (permitted, mut trail) = scene.permitted();
    let opened = open(&scene.waiting, &permitted, &mut trail).now_or_never();
    assert!(opened.is_none(), "it waits for the log");
    drop(trail);
    scene.waits_for(1).await;
    assert!(!scene.approve(1, "spv-1").await.unwrap().late);
    scene.log.close().await;
}

/// The second person's system leaves at the same point.
#[tokio::test]
async fn an_approval_on_record_counts_when_its_caller_left() {
    let scene = Scene::on(Memory::new(signer()));
    let (permitted, mut trail) = scene.permitted();
    let broken = open(&scene.waiting, &permitted, &mut trail).await.unwrap();
    let entry = broken.unwrap().entry;
    let approved = scene.approve(entry, "spv-1").now_or_never();
    assert!(approved.is_none(), "it waits for the log");
    scene.waits_for(0).await;
    scene.log.close().await;
}

#[tokio::test]
async fn the_second_person_is_another_whatever_the_case_of_letters() {
    let scene = Scene::on(Memory::new(signer()));
    let (permitted, mut trail) = scene.permitted();
    let broken = open(&scene.waiting, &permitted, &mut trail).await.unwrap();
    let entry = broken.unwrap().entry;
    for clerk in ["clk-7f3a", "CLK-7F3A", "Clk-7f3A"] {
        let refused = scene.approve(entry, clerk).await;
        let second = matches!(refused, Err(Refusal::SecondPersonNeeded(_)));
        assert!(second, "{clerk}: {refused:?}");
    }
    scene.approve(entry, "clk-7f3b").await.unwrap();
    scene.log.close().await;
}

/// The log's dates never go back, the clock may: the second person still has a day by the clock.
#[tokio::test]
async fn a_clock_that_ran_ahead_gives_nobody_more_time() {
    let mut store = Memory::new(signer());
    let ahead = vec![br#"{"at":"2099-01-01T00:00:00Z","kind":"read"}"#.to_vec()];
    let batch = Batch::again(&ahead, &Head::default(), &signer()).unwrap();
    store.write(batch).unwrap();
    let scene = Scene::on(store);
    let (permitted, mut trail) = scene.permitted();
    let broken = open(&scene.waiting, &permitted, &mut trail).await.unwrap();
    let tomorrow = Timestamp::now() + APPROVE_WITHIN;
    assert!(broken.unwrap().approve_by <= tomorrow);
    let second = SignedDuration::from_secs(1);
    assert_eq!(scene.waiting.overdue(tomorrow - second * 60), 0);
    assert_eq!(scene.waiting.overdue(tomorrow + second), 1);
    scene.log.close().await;

    // One that was broken while the clock was ahead: from when it was set right.
    let waiting = Waiting::default();
    waiting.replay(&line("7 2099-01-01T00:00:00Z"));
    let now = "2026-11-20T05:00:00Z".parse().unwrap();
    assert_eq!(waiting.overdue(now), 0);
    assert_eq!(waiting.overdue(now + APPROVE_WITHIN), 0);
    assert_eq!(waiting.overdue(now + APPROVE_WITHIN + second), 1);
}
