use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::gateway::{Gateway, lookup};
use crate::client::{Client, ClientBuilder, Error};
use crate::problem::Fault;
use crate::testing::{Ca, Eku, Leaf, LeafSpec};

/// The alert comes another way with each TLS version and each HTTP version.
fn configs(ca: &Ca, crl: Option<&str>) -> Vec<ServerConfig> {
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let every = versions.iter().flat_map(|tls| {
        let http: [&[u8]; 2] = [b"h2", b"http/1.1"];
        http.map(|http| (*tls, http))
    });
    every
        .map(|(tls, http)| config(ca, crl, tls, http))
        .collect()
}

fn config(
    ca: &Ca,
    crl: Option<&str>,
    tls: &'static SupportedProtocolVersion,
    http: &[u8],
) -> ServerConfig {
    let base = ca.system("gateway", "edge").mutual_tls().server().unwrap();
    let mut roots = RootCertStore::empty();
    let anchor = CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap();
    roots.add(anchor).unwrap();
    let lists =
        crl.map(|pem| CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap());
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        base.crypto_provider().clone(),
    )
    .with_crls(lists)
    .build()
    .unwrap();
    let mut config = ServerConfig::builder_with_provider(base.crypto_provider().clone())
        .with_protocol_versions(&[tls])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(base.cert_resolver.clone());
    config.alpn_protocols = vec![http.to_vec()];
    config
}

#[track_caller]
fn check(error: &Error, code: &str, words: &str) {
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(error.trace_id().len(), 32);
}

/// Shows the certificate to every kind of gateway.
async fn check_certificate(ca: &Ca, crl: Option<&str>, leaf: &Leaf, code: &str, words: &str) {
    for config in configs(ca, crl) {
        let gateway = Gateway::start(ca.clone(), config, []).await;
        let client = gateway.builder(leaf).build().unwrap();
        let error = lookup(&client).send().await.unwrap_err();
        check(&error, code, words);
        assert_eq!(error.fault(), Fault::Caller);
        assert_eq!(gateway.requests(), 0);
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_called_revoked() {
    let ca = Ca::new("loket.example");
    let leaf = ca.system("mpp", "counter");
    let crl = ca.crl(&[&leaf]);
    let words = "the gateway refused this certificate: it is revoked";
    check_certificate(&ca, Some(&crl), &leaf, "tls_certificate_revoked", words).await;
}

#[tokio::test]
async fn an_expired_certificate_is_called_expired() {
    let ca = Ca::new("loket.example");
    let spec = LeafSpec::default();
    let leaf = ca.issue(LeafSpec {
        not_after: spec.not_before + jiff::SignedDuration::from_secs(60),
        ..spec
    });
    check_certificate(
        &ca,
        None,
        &leaf,
        "tls_certificate_expired",
        "it has expired",
    )
    .await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_called_so() {
    let ca = Ca::new("loket.example");
    let leaf = Ca::new("loket.example").system("mpp", "counter");
    let words = "doesn't know the authority that issued it";
    check_certificate(&ca, None, &leaf, "tls_certificate_unknown_issuer", words).await;
}

#[tokio::test]
async fn a_servers_certificate_is_refused_of_a_client() {
    let ca = Ca::new("loket.example");
    let leaf = ca.issue(LeafSpec {
        eku: Eku::Server,
        ..LeafSpec::default()
    });
    check_certificate(
        &ca,
        None,
        &leaf,
        "tls_certificate_refused",
        "client authentication",
    )
    .await;
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_missing_certificate_is_called_missing() {
    let ca = Ca::new("loket.example");
    let leaf = ca.system("mpp", "counter");
    for config in configs(&ca, None) {
        let gateway = Gateway::start(ca.clone(), config, []).await;
        let mut client = leaf.mutual_tls().client().unwrap();
        client.client_auth_cert_resolver = Arc::new(NoCertificate);
        let client = gateway.builder(&leaf).build_with(client).unwrap();
        let error = lookup(&client).send().await.unwrap_err();
        check(&error, "tls_certificate_missing", "was shown none");
    }
}

async fn gateways_certificate(spec: LeafSpec, change: fn(ClientBuilder) -> ClientBuilder) -> Error {
    let ca = Ca::new("loket.example");
    let config = ca.issue(spec).mutual_tls().server().unwrap();
    let gateway = Gateway::start(ca.clone(), config, []).await;
    let builder = gateway.builder(&ca.system("mpp", "counter"));
    let client = change(builder).build().unwrap();
    lookup(&client).send().await.unwrap_err()
}

#[tokio::test]
async fn a_gateway_that_cannot_be_trusted_is_told_apart() {
    let spec = LeafSpec::default;
    let hour = jiff::SignedDuration::from_hours(1);
    let other_name = |builder: ClientBuilder| builder.server_name("gateway.example");
    let error = gateways_certificate(spec(), other_name).await;
    check(
        &error,
        "tls_gateway_wrong_name",
        "another name than LOKET_URL",
    );

    let expired = LeafSpec {
        not_after: spec().not_before + jiff::SignedDuration::from_secs(60),
        ..spec()
    };
    let error = gateways_certificate(expired, |builder| builder).await;
    check(&error, "tls_gateway_expired", "has expired");

    let early = LeafSpec {
        not_before: jiff::Timestamp::now() + hour,
        ..spec()
    };
    let error = gateways_certificate(early, |builder| builder).await;
    check(
        &error,
        "tls_gateway_not_yet_valid",
        "check this machine's clock",
    );

    let client_only = LeafSpec {
        eku: Eku::Client,
        ..spec()
    };
    let error = gateways_certificate(client_only, |builder| builder).await;
    check(&error, "tls_gateway_refused", "can't be used");
}

#[tokio::test]
async fn a_gateway_of_another_authority_is_not_trusted() {
    let gateway = Gateway::with([]).await;
    let leaf = Ca::new("loket.example").system("mpp", "counter");
    let client = gateway
        .builder(&leaf)
        .mutual_tls(leaf.mutual_tls())
        .build()
        .unwrap();
    let error = lookup(&client).send().await.unwrap_err();
    check(&error, "tls_gateway_unknown_issuer", "isn't in LOKET_CA");
    assert_eq!(gateway.requests(), 0);
}

#[tokio::test]
async fn a_revoked_gateway_is_not_trusted() {
    let ca = Ca::new("loket.example");
    let leaf = ca.system("gateway", "edge");
    let gateway = Gateway::start(ca.clone(), leaf.mutual_tls().server().unwrap(), []).await;
    let counter = ca.system("mpp", "counter");
    let tls = ca.mutual_tls(&counter, Some(&ca.crl(&[&leaf])));
    let client = gateway.builder(&counter).mutual_tls(tls).build().unwrap();
    check(
        &lookup(&client).send().await.unwrap_err(),
        "tls_gateway_revoked",
        "revoked",
    );

    let tls = ca.mutual_tls(&counter, Some(&ca.crl_expired()));
    let client = gateway.builder(&counter).mutual_tls(tls).build().unwrap();
    let error = lookup(&client).send().await.unwrap_err();
    check(&error, "tls_gateway_revocation_unknown", "renew the lists");
}

#[tokio::test]
async fn a_port_without_tls_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    });
    let leaf = Ca::new("loket.example").system("mpp", "counter");
    let client = Client::builder()
        .url(format!("https://127.0.0.1:{port}"))
        .mutual_tls(leaf.mutual_tls())
        .build()
        .unwrap();
    check(
        &lookup(&client).send().await.unwrap_err(),
        "tls_not_tls",
        "doesn't speak TLS",
    );
}
