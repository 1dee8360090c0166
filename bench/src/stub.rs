//! Stub agencies: a question in, after a fixed time the sample record out.
//!
//! Leaner than the SDK's kit on purpose: what is measured is the gateway. Their mutual TLS is real.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use loket_sdk::ids::Scheme;
use loket_sdk::message::{REQUEST_ID_HEADER, RecordRef, SubjectKey};
use loket_sdk::schema;
use loket_sdk::sensitive::Sensitive;
use loket_sdk::testing::{Ca, sample};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::slots::Slots;

/// Whom every lookup is about; the sample world's citizen.
pub(crate) const NIK: &str = "3510161405889901";

/// An agency with the record that it is asked for.
pub(crate) struct Agency {
    pub(crate) id: &'static str,
    pub(crate) system: &'static str,
    pub(crate) record: &'static str,
}

/// The five.
pub(crate) const AGENCIES: [Agency; 5] = [
    agency("dukcapil", "siak", "person-identity/1"),
    agency("djp", "coretax", "taxpayer/1"),
    agency("bpjs-kesehatan", "jkn", "health-insurance/1"),
    agency("korlantas", "sim", "driving-licence/1"),
    agency("samsat", "samsat", "vehicle-registration/1"),
];

const fn agency(id: &'static str, system: &'static str, record: &'static str) -> Agency {
    Agency { id, system, record }
}

/// Starts a stub on a free port; it ends with the runtime.
///
/// # Errors
/// When it can't listen, or its record can't be given for the citizen.
pub(crate) async fn start(
    agency: &Agency,
    delay: Duration,
    ca: &Ca,
    slots: Slots,
) -> anyhow::Result<SocketAddr> {
    let answer = answer(agency.record)?;
    let tls = ca.system(agency.id, agency.system).mutual_tls().server()?;
    let tls = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((tcp, _)) = listener.accept().await else {
                continue;
            };
            let (tls, answer, slots) = (tls.clone(), answer.clone(), slots.clone());
            tokio::spawn(async move {
                // A connection that fails shows as the gateway's errors.
                let _ = tcp.set_nodelay(true);
                let Ok(stream) = tls.accept(tcp).await else {
                    return;
                };
                let service =
                    service_fn(move |request| serve(request, delay, answer.clone(), slots.clone()));
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http2().max_concurrent_streams(4096);
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}

async fn serve(
    request: Request<Incoming>,
    delay: Duration,
    answer: Bytes,
    slots: Slots,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    let id = request_id(request.headers());
    // Whatever was asked, the answer is the same.
    let _ = request.into_body().collect().await;
    tokio::time::sleep(delay).await;
    let mut response = Response::new(Full::new(answer));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if let Some(id) = id {
        slots.held(&id, arrived.elapsed());
    }
    Ok(response)
}

fn request_id(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(REQUEST_ID_HEADER)?.to_str().ok()?.parse().ok()
}

fn answer(record: &str) -> anyhow::Result<Bytes> {
    let whole = sample(record);
    let subject = SubjectKey {
        scheme: Scheme::Nik,
        value: Sensitive::new(NIK.to_owned()),
    };
    let reference: RecordRef = record.parse()?;
    let schema = schema::record(&reference).context("the catalogue lacks a record")?;
    let members = whole.as_object().context("a sample is no object")?;
    anyhow::ensure!(
        schema.is_about(&subject, members) == Some(true),
        "the sample of {record} is about somebody else"
    );
    let answer = json!({
        "status": "found",
        "as_of": jiff::Timestamp::now().to_string(),
        "subject": subject,
        "record": whole,
    });
    Ok(serde_json::to_vec(&answer)?.into())
}
