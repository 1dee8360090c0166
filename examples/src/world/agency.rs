//! Starts the agencies, each in its mood.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use loket_gateway::directory::{Backend, KeyUse, MemberKey, Source};
use loket_sdk::ids::{AgencyId, SystemId};
use loket_sdk::jws::SigningKey;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, Server};
use loket_sdk::statement::Signer;
use loket_sdk::testing::{Ca, FakeAgency, Fault, Leaf, sample};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::GATEWAY;
use crate::agencies::business::BusinessLicensing;
use crate::agencies::civil::CivilRegistry;
use crate::agencies::health::HealthInsurer;
use crate::agencies::immigration::Immigration;
use crate::agencies::land::LandOffice;
use crate::agencies::licences::LicenceOffice;
use crate::agencies::property_tax::RegionalTaxOffice;
use crate::agencies::tax::TaxOffice;
use crate::agencies::vehicles::VehicleOffice;
use crate::mood::{Mood, Moody};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The key of its answers.
const KEY: &str = "answers-1";

/// An agency of a town.
#[derive(Debug)]
pub struct Agency {
    /// Its id, such as `dukcapil`.
    pub id: &'static str,
    /// Its system, such as `siak`.
    pub system: &'static str,
    /// What it answers for.
    pub records: Vec<RecordRef>,
    /// How it is.
    pub mood: Mood,
    /// Where it listens, or would.
    pub address: SocketAddr,
    pub(super) leaf: Leaf,
    signer: Arc<Signer>,
    pub(super) running: Running,
}

/// What stands behind an address.
#[derive(Debug)]
pub(super) enum Running {
    Kit(JoinHandle<()>),
    Fake(FakeAgency),
    /// Keeps the port, so that nobody else gets it, and doesn't listen.
    Closed(TcpSocket),
}

impl Agency {
    /// The agency in the gateway's directory.
    pub(super) fn source(&self) -> anyhow::Result<Source> {
        Ok(Source {
            agency: AgencyId::parse(self.id)?,
            system: SystemId::parse(self.system)?,
            records: self.records.clone(),
            backend: Backend {
                endpoints: vec![format!("https://{}", self.address).parse()?],
                max_in_flight: NonZeroUsize::new(32).context("a limit is above zero")?,
                timeout: Duration::from_secs(10),
                ..Backend::default()
            },
            max_answer: 1 << 20,
            requires_signature: true,
        })
    }
}

impl Agency {
    /// What it signs answers with, as it is enrolled.
    pub(super) fn key(&self) -> MemberKey {
        MemberKey {
            id: KEY.to_owned(),
            allows: KeyUse::Answer,
            public: self.signer.public_key().clone(),
            from: None,
            to: None,
        }
    }
}

/// Agencies being started.
pub(super) struct Opening {
    ca: Ca,
    moods: HashMap<String, Mood>,
    agencies: Vec<Agency>,
    stop: watch::Sender<bool>,
}

impl Opening {
    pub(super) fn new(ca: Ca, moods: HashMap<String, Mood>) -> Self {
        Self {
            ca,
            moods,
            agencies: Vec::new(),
            stop: watch::channel(false).0,
        }
    }

    /// The eight agencies, and the tax office of the regency.
    pub(super) async fn open_all(&mut self) -> anyhow::Result<()> {
        self.open("dukcapil", "siak", CivilRegistry::sample()?)
            .await?;
        self.open("djp", "coretax", TaxOffice::sample()?).await?;
        self.open("bpjs-kesehatan", "jkn", HealthInsurer::sample()?)
            .await?;
        self.open("samsat", "samsat", VehicleOffice::sample()?)
            .await?;
        self.open("korlantas", "sim", LicenceOffice::sample()?)
            .await?;
        self.open("imigrasi", "simkim", Immigration::sample()?)
            .await?;
        self.open("bpn", "kkp", LandOffice::sample()?).await?;
        self.open("bkpm", "oss", BusinessLicensing::sample()?)
            .await?;
        self.open("bapenda-3510", "sismiop", RegionalTaxOffice::sample()?)
            .await
    }

    /// What was opened, and what stops it.
    pub(super) fn opened(self) -> anyhow::Result<(Vec<Agency>, watch::Sender<bool>)> {
        if let Some(unknown) = self.moods.keys().next() {
            bail!("a mood is set for {unknown}, which is no agency of the town");
        }
        Ok((self.agencies, self.stop))
    }

    async fn open<P: Provider>(
        &mut self,
        id: &'static str,
        system: &'static str,
        provider: P,
    ) -> anyhow::Result<()> {
        let mood = self.moods.remove(id).unwrap_or_default();
        let records = provider.records();
        let leaf = self.ca.system(id, system);
        let gateway = self.ca.spiffe(GATEWAY.0, GATEWAY.1);
        let signer = Arc::new(Signer::new(
            AgencyId::parse(id)?,
            SystemId::parse(system)?,
            KEY,
            SigningKey::generate()?,
        )?);
        let (address, running) = match mood {
            Mood::Down => closed()?,
            Mood::Broken => {
                let mut fake = FakeAgency::builder(id)
                    .system(system)
                    .gateways([gateway])
                    .signer(signer.clone())
                    .tls(leaf.mutual_tls());
                for record in &records {
                    let record = record.to_string();
                    fake = fake.records(&record, [sample(&record)]);
                }
                let fake = fake.start(&self.ca).await;
                fake.set_fault(Fault::Broken);
                (fake.address(), Running::Fake(fake))
            }
            _ => {
                let bound = Server::builder(Moody::new(provider, mood))
                    .address(LOOPBACK)
                    .tls(leaf.mutual_tls())
                    .gateways([gateway])
                    .signer(signer.clone())
                    .bind()
                    .await
                    .with_context(|| format!("{id} can't be started"))?;
                let mut stop = self.stop.subscribe();
                let address = bound.local_addr();
                let serving = bound.serve(async move {
                    // An error says that the town is gone, which stops it as well.
                    let _ = stop.wait_for(|stop| *stop).await;
                });
                (address, Running::Kit(tokio::spawn(serving)))
            }
        };
        self.agencies.push(Agency {
            id,
            system,
            records,
            mood,
            address,
            leaf,
            signer,
            running,
        });
        Ok(())
    }
}

fn closed() -> anyhow::Result<(SocketAddr, Running)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(LOOPBACK)?;
    Ok((socket.local_addr()?, Running::Closed(socket)))
}
