//! Stubs of agencies: a question in, after a fixed time the sample record out; or a call in, 1 KiB
//! out. They refuse what a proxy shouldn't have sent: a call that lost its trace or its body.
//!
//! Leaner than the SDK's kit on purpose: what is measured is the gateway. Their mutual TLS is real.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use loket_sdk::ids::Scheme;
use loket_sdk::message::{REQUEST_ID_HEADER, RecordRef, SubjectKey};
use loket_sdk::schema;
use loket_sdk::sensitive::Sensitive;
use loket_sdk::testing::sample;
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::slots::Slots;

/// Whom every lookup is about; the sample world's citizen.
pub(crate) const NIK: &str = "3510161405889901";
/// What a call's answer is long.
pub(crate) const ANSWER: usize = 1024;
/// What the body of a call that has one is long.
pub(crate) const BODY: usize = 4096;

/// An agency with the record that it is asked for.
pub(crate) struct Agency {
    pub(crate) id: &'static str,
    pub(crate) system: &'static str,
    pub(crate) record: &'static str,
}

/// All; the first of them has the service that is called.
pub(crate) const AGENCIES: [Agency; 6] = [
    agency("dukcapil", "siak", "person-identity/1"),
    agency("djp", "coretax", "taxpayer/1"),
    agency("bpjs-kesehatan", "jkn", "health-insurance/1"),
    agency("korlantas", "sim", "driving-licence/1"),
    agency("samsat", "samsat", "vehicle-registration/1"),
    agency("bkpm", "oss", "business-licence/1"),
];

const fn agency(id: &'static str, system: &'static str, record: &'static str) -> Agency {
    Agency { id, system, record }
}

/// What a stub answers.
#[derive(Clone)]
enum Answers {
    Record {
        bytes: Bytes,
        delay: Duration,
        slots: Slots,
    },
    Calls(Bytes),
}

/// Starts an agency that answers questions, on a free port; it ends with the runtime.
///
/// # Errors
/// When it can't listen, or its record can't be given for the citizen.
pub(crate) async fn start(
    agency: &Agency,
    delay: Duration,
    tls: ServerConfig,
    slots: Slots,
) -> anyhow::Result<SocketAddr> {
    let bytes = answer(agency.record)?;
    let record = Answers::Record {
        bytes,
        delay,
        slots,
    };
    listen(tls, record).await
}

/// Starts an agency that answers calls to its service, on a free port.
///
/// # Errors
/// When it can't listen.
pub(crate) async fn service(tls: ServerConfig) -> anyhow::Result<SocketAddr> {
    let (before, after) = (r#"{"name":""#, r#""}"#);
    let filling = "n".repeat(ANSWER - before.len() - after.len());
    let answer = format!("{before}{filling}{after}").into();
    listen(tls, Answers::Calls(answer)).await
}

async fn listen(tls: ServerConfig, answers: Answers) -> anyhow::Result<SocketAddr> {
    let tls = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((tcp, _)) = listener.accept().await else {
                continue;
            };
            let (tls, answers) = (tls.clone(), answers.clone());
            tokio::spawn(async move {
                // A connection that fails shows as the gateway's errors.
                let _ = tcp.set_nodelay(true);
                let Ok(stream) = tls.accept(tcp).await else {
                    return;
                };
                let service = service_fn(move |request| serve(request, answers.clone()));
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
    answers: Answers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let (status, answer) = match answers {
        Answers::Record {
            bytes,
            delay,
            slots,
        } => {
            // Whatever was asked, the answer is the same.
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if let Some(id) = request_id(&head.headers) {
                slots.held(&id, arrived.elapsed());
            }
            (StatusCode::OK, bytes)
        }
        Answers::Calls(bytes) => {
            let expected = if head.method == Method::POST { BODY } else { 0 };
            let is_whole = body.is_ok_and(|body| body.len() == expected);
            if is_whole && head.headers.contains_key("traceparent") {
                (StatusCode::OK, bytes)
            } else {
                (StatusCode::BAD_REQUEST, Bytes::new())
            }
        }
    };
    let mut response = Response::new(Full::new(answer));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_about_the_citizen() {
        for agency in &AGENCIES {
            assert!(!answer(agency.record).unwrap().is_empty());
        }
    }
}
