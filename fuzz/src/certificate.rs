//! DER that a peer shows, or that an operator names as an anchor or a revocation list.

use std::sync::OnceLock;

use libfuzzer_sys::Corpus;
use loket_sdk::identity::{PeerCertificate, next_update};
use loket_sdk::tls::{MutualTls, PeerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};

struct Ours {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    anchor: CertificateDer<'static>,
    verifier: PeerVerifier,
}

fn ours() -> &'static Ours {
    static OURS: OnceLock<Ours> = OnceLock::new();
    OURS.get_or_init(|| {
        let dir = crate::pki::directory();
        let read = |name| CertificateDer::from_pem_file(dir.join(name)).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(dir.join("gateway-front.key")).expect("a key");
        let (chain, anchor) = (vec![read("gateway-front.pem")], read("ca.pem"));
        let anchors = vec![anchor.clone()];
        let tls = MutualTls::new(chain.clone(), key.clone_key(), anchors, Vec::new());
        Ours {
            verifier: tls
                .and_then(|tls| tls.client_verifier())
                .expect("a verifier"),
            chain,
            key,
            anchor,
        }
    })
}

pub(crate) fn run(data: &[u8]) -> Corpus {
    let ours = ours();
    let der = CertificateDer::from(data);
    if let Ok(peer) = PeerCertificate::from_der(&der) {
        if let Some(id) = &peer.spiffe {
            assert_eq!(id.to_string().parse().as_ref(), Ok(id));
        }
        let _ = peer.is_valid_at(0);
    }
    let now = UnixTime::now();
    // Nobody here signed it; whether as leaf or as issuer.
    assert!(ours.verifier.verify(&[der.clone()], now).is_err());
    let chain = [ours.chain[0].clone(), der];
    assert_eq!(ours.verifier.verify(&chain, now), Ok(()));
    let _ = next_update(&CertificateRevocationListDer::from(data));
    let load = |anchor: CertificateDer<'static>, lists| {
        let loaded = MutualTls::new(
            ours.chain.clone(),
            ours.key.clone_key(),
            vec![anchor],
            lists,
        );
        if let Ok(tls) = loaded {
            let _ = (tls.server(), tls.client());
        }
    };
    load(data.to_vec().into(), Vec::new());
    load(ours.anchor.clone(), vec![data.to_vec().into()]);
    Corpus::Keep
}
