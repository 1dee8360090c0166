use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::civil::date;
use loket_sdk::message::{AccessKind, AccessVisibility, LegalBasisKind, Purpose};
use loket_sdk::testing::Ca;
use serde_json::{Value, json};

use super::*;
use crate::admission::Admission;
use crate::audit::log::{Log, Options};
use crate::audit::store::{Memory, suite};
use crate::audit::{Audit, Entry, SourceEntry};
use crate::directory::{Directory, Visibility, VisibilityRule};
use crate::fixture::{self, golden, town, world};
use crate::telemetry::Telemetry;

const OTHER: &str = "3510166307919902";

struct Desk {
    audit: Audit,
    telemetry: Telemetry,
    snapshot: Snapshot,
}

impl Desk {
    fn open() -> Self {
        Self::with(&[])
    }

    fn with(rules: &[Hidden]) -> Self {
        let log = Log::start(Box::new(Memory::new(suite::signer())), Options::default());
        let telemetry = world::telemetry();
        let tls = Ca::new(town::TRUST_DOMAIN).system("gateway", "mpp-1");
        let tls = Arc::new(tls.mutual_tls().client().unwrap());
        let mut parts = town::parts();
        let mut desk = town::member("mpp-3510");
        desk.systems[0].roles.insert(Role::SubjectDesk);
        parts.members.push(desk);
        let rules = rules.iter().map(|then| VisibilityRule {
            purposes: [Purpose::ComplaintHandling].into(),
            legal_bases: [].into(),
            then: then.clone(),
        });
        parts.visibility.extend(rules);
        let directory = Directory::new(parts).unwrap();
        Self {
            audit: Audit::new(log.unwrap(), &[7; 32]),
            snapshot: Snapshot::new(directory, town::zone(), &tls, &telemetry),
            telemetry,
        }
    }

    fn reference(&self, scheme: Scheme, value: &str) -> String {
        self.audit.subject_ref(&SubjectKey {
            scheme,
            value: loket_sdk::sensitive::Sensitive::new(value.to_owned()),
        })
    }

    /// Records an entry about the sample's citizen; the number stands for its request.
    async fn record(&self, request: u32, kind: Kind, change: impl FnOnce(&mut Entry)) -> Receipt {
        let mut entry = Entry::new(format!("{request:032x}"));
        entry.kind = kind;
        entry.member = Some("bpn".parse().unwrap());
        entry.counter = Some("B07".to_owned());
        entry.purpose = Some(Purpose::BusinessLicence);
        entry.legal_basis = Some(LegalBasis {
            kind: LegalBasisKind::LegalObligation,
            reference: "PP 28/2025".to_owned(),
            agreement_id: None,
            consent_id: None,
        });
        entry.case_id = Some("MPP-3510-000123".parse().unwrap());
        entry.subject_ref = Some(self.reference(Scheme::Nik, fixture::NIK));
        change(&mut entry);
        self.audit.record(&entry).await.unwrap()
    }

    async fn ask(&self, change: impl FnOnce(&mut Value)) -> AccessReport {
        let mut request = request_document();
        change(&mut request);
        let admitted = fixture::admitted(&self.snapshot.directory, "mpp-3510");
        let asked = request_bytes(&admitted, &request).unwrap();
        let identified = admitted.identified();
        let (method, version) = (http::Method::POST, http::Version::HTTP_11);
        let path = "/v1/access-reports";
        let span = self
            .telemetry
            .server_span(&method, path, None, path, "https", version, None);
        let mut trail = Trail::open(self.audit.clone(), self.telemetry.clone(), span, None);
        trail.identified(identified);
        let report = report(asked, &self.snapshot, &mut trail).await.unwrap();
        schema::access_report().check(&json!(report)).unwrap();
        report
    }
}

fn request_document() -> Value {
    json!({
        "request_id": "0192f0c4-7d1a-7e55-9b61-000000000009",
        "case_id": "MPP-3510-000900", "clerk": "clk-7f3a", "counter": "D01",
        "subject": {"scheme": "nik", "value": fixture::NIK},
    })
}

fn request_bytes(admitted: &Admitted, document: &Value) -> Result<Asked, Refusal> {
    request(admitted, document.to_string().as_bytes())
}

fn source(record: &str, agency: &str, fields: &[&str], claims: &[&str]) -> SourceEntry {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let reason = loket_sdk::message::Reason::Complete;
    SourceEntry {
        signature: None,
        record: record.parse().unwrap(),
        agency: Some(agency.parse().unwrap()),
        grants: vec!["G-001".to_owned()],
        fields: owned(fields),
        claims: owned(claims),
        outcome: reason.outcome(),
        reason,
        elapsed_ms: 12,
    }
}

