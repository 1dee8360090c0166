//! Revocation lists and the authorities that may have issued them in, the lists in use out.
//!
//! A list counts under the key that signed it, which is checked before it can replace another one:
//! whoever can write its file could otherwise take a revocation back, or shadow the real list.
//! Refused is a list of an authority that isn't known, that none of its keys has signed, or whose
//! signer may not sign lists. None is left out instead: with it, what it revokes would be lost.

use std::collections::{BTreeMap, BTreeSet};

use rustls::CertRevocationListError;
use rustls::pki_types::CertificateRevocationListDer;

use super::TlsError;
use super::trust::{AnchorFault, at_fault, unusable};
use crate::identity::{ListHead, PublicKey, Revoked, Standing};

type Der = CertificateRevocationListDer<'static>;

/// Most ways to choose one key of each authority that has several.
const MOST_CHOICES: usize = 16;

/// The lists in use.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Sorted by authority; the youngest first, as webpki asks the first that fits whether it is
    /// still in force.
    all: Vec<Der>,
    choices: Vec<Vec<Der>>,
    revoked: Revoked,
    updates: Vec<i64>,
    next_update: Option<i64>,
}

/// A list, and who signed it.
struct Issued<'a> {
    head: ListHead,
    by: (&'a [u8], &'a PublicKey),
    der: Der,
}

impl Lists {
    /// `now` is in seconds since the Unix epoch.
    pub(super) fn new(lists: Vec<Der>, issuers: &[Standing], now: i64) -> Result<Self, TlsError> {
        let mut kept: Vec<Issued<'_>> = Vec::with_capacity(lists.len());
        for der in lists {
            let head = ListHead::from_der(&der).map_err(|_| {
                unusable(
                    "revocation list",
                    CertRevocationListError::ParseError.into(),
                )
            })?;
            let by = signer(&head, issuers)?;
            if kept
                .iter()
                .any(|other| other.by == by && other.head.replaces(&head))
            {
                continue;
            }
            kept.retain(|other| other.by != by || !head.replaces(&other.head));
            kept.push(Issued { head, by, der });
        }
        kept.sort_by_key(|list| std::cmp::Reverse(list.head.this_update()));
        let choices = choices(&kept)?;
        // Nobody waits for the next list of an authority that has ended.
        let is_live = |list: &&Issued<'_>| {
            let mut of_it = issuers
                .iter()
                .filter(|issuer| issuer.authority() == list.by);
            of_it.any(|issuer| issuer.is_valid_at(now))
        };
        let next = |list: &Issued<'_>| list.head.next_update;
        let next_update = kept.iter().filter(is_live).filter_map(next).min();
        let updates = kept.iter().filter_map(next).collect();
        let mut revoked = Revoked::default();
        let all = kept.into_iter().map(|list| {
            revoked.add(list.head);
            list.der
        });
        Ok(Self {
            all: all.collect(),
            choices,
            revoked,
            updates,
            next_update,
        })
    }

    /// The lists of one key of each authority, once for every way to choose. webpki takes the first
    /// list with the authority's name and heeds no other, whichever of its keys signed that.
    pub(super) fn choices(&self) -> &[Vec<Der>] {
        &self.choices
    }

    /// Whether any list in use revokes the certificate. webpki asks only the first that fits.
    pub(super) fn revokes(&self, certificate: &Standing) -> bool {
        self.revoked.names(certificate)
    }

    /// When lists must have been replaced, in seconds since the Unix epoch.
    pub(super) fn updates(&self) -> impl Iterator<Item = i64> {
        self.updates.iter().copied()
    }

    /// The first of these that anybody waits for.
    pub(super) fn next_update(&self) -> Option<i64> {
        self.next_update
    }
}

impl PartialEq for Lists {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

fn signer<'a>(
    list: &ListHead,
    issuers: &'a [Standing],
) -> Result<(&'a [u8], &'a PublicKey), TlsError> {
    let issuer = || list.issuer.clone();
    let mut named = issuers
        .iter()
        .filter(|issuer| list.names_as_issuer(issuer))
        .peekable();
    if named.peek().is_none() {
        return Err(TlsError::ListIssuer { issuer: issuer() });
    }
    let mut refused = None;
    for signer in named.filter(|issuer| list.is_signed_by(issuer)) {
        if signer.may_revoke() {
            return Ok(signer.authority());
        }
        refused = Some(signer);
    }
    Err(match refused {
        Some(signer) => at_fault(signer, AnchorFault::MayNotRevoke),
        None => TlsError::ListSignature { issuer: issuer() },
    })
}

fn choices(lists: &[Issued<'_>]) -> Result<Vec<Vec<Der>>, TlsError> {
    let mut authorities: BTreeMap<&[u8], BTreeSet<&PublicKey>> = BTreeMap::new();
    for list in lists {
        let (name, key) = list.by;
        authorities.entry(name).or_default().insert(key);
    }
    let mut left_out: Vec<BTreeSet<(&[u8], &PublicKey)>> = vec![BTreeSet::new()];
    for (name, keys) in &authorities {
        let chosen = left_out.iter().flat_map(|so_far| {
            keys.iter().map(|chosen| {
                let others = keys.iter().filter(|key| *key != chosen);
                let mut out = so_far.clone();
                out.extend(others.map(|key| (*name, *key)));
                out
            })
        });
        left_out = chosen.collect();
        if left_out.len() > MOST_CHOICES {
            let why = "too many authorities have several keys; take out the lists of those that no \
                       certificate in use was issued with";
            return Err(unusable(
                "revocation list",
                rustls::Error::General(why.to_owned()),
            ));
        }
    }
    let lists_without = |out: &BTreeSet<_>| {
        let lists = lists.iter().filter(|list| !out.contains(&list.by));
        lists.map(|list| list.der.clone()).collect()
    };
    Ok(left_out.iter().map(lists_without).collect())
}
