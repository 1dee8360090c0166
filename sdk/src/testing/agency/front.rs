//! The agency's records, and the layer around the kit that does what the kit wouldn't.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::super::fault::{Fault, Faults};
use super::super::tamper;
use super::Records;
use crate::message::{RecordRef, SourceRequest, SubjectKey};
use crate::provider::{Provider, ProviderError, Query, Reply, Service};
use crate::schema;

#[derive(Debug)]
pub(super) struct World {
    pub(super) records: Mutex<Records>,
    pub(super) as_of: Option<Timestamp>,
}

impl World {
    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn about(&self, record: &RecordRef, subject: &SubjectKey) -> Vec<Map<String, Value>> {
        let Some(schema) = schema::record(record) else {
            return Vec::new();
        };
        let records = self.lock();
        let known = records.get(record).into_iter().flatten();
        known
            .filter(|whole| schema.is_about(subject, whole) == Some(true))
            .cloned()
            .collect()
    }
}

impl Provider for World {
    fn records(&self) -> Vec<RecordRef> {
        self.lock().keys().cloned().collect()
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        let mut found = self.about(&query.record, &query.subject);
        match (found.pop(), found.len()) {
            (None, _) => Ok(Reply::NotFound),
            (Some(whole), 0) => Reply::found(whole, self.as_of.unwrap_or_else(Timestamp::now)),
            (Some(_), _) => Ok(Reply::SeveralRecords),
        }
    }
}

/// The layer around the kit that does what the kit wouldn't.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) kit: Service<Arc<World>>,
    pub(super) world: Arc<World>,
    pub(super) faults: Faults,
    pub(super) asked: watch::Sender<Vec<SourceRequest>>,
    pub(super) recording: bool,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

/// The fault [`Fault::Down`], or a body that broke off: hyper then closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("the agency is down")]
pub(super) struct Gone;

impl tower::Service<Request<Incoming>> for Front {
    type Response = Response<Full<Bytes>>;
    type Error = Gone;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Gone>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let front = self.clone();
        Box::pin(async move { front.answer(request).await })
    }
}

impl Front {
    async fn answer(mut self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Gone> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.map_err(|_| Gone)?.to_bytes();
        let record = parts.uri.path().strip_prefix("/v1/records/");
        let record: Option<RecordRef> = record.and_then(|name| name.parse().ok());
        let question: Option<SourceRequest> = serde_json::from_slice(&bytes).ok();
        if let Some(question) = question.clone().filter(|_| self.recording) {
            self.asked.send_modify(|asked| asked.push(question));
        }
        let fault = self.faults.of(record.as_ref());
        match fault {
            Fault::Down => return Err(Gone),
            Fault::Hang => std::future::pending().await,
            Fault::Slow(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        let request = Request::from_parts(parts, Full::new(bytes));
        let answer = tower::Service::call(&mut self.kit, request)
            .await
            .unwrap_or_else(|never| match never {});
        if let (StatusCode::OK, Some(record), Some(question)) = (answer.status(), record, question)
        {
            let whole = self.world.about(&record, &question.subject).pop();
            return Ok(tamper::instead(&fault, &record, &question, whole).unwrap_or(answer));
        }
        Ok(answer)
    }
}
