//! Who asks is what the certificate says, and nothing else.

use jiff::{Timestamp, ToSpan};
use loket_sdk::client::Error;
use loket_sdk::problem::{Code, Problem};
use loket_sdk::testing::{Ca, Eku, FakeCounter, KeyUsage, Leaf, LeafSpec};
use loket_sdk::{LegalBasisKind, Nik, Purpose};
use loket_tests::town::{MALL, eventually};
use loket_tests::{Ask, Town, TownBuilder};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil"])
}

fn mall(ca: &Ca) -> LeafSpec {
    LeafSpec {
        uris: vec![ca.spiffe(MALL, "counter").to_string()],
        ..LeafSpec::default()
    }
}

/// The handshake fails, the request is never read, the town counts it and still serves.
async fn is_cut_off(town: &Town, counter: FakeCounter) {
    let before = handshakes_failed(town).await;
    let asked = Ask::identity();
    assert!(counter.post("/v1/lookups", asked.document()).await.is_err());
    assert!(counter.http2().get("/v1/catalogue").await.is_err());
    let counted = async || (handshakes_failed(town).await >= before + 2.0).then_some(());
    eventually("two more failed handshakes", counted).await;
    assert!(town.audit_entries().is_empty());
    assert!(town.agency("dukcapil").requests().is_empty());
}

async fn handshakes_failed(town: &Town) -> f64 {
    let all = town.metric("loket_tls_handshakes_total", &[]).await;
    all - town
        .metric("loket_tls_handshakes_total", &["result=\"ok\""])
        .await
}

/// The connection stands, the request is refused with this code, nobody is asked.
async fn is_refused(town: &Town, counter: &FakeCounter, code: Code) -> Problem {
    let answer = counter
        .post("/v1/lookups", Ask::identity().document())
        .await;
    let answer = answer.unwrap();
    assert_eq!(answer.status.as_u16(), code.status());
    let problem: Problem = answer.json();
    assert_eq!(problem.code, code);
    assert!(town.agency("dukcapil").requests().is_empty());
    let entries = town.audit_entries();
    let entry = entries.last().unwrap();
    assert_eq!(entry["refusal"], code.as_str());
    assert_eq!(entry.get("member").is_none(), code == Code::NotEnrolled);
    problem
}

#[tokio::test]
async fn no_certificate() {
    let town = town().start().await;
    is_cut_off(&town, FakeCounter::anonymous(town.ca(), town.address())).await;
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// A counter that speaks this version only.
fn speaking(town: &Town, version: &'static SupportedProtocolVersion) -> FakeCounter {
    let leaf = town.leaf();
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(der(&town.ca().certificate_pem())).unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![der(&leaf.certificate_pem)], key);
    FakeCounter::with(config.unwrap(), town.address())
}

#[tokio::test]
async fn tls_1_3_and_1_2() {
    let town = town().start().await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let counter = speaking(&town, version);
        let answer = counter.get("/v1/catalogue").await.unwrap();
        assert_eq!(answer.status, 200, "{version:?}");
    }
    town.stop().await;
}

