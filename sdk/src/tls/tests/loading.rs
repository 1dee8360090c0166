//! What can't be relied on is refused when it is loaded.

use rcgen::{
    CertificateParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, IsCa,
    KeyUsagePurpose,
};

use super::pki::{Authority, DAY, Own, moment};
use super::*;

fn anything(_: &mut CertificateParams) {}

fn load(
    anchors: &[&Authority],
    lists: Vec<CertificateRevocationListDer<'static>>,
) -> Result<MutualTls, TlsError> {
    let ours = Authority::root("ours", anything).leaf(anything);
    ours.trusting(&[], anchors, lists)
}

#[track_caller]
fn refused(edit: impl FnOnce(&mut CertificateParams), fault: &str, remedy: &str) {
    let good = Authority::root("Good", anything);
    let bad = Authority::root("Bad One", edit);
    let Err(error @ TlsError::Anchor { .. }) = load(&[&good, &bad], Vec::new()) else {
        panic!("{fault}: not refused");
    };
    let said = error.to_string();
    for part in ["CN=Bad One", fault, remedy] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn an_anchor_is_an_authority_that_certifies_now() {
    refused(
        |params| params.is_ca = IsCa::ExplicitNoCa,
        "isn't an authority's",
        "name that of the authority",
    );
    refused(
        |params| params.is_ca = IsCa::NoCa,
        "isn't an authority's",
        "name that of the authority",
    );
    refused(
        |params| params.key_usages = vec![KeyUsagePurpose::CrlSign],
        "no keyCertSign",
        "ask the authority",
    );
    refused(
        |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        "no keyCertSign",
        "ask the authority",
    );
    refused(
        |params| {
            params.not_before = moment(-2 * DAY);
            params.not_after = moment(-60);
        },
        "has expired",
        "take it out",
    );
    refused(
        |params| params.not_before = moment(3_600),
        "isn't valid before",
        "clock",
    );
}

/// RFC 5280 section 6.1.4 (n) holds a key usage against an issuer only where it stands.
#[test]
fn an_anchor_without_key_usage_may_sign_all() {
    let silent = Authority::root("Silent", |params| params.key_usages.clear());
    load(&[&silent], vec![silent.list(1, 60, &[])]).unwrap();
}

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
    // The same name isn't the same authority.
    let other = Authority::root("Known", anything);
    let error = load(&[&known], vec![other.list(1, 60, &[])]).unwrap_err();
    assert!(matches!(error, TlsError::ListIssuer { .. }), "{error}");
    load(
        &[&known, &other],
        vec![other.list(1, 60, &[]), known.list(1, 60, &[])],
    )
    .unwrap();
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
