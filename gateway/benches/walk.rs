//! What a lookup costs the gateway: everything but the network, and with agencies on loopback.
//!
//! `pure` goes from bytes to answer with the agencies' answers at hand: read the lookup, admit,
//! route, authorise, check and minimise each answer. It has no TLS, no audit and no findings.
//! `loopback` asks real agencies over pooled mutual TLS; their own work is in the figure too.

#![expect(clippy::expect_used, reason = "a benchmark that can't run should stop")]

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use http::{HeaderMap, Method, Version};
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use loket_gateway::check::{self, Checked, Origin};
use loket_gateway::directory::{
    Backend, Directory, Grant, GrantState, Member, Mode, Parts, Rate, Source, System,
};
use loket_gateway::fanout::{self, Context};
use loket_gateway::last_good::LastGood;
use loket_gateway::policy::{self, Allowed, Permitted};
use loket_gateway::snapshot::Snapshot;
use loket_gateway::telemetry::{LogFormat, Settings, Telemetry};
use loket_gateway::{identity, minimise, route, validate};
use loket_sdk::identity::PeerCertificate;
use loket_sdk::ids::{AgencyId, MemberId, SystemId};
use loket_sdk::message::{Purpose, RecordRef};
use loket_sdk::schema;
use loket_sdk::statement::Question;
use loket_sdk::testing::{Ca, FakeAgency, sample};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

const DOMAIN: &str = "loket.example";
const NIK: &str = "3510161405889901";

/// Records about [`NIK`], with the agencies that own them.
const RECORDS: [(&str, &str); 5] = [
    ("person-identity/1", "dukcapil"),
    ("health-insurance/1", "bpjs-kesehatan"),
    ("driving-licence/1", "korlantas"),
    ("vehicle-registration/1", "samsat"),
    ("passport/1", "imigrasi"),
];

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 5])]
fn pure(bencher: Bencher<'_, '_>, records: usize) {
    let town = Town::new(|_| "https://127.0.0.1:1".to_owned());
    let (body, now) = (lookup(records), Timestamp::now());
    let answers: Vec<Vec<u8>> = RECORDS.iter().map(|(record, _)| answer(record)).collect();
    bencher.bench(|| {
        let permitted = town.walk(&body, now);
        let routed = permitted.routed();
        let parts = routed
            .legs()
            .iter()
            .zip(permitted.decisions())
            .zip(&answers);
        parts
            .map(|((leg, decision), answer)| {
                let permit = decision.as_ref().expect("all is granted");
                let allowed = permit.allowed();
                let source = &town.snapshot.directory.sources()[leg.source.expect("there is one")];
                let origin = Origin {
                    source: &source.name(),
                    question: Question {
                        organisation: routed.admitted().identified().member(),
                        purpose: routed.lookup().purpose,
                        record: &leg.schema.record,
                        subject: routed.subject(),
                    },
                    members: town.snapshot.directory.members(),
                    requires_signature: false,
                    now,
                    today: town.snapshot.admission.today(now),
                };
                let vouched = check::answer(answer, leg.schema, allowed, &origin);
                match (vouched.map(|it| it.checked), allowed) {
                    (Ok(Checked::Record { members, .. }), Allowed::Fields(fields)) => {
                        minimise::fields(members, fields).data.len()
                    }
                    _ => panic!("a record was asked and comes"),
                }
            })
            .sum::<usize>()
    });
}

#[divan::bench(args = [1, 5])]
fn loopback(bencher: Bencher<'_, '_>, records: usize) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let ca = Ca::new(DOMAIN);
    let agencies = agencies(&runtime, &ca);
    let town = Town::with(&ca, |agency| {
        let place = RECORDS.iter().position(|(_, owner)| *owner == agency);
        format!("https://{}", agencies[place.expect("it runs")].address())
    });
    let body = lookup(records);
    bencher.bench(|| {
        let (_, mut fan_out) = fanout::ask(town.walk(&body, Timestamp::now()), town.context());
        runtime.block_on(async {
            while let Some(part) = fan_out.next().await {
                assert!(part.result.data.is_some(), "{:?}", part.result.reason);
            }
        });
    });
}

fn agencies(runtime: &Runtime, ca: &Ca) -> Vec<FakeAgency> {
    let start = |agency| {
        let gateways = [ca.spiffe("gateway", "mpp-1")];
        let agency = FakeAgency::builder(agency)
            .gateways(gateways)
            .samples()
            .forgetful();
        runtime.block_on(agency.start(ca))
    };
    RECORDS.iter().map(|(_, agency)| start(agency)).collect()
}

struct Town {
    snapshot: Arc<Snapshot>,
    telemetry: Telemetry,
    last_good: Arc<LastGood>,
    peer: PeerCertificate,
}

impl Town {
    fn new(url: impl Fn(&str) -> String) -> Self {
        Self::with(&Ca::new(DOMAIN), url)
    }

