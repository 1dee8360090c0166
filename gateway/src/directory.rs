//! Directory: members, sources and grants as one immutable snapshot per request.
//!
//! Built whole from [`Parts`] or not at all; a request holds one snapshot from its first step to
//! its last, so a change of the directory is seen by the next request and by none halfway.

mod backend;
mod index;
mod keys;
mod pattern;
mod services;
mod visibility;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;

use jiff::civil::Date;
use loket_sdk::identity::SpiffeId;
use loket_sdk::ids::{AgencyId, MallId, MemberId, SystemId};
use loket_sdk::message::{LegalBasisKind, Purpose, RecordRef, SourceName};
use serde::{Deserialize, Serialize};

pub use backend::{Backend, Breaking, Ejection, HealthCheck, Protocol};
pub use keys::{KeyUse, MemberKey, Signature, key_named};
pub use pattern::{InvalidPattern, PathPattern};
use services::Services;
pub use services::{CALL_METHODS, Service, ServiceGrant, ServiceGrantIndex, ServiceIndex};
pub use visibility::{Hidden, Visibility, VisibilityRule};

use index::{ByName, ByPin, index_grants, index_members, index_sources};

/// How fast a member may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, sustained.
    pub per_second: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id, as in the certificates of its systems.
    pub id: MemberId,
    /// Its name, for people.
    pub name: String,
    /// How fast it may ask.
    pub rate: Rate,
    /// The systems that it runs. Only these are enrolled.
    pub systems: Vec<System>,
    /// What it signs documents with.
    pub keys: Vec<MemberKey>,
}

/// A system of a member: what a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its id, unique within the member.
    pub id: SystemId,
    /// SHA-256 of the SubjectPublicKeyInfo of certificates without a SPIFFE ID.
    pub pins: Vec<[u8; 32]>,
    /// The mall where it stands.
    pub mall: Option<MallId>,
    /// What it may do beside asking and calling.
    pub roles: BTreeSet<Role>,
}

/// What a system may do only if its entry says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Gives citizens the report of who looked at their data.
    SubjectDesk,
}

/// An agency's back end that answers for records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The agency.
    pub agency: AgencyId,
    /// Its system.
    pub system: SystemId,
    /// What it answers for.
    pub records: Vec<RecordRef>,
    /// Where it is and how it is called.
    pub backend: Backend,
    /// Largest answer that is read, in bytes.
    pub max_answer: usize,
    /// Whether an answer that it didn't sign is refused.
    pub requires_signature: bool,
}

impl Source {
    /// What answers and entries call it.
    #[must_use]
    pub fn name(&self) -> SourceName {
        SourceName {
            agency: self.agency.clone(),
            system: self.system.clone(),
        }
    }
}

/// Whether a grant lets values be read or only claims be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Claims only: the consumer learns match or mismatch.
    Verify,
    /// Values, and claims.
    Read,
}

impl Mode {
    /// As it is written in a grant.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Read => "read",
        }
    }
}

/// Where a grant stands in its life. Only `Active` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Being written.
    Draft,
    /// Under proof of concept.
    ProofOfConcept,
    /// In force between its dates.
    Active,
    /// Put on hold by the agency.
    Suspended,
    /// Over.
    Ended,
}

impl GrantState {
    /// Every state, in the order of a grant's life.
    pub const ALL: [Self; 5] = [
        Self::Draft,
        Self::ProofOfConcept,
        Self::Active,
        Self::Suspended,
        Self::Ended,
    ];

    /// As it is written in a grant.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::ProofOfConcept => "proof_of_concept",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }
}

/// What an agency lets a consumer do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Unique id.
    pub id: String,
    /// Agreement number (MoU or PKS).
    pub agreement: String,
    /// The consumer.
    pub consumer: MemberId,
    /// The agency that owns the data.
    pub source: AgencyId,
    /// Which record.
    pub record: RecordRef,
    /// For which purposes.
    pub purposes: BTreeSet<Purpose>,
    /// Which fields.
    pub fields: BTreeSet<String>,
    /// Claims or values.
    pub mode: Mode,
    /// Questions a day in the agency's time zone.
    pub daily_quota: Option<u64>,
    /// First day.
    pub valid_from: Date,
    /// Last day.
    pub valid_to: Date,
    /// Where it stands in its life.
    pub state: GrantState,
    /// Whether the last good answer may stand in when the source fails.
    pub stale_ok: bool,
    /// Data-protection impact assessment, for specific data.
    pub dpia_ref: Option<String>,
    /// Who signed it and when; absent when a program or an unsigned entry made it.
    pub signature: Option<Signature>,
    /// Why the operator narrowed it, if so.
    pub narrowed: Option<String>,
    /// Whether a lookup that breaks the glass may pass holds and purposes within it.
    pub break_glass_ok: bool,
}

impl Grant {
    /// Whether the grant is in force on this day.
    #[must_use]
    pub fn is_in_force(&self, today: Date) -> bool {
        self.state == GrantState::Active && (self.valid_from..=self.valid_to).contains(&today)
    }
}

/// Position of a grant in the snapshot.
pub type GrantIndex = usize;
/// Position of a source in the snapshot.
pub type SourceIndex = usize;
/// Position of a member in the snapshot.
pub type MemberIndex = usize;

/// What a directory is built from.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The trust domain of every SPIFFE ID.
    pub trust_domain: String,
    /// Organisations with their systems.
    pub members: Vec<Member>,
    /// Agencies' back ends.
    pub sources: Vec<Source>,
    /// What agencies let consumers do.
    pub grants: Vec<Grant>,
    /// Agencies' REST services.
    pub services: Vec<Service>,
    /// Who may call what of them.
    pub service_grants: Vec<ServiceGrant>,
    /// `subject_ref` of subjects whose data is held, 64 hexadecimal digits.
    pub holds: Vec<String>,
    /// What citizens aren't told at once.
    pub visibility: Vec<VisibilityRule>,
}

