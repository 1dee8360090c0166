//! What webpki lets pass is refused in a real handshake, whoever shows it.

use std::io;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyUsagePurpose};
use rustls::pki_types::ServerName;
use rustls::{HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::pki::{Authority, DAY, Own, moment};
use super::*;

type Verdict = Result<(), String>;

fn anything(_: &mut CertificateParams) {}

/// A server that speaks TLS 1.2 only and checks as the usual one does.
fn old(tls: &MutualTls) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_client_cert_verifier(tls.client_verifier().unwrap().into_inner())
        .with_cert_resolver(tls.server().unwrap().cert_resolver.clone())
}

/// What server and client make of each other.
async fn meet(server: ServerConfig, client: ClientConfig) -> (Verdict, Verdict) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let accepting = async {
        let (stream, _) = socket.accept().await?;
        let mut tls = TlsAcceptor::from(Arc::new(server)).accept(stream).await?;
        tls.write_all(b"x").await?;
        // Answered by the client's end.
        tls.read(&mut [0]).await.map(drop)
    };
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(client));
        let mut tls = connector.connect(name, stream).await?;
        tls.read_u8().await?;
        tls.shutdown().await
    };
    let (accepted, connected): (io::Result<()>, io::Result<()>) =
        tokio::join!(accepting, connecting);
    let said = |result: io::Result<()>| result.map_err(|error| error.to_string());
    (said(accepted), said(connected))
}

/// A peer shows this chain, once as client and once as server, in both versions of TLS; what the
/// other side says each time.
async fn shown(peer: &Own, issuers: &[&Authority], root: &Authority) -> Vec<Verdict> {
    let ours = root.leaf(anything).trusting(&[], &[root], Vec::new());
    let ours = ours.unwrap();
    let peer = peer.trusting(issuers, &[root], Vec::new()).unwrap();
    let mut verdicts = Vec::new();
    let client = || peer.client().unwrap();
    for server in [ours.server().unwrap(), old(&ours)] {
        verdicts.push(meet(server, client()).await.0);
    }
    for server in [peer.server().unwrap(), old(&peer)] {
        verdicts.push(meet(server, ours.client().unwrap()).await.1);
    }
    verdicts
}

async fn passes(peer: &Own, issuers: &[&Authority], root: &Authority) {
    let verdicts = shown(peer, issuers, root).await;
    assert_eq!(verdicts, [const { Ok(()) }; 4]);
}

async fn refused(peer: &Own, issuers: &[&Authority], root: &Authority, words: &str) {
    for verdict in shown(peer, issuers, root).await {
        let said = verdict.expect_err(words);
        assert!(said.contains(words), "{words}: {said}");
    }
}

fn usage(usage: &[KeyUsagePurpose]) -> impl FnOnce(&mut CertificateParams) {
    let usage = usage.to_vec();
    move |params| params.key_usages = usage
}

