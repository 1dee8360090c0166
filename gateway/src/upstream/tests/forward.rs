//! Forwarded requests, over real TLS, to a server that echoes.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::sync::mpsc;

use super::several::metric;
use super::*;
use crate::directory::Protocol;

type Chunks = mpsc::Sender<Result<Frame<Bytes>, BoxError>>;

/// A body that is fed from a channel.
fn fed() -> (Chunks, Outbound) {
    let (send, receive) = mpsc::channel(1);
    let frames = stream::unfold(receive, async |mut receive: mpsc::Receiver<_>| {
        Some((receive.recv().await?, receive))
    });
    (send, StreamBody::new(frames).boxed_unsync())
}

async fn echo(
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, hyper::Error>>, Infallible> {
    let seen = |name: &str| {
        let value = request.headers().get(name);
        value.map_or("", |it| it.to_str().unwrap()).to_owned()
    };
    let (host, trace) = (seen("host"), seen("traceparent"));
    let left = seen("loket-deadline-ms");
    let status = match seen("x-status").as_str() {
        "" => StatusCode::OK,
        status => status.parse().unwrap(),
    };
    let target = request.uri().path_and_query().unwrap().as_str().to_owned();
    let response = Response::builder()
        .status(status)
        .header("x-target", target)
        .header("x-host", host)
        .header("x-left", left)
        .header("x-trace", trace)
        .body(request.into_body().boxed_unsync());
    Ok(response.unwrap())
}

struct Echo {
    world: World,
    upstream: Upstream,
    authority: String,
}

/// What a server does with requests.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Echoing,
    Refusing,
    /// Answers one on each connection, and goes away at the next.
    Once,
}

async fn serve(ca: &Ca, manner: Manner) -> String {
    let leaf = ca.system(AGENCY, "registry");
    let tls = Arc::new(ca.mutual_tls(&leaf, None).server().unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls);
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let tls = TokioIo::new(acceptor.accept(tcp).await.unwrap());
                let server = auto::Builder::new(TokioExecutor::new());
                let asked = std::sync::atomic::AtomicUsize::new(0);
                let answer = service_fn(move |mut request: Request<Incoming>| {
                    let before = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let gone = manner == Manner::Once && before > 0;
                    if manner == Manner::Refusing {
                        let busy = http::HeaderValue::from_static("503");
                        request.headers_mut().insert("x-status", busy);
                    }
                    async move {
                        match gone {
                            true => Err(std::io::Error::other("gone")),
                            false => Ok(echo(request).await.unwrap()),
                        }
                    }
                });
                let _ = server.serve_connection(tls, answer).await;
            });
        }
    });
    authority
}

impl Echo {
    async fn start(protocol: Protocol) -> Self {
        Self::with(protocol, &[Manner::Echoing], |_| {}).await
    }

    async fn with(
        protocol: Protocol,
        manners: &[Manner],
        change: impl FnOnce(&mut Backend),
    ) -> Self {
        let ca = Ca::new(town::TRUST_DOMAIN);
        let mut endpoints = Vec::new();
        let mut authority = String::new();
        for manner in manners {
            authority = serve(&ca, *manner).await;
            endpoints.push(format!("https://{authority}/base/").parse().unwrap());
        }
        let world = World::start(|_| {}).await;
        let source = town::source(AGENCY, Vec::new());
        let mut backend = Backend {
            endpoints,
            max_in_flight: NonZeroUsize::MIN,
            protocol,
            ..Backend::default()
        };
        change(&mut backend);
        let tls = Arc::new(ca.system("gateway", "mpp-1").mutual_tls().client().unwrap());
        let telemetry = world.telemetry.clone();
        let upstream = Upstream::new(source.name(), &backend, town::TRUST_DOMAIN, &tls, telemetry);
        Self {
            world,
            upstream,
            authority,
        }
    }

    async fn forward(&self, request: Request<Outbound>) -> Result<Forwarded, Failure> {
        self.forward_as(request, false).await
    }

