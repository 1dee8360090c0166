//! Snapshot: all that one request sees of members, limits, sources and grants.
//!
//! A request takes one [`Snapshot`] and keeps it to its end; a change swaps the whole. What the next
//! one shares with it goes on: limiters, counters, the pools and breakers of sources that are the
//! same. A pool that isn't shared ends with the last request that sees it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use loket_sdk::message::SourceName;
use rustls::ClientConfig;

use crate::admission::Admission;
use crate::directory::{Backend, Directory};
use crate::identity::Trust;
use crate::telemetry::Telemetry;
use crate::upstream::Upstream;

/// Directory, limiters and pools that belong together.
#[derive(Debug)]
pub struct Snapshot {
    /// Members, sources, grants.
    pub directory: Directory,
    /// How much each may ask.
    pub admission: Admission,
    /// One per source of the directory, in its order.
    pub upstreams: Vec<Arc<Upstream>>,
    /// One per service of the directory, in its order.
    pub services: Vec<Arc<Upstream>>,
    /// By what callers are let in.
    pub trust: Trust,
}

impl Snapshot {
    /// Fresh limiters and pools for a directory; `tls` is how agencies are met. What the handshake
    /// let in stays in.
    #[must_use]
    pub fn new(
        directory: Directory,
        zone: TimeZone,
        tls: &Arc<ClientConfig>,
        telemetry: &Telemetry,
    ) -> Self {
        let admission = Admission::new(&directory, zone);
        let trust_domain = directory.trust_domain();
        let upstreams = directory
            .sources()
            .iter()
            .map(|source| fresh(source.name(), &source.backend, trust_domain, tls, telemetry))
            .collect();
        let services = directory
            .services()
            .iter()
            .map(|service| {
                fresh(
                    service.name(),
                    &service.backend,
                    trust_domain,
                    tls,
                    telemetry,
                )
            })
            .collect();
        Self {
            directory,
            admission,
            upstreams,
            services,
            trust: Trust::default(),
        }
    }

    /// The next snapshot. Pools of sources and services that are the same go on, unless agencies are
    /// met anew.
    #[must_use]
    pub fn succeeded_by(
        &self,
        directory: Directory,
        trust: Trust,
        meeting: Meeting<'_>,
        telemetry: &Telemetry,
    ) -> Self {
        let trust_domain = directory.trust_domain();
        let same = matches!(meeting, Meeting::AsBefore(_))
            && trust_domain == self.directory.trust_domain();
        let next = |kept: Option<&Arc<Upstream>>, name, backend| match kept.filter(|_| same) {
            Some(upstream) => upstream.clone(),
            None => fresh(name, backend, trust_domain, meeting.tls(), telemetry),
        };
        let upstreams = directory
            .sources()
            .iter()
            .map(|source| {
                let old = self.directory.sources().iter().zip(&self.upstreams);
                let kept = old.into_iter().find(|(old, _)| *old == source);
                next(kept.map(|(_, kept)| kept), source.name(), &source.backend)
            })
            .collect();
        let services = directory
            .services()
            .iter()
            .map(|service| {
                let old = self.directory.services().iter().zip(&self.services);
                let kept = old.into_iter().find(|(old, _)| *old == service);
                next(kept.map(|(_, kept)| kept), service.name(), &service.backend)
            })
            .collect();
        Self {
            admission: self.admission.succeeded_by(&directory),
            upstreams,
            services,
            trust,
            directory,
        }
    }
}

/// How the next snapshot meets agencies.
#[derive(Debug, Clone, Copy)]
pub enum Meeting<'a> {
    /// With the same TLS as the one before: connections may be kept.
    AsBefore(&'a Arc<ClientConfig>),
    /// With another certificate, other anchors or lists: every connection is made anew.
    Anew(&'a Arc<ClientConfig>),
}

impl<'a> Meeting<'a> {
    fn tls(self) -> &'a Arc<ClientConfig> {
        match self {
            Self::AsBefore(tls) | Self::Anew(tls) => tls,
        }
    }
}

fn fresh(
    name: SourceName,
    backend: &Backend,
    trust_domain: &str,
    tls: &Arc<ClientConfig>,
    telemetry: &Telemetry,
) -> Arc<Upstream> {
    let telemetry = telemetry.clone();
    Arc::new(Upstream::new(name, backend, trust_domain, tls, telemetry))
}