#[tokio::test]
async fn a_leaf_signs_and_issues_nothing() {
    use KeyUsagePurpose::{DigitalSignature, KeyAgreement, KeyCertSign, KeyEncipherment};
    let root = Authority::root("Root", anything);
    let leaf = |edit: Box<dyn FnOnce(&mut CertificateParams)>| root.leaf(edit);
    for good in [
        leaf(Box::new(anything)),
        leaf(Box::new(usage(&[]))),
        leaf(Box::new(usage(&[DigitalSignature, KeyEncipherment]))),
        leaf(Box::new(|params| params.is_ca = IsCa::ExplicitNoCa)),
    ] {
        passes(&good, &[], &root).await;
    }
    for other in [KeyEncipherment, KeyAgreement] {
        let leaf = root.leaf(usage(&[other]));
        refused(&leaf, &[], &root, "LeafMayNotSign").await;
    }
    let issuing = root.leaf(usage(&[DigitalSignature, KeyCertSign]));
    refused(&issuing, &[], &root, "LeafIsAuthority").await;
    let authority = root.leaf(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    refused(&authority, &[], &root, "CaUsedAsEndEntity").await;
}

#[tokio::test]
async fn an_issuer_may_certify() {
    let root = Authority::root("Root", anything);
    let good = root.below("Good", anything);
    let silent = root.below("Silent", usage(&[]));
    passes(&good.leaf(anything), &[&good], &root).await;
    passes(&silent.leaf(anything), &[&silent], &root).await;
    // What else a peer sends along is no part of the way.
    let lists_only = root.below("Lists", usage(&[KeyUsagePurpose::CrlSign]));
    passes(&good.leaf(anything), &[&lists_only, &good, &root], &root).await;
    let leaf = lists_only.leaf(anything);
    refused(&leaf, &[&lists_only], &root, "IssuerMayNotCertify").await;
    let none = root.below("None", |params| params.is_ca = IsCa::ExplicitNoCa);
    refused(&none.leaf(anything), &[&none], &root, "UnknownIssuer").await;
    // Two steps up.
    let below = lists_only.below("Below", anything);
    let leaf = below.leaf(anything);
    refused(&leaf, &[&below, &lists_only], &root, "IssuerMayNotCertify").await;
}

/// Loaded in time, and ended since.
#[test]
fn an_anchor_that_ended_leads_nobody_in() {
    let (short, long) = (
        Authority::root("Short", |params| params.not_after = moment(10 * DAY)),
        Authority::root("Long", anything),
    );
    let ours = long.leaf(anything);
    let (of_short, of_long) = (short.leaf(anything), long.leaf(anything));
    let both = ours.trusting(&[], &[&short, &long], Vec::new()).unwrap();
    let only = ours.trusting(&[], &[&short], Vec::new()).unwrap();
    let at = |tls: &MutualTls, peer: &Own, days| {
        let chain = [peer.certificate.clone()];
        let servers = Strict::of_servers(tls.trust.clone()).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        use rustls::client::danger::ServerCertVerifier;
        let server = servers.verify_server_cert(&chain[0], &[], &name, &[], in_days(days));
        let server = server.map(drop).map_err(PeerFault::of);
        let client = tls.client_verifier().unwrap().verify(&chain, in_days(days));
        assert_eq!(server, client);
        client
    };
    let ended = Err(PeerFault::OutOfValidity);
    assert_eq!(at(&both, &of_short, 9), Ok(()));
    assert_eq!(at(&both, &of_short, 11), ended);
    assert_eq!(at(&both, &of_long, 11), Ok(()));
    assert_eq!(at(&only, &of_short, 9), Ok(()));
    assert_eq!(at(&only, &of_short, 11), ended);
    let stranger = Authority::root("Stranger", anything).leaf(anything);
    assert!(matches!(
        at(&both, &stranger, 11),
        Err(PeerFault::Untrusted(_))
    ));
}

/// One verifier, asked before and after: what was built for one moment isn't used for another.
#[test]
fn a_verifier_follows_the_clock() {
    let (short, shorter, long) = (
        Authority::root("Short", |params| params.not_after = moment(10 * DAY)),
        Authority::root("Shorter", |params| params.not_after = moment(5 * DAY)),
        Authority::root("Long", anything),
    );
    let tls = long
        .leaf(anything)
        .trusting(&[], &[&short, &shorter, &long], Vec::new())
        .unwrap();
    let verifier = tls.client_verifier().unwrap();
    let peers = [&short, &shorter, &long].map(|root| root.leaf(anything));
    for (days, good) in [
        (1, [true, true, true]),
        (6, [true, false, true]),
        (11, [false, false, true]),
        (6, [true, false, true]),
        (1, [true, true, true]),
    ] {
        let verdicts = peers.each_ref().map(|peer| {
            let chain = [peer.certificate.clone()];
            verifier.verify(&chain, in_days(days)).is_ok()
        });
        assert_eq!(verdicts, good, "in {days} days");
    }
}

/// A session that is resumed is one whose certificate nobody looks at again.
#[tokio::test]
async fn no_session_is_resumed() {
    let root = Authority::root("Root", anything);
    let ours = root.leaf(anything).trusting(&[], &[&root], Vec::new());
    let ours = ours.unwrap();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let server = Arc::new(ours.server().unwrap());
        // It keeps what it is given, and asks for it the next time.
        let client = Arc::new(only(version, &ours));
        for _ in 0..2 {
            let met = kind(server.clone(), client.clone()).await.unwrap();
            assert_eq!(met, Some(HandshakeKind::Full), "{version:?}");
        }
    }
}

fn only(version: &'static SupportedProtocolVersion, tls: &MutualTls) -> ClientConfig {
    let usual = tls.client().unwrap();
    let verifier = Strict::of_servers(tls.trust.clone()).unwrap();
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(usual.client_auth_cert_resolver.clone())
}

/// How the server took up a connection over which the client read something.
async fn kind(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
) -> io::Result<Option<HandshakeKind>> {
    let (near, far) = tokio::io::duplex(1 << 14);
    let accepting = async {
        let mut tls = TlsAcceptor::from(server).accept(near).await?;
        tls.write_all(b"x").await?;
        tls.flush().await?;
        // Answered by the client's end.
        let more = tls.read(&mut [0]).await?;
        assert_eq!(more, 0);
        Ok(tls.get_ref().1.handshake_kind())
    };
    let connecting = async {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = TlsConnector::from(client).connect(name, far).await?;
        tls.read_u8().await?;
        tls.shutdown().await
    };
    let (kind, connected): (io::Result<_>, io::Result<()>) = tokio::join!(accepting, connecting);
    connected?;
    kind
}