    async fn forward_as(
        &self,
        request: Request<Outbound>,
        replayable: bool,
    ) -> Result<Forwarded, Failure> {
        let forward = Forward {
            request,
            connect_timeout: Duration::from_secs(20),
            first_byte_timeout: Duration::from_secs(20),
            deadline: Some(Instant::now() + Duration::from_secs(60)),
            replayable,
            route: "/things/{id}",
            parent: self.world.span(),
        };
        self.upstream.forward(forward).await
    }

    fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        metric(&self.world.telemetry, name, labels)
    }
}

fn post(body: Outbound) -> Request<Outbound> {
    let request = Request::post("/things/7?full=yes");
    request.body(body).unwrap()
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Auto] {
        let echo = Echo::start(protocol).await;
        let (send, body) = fed();
        // HTTP/1.1 begins the answer when the server does: at once.
        let forwarded = echo.forward(post(body)).await.unwrap();
        let (head, mut answer) = forwarded.response.into_parts();
        assert_eq!(head.headers["x-target"], "/base/things/7?full=yes");
        let host = match protocol {
            Protocol::Http1 => echo.authority.as_str(),
            Protocol::Http2 | Protocol::Auto => "",
        };
        assert_eq!(head.headers["x-host"], host);
        let left: u64 = head.headers["x-left"].to_str().unwrap().parse().unwrap();
        assert!((1..=20_000).contains(&left), "{left}");
        assert!(!head.headers["x-trace"].is_empty());
        for chunk in ["one", "two", "three"] {
            send.send(Ok(Frame::data(chunk.into()))).await.unwrap();
            let came = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(came, chunk, "it came before the next was sent");
        }
        assert_eq!(echo.metric("loket_agency_in_flight", &[AGENCY]), 1.0);
        drop(send);
        let rest = answer.collect().await.unwrap().to_bytes();
        assert_eq!(rest, "");
        forwarded.guard.conclude(Ended::Whole);
        assert_eq!(echo.metric("loket_agency_in_flight", &[AGENCY]), 0.0);
        let calls = "loket_agency_call_duration_seconds_count";
        assert_eq!(echo.metric(calls, &["\"answered\"", "registry"]), 1.0);
        for _ in 0..5 {
            let forwarded = echo.forward(post(whole("all".into()))).await.unwrap();
            let all = forwarded.response.into_body().collect().await.unwrap();
            assert_eq!(all.to_bytes(), "all");
            forwarded.guard.conclude(Ended::Whole);
        }
        assert!(echo.metric("loket_agency_connections", &[AGENCY]) <= 2.0);
    }
}

#[tokio::test]
async fn a_slot_is_held_to_the_end_and_a_dropped_guard_is_a_cancelled_call() {
    let echo = Echo::start(Protocol::Http1).await;
    let (send, body) = fed();
    let forwarded = echo.forward(post(body)).await.unwrap();
    let failure = echo.forward(post(whole(Bytes::new()))).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Overloaded);
    drop(forwarded);
    let calls = "loket_agency_call_duration_seconds_count";
    assert_eq!(echo.metric(calls, &["cancelled"]), 1.0);
    let forwarded = echo.forward(post(whole(Bytes::new()))).await.unwrap();
    forwarded.guard.conclude(Ended::CallerLeft);
    assert_eq!(echo.metric(calls, &["cancelled"]), 2.0);
    drop(send);
}

/// Only a request that is safe and has no body: anything else is sent once.
#[tokio::test]
async fn a_safe_request_that_is_refused_goes_elsewhere_and_no_other_does() {
    for (replayable, body, elsewhere) in [(true, "", true), (false, "", false), (true, "x", false)]
    {
        let echo = Echo::with(
            Protocol::Http1,
            &[Manner::Refusing, Manner::Echoing],
            |backend| {
                backend.retry_percent = 100;
            },
        )
        .await;
        let mut refused = 0;
        for _ in 0..20 {
            let request = post(whole(body.into()));
            let forwarded = echo.forward_as(request, replayable).await.unwrap();
            refused += u32::from(forwarded.response.status() == 503);
            forwarded.response.into_body().collect().await.unwrap();
            forwarded.guard.conclude(Ended::Whole);
        }
        let retries = echo.metric("loket_agency_resends_total", &["\"retry\""]);
        assert_eq!((refused == 0, retries > 0.0), (elsewhere, elsewhere));
    }
}

