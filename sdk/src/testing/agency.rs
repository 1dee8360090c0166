//! An agency that runs on the kit, from records in memory, and can be broken on demand.

mod front;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ca::{Ca, must};
use super::fault::{Fault, Faults};
use super::samples::samples;
use super::tamper;
use crate::identity::SpiffeId;
use crate::message::{RecordRef, SourceRequest};
use crate::provider::{Connections, Limits, Service};
use crate::schema;
use crate::statement::Signer;
use crate::tls::MutualTls;
use front::{Front, World};

pub(super) type Records = HashMap<RecordRef, Vec<Map<String, Value>>>;

/// A fake agency in the making.
#[derive(Debug)]
#[must_use]
pub struct FakeAgencyBuilder {
    agency: String,
    system: String,
    gateways: Vec<SpiffeId>,
    records: Records,
    as_of: Option<Timestamp>,
    tls: Option<MutualTls>,
    limits: Limits,
    recording: bool,
    signer: Option<Arc<Signer>>,
}

impl FakeAgencyBuilder {
    /// The system's name in its certificate; `registry` if not said.
    pub fn system(mut self, system: &str) -> Self {
        system.clone_into(&mut self.system);
        self
    }

    /// Adds gateways that may ask.
    pub fn gateways(mut self, gateways: impl IntoIterator<Item = SpiffeId>) -> Self {
        self.gateways.extend(gateways);
        self
    }

    /// Adds whole records of a type, such as `person-identity/1`; none at all makes an agency that
    /// has nobody.
    ///
    /// # Panics
    /// When the text isn't a record and version, or a record isn't an object.
    pub fn records(mut self, record: &str, whole: impl IntoIterator<Item = Value>) -> Self {
        let known = self.records.entry(must(record.parse())).or_default();
        known.extend(whole.into_iter().map(tamper::object));
        self
    }

    /// Adds the sample of every record that the agency owns, by the catalogue.
    ///
    /// # Panics
    /// When the catalogue has no record of this agency.
    pub fn samples(mut self) -> Self {
        let before = self.records.len();
        for (record, value) in samples() {
            let schema = schema::record(&record);
            if schema.is_some_and(|schema| schema.owner == self.agency) {
                self.records
                    .entry(record)
                    .or_default()
                    .push(tamper::object(value));
            }
        }
        assert!(before < self.records.len(), "the agency owns a record");
        self
    }

    /// Of when the data is; of now if not said.
    pub fn as_of(mut self, at: Timestamp) -> Self {
        self.as_of = Some(at);
        self
    }

    /// Another certificate or other anchors than those of the authority at the start.
    pub fn tls(mut self, tls: MutualTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What the server bears.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Signs its answers.
    pub fn signer(mut self, signer: impl Into<Arc<Signer>>) -> Self {
        self.signer = Some(signer.into());
        self
    }

    /// Doesn't keep the questions, for runs that ask very many.
    pub fn forgetful(mut self) -> Self {
        self.recording = false;
        self
    }

    /// Starts on a free port of 127.0.0.1, with a certificate of this authority.
    ///
    /// # Panics
    /// When there is no record or no gateway, or nothing can be listened at.
    pub async fn start(self, ca: &Ca) -> FakeAgency {
        let world = Arc::new(World {
            records: Mutex::new(self.records),
            as_of: self.as_of,
        });
        let kit = Service::with(world.clone(), self.gateways, "", self.limits.clone());
        let tls = self
            .tls
            .unwrap_or_else(|| ca.system(&self.agency, &self.system).mutual_tls());
        let tls = Arc::new(must(tls.server()));
        let listener = must(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await);
        let address = must(listener.local_addr());
        let front = Front {
            kit: must(kit).signing(self.signer),
            world,
            faults: Faults::default(),
            asked: watch::Sender::new(Vec::new()),
            recording: self.recording,
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listener, tls, self.limits, front.clone(), stopped));
        FakeAgency {
            address,
            front,
            stop,
            task,
        }
    }
}

/// A running fake agency; it ends when it is dropped.
#[derive(Debug)]
pub struct FakeAgency {
    address: SocketAddr,
    front: Front,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl FakeAgency {
    /// A fake agency with this id, such as `dukcapil`.
    pub fn builder(agency: &str) -> FakeAgencyBuilder {
        FakeAgencyBuilder {
            agency: agency.to_owned(),
            system: "registry".to_owned(),
            gateways: Vec::new(),
            records: Records::new(),
            as_of: None,
            tls: None,
            limits: Limits::default(),
            recording: true,
            signer: None,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, by the name `localhost`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Every question that arrived and could be read, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<SourceRequest> {
        self.front.asked.borrow().clone()
    }

    /// Waits until this many questions have arrived.
    pub async fn asked(&self, count: usize) {
        let mut asked = self.front.asked.subscribe();
        must(asked.wait_for(|asked| asked.len() >= count).await);
    }

    /// Sets the fault of all records.
    pub fn set_fault(&self, fault: Fault) {
        self.front.faults.set(fault);
    }

    /// The switch, to hand on and for single records.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.front.faults.clone()
    }

    /// Replaces the records of a type.
    ///
    /// # Panics
    /// When the text isn't a record and version that the agency was started with.
    pub fn set_records(&self, record: &str, whole: impl IntoIterator<Item = Value>) {
        let record: RecordRef = must(record.parse());
        let mut records = self.front.world.lock();
        let known = must(records.get_mut(&record).ok_or(record));
        *known = whole.into_iter().map(tamper::object).collect();
    }

    /// Drains and stops; then connections are refused.
    ///
    /// # Panics
    /// When the agency itself panicked.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        must((&mut self.task).await);
    }
}

impl Drop for FakeAgency {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    limits: Limits,
    front: Front,
    stopped: watch::Receiver<bool>,
) {
    loop {
        let mut stopped = stopped.clone();
        let stop = async {
            // When the switch is gone, the agency is too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let mut connections = Connections::new(tls.clone(), limits.clone());
        let keep = || !front.faults.is_down();
        tokio::select! {
            () = connections.accept(&listener, front.clone(), keep, stop) => {}
            // Every connection ends with what is dropped here.
            () = front.faults.went_down() => continue,
        }
        drop(listener);
        front.kit.drain();
        connections.drain().await;
        return;
    }
}
