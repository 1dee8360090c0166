//! Anchors and revocation lists in, those that may be relied on out.
//!
//! webpki takes an anchor for a name with a key and asks no more. A directory of members must:
//! refused is an anchor that isn't an authority, may not sign certificates or isn't valid now, and
//! a list whose issuer isn't known or may not sign lists.

use std::fmt;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor};
use rustls::{CertRevocationListError, CertificateError, RootCertStore};

use super::TlsError;
use crate::identity::{ListHead, Revoked, Standing};

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
                "isn't valid before {}: add it then, or correct this machine's clock",
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

/// Whom we trust, and which lists say whom no more.
#[derive(Debug)]
pub(super) struct Trust {
    roots: RootCertStore,
    /// Of each root, in the same order.
    standings: Vec<Standing>,
    lists: Vec<CertificateRevocationListDer<'static>>,
    revoked: Revoked,
    next_update: Option<i64>,
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
        for anchor in anchors {
            let standing = Standing::from_der(&anchor)
                .map_err(|_| unusable("trust anchor", CertificateError::BadEncoding.into()))?;
            check(&standing, now)?;
            roots
                .add(anchor)
                .map_err(|error| unusable("trust anchor", error))?;
            standings.push(standing);
        }
        let ours = chain.iter().skip(1).flat_map(Standing::from_der);
        let issuers: Vec<Standing> = standings.iter().cloned().chain(ours).collect();
        let lists = newest(lists)?;
        for (head, _) in &lists {
            issued(head, &issuers)?;
        }
        let next_update = lists.iter().filter_map(|(head, _)| head.next_update).min();
        let mut revoked = Revoked::default();
        let lists = lists.into_iter().map(|(head, list)| {
            revoked.add(head);
            list
        });
        let lists = lists.collect();
        Ok(Self {
            roots,
            standings,
            next_update,
            lists,
            revoked,
        })
    }

    pub(super) fn lists(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.lists
    }

    /// Whether any list in use revokes the certificate. webpki asks only the first that fits.
    pub(super) fn revokes(&self, certificate: &Standing) -> bool {
        self.revoked.names(certificate)
    }

    pub(super) fn next_update(&self) -> Option<i64> {
        self.next_update
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

fn check(anchor: &Standing, now: i64) -> Result<(), TlsError> {
    let fault = if !anchor.is_ca {
        AnchorFault::NotAnAuthority
    } else if !anchor.may_certify() {
        AnchorFault::MayNotCertify
    } else if anchor.not_after < now {
        AnchorFault::Expired(anchor.not_after)
    } else if anchor.not_before > now {
        AnchorFault::NotYetValid(anchor.not_before)
    } else {
        return Ok(());
    };
    Err(at_fault(anchor, fault))
}

fn at_fault(anchor: &Standing, fault: AnchorFault) -> TlsError {
    TlsError::Anchor {
        subject: anchor.subject.clone(),
        fault,
    }
}

type List = (ListHead, CertificateRevocationListDer<'static>);

/// Without the lists that another one replaces; the youngest first, as webpki asks the first that
/// fits whether it is still in force.
fn newest(lists: Vec<CertificateRevocationListDer<'static>>) -> Result<Vec<List>, TlsError> {
    let mut kept: Vec<List> = Vec::with_capacity(lists.len());
    for list in lists {
        let head = ListHead::from_der(&list).map_err(|_| {
            unusable(
                "revocation list",
                CertRevocationListError::ParseError.into(),
            )
        })?;
        if kept.iter().any(|(other, _)| other.replaces(&head)) {
            continue;
        }
        kept.retain(|(other, _)| !head.replaces(other));
        kept.push((head, list));
    }
    kept.sort_by_key(|(head, _)| std::cmp::Reverse(head.this_update()));
    Ok(kept)
}

fn issued(list: &ListHead, issuers: &[Standing]) -> Result<(), TlsError> {
    let mut refused = None;
    for issuer in issuers.iter().filter(|issuer| list.names_as_issuer(issuer)) {
        if issuer.may_revoke() {
            return Ok(());
        }
        refused = Some(issuer);
    }
    Err(match refused {
        Some(issuer) => at_fault(issuer, AnchorFault::MayNotRevoke),
        None => TlsError::ListIssuer {
            issuer: list.issuer.clone(),
        },
    })
}

fn unusable(what: &'static str, source: rustls::Error) -> TlsError {
    TlsError::Unusable { what, source }
}
