//! What a town is built from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use loket_gateway::checkpoint;
use loket_gateway::config::{
    AuditSettings, AuditStore, Config, Deadlines, Drain, Limits, Listener, Reload, ReplaySettings,
};
use loket_gateway::directory::{
    Backend, Directory, Grant, KeyUse, Member, MemberKey, Parts, Rate, Source, System,
};
use loket_gateway::telemetry;
use loket_sdk::ids::{AgencyId, MemberId, SystemId};
use loket_sdk::jws::SigningKey;
use loket_sdk::schema;
use loket_sdk::sensitive::Sensitive;
use loket_sdk::statement::Signer;
use loket_sdk::testing::{Ca, FakeAgency, LeafSpec};
use loket_sdk::tls::MutualTls;

use super::Town;
use crate::grants;
use crate::witness::Witness;

/// The member whose counter asks.
pub const MALL: &str = "mpp-kota";
/// The key under which subjects are named in the audit log.
pub const AUDIT_KEY: [u8; 32] = [7; 32];
/// The name of the audit log.
pub const AUDIT_ORIGIN: &str = "loket.example/audit";
/// What signs its checkpoints: the key of RFC 8410 section 10.3.
pub const AUDIT_SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A town in the making.
#[derive(Debug, Clone)]
#[must_use]
pub struct TownBuilder {
    grants: Vec<Grant>,
    members: Vec<Member>,
    agencies: Option<Vec<String>>,
    rate: Rate,
    limits: Limits,
    listener: Listener,
    source: (usize, Duration, usize),
    single_flight: bool,
    replay: ReplaySettings,
    drain: Drain,
    ca: Option<Ca>,
    crl: Option<String>,
    agency_tls: BTreeMap<String, MutualTls>,
    pub(super) signers: BTreeMap<String, Arc<Signer>>,
    pub(super) otlp: Option<http::Uri>,
    witnesses: Vec<checkpoint::Witness>,
}

impl TownBuilder {
    pub(super) fn new() -> Self {
        let plenty = NonZeroU32::new(100_000).expect("not zero");
        let deadlines = Deadlines::new(Duration::from_secs(16), Duration::from_secs(15));
        Self {
            grants: grants::all(MALL),
            members: Vec::new(),
            agencies: None,
            rate: Rate {
                per_second: plenty,
                burst: plenty,
            },
            limits: Limits {
                max_requests: 1024,
                max_body: 64 * 1024,
                body_timeout: Duration::from_secs(5),
                deadlines: deadlines.expect("in order"),
                stale_for: Duration::from_secs(3600),
                stale_entries: 1000,
                ..Limits::default()
            },
            listener: Listener {
                max_connections: 256,
                handshake_timeout: Duration::from_secs(5),
                header_timeout: Duration::from_secs(5),
                max_header_bytes: 16 * 1024,
                ..Listener::at(LOOPBACK)
            },
            source: (64, Duration::from_secs(10), 1024 * 1024),
            single_flight: true,
            replay: ReplaySettings::at(PathBuf::new()),
            drain: Drain {
                delay: Duration::ZERO,
                grace: Duration::from_secs(10),
            },
            ca: None,
            crl: None,
            agency_tls: BTreeMap::new(),
            signers: BTreeMap::new(),
            otlp: None,
            witnesses: Vec::new(),
        }
    }

    /// Starts the town.
    pub async fn start(self) -> Town {
        Town::from(self).await
    }

    /// Takes all grants away.
    pub fn without_grants(mut self) -> Self {
        self.grants.clear();
        self
    }