#[tokio::test]
async fn a_kept_connection_that_is_gone_costs_a_safe_request_nothing() {
    let echo = Echo::with(Protocol::Http1, &[Manner::Once], |_| {}).await;
    for _ in 0..10 {
        let request = post(whole(Bytes::new()));
        let forwarded = echo.forward_as(request, true).await.unwrap();
        forwarded.response.into_body().collect().await.unwrap();
        forwarded.guard.conclude(Ended::Whole);
    }
    assert!(echo.metric("loket_agency_resends_total", &["stale"]) >= 1.0);
    // What isn't safe may have been done: nobody sends it again.
    let mut failures = Vec::new();
    for _ in 0..4 {
        match echo.forward(post(whole("once".into()))).await {
            Ok(forwarded) => {
                forwarded.response.into_body().collect().await.unwrap();
                forwarded.guard.conclude(Ended::Whole);
            }
            Err(failure) => failures.push((failure.reason, failure.asked)),
        }
    }
    assert!(!failures.is_empty());
    assert!(failures.iter().all(|it| *it == (Reason::SourceError, true)));
}

/// Else one caller who breaks off could close a service to all the others.
#[tokio::test]
async fn a_caller_who_breaks_off_does_not_count_against_the_agency() {
    let echo = Echo::start(Protocol::Http1).await;
    for _ in 0..20 {
        let (send, body) = fed();
        let broken: BoxError = "cut".into();
        send.send(Err(broken)).await.unwrap();
        match echo.forward(post(body)).await {
            Err(failure) => assert_eq!(failure.reason, Reason::CallerLeft),
            Ok(forwarded) => {
                let read = forwarded.response.into_body().collect().await;
                assert!(read.is_err(), "what was cut short isn't whole");
                forwarded.guard.conclude(Ended::CallerLeft);
            }
        }
    }
    let forwarded = echo.forward(post(whole("well".into()))).await.unwrap();
    assert_eq!(forwarded.response.status(), 200);
}

#[tokio::test]
async fn a_services_own_error_is_an_answer_and_an_absent_service_trips_the_breaker() {
    let echo = Echo::start(Protocol::Http1).await;
    let ask = async |status: &str| {
        let mut request = post(whole(Bytes::new()));
        request
            .headers_mut()
            .insert("x-status", status.parse().unwrap());
        let forwarded = echo.forward(request).await?;
        let status = forwarded.response.status().as_u16();
        forwarded.response.into_body().collect().await.unwrap();
        forwarded.guard.conclude(Ended::Whole);
        Ok::<_, Failure>(status)
    };
    for _ in 0..20 {
        assert_eq!(ask("500").await, Ok(500));
    }
    for _ in 0..8 {
        assert_eq!(ask("502").await, Ok(502));
    }
    assert_eq!(ask("200").await.unwrap_err().reason, Reason::BreakerOpen);
}

#[tokio::test]
async fn an_upload_that_moves_is_no_slow_answer() {
    let world = World::start(|_| {}).await;
    tokio::time::pause();
    let progress = outgoing::Progress::new();
    drop(world);
    let second = Duration::from_secs(1);
    let moving = {
        let (send, body) = fed();
        let mut body = outgoing::Outgoing::Streamed(body, progress.clone());
        async move {
            for _ in 0..5 {
                tokio::time::sleep(second).await;
                send.send(Ok(Frame::data(Bytes::new()))).await.unwrap();
                body.frame().await.unwrap().unwrap();
            }
            tokio::time::sleep(second).await;
            "answered"
        }
    };
    let wait = 2 * second;
    let started = Instant::now();
    let seen = call::first_byte(moving, wait, None, Some(progress.clone())).await;
    assert_eq!(seen, Some("answered"));
    assert_eq!(started.elapsed().as_secs(), 6);
    let never = std::future::pending::<()>();
    assert_eq!(
        call::first_byte(never, wait, None, Some(progress)).await,
        None
    );
    assert_eq!(started.elapsed().as_secs(), 8);
}
