//! Snapshot: all that one request sees of members, limits, sources and grants.
//!
//! A request takes one [`Snapshot`] and keeps it to its end; a change swaps the whole. What the next
//! one shares with it goes on: limiters, counters, the pools and breakers of sources that are the
//! same. A pool that isn't shared ends with the last request that sees it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use rustls::ClientConfig;

use crate::admission::Admission;
use crate::directory::{Directory, Source};
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
        let upstreams = directory
            .sources()
            .iter()
            .map(|source| fresh(source, &directory, tls, telemetry))
            .collect();
        Self {
            directory,
            admission,
            upstreams,
            trust: Trust::default(),
        }
    }

    /// The next snapshot. Pools of sources that are the same go on, unless agencies are met anew.
    #[must_use]
    pub fn succeeded_by(
        &self,
        directory: Directory,
        trust: Trust,
        meeting: Meeting<'_>,
        telemetry: &Telemetry,
    ) -> Self {
        let same_domain = directory.trust_domain() == self.directory.trust_domain();
        let kept = |source: &Source| {
            let mut old = self.directory.sources().iter().zip(&self.upstreams);
            let found = old.find(|(old, _)| same_domain && *old == source);
            found.map(|(_, upstream)| upstream.clone())
        };
        let upstreams = directory.sources().iter().map(|source| {
            let kept = match meeting {
                Meeting::AsBefore(_) => kept(source),
                Meeting::Anew(_) => None,
            };
            kept.unwrap_or_else(|| fresh(source, &directory, meeting.tls(), telemetry))
        });
        Self {
            admission: self.admission.succeeded_by(&directory),
            upstreams: upstreams.collect(),
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
    source: &Source,
    directory: &Directory,
    tls: &Arc<ClientConfig>,
    telemetry: &Telemetry,
) -> Arc<Upstream> {
    let (tls, telemetry) = (tls.clone(), telemetry.clone());
    Arc::new(Upstream::new(
        source,
        directory.trust_domain(),
        tls,
        telemetry,
    ))
}