async fn check_certificate(make: impl FnOnce(&Ca) -> Leaf) {
    let town = town().start().await;
    let leaf = make(town.ca());
    is_cut_off(&town, town.counter_as(&leaf)).await;
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

#[tokio::test]
async fn another_authority() {
    // The names are right; only the authority isn't.
    check_certificate(|ca| Ca::new(ca.trust_domain()).system(MALL, "counter")).await;
}

#[tokio::test]
async fn expired() {
    let not_after = Timestamp::now() - 1.minute();
    check_certificate(|ca| {
        ca.issue(LeafSpec {
            not_after,
            ..mall(ca)
        })
    })
    .await;
}

#[tokio::test]
async fn not_yet_valid() {
    let not_before = Timestamp::now() + 1.hour();
    check_certificate(|ca| {
        ca.issue(LeafSpec {
            not_before,
            ..mall(ca)
        })
    })
    .await;
}

#[tokio::test]
async fn for_servers_only() {
    let eku = Eku::Server;
    check_certificate(|ca| ca.issue(LeafSpec { eku, ..mall(ca) })).await;
}

/// A key usage that leaves out signing, and one that no end entity has.
#[tokio::test]
async fn for_other_uses_only() {
    for key_usage in [
        vec![KeyUsage::KeyEncipherment],
        vec![KeyUsage::DigitalSignature, KeyUsage::KeyCertSign],
    ] {
        check_certificate(|ca| {
            ca.issue(LeafSpec {
                key_usage,
                ..mall(ca)
            })
        })
        .await;
    }
}

#[tokio::test]
async fn revoked() {
    let ca = Ca::new("loket.example");
    let (revoked, good) = (ca.issue(mall(&ca)), ca.issue(mall(&ca)));
    let town = town().authority(&ca, Some(ca.crl(&[&revoked])));
    let town = town.start().await;
    is_cut_off(&town, town.counter_as(&revoked)).await;
    let answer = town.counter_as(&good).get("/v1/catalogue").await.unwrap();
    assert_eq!(answer.status, 200);
    town.stop().await;
}

/// A list that ran out lets nobody in: whether somebody was revoked since can't be known.
#[tokio::test]
async fn a_revocation_list_that_ran_out() {
    let ca = Ca::new("loket.example");
    let town = town().authority(&ca, Some(ca.crl_expired())).start().await;
    is_cut_off(&town, town.counter()).await;
    town.stop().await;
}

/// Every time: a reset of the connection mustn't overtake the reason.
#[tokio::test]
async fn the_client_says_what_is_wrong() {
    let town = town().start().await;
    let stranger = Ca::new("loket.example").system(MALL, "counter");
    let ended = town.ca().issue(LeafSpec {
        not_after: Timestamp::now() - 1.minute(),
        ..mall(town.ca())
    });
    for (leaf, code) in [(stranger, "tls_"), (ended, "tls_certificate_expired")] {
        for _ in 0..12 {
            let client = loket_sdk::client::Client::builder()
                .url(format!("https://localhost:{}", town.address().port()))
                .mutual_tls(town.ca().mutual_tls(&leaf, None))
                .build();
            let lookup = client
                .unwrap()
                .lookup(Nik::parse("3510161405889901").unwrap())
                .purpose(Purpose::IdentityCheck)
                .case("MPP-3510-20261124-000123")
                .by("clk-7f3a", "B07")
                .legal_basis(LegalBasisKind::PublicTask, "UU 24/2013")
                .record("person-identity/1");
            let error = lookup.send().await.unwrap_err();
            assert!(matches!(error, Error::Tls { .. }), "{error:?}");
            assert!(error.code().starts_with(code), "{}", error.code());
            assert!(!error.is_retryable());
        }
    }
    town.stop().await;
}

#[tokio::test]
async fn nobody_enrolled() {
    let town = town().start().await;
    let strangers = [
        vec![town.ca().spiffe("stranger", "counter").to_string()],
        vec![town.ca().spiffe(MALL, "other-system").to_string()],
        vec![format!("spiffe://elsewhere.example/{MALL}/counter")],
        vec![],
        vec!["https://loket.example/".to_owned()],
        vec![format!("spiffe://loket.example/{MALL}/counter/more")],
        // Which one would count?
        vec![
            town.ca().spiffe(MALL, "counter").to_string(),
            town.ca().spiffe("stranger", "counter").to_string(),
        ],
        vec![town.ca().spiffe(MALL, "counter").to_string(); 2],
    ];
    for uris in strangers {
        let leaf = town.ca().issue(LeafSpec {
            uris: uris.clone(),
            ..LeafSpec::default()
        });
        let problem = is_refused(&town, &town.counter_as(&leaf), Code::NotEnrolled).await;
        assert!(!problem.detail.contains("stranger"), "{uris:?}");
    }
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

#[tokio::test]
async fn a_pinned_key() {
    let ca = Ca::new("loket.example");
    let nameless = ca.issue(LeafSpec::default());
    let other = ca.issue(LeafSpec::default());
    let town = town().authority(&ca, None).member(
        "rsud-teladan",
        "front-desk",
        vec![nameless.spki_sha256],
    );
    let town = town.start().await;
    is_refused(&town, &town.counter_as(&other), Code::NotEnrolled).await;
    let counter = town.counter_as(&nameless);
    let answer = counter.get("/v1/catalogue").await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json::<serde_json::Value>()["member"], "rsud-teladan");
    // It is enrolled and has no grant: the pin gives nobody else's.
    is_refused(&town, &counter, Code::NothingGranted).await;
    town.stop().await;
}

#[tokio::test]
async fn a_header_raises_nobody() {
    let town = town().member("dukcapil", "siak", Vec::new()).start().await;
    let body = Ask::identity().text();
    let send = async |leaf: &Leaf, claimed: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("loket-member", claimed),
        ];
        let counter = town.counter_as(leaf);
        counter
            .send("POST", "/v1/lookups", &headers, body.clone())
            .await
            .unwrap()
    };
    let mall = town.leaf();
    assert_eq!(send(&mall, MALL).await.status, 200);
    let weak = town.ca().system("dukcapil", "siak");
    // What doesn't contradict changes nothing.
    let answer = send(&weak, "dukcapil").await;
    assert_eq!(answer.json::<Problem>().code, Code::NothingGranted);
    for claimed in [MALL, "MPP-KOTA", "", "mpp-kota, dukcapil"] {
        let answer = send(&weak, claimed).await;
        assert_eq!(
            answer.json::<Problem>().code,
            Code::IdentityContradicted,
            "{claimed}"
        );
    }
    // Other headers that proxies use to hand an identity on are words.
    for name in [
        "x-forwarded-client-cert",
        "x-ssl-client-s-dn",
        "forwarded",
        "x-forwarded-for",
    ] {
        let claimed = town.ca().spiffe(MALL, "counter").to_string();
        let headers = [
            ("content-type", "application/json"),
            (name, claimed.as_str()),
        ];
        let counter = town.counter_as(&weak);
        let answer = counter
            .send("POST", "/v1/lookups", &headers, body.clone())
            .await
            .unwrap();
        assert_eq!(
            answer.json::<Problem>().code,
            Code::NothingGranted,
            "{name}"
        );
    }
    town.stop().await;
}

