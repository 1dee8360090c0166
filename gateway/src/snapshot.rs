//! Snapshot: all that one request sees of members, limits, sources and grants.
//!
//! A request takes one [`Snapshot`] and keeps it to its end; a change swaps the whole.

use std::sync::Arc;

use jiff::tz::TimeZone;
use rustls::ClientConfig;

use crate::admission::Admission;
use crate::directory::Directory;
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
}

impl Snapshot {
    /// Fresh limiters and pools for a directory; `tls` is how agencies are met.
    #[must_use]
    pub fn new(
        directory: Directory,
        zone: TimeZone,
        tls: &Arc<ClientConfig>,
        telemetry: &Telemetry,
    ) -> Self {
        let admission = Admission::new(&directory, zone);
        let upstream = |name, backend| {
            Arc::new(Upstream::new(
                name,
                backend,
                directory.trust_domain(),
                tls,
                telemetry.clone(),
            ))
        };
        let upstreams = directory
            .sources()
            .iter()
            .map(|source| upstream(source.name(), &source.backend))
            .collect();
        let services = directory
            .services()
            .iter()
            .map(|service| upstream(service.name(), &service.backend))
            .collect();
        Self {
            directory,
            admission,
            upstreams,
            services,
        }
    }
}