    fn with(ca: &Ca, url: impl Fn(&str) -> String) -> Self {
        let settings = Settings {
            service_instance_id: "bench".to_owned(),
            environment: "test".to_owned(),
            otlp_endpoint: None,
            sampling_ratio: 0.0,
            slow: loket_gateway::telemetry::SLOW,
            traces: 0,
            log_format: LogFormat::Json,
            log_level: "off".to_owned(),
        };
        let telemetry = Telemetry::new(&settings, "bench").expect("telemetry without a collector");
        let tls = ca
            .system("gateway", "mpp-1")
            .mutual_tls()
            .client()
            .expect("a certificate");
        let directory = Directory::new(parts(url)).expect("a sound directory");
        let zone = TimeZone::get("Asia/Jakarta").expect("a time zone");
        Self {
            snapshot: Arc::new(Snapshot::new(directory, zone, &Arc::new(tls), &telemetry)),
            telemetry,
            last_good: Arc::new(LastGood::new(1, Duration::ZERO)),
            peer: PeerCertificate {
                spiffe: Some(ca.spiffe("samsat", "counter")),
                spki_sha256: [0; 32],
                serial: String::new(),
                subject: String::new(),
                usages: Vec::new(),
                not_before: 0,
                not_after: i64::MAX,
            },
        }
    }

    fn walk(&self, body: &[u8], now: Timestamp) -> Permitted {
        let Snapshot {
            directory,
            admission,
            ..
        } = &*self.snapshot;
        let who = identity::identify(&self.peer, &HeaderMap::new(), directory, now.as_second());
        let admitted = admission
            .admit(who.expect("enrolled"))
            .expect("within its rate");
        let valid = validate::lookup(body).expect("a sound lookup");
        let routed = route::route(admitted, valid, directory);
        policy::authorise(routed, directory, date(2026, 11, 24), false).expect("granted")
    }

    fn context(&self) -> Context {
        let path = "/v1/lookups";
        let (method, version) = (Method::POST, Version::HTTP_11);
        let span = self
            .telemetry
            .server_span(&method, path, None, path, "https", version, None);
        Context {
            snapshot: self.snapshot.clone(),
            last_good: self.last_good.clone(),
            telemetry: self.telemetry.clone(),
            span: span.handle().clone(),
            longest: Duration::from_secs(10),
            now: Timestamp::now(),
        }
    }
}

fn parts(url: impl Fn(&str) -> String) -> Parts {
    let many = NonZeroU32::MAX;
    Parts {
        trust_domain: DOMAIN.to_owned(),
        members: vec![Member {
            id: member("samsat"),
            name: "Samsat".to_owned(),
            rate: Rate {
                per_second: many,
                burst: many,
            },
            keys: Vec::new(),
            systems: vec![System {
                id: system("counter"),
                pins: Vec::new(),
                mall: None,
                roles: BTreeSet::new(),
            }],
        }],
        sources: RECORDS
            .iter()
            .map(|(name, agency)| Source {
                agency: AgencyId::parse(agency).expect("an agency"),
                system: system("registry"),
                records: vec![record(name)],
                backend: Backend {
                    endpoints: vec![url(agency).parse().expect("a URL")],
                    timeout: Duration::from_secs(3),
                    ..Backend::default()
                },
                max_answer: 1024 * 1024,
                requires_signature: false,
            })
            .collect(),
        grants: RECORDS
            .iter()
            .map(|(name, agency)| grant(name, agency))
            .collect(),
        holds: Vec::new(),
        ..Parts::default()
    }
}

/// To read all that the sample has.
fn grant(name: &str, agency: &str) -> Grant {
    let sample = sample(name);
    Grant {
        id: name.to_owned(),
        agreement: "PKS-CONTOH".to_owned(),
        consumer: member("samsat"),
        source: AgencyId::parse(agency).expect("an agency"),
        record: record(name),
        purposes: BTreeSet::from([Purpose::VehicleTax]),
        fields: sample
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect(),
        mode: Mode::Read,
        daily_quota: Some(u64::MAX),
        valid_from: date(2026, 1, 1),
        valid_to: date(2026, 12, 31),
        state: GrantState::Active,
        stale_ok: false,
        dpia_ref: None,
        signature: None,
        narrowed: None,
        break_glass_ok: false,
    }
}

fn lookup(records: usize) -> Vec<u8> {
    let records: Vec<_> = RECORDS[..records]
        .iter()
        .map(|(record, _)| json!({"record": record}))
        .collect();
    json!({
        "request_id": "0192f0c4-7d1a-7e55-9b61-000000000001",
        "case_id": "MPP-3510-20261124-000123",
        "purpose": "vehicle_tax",
        "legal_basis": {"kind": "legal_obligation", "reference": "UU 1/2022"},
        "clerk": "clk-7f3a",
        "counter": "B07",
        "subject": {"scheme": "nik", "value": NIK},
        "records": records,
    })
    .to_string()
    .into_bytes()
}

fn answer(name: &str) -> Vec<u8> {
    assert!(
        schema::record(&record(name)).is_some(),
        "a record of the catalogue"
    );
    json!({
        "status": "found",
        "as_of": "2026-11-24T03:00:00Z",
        "subject": {"scheme": "nik", "value": NIK},
        "record": sample(name),
    })
    .to_string()
    .into_bytes()
}

fn record(name: &str) -> RecordRef {
    name.parse().expect("a record and version")
}

fn member(id: &str) -> MemberId {
    MemberId::parse(id).expect("a member")
}

fn system(id: &str) -> SystemId {
    SystemId::parse(id).expect("a system")
}