#[tokio::test]
async fn taken_out_between_two_requests() {
    let town = town().start().await;
    for counter in [town.counter(), town.counter().http2()] {
        town.swap(town.parts());
        let mut connection = counter.connect().await.unwrap();
        let answer = connection
            .send("GET", "/v1/catalogue", &[], "")
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        let mut parts = town.parts();
        parts.members[0].systems.clear();
        town.swap(parts);
        let answer = connection
            .send("GET", "/v1/catalogue", &[], "")
            .await
            .unwrap();
        assert_eq!(answer.json::<Problem>().code, Code::NotEnrolled);
    }
    town.stop().await;
}

/// The gateway believes an agency as little as a counter.
#[tokio::test]
async fn an_agency_that_isnt_the_one() {
    let ca = Ca::new("loket.example");
    let not_after = Timestamp::now() - 1.minute();
    let dukcapil = vec![ca.spiffe("dukcapil", "registry").to_string()];
    let elsewhere = LeafSpec {
        dns: vec!["elsewhere.example".to_owned()],
        ..LeafSpec::default()
    };
    let wrong = [
        ca.system("djp", "registry"),
        ca.system("dukcapil", "other"),
        ca.issue(elsewhere),
        Ca::new("loket.example").system("dukcapil", "registry"),
        ca.issue(LeafSpec {
            uris: dukcapil.clone(),
            not_after,
            ..LeafSpec::default()
        }),
        ca.issue(LeafSpec {
            uris: dukcapil.clone(),
            eku: Eku::Client,
            ..LeafSpec::default()
        }),
        ca.issue(LeafSpec {
            uris: dukcapil.clone(),
            key_usage: vec![KeyUsage::KeyEncipherment],
            ..LeafSpec::default()
        }),
    ];
    // One without a SPIFFE ID is known by its host name.
    let nameless = ca.issue(LeafSpec::default());
    let cases = wrong.iter().map(|leaf| (leaf, "unreachable"));
    for (leaf, reason) in cases.chain([(&nameless, "complete")]) {
        let tls = ca.mutual_tls(leaf, None);
        let town = town().authority(&ca, None).agency_tls("dukcapil", tls);
        let town = town.start().await;
        let answer = town.answer(&Ask::identity()).await;
        assert_eq!(answer.results[0].reason.as_str(), reason, "{leaf:?}");
        let asked = town.agency("dukcapil").requests().len();
        assert_eq!(asked, usize::from(reason == "complete"));
        town.stop().await;
    }
}
