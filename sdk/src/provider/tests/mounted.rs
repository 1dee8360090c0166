//! The service without the server: in a router, and with the clock in hand.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Service as _, ServiceExt};

use super::*;
use crate::identity::PeerCertificate;

fn service() -> Service<impl Provider> {
    let gateway = "spiffe://loket.example/gateway/mpp-1".parse().unwrap();
    Service::new(the_sample(), [gateway]).unwrap()
}

fn peer() -> Arc<PeerCertificate> {
    let leaf = Ca::new("loket.example").system("gateway", "mpp-1");
    let tls = leaf.mutual_tls();
    Arc::new(PeerCertificate::from_der(tls.end_entity().unwrap()).unwrap())
}

fn request<B>(path: &str, body: B) -> Request<B> {
    Request::post(path)
        .header("content-type", "application/json")
        .extension(peer())
        .body(body)
        .unwrap()
}

async fn code(response: Response<Full<Bytes>>) -> Code {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice::<Problem>(&body).unwrap().code
}

#[tokio::test]
async fn an_axum_router_mounts_it() {
    let mut router: axum::Router = axum::Router::new()
        .nest_service("/dukcapil", service())
        .route("/", axum::routing::get(|| async { "the agency" }));
    let path = format!("/dukcapil{PATH}");
    let body = question().to_string();
    let answer = router
        .call(request(&path, Body::from(body.clone())))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    // Nobody put a certificate in: a header wouldn't do.
    let unknown = Request::post(path)
        .header("content-type", "application/json")
        .header("x-client-cert", "spiffe://loket.example/gateway/mpp-1")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(router.call(unknown).await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_draining_service_takes_no_new_question() {
    let service = service();
    service.drain();
    let body = Full::new(Bytes::from(question().to_string()));
    let answer = service.oneshot(request(PATH, body)).await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(code(answer).await, Code::Draining);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let gateway = "spiffe://loket.example/gateway/mpp-1".parse().unwrap();
    let limits = Limits {
        body_timeout: Duration::from_millis(1),
        ..Limits::default()
    };
    let service = Service::with(the_sample(), [gateway], "", limits).unwrap();
    let never = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>();
    let answer = service.oneshot(request(PATH, StreamBody::new(never))).await;
    assert_eq!(code(answer.unwrap()).await, Code::RequestTimeout);
}

#[test]
fn a_service_that_could_answer_nobody_is_not_made() {
    struct Catalogue(&'static [&'static str]);
    impl Provider for Catalogue {
        fn records(&self) -> Vec<RecordRef> {
            self.0.iter().map(|name| name.parse().unwrap()).collect()
        }
        async fn find(&self, _: &Query) -> Result<Reply, ProviderError> {
            Ok(Reply::NotFound)
        }
    }
    let gateway = || ["spiffe://loket.example/gateway/mpp-1".parse().unwrap()];
    let unknown = Service::new(Catalogue(&["shoe-size/1"]), gateway());
    assert!(matches!(unknown.err(), Some(SetupError::UnknownRecord(_))));
    let none = Service::new(Catalogue(&[]), gateway());
    assert!(matches!(none.err(), Some(SetupError::NoRecord)));
    let nobody = Service::new(Catalogue(&["taxpayer/1"]), []);
    assert!(matches!(nobody.err(), Some(SetupError::NoGateway)));
}
