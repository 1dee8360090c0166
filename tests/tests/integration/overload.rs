//! More than can be served, and peers that cost more than their share.

use std::sync::Arc;
use std::time::Duration;

use loket_sdk::testing::{FakeCounter, Fault};
use loket_tests::town::eventually;
use loket_tests::{Ask, Town, TownBuilder};
use tokio::io::AsyncWriteExt as _;

mod frames;
mod goodput;
mod http2;

const JSON: (&str, &str) = ("content-type", "application/json");
const OTHER: &str = "other-mall";

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil"])
}

fn other(town: &Town) -> FakeCounter {
    town.counter_as(&town.ca().system(OTHER, "counter"))
}

/// Waits until a metric has a value.
async fn metric(town: &Town, name: &str, labels: &[&str], expected: f64) {
    let look = async || (town.metric(name, labels).await == expected).then_some(());
    eventually(&format!("{name} {labels:?} = {expected}"), look).await;
}

async fn refused(town: &Town, cause: &str, expected: f64) {
    let cause = format!("cause=\"{cause}\"");
    metric(town, "loket_connections_refused_total", &[&cause], expected).await;
}

async fn ended(town: &Town, cause: &str, expected: f64) {
    let cause = format!("cause=\"{cause}\"");
    metric(town, "loket_connections_ended_total", &[&cause], expected).await;
}

#[tokio::test]
async fn one_member_cant_take_all_connections() {
    let town = town()
        .member(OTHER, "counter", Vec::new())
        .listener(|listener| listener.max_connections_per_member = 2)
        .start()
        .await;
    let mut first = town.counter().connect().await.unwrap();
    let second = town.counter().http2().connect().await.unwrap();
    metric(&town, "loket_connections_open", &[], 2.0).await;
    // The handshake ends before the member is known to the client as refused.
    let third = town.counter().get("/v1/catalogue").await;
    assert!(third.is_err(), "{third:?}");
    refused(&town, "member", 1.0).await;
    assert_eq!(other(&town).get("/v1/catalogue").await.unwrap().status, 200);
    let answer = first.send("GET", "/v1/catalogue", &[], "").await.unwrap();
    assert_eq!(answer.status, 200);
    drop(second);
    metric(&town, "loket_connections_open", &[], 1.0).await;
    assert_eq!(
        town.counter().get("/v1/catalogue").await.unwrap().status,
        200
    );
    town.stop().await;
}

