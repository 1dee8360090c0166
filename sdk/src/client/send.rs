//! A lookup that is put together: checked, sent, its answer read.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use uuid::Uuid;

use super::call::{Call, JSON};
use super::error::{Error, Result};
use super::lookup::incomplete;
use super::stream::Results;
use super::{Client, MARGIN, event};
use crate::message::{Answer, Approval, Approved, Explanation, Lookup};
use crate::schema;
use crate::trace::TraceContext;

impl Client {
    /// Sends a lookup that is already put together, from a file for example.
    ///
    /// # Errors
    /// [`Error::Usage`] when it breaks the schema; otherwise as [`LookupBuilder::send`](super::LookupBuilder::send).
    pub async fn send(&self, lookup: &Lookup) -> Result<Answer> {
        check(lookup)?;
        self.call(lookup, None, JSON)?.answer().await
    }

    /// Sends a lookup that is already put together, and gives the results as they arrive.
    ///
    /// # Errors
    /// [`Error::Usage`] when it breaks the schema; otherwise as [`LookupBuilder::stream`](super::LookupBuilder::stream).
    pub async fn stream(&self, lookup: &Lookup) -> Result<Results> {
        check(lookup)?;
        self.call(lookup, None, event::MEDIA_TYPE)?.results().await
    }

    /// Approves, as the second person, a lookup that was let through by its break-glass: `entry` stands
    /// in its answer.
    ///
    /// # Errors
    /// [`Error::Problem`] with `not_found` when no such lookup of this member waits for approval, with
    /// `second_person_needed` when the clerk is the one who asked; otherwise as for a lookup.
    pub async fn approve(&self, entry: u64, approval: &Approval) -> Result<Approved> {
        let body = serde_json::to_vec(approval)
            .map_err(|_| Error::usage("the approval can't be written as JSON"))?;
        let call = Call {
            method: Method::POST,
            body: Bytes::from(body),
            ..Call::get(
                format!("/v1/break-glass/{entry}/approvals"),
                self.0.deadline,
            )
        };
        self.0.json(&call).await
    }

    /// Asks why a lookup would be carried out or refused, step by step. No agency is asked, no quota
    /// drawn; it counts against the member's rate and is recorded.
    ///
    /// # Errors
    /// [`Error::Usage`] when it breaks the schema; otherwise as for a lookup. That it would be
    /// refused is in the explanation.
    pub async fn explain(&self, lookup: &Lookup) -> Result<Explanation> {
        check(lookup)?;
        self.explained(lookup, None).await
    }

    pub(super) async fn explained(
        &self,
        lookup: &Lookup,
        trace: Option<TraceContext>,
    ) -> Result<Explanation> {
        let mut call = self.call(lookup, trace, JSON)?;
        call.call.path = "/v1/explain".to_owned();
        let explanation: Explanation = self.0.json(&call.call).await?;
        if explanation.request_id != lookup.request_id {
            let what = "it is the explanation of another request_id";
            return Err(Error::protocol(what, &explanation.trace_id));
        }
        Ok(explanation)
    }

    pub(super) fn call(
        &self,
        lookup: &Lookup,
        trace: Option<TraceContext>,
        accept: &'static str,
    ) -> Result<LookupCall> {
        let body = serde_json::to_vec(lookup)
            .map_err(|_| Error::usage("the lookup can't be written as JSON"))?;
        let deadline = lookup
            .deadline_ms
            .map_or(self.0.deadline, |ms| Duration::from_millis(ms.into()));
        Ok(LookupCall {
            client: self.clone(),
            request_id: lookup.request_id,
            call: Call {
                method: Method::POST,
                path: "/v1/lookups".to_owned(),
                accept,
                body: Bytes::from(body),
                request_id: Some(lookup.request_id),
                replay_key: self.0.replay.key(lookup.request_id),
                trace: trace.unwrap_or_else(|| TraceContext::root(true)),
                within: deadline + MARGIN,
            },
        })
    }
}

/// A lookup ready to go.
pub(super) struct LookupCall {
    client: Client,
    request_id: Uuid,
    call: Call,
}

impl LookupCall {
    pub(super) async fn answer(self) -> Result<Answer> {
        let answer: Answer = self.client.0.json(&self.call).await?;
        if answer.request_id != self.request_id {
            let what = "it is the answer to another request_id";
            return Err(Error::protocol(what, &answer.trace_id));
        }
        Ok(answer)
    }

    pub(super) async fn results(self) -> Result<Results> {
        let begun = self.client.0.begin(&self.call).await?;
        Results::new(begun, &self.call, self.request_id)
    }
}

/// The gateway would refuse it too; here the mistake is found before data leaves the machine.
pub(super) fn check(lookup: &Lookup) -> Result<()> {
    let document = serde_json::to_value(lookup)
        .map_err(|_| Error::usage("the lookup can't be written as JSON"))?;
    schema::lookup().check(&document).map_err(|violations| {
        let faults: Vec<String> = violations
            .iter()
            .map(|violation| format!("{}: {}", violation.pointer, violation.message))
            .collect();
        incomplete(&faults)
    })
}