/// Which entry of [`Parts`] is wrong, for whoever knows its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `members[i]`.
    Member(MemberIndex),
    /// `sources[i]`.
    Source(SourceIndex),
    /// `grants[i]`.
    Grant(GrantIndex),
    /// `services[i]`.
    Service(ServiceIndex),
    /// `service_grants[i]`.
    ServiceGrant(ServiceGrantIndex),
}

/// Something in the directory that can't stand.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Inconsistency {
    /// Which entry.
    pub place: Place,
    /// Which key of it.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// The snapshot.
#[derive(Debug)]
pub struct Directory {
    parts: Parts,
    by_name: ByName,
    by_pin: ByPin,
    by_record: HashMap<RecordRef, Vec<SourceIndex>>,
    by_consumer: HashMap<MemberId, HashMap<RecordRef, Vec<GrantIndex>>>,
    services: Services,
    holds: HashSet<String>,
}

impl Directory {
    /// Builds the snapshot.
    ///
    /// # Errors
    /// Everything that can't stand, not only the first: an id or pin used twice, a grant for an
    /// unknown member, agency, record or field, dates the wrong way round, a record unknown to
    /// the schemas.
    pub fn new(parts: Parts) -> Result<Self, Vec<Inconsistency>> {
        let mut wrong = Vec::new();
        let (by_name, by_pin) = index_members(&parts, &mut wrong);
        let by_record = index_sources(&parts, &mut wrong);
        let by_consumer = index_grants(&parts, &mut wrong);
        let services = Services::of(&parts, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let holds = parts.holds.iter().cloned().collect();
        Ok(Self {
            parts,
            by_name,
            by_pin,
            by_record,
            by_consumer,
            services,
            holds,
        })
    }

    /// The trust domain of every SPIFFE ID.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.parts.trust_domain
    }

    /// Every member.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.parts.members
    }

    /// Every source.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.parts.sources
    }

    /// Every grant.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.parts.grants
    }

    /// The enrolled system that a SPIFFE ID names.
    #[must_use]
    pub fn system_by_spiffe(&self, id: &SpiffeId) -> Option<(MemberIndex, &System)> {
        if id.trust_domain != self.parts.trust_domain {
            return None;
        }
        self.by_name
            .get(&id.member)
            .and_then(|systems| systems.get(&id.system))
            .map(|&(member, system)| (member, &self.parts.members[member].systems[system]))
    }

    /// The enrolled system that a pinned key belongs to.
    #[must_use]
    pub fn system_by_pin(&self, spki_sha256: &[u8; 32]) -> Option<(MemberIndex, &System)> {
        self.by_pin
            .get(spki_sha256)
            .map(|&(member, system)| (member, &self.parts.members[member].systems[system]))
    }

    /// The sources that answer for a record, in the directory's order.
    #[must_use]
    pub fn sources_of(&self, record: &RecordRef) -> &[SourceIndex] {
        self.by_record.get(record).map_or(&[], Vec::as_slice)
    }

    /// The grants of a consumer for a record, in the directory's order, in force or not.
    pub fn grants_of<'a>(
        &'a self,
        consumer: &MemberId,
        record: &RecordRef,
    ) -> impl Iterator<Item = (GrantIndex, &'a Grant)> {
        self.by_consumer
            .get(consumer)
            .and_then(|records| records.get(record))
            .map_or(&[] as &[GrantIndex], Vec::as_slice)
            .iter()
            .map(|&index| (index, &self.parts.grants[index]))
    }

    /// Whose data is held, as `subject_ref`.
    #[must_use]
    pub fn holds(&self) -> &HashSet<String> {
        &self.holds
    }

    /// Every service.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.parts.services
    }

    /// Every grant of a service.
    #[must_use]
    pub fn service_grants(&self) -> &[ServiceGrant] {
        &self.parts.service_grants
    }

    /// The service of these names.
    #[must_use]
    pub fn service_named(&self, agency: &str, service: &str) -> Option<ServiceIndex> {
        self.services.find(agency, service)
    }

    /// The grants of a consumer for a service, in the directory's order, in force or not.
    pub fn service_grants_of<'a>(
        &'a self,
        service: ServiceIndex,
        consumer: &str,
    ) -> impl Iterator<Item = (ServiceGrantIndex, &'a ServiceGrant)> {
        self.services
            .granted(service, consumer)
            .iter()
            .map(|&index| (index, &self.parts.service_grants[index]))
    }

    /// When the citizen is told of a lookup of today.
    #[must_use]
    pub fn visibility(&self, purpose: Purpose, basis: LegalBasisKind, today: Date) -> Visibility {
        visibility::decide(&self.parts.visibility, purpose, basis, today)
    }

    /// What citizens aren't told at once.
    #[must_use]
    pub fn visibility_rules(&self) -> &[VisibilityRule] {
        &self.parts.visibility
    }

    /// The name of an organisation, for people; its id if it isn't a member any more.
    #[must_use]
    pub fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        let mut members = self.parts.members.iter();
        let member = members.find(|member| member.id.as_str() == id);
        member.map_or(id, |member| &member.name)
    }

    /// Whether anyone's data is held.
    #[must_use]
    pub fn has_holds(&self) -> bool {
        !self.holds.is_empty()
    }

    /// Whether the subject's data is held.
    #[must_use]
    pub fn is_held(&self, subject_ref: &str) -> bool {
        self.holds.contains(subject_ref)
    }
}

#[cfg(test)]
mod tests;
