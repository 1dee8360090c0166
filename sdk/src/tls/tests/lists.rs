//! Which revocation lists are taken, and what those revoke.

use rcgen::{CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, KeyUsagePurpose};

use super::loading::{anything, load};
use super::pki::{Authority, Own};
use super::*;

#[test]
fn an_anchor_that_issues_lists_must_be_allowed_to() {
    let bad = Authority::root("Bad One", |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    });
    load(&[&bad], Vec::new()).unwrap();
    let said = load(&[&bad], vec![bad.list(1, 60, &[])])
        .unwrap_err()
        .to_string();
    for part in ["CN=Bad One", "no cRLSign", "ask the authority"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_list_comes_from_an_authority_that_is_known() {
    let (known, stranger) = (
        Authority::root("Known", anything),
        Authority::root("Stranger", anything),
    );
    let error = load(&[&known], vec![stranger.list(1, 60, &[])]).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, TlsError::ListIssuer { .. }), "{said}");
    for part in ["CN=Stranger", "take the list out"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Whoever can write a list's file could otherwise take a revocation back, or keep everybody out.
#[test]
fn a_list_is_signed_by_the_authority_that_it_names() {
    // The same name isn't the same authority.
    let (known, other) = (
        Authority::root("Known", anything),
        Authority::root("Known", anything),
    );
    let mut altered = known.list(9, 60, &[]).to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let real = || known.list(1, 3_600, &[7]);
    for forged in [other.list(9, 60, &[]), altered.into()] {
        for lists in [
            vec![forged.clone()],
            vec![forged.clone(), real()],
            vec![real(), forged],
        ] {
            let error = load(&[&known], lists).unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, TlsError::ListSignature { .. }), "{said}");
            for part in ["CN=Known", "fetch the list again"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
    load(&[&known], vec![real()]).unwrap();
}

/// webpki takes the first list with the authority's name, whichever key signed it.
#[test]
fn an_authority_that_changed_its_key_has_two_lists() {
    let (old, new) = (
        Authority::root("Known", anything),
        Authority::root("Known", anything),
    );
    let ours = new.leaf(anything);
    let leaf =
        |of: &Authority, serial: u64| of.leaf(|params| params.serial_number = Some(serial.into()));
    let peers = [(&old, 1), (&old, 2), (&new, 3), (&new, 4)].map(|(of, serial)| leaf(of, serial));
    let lists = [
        old.list(50, 3_600, &[2]),
        // Made earlier and replaced, whatever the other key's lists count.
        new.list(3, 7_200, &[]),
        new.list(4, 60, &[4]),
    ];
    let verdicts = |lists: &[CertificateRevocationListDer<'static>], now| {
        let tls = ours.trusting(&[], &[&old, &new], lists.to_vec()).unwrap();
        let verifier = tls.client_verifier().unwrap();
        let verdict = |of: &Own| verifier.verify(std::slice::from_ref(&of.certificate), now);
        let servers = Strict::of_servers(tls.trust.clone()).unwrap();
        for peer in &peers {
            use rustls::client::danger::ServerCertVerifier;
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let server = servers.verify_server_cert(&peer.certificate, &[], &name, &[], now);
            assert_eq!(server.map(drop).map_err(PeerFault::of), verdict(peer));
        }
        peers.each_ref().map(verdict)
    };
    let (good, revoked) = (|| Ok(()), || Err(PeerFault::Revoked));
    let [a, b, c] = lists;
    for lists in [
        [a.clone(), b.clone(), c.clone()],
        [c.clone(), b.clone(), a.clone()],
    ] {
        let now = verdicts(&lists, UnixTime::now());
        assert_eq!(now, [good(), revoked(), good(), revoked()]);
        let later = verdicts(&lists, in_days(8));
        assert_eq!(later, [const { Err(PeerFault::RevocationUnknown) }; 4]);
    }
    // A key without a list lets nobody in.
    let [one, two, others @ ..] = verdicts(&[a], UnixTime::now());
    assert_eq!([one, two], [good(), revoked()]);
    assert!(others.iter().all(Result::is_err), "{others:?}");
}

#[test]
fn an_issuer_of_our_own_chain_is_known() {
    let root = Authority::root("Root", anything);
    let below = root.below("Below", anything);
    let ours = below.leaf(anything);
    let lists = || vec![root.list(1, 60, &[]), below.list(1, 60, &[])];
    ours.trusting(&[&below], &[&root], lists()).unwrap();
    let error = ours.trusting(&[], &[&root], lists()).unwrap_err();
    assert!(matches!(error, TlsError::ListIssuer { .. }), "{error}");
}

#[test]
fn what_isnt_a_list_is_no_list() {
    let known = Authority::root("Known", anything);
    let mut bytes = known.list(1, 60, &[]).to_vec();
    for bytes in [bytes[..bytes.len() - 1].to_vec(), {
        bytes.push(0);
        bytes
    }] {
        let error = load(&[&known], vec![bytes.into()]).unwrap_err();
        let what = matches!(
            error,
            TlsError::Unusable {
                what: "revocation list",
                ..
            }
        );
        assert!(what, "{error}");
    }
}

/// webpki asks the first list that fits; whichever way they come, that must be the newest.
#[test]
fn the_newest_list_of_an_issuer_counts() {
    let root = Authority::root("Root", anything);
    let ours = root.leaf(anything);
    let peer = root.leaf(|params| params.serial_number = Some(7_u64.into()));
    let newer_by_number = [root.list(255, 3_600, &[]), root.list(256, 60, &[7])];
    let newer_by_time = [root.list(5, 3_600, &[]), root.list(5, 60, &[7])];
    for [older, newer] in [newer_by_number, newer_by_time] {
        let both = [
            vec![older.clone(), newer.clone()],
            vec![newer.clone(), older.clone()],
        ];
        for lists in both {
            let tls = ours.trusting(&[], &[&root], lists).unwrap();
            let verdict = tls
                .client_verifier()
                .unwrap()
                .verify(std::slice::from_ref(&peer.certificate), UnixTime::now());
            assert_eq!(verdict, Err(PeerFault::Revoked));
            assert_eq!(tls.next_update(), crate::identity::next_update(&newer));
        }
    }
}

/// webpki asks one list of those that fit and heeds no other. A revocation counts in whichever list
/// it stands: those that speak of other certificates, and one whose number and date disagree with
/// another's, replace none.
#[test]
fn a_revocation_counts_in_whichever_list_it_stands() {
    let root = Authority::root("Root", anything);
    let ours = root.leaf(anything);
    let peer = root.leaf(|params| params.serial_number = Some(7_u64.into()));
    let innocent = root.leaf(|params| params.serial_number = Some(8_u64.into()));
    let part = |uri: &str, scope| {
        Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec![uri.to_owned()],
            },
            scope,
        })
    };
    let whole = || root.list(1, 3_600, &[]);
    let users = part("http://lists.example/u", Some(CrlScope::UserCertsOnly));
    let (one, two) = (
        part("http://lists.example/1", None),
        part("http://lists.example/2", None),
    );
    for pair in [
        [whole(), root.list_of(users, 2, 60, &[7])],
        [
            root.list_of(one, 1, 60, &[]),
            root.list_of(two, 1, 60, &[7]),
        ],
        // The authority was built anew, and began to count anew.
        [root.list(500, 3_600, &[]), root.list(3, 60, &[7])],
    ] {
        let [a, b] = pair;
        for lists in [vec![a.clone(), b.clone()], vec![b, a]] {
            let tls = ours.trusting(&[], &[&root], lists).unwrap();
            let verifier = tls.client_verifier().unwrap();
            let verdict =
                |of: &Own| verifier.verify(std::slice::from_ref(&of.certificate), UnixTime::now());
            assert_eq!(verdict(&peer), Err(PeerFault::Revoked));
            assert_eq!(verdict(&innocent), Ok(()));
        }
    }
}

/// The same for an issuer between the peer and the anchor.
#[test]
fn an_issuer_is_revoked_in_whichever_list_it_stands() {
    let root = Authority::root("Root", anything);
    let below = root.below("Below", |params| params.serial_number = Some(7_u64.into()));
    let peer = below.leaf(anything);
    let ours = below.leaf(anything);
    let lists = vec![
        root.list(500, 3_600, &[]),
        root.list(3, 60, &[7]),
        below.list(1, 60, &[]),
    ];
    let tls = ours.trusting(&[&below], &[&root], lists).unwrap();
    let chain = [peer.certificate, below.certificate.clone()];
    let verdict = tls
        .client_verifier()
        .unwrap()
        .verify(&chain, UnixTime::now());
    assert_eq!(verdict, Err(PeerFault::Revoked));
}
