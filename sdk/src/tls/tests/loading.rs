//! What can't be relied on is refused when it is loaded.

use rcgen::{CertificateParams, IsCa, KeyUsagePurpose};

use super::pki::{Authority, DAY, moment};
use super::*;

pub(super) fn anything(_: &mut CertificateParams) {}

pub(super) fn load(
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
fn an_anchor_is_an_authority_that_certifies() {
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
}

fn ended(params: &mut CertificateParams) {
    params.not_before = moment(-2 * DAY);
    params.not_after = moment(-60);
}

fn to_come(params: &mut CertificateParams) {
    params.not_before = moment(3_600);
}

/// A day ends for one anchor of many; what is loaded then may well be the list that goes without it.
#[test]
fn an_anchor_that_isnt_valid_now_is_left_out_and_told() {
    let good = Authority::root("Good", anything);
    let ours = good.leaf(anything);
    for (edit, fault, remedy) in [
        (
            ended as fn(&mut CertificateParams),
            "has expired",
            "take it out",
        ),
        (to_come, "isn't valid before", "clock"),
    ] {
        let bad = Authority::root("Bad One", |params| {
            edit(params);
            params.serial_number = Some(0xab_cd.into());
        });
        let tls = ours.trusting(&[], &[&bad, &good], Vec::new()).unwrap();
        let [told] = tls.idle_anchors() else {
            panic!("{:?}", tls.idle_anchors());
        };
        let said = told.to_string();
        for part in ["CN=Bad One", "ab:cd", fault, remedy] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let verdict = |of: &Authority, now| {
            let chain = [of.leaf(anything).certificate];
            tls.client_verifier().unwrap().verify(&chain, now)
        };
        assert_eq!(verdict(&good, in_days(0)), Ok(()));
        assert_eq!(verdict(&bad, in_days(0)), Err(PeerFault::OutOfValidity));
        // One that is to come counts from its day on.
        assert_eq!(verdict(&bad, in_days(1)).is_ok(), fault != "has expired");
        assert_eq!(
            good.leaf(anything)
                .trusting(&[], &[&good], Vec::new())
                .unwrap()
                .idle_anchors(),
            []
        );
    }
}

#[test]
fn some_anchor_is_valid_now() {
    let (ended, to_come) = (
        Authority::root("Ended", ended),
        Authority::root("To Come", to_come),
    );
    let Err(error @ TlsError::Anchor { .. }) = load(&[&ended, &to_come], Vec::new()) else {
        panic!("not refused");
    };
    let said = error.to_string();
    for part in ["CN=Ended", "has expired", "take it out"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// RFC 5280 section 6.1.4 (n) holds a key usage against an issuer only where it stands.
#[test]
fn an_anchor_without_key_usage_may_sign_all() {
    let silent = Authority::root("Silent", |params| params.key_usages.clear());
    load(&[&silent], vec![silent.list(1, 60, &[])]).unwrap();
}
