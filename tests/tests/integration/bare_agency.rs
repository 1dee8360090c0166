//! An agency without the kit: it keeps what the wire brought and answers from the sample.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use jiff::Timestamp;
use loket_sdk::testing::sample;
use loket_tests::Town;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Heads and bodies of the questions.
pub(crate) type Kept = Arc<Mutex<Vec<(Parts, Value)>>>;

/// Puts a bare agency in the place of the civil registry.
pub(crate) async fn replace_dukcapil(town: &Town) -> Kept {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let leaf = town.ca().system("dukcapil", "registry");
    let acceptor = TlsAcceptor::from(Arc::new(leaf.mutual_tls().server().unwrap()));
    let kept = Kept::default();
    let keeping = kept.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = acceptor.accept(stream).await.unwrap();
            let kept = keeping.clone();
            let service = service_fn(move |request| answer(kept.clone(), request));
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // The gateway closes its connection as it likes.
                let _ = server.serve_connection(TokioIo::new(tls), service).await;
            });
        }
    });
    point(town, address);
    kept
}

fn point(town: &Town, address: SocketAddr) {
    let mut parts = town.parts();
    let mut sources = parts.sources.iter_mut();
    let source = sources.find(|source| source.agency.as_str() == "dukcapil");
    let url = format!("https://localhost:{}/base", address.port());
    source.unwrap().backend.endpoints = vec![url.parse().unwrap()];
    town.swap(parts);
}

async fn answer(
    kept: Kept,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let question: Value = serde_json::from_slice(&bytes).unwrap();
    let mut record = sample("person-identity/1");
    let wanted = question["fields"].as_array().unwrap().clone();
    let members = record.as_object_mut().unwrap();
    members.retain(|name, _| wanted.iter().any(|field| field == name));
    let answer = json!({
        "status": "found",
        "as_of": Timestamp::now(),
        "subject": question["subject"],
        "record": record,
    });
    kept.lock().unwrap().push((head, question));
    Ok(Response::new(Full::new(answer.to_string().into())))
}