fn kinds(report: &AccessReport) -> Vec<AccessKind> {
    report.entries.iter().map(|entry| entry.what).collect()
}

#[tokio::test]
async fn a_citizen_is_told_who_looked() {
    let desk = Desk::open();
    let taxpayer = || source("taxpayer/1", "djp", &["npwp", "registered_name"], &[]);
    let person = || source("person-identity/1", "dukcapil", &[], &["full_name"]);
    // A stream: its parts say nothing that the whole doesn't.
    desk.record(1, Kind::Result, |entry| entry.sources = vec![taxpayer()])
        .await;
    desk.record(1, Kind::Result, |entry| entry.sources = vec![person()])
        .await;
    desk.record(1, Kind::Lookup, |entry| {
        entry.sources = vec![taxpayer(), person()];
        entry.parts = vec![1, 2];
    })
    .await;
    // One that ended with the process.
    desk.record(2, Kind::Result, |entry| entry.sources = vec![taxpayer()])
        .await;
    // The same number is the NPWP.
    desk.record(3, Kind::Lookup, |entry| {
        entry.subject_ref = Some(desk.reference(Scheme::Npwp, fixture::NIK));
    })
    .await;
    desk.record(4, Kind::Refusal, |entry| {
        entry.refusal = Some("nothing_granted")
    })
    .await;
    desk.record(5, Kind::Abandoned, |_| {}).await;
    // Nobody's, and another citizen's.
    desk.record(6, Kind::Read, |entry| entry.subject_ref = None)
        .await;
    desk.record(7, Kind::Lookup, |entry| {
        entry.subject_ref = Some(desk.reference(Scheme::Nik, OTHER));
    })
    .await;
    let report = desk.ask(|_| {}).await;
    let expected = [
        AccessKind::Abandoned,
        AccessKind::Refused,
        AccessKind::Lookup,
        AccessKind::Part,
        AccessKind::Lookup,
    ];
    assert_eq!(kinds(&report), expected);
    assert_eq!(report.held_back, HeldBack::default());
    assert_eq!(report.next, None);
    let looked = &report.entries[4];
    assert_eq!(looked.organisation.name, "BPN");
    assert_eq!(looked.records[0].given[1].label, "Nama wajib pajak");
    assert_eq!(looked.records[1].verified[0].name, "full_name");
    // The report is on record, and the next one tells of it.
    assert_eq!(report.receipt.entry, 10);
    let next = desk.ask(|request| request["locale"] = json!("en")).await;
    assert_eq!(kinds(&next)[0], AccessKind::AccessReport);
    assert_eq!(next.entries[0].organisation.id, "mpp-3510");
    let mut last = Value::Null;
    let reader = desk.audit.log().reader();
    let each = &mut |_, leaf: &[u8]| {
        last = serde_json::from_slice(leaf).unwrap();
        ControlFlow::Continue(())
    };
    reader.leaves(9..10, each).unwrap();
    assert_eq!(last["kind"], "access_report");
    assert_eq!(last["report"], json!({"entries": 5}));
    assert_eq!(last["legal_basis"]["reference"], "UU 27/2022 art. 32");
    assert_eq!(last["purpose"], "data_subject_access");
    assert_eq!(last["clerk"], "clk-7f3a");
    assert!(!last.to_string().contains(fixture::NIK));
}

/// The trace's id is the caller's to choose: of one that it uses again, the parts stay.
#[tokio::test]
async fn another_lookup_says_nothing_of_a_part_that_has_no_whole() {
    let desk = Desk::open();
    // One that ended with the process, and another under the same id.
    desk.record(1, Kind::Result, |_| {}).await;
    desk.record(1, Kind::Lookup, |_| {}).await;
    let report = desk.ask(|_| {}).await;
    assert_eq!(kinds(&report), [AccessKind::Lookup, AccessKind::Part]);
}

/// A family card names spouse and children; the entry is the one's who was asked about.
#[tokio::test]
async fn who_is_only_named_in_anothers_record_is_not_told() {
    let desk = Desk::open();
    desk.record(1, Kind::Lookup, |entry| {
        entry.subject_ref = Some(desk.reference(Scheme::Nik, OTHER));
        entry.sources = vec![source("family-card/1", "dukcapil", &["members"], &[])];
    })
    .await;
    assert!(desk.ask(|_| {}).await.entries.is_empty());
    let own = desk
        .ask(|request| request["subject"]["value"] = json!(OTHER))
        .await;
    assert_eq!(kinds(&own), [AccessKind::Lookup]);
}