#[tokio::test]
async fn a_full_listener_closes_newcomers_at_once() {
    let town = town()
        .listener(|listener| listener.max_connections = 1)
        .start()
        .await;
    let held = town.counter().connect().await.unwrap();
    metric(&town, "loket_connections_open", &[], 1.0).await;
    assert!(town.counter().connect().await.is_err());
    refused(&town, "full", 1.0).await;
    drop(held);
    metric(&town, "loket_connections_open", &[], 0.0).await;
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// Peers that begin a handshake and go no further take no connection's place from those who do.
#[tokio::test]
async fn silent_peers_hold_up_handshakes_only_so_far() {
    let town = town()
        .listener(|listener| {
            listener.max_handshakes = 1;
            listener.max_connections_per_address = 3;
            listener.handshake_timeout = Duration::from_secs(60);
        })
        .start()
        .await;
    let mut open = town.counter().connect().await.unwrap();
    metric(&town, "loket_connections_open", &[], 1.0).await;
    let silent = || tokio::net::TcpStream::connect(town.address());
    let one = silent().await.unwrap();
    metric(&town, "loket_tls_handshakes_active", &[], 1.0).await;
    let two = silent().await.unwrap();
    assert!(town.counter().connect().await.is_err());
    refused(&town, "handshakes", 1.0).await;
    // Who is in is served all the while.
    let answer = open.send("GET", "/v1/catalogue", &[], "").await.unwrap();
    assert_eq!(answer.status, 200);
    drop((one, two));
    metric(&town, "loket_tls_handshakes_active", &[], 0.0).await;
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

#[tokio::test]
async fn so_many_connections_of_one_address() {
    let town = town()
        .listener(|listener| listener.max_connections_per_address = 1)
        .start()
        .await;
    let silent = tokio::net::TcpStream::connect(town.address())
        .await
        .unwrap();
    metric(&town, "loket_tls_handshakes_active", &[], 1.0).await;
    assert!(town.counter().connect().await.is_err());
    refused(&town, "address", 1.0).await;
    drop(silent);
    metric(&town, "loket_tls_handshakes_active", &[], 0.0).await;
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

#[tokio::test]
async fn an_unused_connection_is_closed() {
    let idle = Duration::from_millis(200);
    let town = town()
        .listener(|listener| listener.idle_timeout = idle)
        .start()
        .await;
    for counter in [town.counter(), town.counter().http2()] {
        let mut connection = counter.connect().await.unwrap();
        let answer = connection.send("GET", "/v1/catalogue", &[], "").await;
        assert_eq!(answer.unwrap().status, 200);
        metric(&town, "loket_connections_open", &[], 0.0).await;
    }
    ended(&town, "idle", 2.0).await;
    town.stop().await;
}

/// A peer that asks on and on and reads nothing is left.
#[tokio::test]
async fn a_peer_that_doesnt_read() {
    let town = town()
        .listener(|listener| listener.write_timeout = Duration::from_millis(300))
        .start()
        .await;
    let mut tls = town.ca().mutual_tls(&town.leaf(), None).client().unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = tokio::net::TcpStream::connect(town.address())
        .await
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, tcp).await.unwrap();
    let ask = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let asking = tokio::spawn(async move {
        // Until the gateway has had enough.
        while stream.write_all(ask.as_bytes()).await.is_ok() {}
    });
    ended(&town, "slow_reader", 1.0).await;
    asking.await.unwrap();
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// An old connection ends after the request that is under way.
#[tokio::test]
async fn an_old_connection_finishes_what_it_has() {
    let town = town()
        .listener(|listener| listener.max_connection_age = Duration::from_millis(300))
        .start()
        .await;
    for counter in [town.counter(), town.counter().http2()] {
        town.agency("dukcapil").set_fault(Fault::Hang);
        let mut connection = counter.connect().await.unwrap();
        let ask = Ask::identity().within_ms(900);
        let asking = connection.send("POST", "/v1/lookups", &[JSON], ask.text());
        let answer = asking.await.unwrap();
        assert_eq!(answer.status, 200);
        metric(&town, "loket_connections_open", &[], 0.0).await;
    }
    ended(&town, "aged", 2.0).await;
    town.stop().await;
}

/// One member floods; the other still gets places, and what runs is answered.
#[tokio::test]
async fn one_member_cant_take_all_places() {
    let town = town()
        .member(OTHER, "counter", Vec::new())
        .each_asked()
        .limits(|limits| limits.max_requests = 16)
        .start()
        .await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let ask = Ask::identity().within_ms(5_000);
    let flood: Vec<_> = (0..20)
        .map(|_| {
            let (counter, body) = (town.counter(), ask.anew().text());
            tokio::spawn(async move {
                let answer = counter.send("POST", "/v1/lookups", &[JSON], body).await;
                let answer = answer.unwrap();
                let wait = answer.header("retry-after").to_owned();
                (answer.status.as_u16(), wait)
            })
        })
        .collect();
    // An eighth is in nobody's share.
    metric(&town, "loket_requests_shed_total", &["share"], 6.0).await;
    town.agency("dukcapil").asked(14).await;
    for _ in 0..10 {
        let answer = other(&town).get("/v1/catalogue").await.unwrap();
        assert_eq!(answer.status, 200);
    }
    let mut statuses = Vec::new();
    for request in flood {
        let (status, wait) = request.await.unwrap();
        assert_eq!(wait.is_empty(), status == 200);
        statuses.push(status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 14].as_slice(), &[503; 6]].concat());
    town.stop().await;
}
