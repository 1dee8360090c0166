//! Anchors and revocation lists in, those that may be relied on out.
//!
//! webpki takes an anchor for a name with a key and asks no more. A directory of members must:
//! refused is an anchor that isn't an authority or may not sign certificates. One that isn't valid
//! now is told of and leads nobody in, as time alone brings it about and the others go on; without
//! any that is, nobody could come in. The lists are the affair of `lists`.

use std::fmt;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor};
use rustls::{CertificateError, RootCertStore};

use super::TlsError;
use super::lists::Lists;
use crate::identity::Standing;

/// What is wrong with a trust anchor. `Display` ends with the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnchorFault {
    /// Its basic constraints don't say that it is an authority.
    NotAnAuthority,
    /// Its key usage leaves out `keyCertSign`.
    MayNotCertify,
    /// Its key usage leaves out `cRLSign`, and one of the lists is its own.
    MayNotRevoke,
    /// Its validity is over, since this second of the Unix epoch.
    Expired(i64),
    /// Its validity begins at this second of the Unix epoch.
    NotYetValid(i64),
}

impl fmt::Display for AnchorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAuthority => f.write_str(
                "isn't an authority's certificate (no CA in its basic constraints): name that of \
                 the authority which issues the peers' certificates",
            ),
            Self::MayNotCertify => f.write_str(
                "may not sign certificates (no keyCertSign in its key usage): ask the authority \
                 for the certificate that it issues with",
            ),
            Self::MayNotRevoke => f.write_str(
                "may not sign revocation lists (no cRLSign in its key usage) and has issued one: \
                 ask the authority for a certificate that may",
            ),
            Self::Expired(since) => write!(
                f,
                "has expired ({}): take it out, and name the one that replaced it",
                Moment(*since)
            ),
            Self::NotYetValid(from) => write!(
                f,
                "isn't valid before {}: wait, or correct this machine's clock",
                Moment(*from)
            ),
        }
    }
}

struct Moment(i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(moment) => moment.fmt(f),
            Err(_) => write!(f, "second {} of the Unix epoch", self.0),
        }
    }
}

/// An anchor that isn't valid now: nobody comes in by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleAnchor {
    /// The subject of its certificate.
    pub subject: String,
    /// Its serial number, lower-case hexadecimal with colons.
    pub serial: String,
    /// Why, and what to do.
    pub fault: AnchorFault,
}

impl fmt::Display for IdleAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            serial,
            fault,
        } = self;
        write!(
            f,
            "the authority {subject} (serial number {serial}) {fault}"
        )
    }
}

/// Whom we trust, and which lists say whom no more.
#[derive(Debug)]
pub(super) struct Trust {
    roots: RootCertStore,
    /// Of each root, in the same order.
    standings: Vec<Standing>,
    idle: Vec<IdleAnchor>,
    lists: Lists,
    turns: Vec<i64>,
}

impl Trust {
    /// `chain` is our own, whose authorities may have issued lists as well; `now` is in seconds
    /// since the Unix epoch.
    pub(super) fn new(
        anchors: Vec<CertificateDer<'static>>,
        lists: Vec<CertificateRevocationListDer<'static>>,
        chain: &[CertificateDer<'_>],
        now: i64,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let mut standings = Vec::with_capacity(anchors.len());
        let mut idle = Vec::new();
        for anchor in anchors {
            let standing = Standing::from_der(&anchor)
                .map_err(|_| unusable("trust anchor", CertificateError::BadEncoding.into()))?;
            check(&standing)?;
            idle.extend(idle_at(&standing, now));
            roots
                .add(anchor)
                .map_err(|error| unusable("trust anchor", error))?;
            standings.push(standing);
        }
        if let Some(first) = idle.first().filter(|_| idle.len() == standings.len()) {
            return Err(TlsError::Anchor {
                subject: first.subject.clone(),
                fault: first.fault,
            });
        }
        let ours = chain.iter().skip(1).flat_map(Standing::from_der);
        let issuers: Vec<Standing> = standings.iter().cloned().chain(ours).collect();
        let lists = Lists::new(lists, &issuers, now)?;
        let mut turns: Vec<i64> = standings
            .iter()
            .flat_map(|anchor| [anchor.not_before, anchor.not_after.saturating_add(1)])
            .chain(lists.updates())
            .filter(|turn| *turn > now)
            .collect();
        turns.sort_unstable();
        Ok(Self {
            lists,
            turns,
            roots,
            standings,
            idle,
        })
    }

    pub(super) fn lists(&self) -> &Lists {
        &self.lists
    }

    pub(super) fn idle(&self) -> &[IdleAnchor] {
        &self.idle
    }

    /// When the same chain may be judged otherwise than when this was loaded, in seconds since the
    /// Unix epoch, in order: a list must have been replaced, an anchor begins or has ended.
    pub(super) fn turns(&self) -> &[i64] {
        &self.turns
    }

    /// Which anchors are valid at the moment, by position.
    pub(super) fn valid_at(&self, unix_seconds: i64) -> Vec<bool> {
        self.standings
            .iter()
            .map(|standing| standing.is_valid_at(unix_seconds))
            .collect()
    }

    /// Every anchor.
    pub(super) fn roots(&self) -> RootCertStore {
        self.roots.clone()
    }

    /// The anchors that `chosen` names by position.
    pub(super) fn roots_of(&self, chosen: &[bool]) -> RootCertStore {
        let roots = self.roots.roots.iter().zip(chosen);
        roots
            .filter(|(_, chosen)| **chosen)
            .map(|(root, _)| TrustAnchor::clone(root))
            .collect()
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.roots.roots == other.roots.roots
            && self.standings == other.standings
            && self.lists == other.lists
    }
}

fn check(anchor: &Standing) -> Result<(), TlsError> {
    if !anchor.is_ca {
        return Err(at_fault(anchor, AnchorFault::NotAnAuthority));
    }
    if !anchor.may_certify() {
        return Err(at_fault(anchor, AnchorFault::MayNotCertify));
    }
    Ok(())
}

fn idle_at(anchor: &Standing, now: i64) -> Option<IdleAnchor> {
    let fault = if anchor.not_after < now {
        AnchorFault::Expired(anchor.not_after)
    } else if anchor.not_before > now {
        AnchorFault::NotYetValid(anchor.not_before)
    } else {
        return None;
    };
    Some(IdleAnchor {
        subject: anchor.subject.clone(),
        serial: anchor.serial(),
        fault,
    })
}

pub(super) fn at_fault(anchor: &Standing, fault: AnchorFault) -> TlsError {
    TlsError::Anchor {
        subject: anchor.subject.clone(),
        fault,
    }
}

pub(super) fn unusable(what: &'static str, source: rustls::Error) -> TlsError {
    TlsError::Unusable { what, source }
}
