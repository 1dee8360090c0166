//! A collector of OTLP over HTTP that keeps what it gets.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

type Kept = Arc<Mutex<Vec<(String, Bytes)>>>;

pub(crate) struct Collector {
    address: SocketAddr,
    kept: Kept,
    task: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Kept::default();
        let keeping = kept.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let kept = keeping.clone();
                let service = service_fn(move |request| keep(kept.clone(), request));
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // The gateway closes its connection as it likes.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            address,
            kept,
            task,
        }
    }

    /// Ends with every connection.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // That it was aborted is what is wanted.
        let _ = self.task.await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn bodies(&self, path: &str) -> Vec<Bytes> {
        let kept = self.kept.lock().unwrap();
        let of_path = kept.iter().filter(|(kept, _)| kept == path);
        of_path.map(|(_, body)| body.clone()).collect()
    }

    fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        let bodies = self.bodies("/v1/traces").into_iter();
        bodies
            .map(|body| ExportTraceServiceRequest::decode(body).unwrap())
            .collect()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let resources = self
            .traces()
            .into_iter()
            .flat_map(|export| export.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    pub(crate) fn service_names(&self) -> BTreeSet<String> {
        let resources = self
            .traces()
            .into_iter()
            .flat_map(|export| export.resource_spans);
        let attributes = resources
            .filter_map(|r| r.resource)
            .flat_map(|r| r.attributes);
        attributes
            .filter(|pair| pair.key == "service.name")
            .filter_map(|pair| match pair.value?.value? {
                Value::StringValue(name) => Some(name),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn metric_names(&self) -> BTreeSet<String> {
        let bodies = self.bodies("/v1/metrics").into_iter();
        bodies
            .flat_map(|body| {
                ExportMetricsServiceRequest::decode(body)
                    .unwrap()
                    .resource_metrics
            })
            .flat_map(|resource| resource.scope_metrics)
            .flat_map(|scope| scope.metrics)
            .map(|metric| metric.name)
            .collect()
    }
}

async fn keep(kept: Kept, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    kept.lock().unwrap().push((path, body));
    Ok(Response::new(Full::default()))
}