    /// Adds a grant.
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grants.push(grant);
        self
    }

    /// Changes the grants that are there.
    pub fn grants(mut self, change: impl FnMut(&mut Grant)) -> Self {
        self.grants.iter_mut().for_each(change);
        self
    }

    /// Adds a member with one system.
    pub fn member(mut self, id: &str, system: &str, pins: Vec<[u8; 32]>) -> Self {
        let member = member(id, system, self.rate, pins, None);
        self.members.push(member);
        self
    }

    /// Shows the audit log's checkpoints to this witness.
    ///
    /// # Panics
    /// When its address isn't one.
    pub fn witness(mut self, witness: &Witness) -> Self {
        self.witnesses.push(checkpoint::Witness {
            key: witness.key(),
            url: witness.url().parse().expect("an address"),
        });
        self
    }

    /// Only these agencies, and the grants that they can give.
    pub fn agencies(mut self, ids: &[&str]) -> Self {
        self.agencies = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        self.grants
            .retain(|grant| ids.contains(&grant.source.as_str()));
        self
    }

    /// Requests a second, and at once.
    pub fn rate(mut self, per_second: u32, burst: u32) -> Self {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        self.rate = Rate {
            per_second: number(per_second),
            burst: number(burst),
        };
        self
    }

    /// Changes how much and how long.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Changes what the listener bears.
    pub fn listener(mut self, change: impl FnOnce(&mut Listener)) -> Self {
        change(&mut self.listener);
        self
    }

    /// Of each source: questions at once, time of one, bytes of an answer.
    pub fn sources(mut self, in_flight: usize, timeout: Duration, max_answer: usize) -> Self {
        self.source = (in_flight, timeout, max_answer);
        self
    }

    /// Each question is asked by itself, also one that is under way already.
    pub fn each_asked(mut self) -> Self {
        self.single_flight = false;
        self
    }

    /// How answers are kept to be given again.
    pub fn replay(mut self, change: impl FnOnce(&mut ReplaySettings)) -> Self {
        change(&mut self.replay);
        self
    }

    /// How the gateway stops.
    pub fn drain(mut self, delay: Duration, grace: Duration) -> Self {
        self.drain = Drain { delay, grace };
        self
    }

    /// An authority that has issued something before, and its revocation list.
    pub fn authority(mut self, ca: &Ca, crl: Option<String>) -> Self {
        self.ca = Some(ca.clone());
        self.crl = crl;
        self
    }

    /// An agency with other TLS than it should have.
    pub fn agency_tls(mut self, id: &str, tls: MutualTls) -> Self {
        self.agency_tls.insert(id.to_owned(), tls);
        self
    }

    /// Agencies sign their answers, their keys are enrolled, and unsigned ones aren't used.
    pub fn signed(mut self) -> Self {
        for schema in schema::records() {
            let agency = AgencyId::parse(&schema.owner).expect("an agency");
            let system = SystemId::parse("registry").expect("a system");
            let key = SigningKey::generate().expect("a key");
            let signer = Signer::new(agency, system, "answers", key).expect("an id");
            self.signers.insert(schema.owner.clone(), Arc::new(signer));
        }
        self
    }

    /// Sends spans and metrics there; [`Town::spans`] has none then.
    pub fn otlp(mut self, endpoint: &str) -> Self {
        self.otlp = Some(endpoint.parse().expect("a URI"));
        self
    }

    pub(super) fn ca(&self) -> Ca {
        self.ca.clone().unwrap_or_else(|| Ca::new("loket.example"))
    }

    pub(super) async fn start_agencies(&self, ca: &Ca) -> BTreeMap<String, FakeAgency> {
        let mut started = BTreeMap::new();
        for schema in schema::records() {
            let id = schema.owner.as_str();
            let wanted = |ids: &Vec<String>| ids.iter().any(|wanted| wanted == id);
            if started.contains_key(id) || !self.agencies.as_ref().is_none_or(wanted) {
                continue;
            }
            let mut agency = FakeAgency::builder(id)
                .gateways([ca.spiffe("gateway", "mpp-1")])
                .samples();
            if let Some(tls) = self.agency_tls.get(id) {
                agency = agency.tls(tls.clone());
            }
            if let Some(signer) = self.signers.get(id) {
                agency = agency.signer(signer.clone());
            }
            started.insert(id.to_owned(), agency.start(ca).await);
        }
        started
    }

    pub(super) fn parts(&self, agencies: &BTreeMap<String, FakeAgency>) -> Parts {
        let (in_flight, timeout, max_answer) = self.source;
        let sources = agencies.iter().map(|(id, agency)| Source {
            agency: AgencyId::parse(id).expect("an agency"),
            system: SystemId::parse("registry").expect("a system"),
            records: schema::records()
                .iter()
                .filter(|schema| schema.owner == *id)
                .map(|schema| schema.record.clone())
                .collect(),
            backend: Backend {
                endpoints: vec![agency.url().parse().expect("a URL")],
                max_in_flight: NonZeroUsize::new(in_flight).expect("not zero"),
                timeout,
                single_flight: self.single_flight,
                ..Backend::default()
            },
            max_answer,
            requires_signature: self.signers.contains_key(id),
        });
        let mut members = vec![member(
            MALL,
            "counter",
            self.rate,
            Vec::new(),
            Some("ID-35.10"),
        )];
        members.extend(self.members.iter().cloned());
        for (id, signer) in &self.signers {
            let mut agency = member(id, "registry", self.rate, Vec::new(), None);
            agency.keys.push(MemberKey {
                id: "answers".to_owned(),
                allows: KeyUse::Answer,
                public: signer.public_key().clone(),
                from: None,
                to: None,
            });
            members.push(agency);
        }
        Parts {
            trust_domain: "loket.example".to_owned(),
            members,
            sources: sources.collect(),
            grants: self.grants.clone(),
            holds: Vec::new(),
            ..Parts::default()
        }
    }

    pub(super) fn client_tls(&self, ca: &Ca) -> MutualTls {
        ca.mutual_tls(&ca.system("gateway", "mpp-1"), None)
    }

    pub(super) fn config(&self, ca: &Ca, parts: Parts, audit: PathBuf) -> Config {
        let leaf = ca.issue(LeafSpec {
            uris: vec![ca.spiffe("gateway", "mpp-1").to_string()],
            ..LeafSpec::default()
        });
        Config {
            replay: Some(ReplaySettings {
                directory: audit.with_file_name("audit-replay"),
                ..self.replay.clone()
            }),
            trust_domain: parts.trust_domain.clone(),
            time_zone: TimeZone::UTC,
            listener: self.listener.clone(),
            server_tls: ca.mutual_tls(&leaf, self.crl.as_deref()),
            client_tls: self.client_tls(ca),
            admin: LOOPBACK,
            limits: self.limits.clone(),
            audit: AuditSettings {
                store: AuditStore::Files {
                    directory: audit,
                    segment_bytes: 64 << 20,
                },
                origin: AUDIT_ORIGIN.to_owned(),
                signing_keys: vec![Sensitive::new(AUDIT_SIGNING_KEY.as_bytes().to_vec())],
                verifier_keys: Vec::new(),
                subject_key: Sensitive::new(AUDIT_KEY.to_vec()),
                commit_interval: Duration::from_millis(1),
                retention: None,
                witnesses: self.witnesses.clone(),
                witness_interval: Duration::from_millis(50),
            },
            telemetry: telemetry::Settings {
                service_instance_id: "town".to_owned(),
                environment: "test".to_owned(),
                otlp_endpoint: self.otlp.clone(),
                sampling_ratio: 1.0,
                slow: telemetry::SLOW,
                traces: telemetry::TRACES,
                log_format: telemetry::LogFormat::Json,
                log_level: "trace".to_owned(),
            },
            drain: self.drain,
            reload: Reload::default(),
            directory: Directory::new(parts).expect("a directory"),
            file_sha256: None,
            warnings: Vec::new(),
        }
    }
}

fn member(id: &str, system: &str, rate: Rate, pins: Vec<[u8; 32]>, mall: Option<&str>) -> Member {
    Member {
        id: MemberId::parse(id).expect("a member"),
        name: id.to_owned(),
        rate,
        keys: Vec::new(),
        systems: vec![System {
            id: SystemId::parse(system).expect("a system"),
            pins,
            mall: mall.map(|mall| mall.parse().expect("a mall")),
            roles: std::collections::BTreeSet::new(),
        }],
    }
}
