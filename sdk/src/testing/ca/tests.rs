use std::fs;

use rustls::pki_types::CertificateDer;

use super::*;
use crate::identity::PeerCertificate;

fn read(leaf: &Leaf) -> PeerCertificate {
    let der = CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap();
    PeerCertificate::from_der(&der).unwrap()
}

#[test]
fn a_leaf_is_what_its_certificate_says() {
    let ca = Ca::new("loket.example");
    let leaf = ca.system("dukcapil", "siak");
    let peer = read(&leaf);
    assert_eq!(peer.spiffe, Some(ca.spiffe("dukcapil", "siak")));
    assert_eq!(peer.spiffe, leaf.spiffe);
    assert_eq!(peer.spki_sha256, leaf.spki_sha256);
    assert_eq!(peer.serial, leaf.serial);
    assert!(peer.is_valid_at(Timestamp::now().as_second()));
}

#[test]
fn serial_numbers_are_written_as_in_der() {
    let ca = Ca::new("loket.example");
    for serial in [1, 0x7f, 0x80, 0x0100, u64::MAX] {
        let leaf = ca.issue(LeafSpec {
            serial: Some(serial),
            ..LeafSpec::default()
        });
        assert_eq!(read(&leaf).serial, leaf.serial);
    }
}

#[test]
fn what_is_made_makes_configurations() {
    let ca = Ca::new("loket.example");
    let leaf = ca.system("dukcapil", "siak");
    for crl in [None, Some(ca.crl(&[&leaf])), Some(ca.crl_expired())] {
        let tls = ca.mutual_tls(&leaf, crl.as_deref());
        tls.server().unwrap();
        tls.client().unwrap();
    }
}

#[test]
fn files_are_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::new("loket.example");
    let files = ca.system("dukcapil", "siak").write_to(directory.path());
    assert!(files.certificate.ends_with("dukcapil-siak.pem"));
    let anchors = ca.write_to(directory.path());
    MutualTls::from_files(&files.certificate, &files.key, &anchors, &[]).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
