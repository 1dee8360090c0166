use serde_json::{Value, json};

use super::*;
use crate::audit::log::{Log, Options};
use crate::audit::store::Memory;
use crate::audit::store::suite::signer;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::fanout;
use crate::fixture::{self, town, world};
use crate::last_good::LastGood;
use crate::policy;
use crate::route;
use crate::snapshot::Snapshot;
use crate::validate;

struct Desk {
    log: Log,
    telemetry: Telemetry,
}

impl Desk {
    fn new() -> Self {
        let store = Box::new(Memory::new(signer()));
        let log = Log::start(store, Options::default()).unwrap();
        Self {
            log,
            telemetry: world::telemetry(),
        }
    }

    fn open(&self) -> Trail {
        let (method, version) = (http::Method::POST, http::Version::HTTP_11);
        let path = "/v1/lookups";
        let span = self
            .telemetry
            .server_span(&method, path, None, path, "https", version, None);
        Trail::open(
            Audit::new(self.log.clone(), &[7; 32]),
            self.telemetry.clone(),
            span,
            None,
        )
    }

    /// What was written, without what differs from run to run.
    async fn written(self) -> Vec<Value> {
        self.log.close().await;
        let reader = self.log.reader();
        let mut entries = Vec::new();
        let each = &mut |_, leaf: &[u8]| {
            let mut entry: Value = serde_json::from_slice(leaf).unwrap();
            let members = entry.as_object_mut().unwrap();
            for name in ["trace_id", "at"] {
                members.remove(name);
            }
            entries.push(entry);
            ControlFlow::Continue(())
        };
        let size = reader.checkpoint().unwrap().size;
        reader.leaves(0..size, each).unwrap();
        entries
    }
}

fn walked(trail: &mut Trail, desk: &Desk) -> fanout::FanOut {
    let directory = town::directory();
    let tls = loket_sdk::testing::Ca::new("x.example")
        .system("a", "b")
        .mutual_tls()
        .client()
        .unwrap();
    let snapshot = Snapshot::new(
        town::directory(),
        town::zone(),
        &tls.into(),
        &desk.telemetry,
    );
    let lookup = fixture::lookup("property_tax", json!([{"record": "property-tax/1"}]));
    let valid = validate::lookup(lookup.to_string().as_bytes()).unwrap();
    let admitted = fixture::admitted(&directory, "bapenda");
    trail.operation("/v1/lookups");
    trail.certificate("spiffe://loket.example/bapenda/counter".to_owned());
    trail.identified(admitted.identified());
    trail.lookup(&valid);
    let routed = route::route(admitted, valid, &directory);
    let zone = town::zone();
    let today = zone.to_datetime(jiff::Timestamp::now()).date();
    let permitted = policy::authorise(routed, &directory, today, false).unwrap();
    let context = fanout::Context {
        snapshot: Arc::new(snapshot),
        last_good: Arc::new(LastGood::new(1, Duration::from_secs(1))),
        telemetry: desk.telemetry.clone(),
        span: trail.span().clone(),
        longest: Duration::from_secs(1),
        now: jiff::Timestamp::now(),
    };
    let (plan, fan_out) = fanout::ask(permitted, context);
    trail.planned(plan);
    fan_out
}

#[tokio::test]
async fn a_trail_that_is_dropped_says_how_far_it_came() {
    let desk = Desk::new();
    drop(desk.open());
    let mut trail = desk.open();
    drop(walked(&mut trail, &desk));
    drop(trail);
    let entries = desk.written().await;
    assert_eq!(entries[0], json!({"kind": "abandoned"}));
    assert_eq!(entries[1]["kind"], "abandoned");
    assert_eq!(entries[1]["member"], "bapenda");
    assert_eq!(entries[1].get("certificate"), None);
    assert_eq!(entries[1]["subject_ref"].as_str().unwrap().len(), 64);
    assert_eq!(entries[1]["sources"][0]["reason"], "caller_left");
    assert!(!json!(entries).to_string().contains(fixture::NIK));
    assert_eq!(entries.len(), 2);
}

#[tokio::test]
async fn a_closed_trail_is_written_once() {
    let desk = Desk::new();
    let mut trail = desk.open();
    drop(walked(&mut trail, &desk));
    let mut answered = trail.entry.sources[0].clone();
    answered.reason = Reason::Complete;
    trail.answered(0, answered.clone());
    // A leg that nobody planned is nobody's.
    trail.answered(9, answered.clone());
    let result = trail.disclose(answered).await.unwrap();
    let whole = trail.close(Kind::Lookup).await.unwrap();
    assert_eq!((result.entry, whole.entry), (1, 2));
    trail.responded(200, Some("complete"));
    drop(trail);
    let entries = desk.written().await;
    let kinds: Vec<&str> = entries
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["result", "lookup"]);
    assert_eq!(entries[1]["sources"][0]["reason"], "complete");
}

#[tokio::test]
async fn a_refusal_is_written_with_its_code() {
    let desk = Desk::new();
    let mut trail = desk.open();
    trail.certificate("sha256:00".to_owned());
    trail.refuse(&Refusal::NothingGranted).await.unwrap();
    drop(trail);
    let expected =
        json!({"kind": "refusal", "refusal": "nothing_granted", "certificate": "sha256:00"});
    assert_eq!(desk.written().await, [expected]);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused() {
    let desk = Desk::new();
    let mut trail = desk.open();
    desk.log.close().await;
    let refused = trail.close(Kind::Read).await;
    assert!(
        matches!(refused, Err(Refusal::AuditUnavailable(_))),
        "{refused:?}"
    );
}
