//! What breaks after the question was sent is the source's, and what breaks for want of descriptors
//! is ours.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::directory::Protocol;
use crate::upstream::connector::Refused;
use crate::upstream::failure::unconnected;

/// A source that reads a question and sends these bytes instead of an answer.
async fn check(protocol: Protocol, bytes: &'static [u8], expected: &str) {
    let ca = Ca::new(town::TRUST_DOMAIN);
    let mut tls = ca.system(AGENCY, "registry").mutual_tls().server().unwrap();
    tls.alpn_protocols = match protocol {
        Protocol::Http2 => vec![b"h2".to_vec()],
        _ => vec![b"http/1.1".to_vec()],
    };
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let source = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(tcp).await.unwrap();
        let mut question = Vec::new();
        while !question.windows(9).any(|nine| nine == b"\"purpose\"") {
            assert!(stream.read_buf(&mut question).await.unwrap() > 0);
        }
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let world = World::start(|_| {}).await;
    let upstream = at(&world, &ca, &url, |backend| backend.protocol = protocol);
    let answer = upstream.ask(&call(&world)).await;
    assert_eq!(show(&answer), expected);
    assert!(answer.unwrap_err().asked);
    source.await.unwrap();
}

fn at(world: &World, ca: &Ca, url: &str, change: impl FnOnce(&mut Backend)) -> Upstream {
    let source = town::source(AGENCY, Vec::new());
    let mut backend = source.backend.clone();
    backend.endpoints = vec![url.parse().unwrap()];
    change(&mut backend);
    let tls = Arc::new(ca.system("gateway", "mpp-1").mutual_tls().client().unwrap());
    let telemetry = world.telemetry.clone();
    Upstream::new(source.name(), &backend, town::TRUST_DOMAIN, &tls, telemetry)
}

#[tokio::test]
async fn what_breaks_after_the_question_is_the_sources_error() {
    let one = Protocol::Http1;
    check(one, b"", "source_error, connection_reset").await;
    check(
        one,
        b"HTTP/1.1 200 OK\r\nx",
        "source_error, connection_reset",
    )
    .await;
    check(one, b"this isn't HTTP\r\n\r\n", "source_error, protocol").await;
}

/// HTTP/2 frames: settings, then one that ends everything.
#[tokio::test]
async fn over_http2_too() {
    const GO_AWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\x01\0\0\0\x02";
    const RESET: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02";
    let two = Protocol::Http2;
    check(two, GO_AWAY, "source_error, connection_reset").await;
    check(two, RESET, "source_error, connection_reset").await;
    check(two, b"this isn't HTTP/2", "source_error, connection_reset").await;
}

/// Over HTTP/2 a connection that no answer comes on isn't asked over again: it may be as good as dead,
/// or flood us for as long as it is kept.
#[tokio::test]
async fn a_shared_connection_without_an_answer_is_given_up() {
    let ca = Ca::new(town::TRUST_DOMAIN);
    let mut tls = ca.system(AGENCY, "registry").mutual_tls().server().unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let source = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(tcp).await.unwrap();
            let told = told.clone();
            tokio::spawn(async move {
                stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                told.send(()).unwrap();
            });
        }
    });
    let world = World::start(|_| {}).await;
    let upstream = at(&world, &ca, &url, |it| {
        it.protocol = Protocol::Http2;
        it.timeout = Duration::from_millis(300);
    });
    for _ in 0..2 {
        let answer = upstream.ask(&call(&world)).await;
        assert_eq!(show(&answer), "no_answer_yet, timeout");
        let waiting = tokio::time::timeout(Duration::from_secs(20), ended.recv());
        waiting.await.expect("its connection ends");
    }
    source.abort();
}

