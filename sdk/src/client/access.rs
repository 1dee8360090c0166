//! Who looked at a citizen's data, for a desk that may tell.

use bytes::Bytes;
use http::Method;

use super::Client;
use super::call::{Call, JSON};
use super::error::{Error, Result};
use super::lookup::incomplete;
use crate::message::{AccessReport, AccessRequest};
use crate::schema;
use crate::trace::TraceContext;

impl Client {
    /// Asks who looked at a citizen's data: at most 500 entries of the log, newest first. When
    /// [`next`](AccessReport::next) is there, ask again with it as `before`.
    ///
    /// # Errors
    /// [`Error::Usage`] when the request breaks the schema; [`Error::Problem`] with
    /// `nothing_granted` when the gateway's operator hasn't made this system a desk for subjects;
    /// otherwise as for a lookup, within the client's default deadline.
    pub async fn access_report(&self, request: &AccessRequest) -> Result<AccessReport> {
        let unwritable = |_| Error::usage("the request can't be written as JSON");
        let document = serde_json::to_value(request).map_err(unwritable)?;
        schema::access_request()
            .check(&document)
            .map_err(|violations| {
                let faults: Vec<String> = violations
                    .iter()
                    .map(|violation| format!("{}: {}", violation.pointer, violation.message))
                    .collect();
                incomplete(&faults)
            })?;
        let call = Call {
            method: Method::POST,
            path: "/v1/access-reports".to_owned(),
            accept: JSON,
            body: Bytes::from(serde_json::to_vec(request).map_err(unwritable)?),
            replay_key: None,
            request_id: Some(request.request_id),
            trace: TraceContext::root(true),
            within: self.0.deadline,
        };
        let report: AccessReport = self.0.json(&call).await?;
        if report.request_id != request.request_id {
            let what = "it is the answer to another request_id";
            return Err(Error::protocol(what, &report.trace_id));
        }
        Ok(report)
    }
}
