mod handshake;
mod lists;
mod loading;
mod pki;

use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::testing::{Ca, Leaf, LeafSpec};

fn chain(leaf: &Leaf) -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap()]
}

fn in_days(days: u64) -> UnixTime {
    let now = UnixTime::now().as_secs();
    UnixTime::since_unix_epoch(Duration::from_secs(now + days * 86_400))
}

/// A connection was let in; then its certificate was revoked and the lists were loaded anew.
#[test]
fn a_chain_is_checked_again_after_a_reload() {
    let ca = Ca::new("loket.example");
    let (ours, good, bad) = (
        ca.system("gateway", "edge"),
        ca.system("mall", "counter"),
        ca.system("clinic", "counter"),
    );
    let verifier = |crl: &str| ca.mutual_tls(&ours, Some(crl)).client_verifier().unwrap();
    let (before, after) = (verifier(&ca.crl(&[])), verifier(&ca.crl(&[&bad])));
    let now = UnixTime::now();
    assert_eq!(before.verify(&chain(&bad), now), Ok(()));
    assert_eq!(after.verify(&chain(&good), now), Ok(()));
    assert_eq!(after.verify(&chain(&bad), now), Err(PeerFault::Revoked));
}

#[test]
fn other_reasons_are_told_apart() {
    let ca = Ca::new("loket.example");
    let peer = ca.issue(LeafSpec::default());
    let ours = ca.system("gateway", "edge");
    let (with, without) = (
        ca.mutual_tls(&ours, Some(&ca.crl(&[]))),
        ca.mutual_tls(&ours, None),
    );
    let check = |tls: &MutualTls, chain: &[CertificateDer<'_>], now| {
        tls.client_verifier().unwrap().verify(chain, now)
    };
    assert_eq!(check(&with, &chain(&peer), in_days(1)), Ok(()));
    assert_eq!(
        check(&with, &chain(&peer), in_days(8)),
        Err(PeerFault::RevocationUnknown)
    );
    assert_eq!(
        check(&without, &chain(&peer), in_days(400)),
        Err(PeerFault::OutOfValidity)
    );
    assert_eq!(
        check(&without, &[], in_days(0)),
        Err(PeerFault::NoCertificate)
    );
    let stranger = Ca::new("loket.example").issue(LeafSpec::default());
    assert!(matches!(
        check(&without, &chain(&stranger), in_days(0)),
        Err(PeerFault::Untrusted(_))
    ));
}

#[test]
fn the_first_next_update_counts() {
    let ca = Ca::new("loket.example");
    let ours = ca.system("gateway", "edge");
    assert_eq!(ours.mutual_tls().next_update(), None);
    let next = ca.mutual_tls(&ours, Some(&ca.crl(&[]))).next_update();
    let (day, now) = (86_400, UnixTime::now().as_secs() as i64);
    assert!((now + 6 * day..=now + 7 * day).contains(&next.unwrap()));
}
