//! Identity: the peer's certificate in, the enrolled member and system out.
//!
//! Who asks is what the certificate says and nothing else; the directory is asked at each request,
//! so a system that is taken out of it is out at its next request.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName};
use loket_sdk::identity::PeerCertificate;
use loket_sdk::ids::{MallId, MemberId, SystemId};
use loket_sdk::message::MEMBER_HEADER;
use loket_sdk::tls::{PeerFault, PeerVerifier};
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::audit::hex;
use crate::directory::{Directory, MemberIndex, Role, System};
use crate::refusal::{NotEnrolled, Refusal};

/// Looked up without being parsed each time.
const CLAIMED_MEMBER: HeaderName = HeaderName::from_static(MEMBER_HEADER);

/// Who is at the other end of a connection; one for all its requests.
#[derive(Debug, Default)]
pub struct Peer {
    /// What its certificate says; none when its names can't be read.
    pub certificate: Option<PeerCertificate>,
    /// What it showed at the handshake, the end entity first. Kept so that it can be verified again
    /// when anchors or revocation lists change.
    pub chain: Vec<CertificateDer<'static>>,
    /// The stage of trust ([`Trust::stage`]) at which it was last verified.
    pub vetted: AtomicU64,
}

impl Peer {
    /// Reads what a peer showed. The handshake has required a certificate; whether it names anyone
    /// is for [`identify`].
    #[must_use]
    pub fn of(chain: Option<&[CertificateDer<'_>]>) -> Self {
        let chain = chain.unwrap_or_default();
        let end_entity = chain.first();
        Self {
            certificate: end_entity.and_then(|der| PeerCertificate::from_der(der).ok()),
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
            vetted: AtomicU64::new(0),
        }
    }
}

/// The anchors and revocation lists that count now.
///
/// A handshake checks a chain once, and its connection may outlive the lists that it was checked
/// against: there may be new ones, and those that there are may run out. Each reload begins a new
/// stage, and so does each moment at which a list runs out or an anchor begins or ends; in each a
/// connection's next request checks the chain again.
#[derive(Debug, Default)]
pub struct Trust {
    generation: u64,
    verifier: Option<PeerVerifier>,
}

/// Of a stage's bits, those for the moments that have passed in one generation.
const MOMENTS: u32 = 24;

impl Trust {
    /// What handshakes with this verifier go by. Generations begin at 0.
    #[must_use]
    pub fn new(verifier: PeerVerifier, generation: u64) -> Self {
        Self {
            generation,
            verifier: Some(verifier),
        }
    }

    /// Counts reloads.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What a chain's verdict holds for: grows with each reload, and within one whenever the same
    /// chain may be judged otherwise.
    #[must_use]
    pub fn stage(&self, now: UnixTime) -> u64 {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let turns = self.verifier.as_ref().map_or(&[][..], PeerVerifier::turns);
        let passed = turns.partition_point(|turn| *turn <= now) as u64;
        (self.generation << MOMENTS) + passed
    }

    /// Checks a peer's chain again if that wasn't done at this stage.
    ///
    /// # Errors
    /// [`Refusal::NotEnrolled`] when a handshake would fail now.
    pub fn vet(&self, peer: &Peer, now: UnixTime) -> Result<(), Refusal> {
        let (stage, vetted) = (self.stage(now), peer.vetted.load(Ordering::Relaxed));
        let Some(verifier) = self.verifier.as_ref().filter(|_| vetted < stage) else {
            return Ok(());
        };
        let why = match verifier.verify(&peer.chain, now) {
            Ok(()) => {
                peer.vetted.fetch_max(stage, Ordering::Relaxed);
                return Ok(());
            }
            Err(PeerFault::Revoked) => NotEnrolled::Revoked,
            Err(PeerFault::OutOfValidity) => NotEnrolled::OutOfValidity,
            Err(_) => NotEnrolled::Untrusted,
        };
        Err(Refusal::NotEnrolled(why))
    }
}

/// Who asks. Built only here.
#[derive(Debug, Clone)]
pub struct Identified {
    index: MemberIndex,
    member: MemberId,
    system: SystemId,
    mall: Option<MallId>,
    roles: BTreeSet<Role>,
}

impl Identified {
    /// Position of the member in the snapshot.
    #[must_use]
    pub fn index(&self) -> MemberIndex {
        self.index
    }

    /// The organisation.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.member
    }

    /// Its system.
    #[must_use]
    pub fn system(&self) -> &SystemId {
        &self.system
    }

    /// The mall where the system stands.
    #[must_use]
    pub fn mall(&self) -> Option<&MallId> {
        self.mall.as_ref()
    }

    /// Whether its entry gives it this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// Finds the enrolled system of a certificate. A SPIFFE ID counts before a pin.
///
/// # Errors
/// When the certificate is out of its validity, names nobody, or a header names someone else.
pub fn identify(
    peer: &PeerCertificate,
    headers: &HeaderMap,
    directory: &Directory,
    now_unix: i64,
) -> Result<Identified, Refusal> {
    if !peer.is_valid_at(now_unix) {
        return Err(Refusal::NotEnrolled(NotEnrolled::OutOfValidity));
    }
    let Some((index, system)) = enrolled(peer, directory) else {
        let why = match peer.spiffe {
            Some(_) => NotEnrolled::UnknownSystem,
            None => NotEnrolled::Unnamed,
        };
        return Err(Refusal::NotEnrolled(why));
    };
    let member = &directory.members()[index].id;
    let contradicted = headers
        .get_all(CLAIMED_MEMBER)
        .iter()
        .any(|claimed| claimed.as_bytes() != member.as_str().as_bytes());
    if contradicted {
        return Err(Refusal::IdentityContradicted);
    }
    Ok(Identified {
        index,
        member: member.clone(),
        system: system.id.clone(),
        mall: system.mall.clone(),
        roles: system.roles.clone(),
    })
}

/// The member of a certificate, to count by: whether it may come in is for [`identify`].
#[must_use]
pub fn member(peer: &PeerCertificate, directory: &Directory) -> Option<MemberId> {
    let (index, _) = enrolled(peer, directory)?;
    Some(directory.members()[index].id.clone())
}

fn enrolled<'d>(
    peer: &PeerCertificate,
    directory: &'d Directory,
) -> Option<(MemberIndex, &'d System)> {
    match &peer.spiffe {
        Some(id) => directory.system_by_spiffe(id),
        None => directory.system_by_pin(&peer.spki_sha256),
    }
}

/// How a certificate is named in the audit log when it is nobody's: its SPIFFE ID, or the SHA-256
/// of its key.
#[must_use]
pub fn describe(peer: &PeerCertificate) -> String {
    match &peer.spiffe {
        Some(id) => id.to_string(),
        None => format!("sha256:{}", hex(&peer.spki_sha256)),
    }
}

#[cfg(test)]
mod tests;