/// A back end of both kinds that goes back to HTTP/1.1 has its connections kept again.
#[tokio::test]
async fn a_source_that_no_longer_speaks_http2() {
    let ca = Ca::new(town::TRUST_DOMAIN);
    let mut tls = ca.system(AGENCY, "registry").mutual_tls().server().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (told, connections) = tokio::sync::watch::channel(0);
    let source = tokio::spawn(async move {
        for alpn in [&b"h2"[..], b"http/1.1", b"http/1.1", b"http/1.1"] {
            tls.alpn_protocols = vec![alpn.to_vec()];
            let (tcp, _) = listener.accept().await.unwrap();
            told.send_modify(|connections| *connections += 1);
            let acceptor = TlsAcceptor::from(Arc::new(tls.clone()));
            let mut stream = acceptor.accept(tcp).await.unwrap();
            if alpn == b"h2" {
                continue;
            }
            tokio::spawn(async move {
                let mut question = Vec::new();
                while stream.read_buf(&mut question).await.unwrap() > 0 {
                    if question.ends_with(b"}") {
                        question.clear();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                        stream.write_all(answer).await.unwrap();
                    }
                }
            });
        }
    });
    let world = World::start(|_| {}).await;
    let upstream = at(&world, &ca, &url, |it| it.protocol = Protocol::Auto);
    // The first is broken off.
    let first = show(&upstream.ask(&call(&world)).await);
    for _ in 0..2 {
        assert_eq!(
            show(&upstream.ask(&call(&world)).await),
            "answered",
            "{first}"
        );
    }
    assert_eq!(*connections.borrow(), 2);
    source.abort();
}

/// In TLS 1.3 the question may be on its way before our certificate is refused.
#[tokio::test]
async fn a_source_that_refuses_our_certificate_was_not_reached() {
    let (ours, theirs) = (Ca::new(town::TRUST_DOMAIN), Ca::new(town::TRUST_DOMAIN));
    let leaf = ours.system(AGENCY, "registry");
    let agency = loket_sdk::testing::FakeAgency::builder(AGENCY)
        .gateways([ours.spiffe("gateway", "mpp-1")])
        .samples()
        .tls(theirs.mutual_tls(&leaf, None))
        .start(&ours)
        .await;
    let world = World::start(|_| {}).await;
    let upstream = at(&world, &ours, &agency.url(), |_| {});
    let answer = upstream.ask(&call(&world)).await;
    assert_eq!(show(&answer), "unreachable, tls_handshake");
    assert!(agency.requests().is_empty());
}

/// A hasty caller's agency is told how little time there is, and says so itself.
#[tokio::test]
async fn an_agency_out_of_the_callers_time_is_not_at_fault() {
    let world = World::start(|_| {}).await;
    let upstream = upstream(&world);
    for fault in [Fault::Status(408), Fault::Status(500)] {
        world.set_fault(AGENCY, fault.clone());
        for _ in 0..12 {
            let mut call = call(&world);
            call.deadline = Instant::now() + Duration::from_secs(2);
            let expected = match fault {
                Fault::Status(408) => "no_answer_yet, 408",
                _ => "source_error, 500",
            };
            let told = show(&upstream.ask(&call).await);
            if told == "breaker_open, breaker_open" {
                assert_eq!(fault, Fault::Status(500));
                return;
            }
            assert_eq!(told, expected);
        }
    }
    panic!("its own fault opens the breaker");
}

/// Our own descriptors ran out: no agency is worse for it.
#[test]
fn what_we_lack_counts_against_nobody() {
    use std::io::{Error, ErrorKind};
    let lacking = Refused::Connect(Error::from_raw_os_error(24));
    let failure = unconnected(&lacking);
    let words = (failure.reason, failure.error_type, failure.asked);
    let expected = (Reason::Overloaded, ErrorType::RateLimited, false);
    assert_eq!(words, expected);
    assert!(failure.proves_nothing() && !failure.trips());

    let failure = unconnected(&Refused::Connect(ErrorKind::ConnectionRefused.into()));
    assert_eq!(failure.reason, Reason::Unreachable);
    assert!(!failure.proves_nothing() && failure.trips());
}