#[tokio::test]
async fn what_is_deferred_or_withheld_isnt_told_until_its_day() {
    let desk = Desk::open();
    let deferred = |day| move |entry: &mut Entry| entry.show(Visibility::Deferred(day));
    desk.record(1, Kind::Lookup, deferred(date(2099, 3, 1)))
        .await;
    desk.record(2, Kind::Lookup, deferred(date(2020, 1, 1)))
        .await;
    desk.record(3, Kind::Lookup, |entry| entry.show(ground()))
        .await;
    // Its part is as hidden as the whole.
    desk.record(4, Kind::Result, |entry| entry.show(ground()))
        .await;
    desk.record(5, Kind::Lookup, |_| {}).await;
    let report = desk.ask(|_| {}).await;
    let told: Vec<_> = report
        .entries
        .iter()
        .map(|entry| entry.visibility)
        .collect();
    assert_eq!(told, [AccessVisibility::Now, AccessVisibility::Deferred]);
}

fn ground() -> Visibility {
    Visibility::Withheld("UU 27/2022 art. 15".into())
}

/// Neither what is held back nor where a page ends tells of an entry, whatever window is asked for.
#[tokio::test]
async fn a_report_doesnt_say_that_something_is_held_back() {
    let rules = [
        Hidden::Days(30),
        Hidden::Days(90),
        Hidden::For("UU 27/2022 art. 15".into()),
    ];
    let (watched, plain) = (Desk::with(&rules), Desk::with(&rules));
    for request in 0..=gather::PAGE as u32 {
        // After the page's last, around it, and before its first.
        for desk in [&watched, &plain] {
            desk.record(request, Kind::Lookup, |_| {}).await;
        }
        let hidden = if request % 50 == 0 { 3 } else { 0 };
        for n in 0..hidden {
            let lookup = 10_000 + request * 10 + n;
            watched
                .record(lookup, Kind::Lookup, |entry| entry.show(ground()))
                .await;
            // As many of another citizen, so that numbers are the same.
            let other = |entry: &mut Entry| {
                entry.subject_ref = Some(plain.reference(Scheme::Nik, OTHER));
            };
            plain.record(lookup, Kind::Lookup, other).await;
        }
    }
    let said = HeldBack {
        deferred_days: Some(90),
        grounds: vec!["UU 27/2022 art. 15".to_owned()],
    };
    for window in [
        json!({}),
        json!({"before": 2}),
        json!({"before": 300}),
        json!({"from": "2020-01-01T00:00:00Z"}),
        json!({"to": "2020-01-01T00:00:00Z"}),
    ] {
        let mut told = Vec::new();
        for desk in [&watched, &plain] {
            let report = desk
                .ask(|request| {
                    let window = window.as_object().unwrap().clone();
                    request.as_object_mut().unwrap().extend(window);
                })
                .await;
            assert_eq!(report.held_back, said);
            let numbers: Vec<u64> = report.entries.iter().map(|entry| entry.entry).collect();
            told.push((numbers, report.next));
        }
        assert_eq!(told[0], told[1], "{window}");
    }
    let full = watched
        .ask(|request| request["before"] = json!(100_000))
        .await;
    // The reports that were made so far are told too.
    assert_eq!(full.entries.len(), gather::PAGE);
    assert_eq!(full.next, full.entries.last().map(|entry| entry.entry));
}

#[tokio::test]
async fn a_long_report_comes_in_pages() {
    let desk = Desk::open();
    for request in 0..1200 {
        let part = request % 400 == 100;
        let mut parts = Vec::new();
        if part {
            // The last page's newest entry would be this part of the lookup on the page before.
            let receipt = desk.record(request, Kind::Result, |_| {}).await;
            parts.push(receipt.entry);
        }
        desk.record(request, Kind::Lookup, |entry| entry.parts = parts)
            .await;
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let report = desk
            .ask(|request| {
                if let Some(before) = before {
                    request["before"] = json!(before);
                }
            })
            .await;
        seen.extend(
            kinds(&report)
                .into_iter()
                .filter(|what| *what != AccessKind::AccessReport),
        );
        match report.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 1200);
    assert!(seen.iter().all(|what| *what == AccessKind::Lookup));
    let from = desk
        .ask(|request| request["from"] = json!("2099-01-01T00:00:00Z"))
        .await;
    let to = desk
        .ask(|request| request["to"] = json!("2020-01-01T00:00:00Z"))
        .await;
    assert!(from.entries.is_empty() && to.entries.is_empty());
}

#[test]
fn only_a_desk_may_ask() {
    let directory = Desk::open().snapshot.directory;
    let admitted = |member: &str| {
        let admission = Admission::new(&directory, town::zone());
        admission
            .admit(fixture::identified(&directory, member))
            .unwrap()
    };
    let check = |change: &dyn Fn(&mut Value)| {
        let mut document = request_document();
        change(&mut document);
        match request_bytes(&admitted("mpp-3510"), &document) {
            Ok(_) => "fine".to_owned(),
            Err(Refusal::BreaksSchema(wrong)) => wrong[0].pointer.clone(),
            Err(other) => other.code().as_str().to_owned(),
        }
    };
    assert_eq!(check(&|_| {}), "fine");
    assert_eq!(
        check(&|it| it["subject"]["value"] = json!("35101614")),
        "/subject/value"
    );
    assert_eq!(check(&|it| it["purpose"] = json!("identity_check")), "");
    assert_eq!(check(&|it| it["before"] = json!(0)), "/before");
    let other = request_bytes(&admitted("bapenda"), &request_document());
    assert!(matches!(other, Err(Refusal::NothingGranted)));
    let broken = request(&admitted("mpp-3510"), b"{");
    assert!(matches!(broken, Err(Refusal::Malformed(_))));
}

/// As it is printed, in the three languages.
#[test]
fn the_page_reads_well() {
    let mut parts = town::parts();
    parts.members[0].name = "Dinas <b>Penanaman</b> Modal & PTSP".to_owned();
    let first = parts.members[0].id.to_string();
    let directory = Directory::new(parts).unwrap();
    let zone = town::zone();
    let at = "2026-11-24T03:30:00.123456Z";
    let lines = [
        json!({"at": at, "kind": "lookup", "trace_id": "1", "member": first, "counter": "B07",
            "purpose": "business_licence", "case_id": "MPP-3510-000123",
            "legal_basis": {"kind": "legal_obligation", "reference": "PP 28/2025 <art. 1>"},
            "sources": [
                {"record": "taxpayer/1", "agency": "djp", "fields": ["npwp", "registered_name"],
                    "outcome": "found", "reason": "complete"},
                {"record": "person-identity/1", "agency": "dukcapil",
                    "claims": ["full_name", "birth_date"], "outcome": "found", "reason": "complete"},
                {"record": "property-tax/1", "outcome": "denied", "reason": "on_hold"},
                {"record": "az-person-identity/1", "agency": "asan", "fields": ["surname"],
                    "outcome": "found", "reason": "in_part"}]}),
        json!({"at": "2026-06-02T01:05:00Z", "kind": "abandoned", "trace_id": "2",
            "member": "bpn", "purpose": "land_transfer", "visibility": "deferred",
            "deferred_to": "2026-08-31",
            "sources": [{"record": "land-title/1", "agency": "bpn",
                "outcome": "timed_out", "reason": "no_answer_yet"}]}),
        json!({"at": "2026-01-31T17:00:00Z", "kind": "refusal", "trace_id": "3",
            "member": "gone", "purpose": "police_clearance"}),
        json!({"at": "2025-12-31T23:59:59Z", "kind": "access_report", "trace_id": "4",
            "member": "bpn", "counter": "D01", "purpose": "data_subject_access"}),
    ];
    let lines = lines.map(|line| serde_json::from_value::<gather::Line>(line).unwrap());
    for locale in Locale::ALL {
        let teller = tell::Teller {
            directory: &directory,
            zone: &zone,
            locale: *locale,
        };
        let numbered = lines.iter().zip((1..5).rev());
        let entries = numbered.map(|(line, entry)| loket_sdk::message::AccessEntry {
            entry,
            ..teller.entry(line)
        });
        let report = AccessReport {
            request_id: uuid::Uuid::nil(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            locale: *locale,
            entries: entries.collect(),
            held_back: HeldBack {
                deferred_days: Some(90),
                grounds: vec!["UU 27/2022 art. 15 & 16".to_owned()],
            },
            next: Some(1),
            receipt: Receipt {
                entry: 48_300,
                at: at.parse().unwrap(),
                hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
                checkpoint: None,
            },
        };
        schema::access_report().check(&json!(report)).unwrap();
        let page = page(&report, &zone);
        assert!(!page.contains("<b>") && !page.contains("<art.") && !page.contains("<script"));
        golden::check(&format!("access-report.{locale}.html"), &page);
    }
}
