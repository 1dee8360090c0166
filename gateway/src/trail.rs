//! Trail: what is known of a request so far, until it is recorded.
//!
//! A trail that is dropped before it is closed records the request as abandoned: the caller left,
//! or the handler broke. While it lives it holds the request's place among those in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loket_sdk::ids::{MemberId, SystemId};
use loket_sdk::message::{
    AccessRequest, Approval, LegalBasis, Purpose, Reason, Receipt, SubjectKey,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::admission::places::Place;
use crate::audit::{
    Audit, BodySum, CallEntry, CallOutcome, Entry, GlassEntry, Kind, ReportEntry, SourceEntry,
};
use crate::directory::Visibility;
use crate::fanout::Plan;
use crate::identity::Identified;
use crate::refusal::Refusal;
use crate::telemetry::{EndedCall, Known, ServerSpan, SpanHandle, Telemetry};
use crate::validate::Valid;

/// An open request.
#[derive(Debug)]
pub struct Trail {
    audit: Audit,
    telemetry: Telemetry,
    span: Option<ServerSpan>,
    handle: SpanHandle,
    // Boxed: a trail is handed on from future to future.
    entry: Box<Entry>,
    started: Instant,
    asked: Arc<[AtomicBool]>,
    /// For the entry of a lookup that is answered.
    body_mac: Option<String>,
    open: bool,
    _place: Option<Place>,
}

impl Trail {
    /// Opens the trail of a request that has just arrived.
    #[must_use]
    pub fn open(
        audit: Audit,
        telemetry: Telemetry,
        span: ServerSpan,
        place: Option<Place>,
    ) -> Self {
        let handle = span.handle().clone();
        Self {
            started: span.started(),
            entry: Box::new(Entry::new(handle.trace_id_hex())),
            audit,
            telemetry,
            span: Some(span),
            handle,
            asked: Arc::default(),
            body_mac: None,
            open: true,
            _place: place,
        }
    }

    /// The request's span.
    #[must_use]
    pub fn span(&self) -> &SpanHandle {
        &self.handle
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.entry.trace_id
    }

    /// When the request arrived.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Spans and metrics.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Where it will be recorded.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The subject's name in the log.
    #[must_use]
    pub fn subject_ref(&self, subject: &SubjectKey) -> String {
        self.audit.subject_ref(subject)
    }

    /// Which operation it is, by its route template.
    pub fn operation(&mut self, route: &'static str) {
        self.entry.operation = Some(route);
    }

    /// What the certificate says, for when it is nobody's.
    pub fn certificate(&mut self, description: String) {
        self.entry.certificate = Some(description);
    }

    /// Who asks.
    pub fn identified(&mut self, identified: &Identified) {
        self.entry.certificate = None;
        self.entry.member = Some(identified.member().clone());
        self.entry.system = Some(identified.system().clone());
        self.known(|known| known.member(identified.member().as_str()));
    }

    /// What is asked, about whom.
    pub fn lookup(&mut self, valid: &Valid) {
        let lookup = valid.lookup();
        self.entry.request_id = Some(lookup.request_id);
        self.entry.case_id = Some(lookup.case_id.clone());
        self.entry.purpose = Some(lookup.purpose);
        self.entry.legal_basis = Some(lookup.legal_basis.clone());
        self.entry.clerk = Some(lookup.clerk.clone());
        self.entry.counter = Some(lookup.counter.clone());
        self.entry.subject_ref = Some(self.subject_ref(valid.subject()));
        self.entry.break_glass = lookup.break_glass.as_ref().map(|glass| {
            let trace_id = &self.entry.trace_id;
            Box::new(GlassEntry {
                ground: Some(glass.ground),
                justification: self.audit.seal(trace_id, &glass.justification),
                ..GlassEntry::default()
            })
        });
        self.known(|known| known.lookup(lookup.purpose.as_str(), lookup.request_id));
    }

    fn known(&mut self, known: impl FnOnce(&mut Known<'_>)) {
        if let Some(span) = &mut self.span {
            span.knows(known);
        }
    }

    /// What tells the lookup's body from others, should it come again.
    pub fn body(&mut self, mac: Option<String>) {
        self.body_mac = mac;
    }

    /// The answer is that of an earlier entry, which says this of each source.
    pub fn replays(&mut self, entry: u64, sources: Vec<SourceEntry>) {
        self.entry.replays = Some(entry);
        self.entry.sources = sources;
    }

    /// What became of each question so far.
    #[must_use]
    pub fn sources(&self) -> &[SourceEntry] {
        &self.entry.sources
    }

    /// When the subject is told of it.
    pub fn visibility(&mut self, visibility: Visibility) {
        self.entry.show(visibility);
    }

    /// Whose access is reported, to whom.
    pub fn access(&mut self, asked: &AccessRequest, subject: &SubjectKey, basis: LegalBasis) {
        self.entry.request_id = Some(asked.request_id);
        self.entry.case_id = Some(asked.case_id.clone());
        self.entry.purpose = Some(Purpose::DataSubjectAccess);
        self.entry.legal_basis = Some(basis);
        self.entry.clerk = Some(asked.clerk.clone());
        self.entry.counter = Some(asked.counter.clone());
        self.entry.subject_ref = Some(self.subject_ref(subject));
    }

    /// How much a report of access tells.
    pub fn reported(&mut self, report: ReportEntry) {
        self.entry.report = Some(report);
    }

    /// What will be asked, in order; each is `not_attempted` until it is asked or answered.
    pub fn planned(&mut self, plan: Plan) {
        self.entry.sources = plan.entries;
        self.asked = plan.asked;
    }

    /// What became of one question.
    pub fn answered(&mut self, leg: usize, source: SourceEntry) {
        if let Some(place) = self.entry.sources.get_mut(leg) {
            *place = source;
        }
    }

    /// Hands to the log at once that the lookup breaks the glass, before anyone is asked; what is returned
    /// waits until it is durable, also when the caller leaves.
    ///
    /// # Errors
    /// When it can't be recorded: nobody may be asked then.
    pub fn break_glass(&self) -> impl Future<Output = Result<Receipt, Refusal>> + Send + use<> {
        let kind = Kind::BreakGlass;
        let entry = Entry {
            kind,
            ..(*self.entry).clone()
        };
        let recorded = self.audit.record_whenever(&entry);
        let metrics = self.telemetry.metrics().clone();
        async move {
            let receipt = recorded.await;
            match &receipt {
                Ok(_) => metrics.audit_recorded(kind.as_str()),
                Err(_) => metrics.audit_write_failed(),
            }
            receipt
        }
    }

    /// In which entry it stands that it did.
    pub fn broke_glass(&mut self, entry: u64) {
        self.known(|known| known.broke_glass());
        if let Some(glass) = &mut self.entry.break_glass {
            glass.entry = Some(entry);
            // It stands in that entry.
            glass.justification = None;
        }
    }

    /// Who approves, as the organisation asserts, which entry, and whether in time.
    pub fn approval(&mut self, approval: &Approval, entry: u64, late: bool) {
        self.entry.clerk = Some(approval.clerk.clone());
        self.entry.counter = Some(approval.counter.clone());
        self.entry.break_glass = Some(Box::new(GlassEntry {
            entry: Some(entry),
            late,
            ..GlassEntry::default()
        }));
    }

    /// What is disclosed shows that the subject is under 18.
    pub fn minor(&mut self) {
        self.entry.minor = true;
    }

    /// Which routed call it is.
    pub fn call(&mut self, request_id: Uuid, call: CallEntry) {
        self.entry.request_id = Some(request_id);
        self.entry.call = Some(Box::new(call));
    }

    /// The routed call reached nobody.
    pub fn call_unasked(&mut self) {
        if let Some(call) = &mut self.entry.call {
            call.asked = false;
        }
    }

    /// What became of a routed call.
    pub fn call_ended(
        &mut self,
        status: Option<u16>,
        request: Option<BodySum>,
        response: Option<BodySum>,
        outcome: CallOutcome,
    ) {
        if let Some(call) = &mut self.entry.call {
            call.status = status;
            call.request = request;
            call.response = response;
            call.outcome = outcome;
            self.count_call();
        }
    }

    fn count_call(&self) {
        let (Some(call), Some(member)) = (&self.entry.call, &self.entry.member) else {
            return;
        };
        let bytes = |sum: &Option<BodySum>| sum.as_ref().map_or(0, |sum| sum.bytes);
        self.telemetry.metrics().call_ended(&EndedCall {
            consumer: member.as_str(),
            agency: call.agency.as_str(),
            service: call.service.as_str(),
            outcome: call.outcome.as_str(),
            request: bytes(&call.request),
            response: bytes(&call.response),
        });
    }

    /// Records that a routed call's answer begins, before its head leaves.
    ///
    /// # Errors
    /// When it can't be recorded: it mustn't leave then.
    pub async fn open_call(&mut self, status: u16) -> Result<Receipt, Refusal> {
        if let Some(call) = &mut self.entry.call {
            call.status = Some(status);
        }
        self.entry.kind = Kind::CallOpened;
        self.write(&self.entry).await
    }

    /// Records one result of a stream, before it leaves.
    ///
    /// # Errors
    /// When it can't be recorded: it mustn't leave then.
    pub async fn disclose(&mut self, source: SourceEntry) -> Result<Receipt, Refusal> {
        let entry = Entry {
            kind: Kind::Result,
            sources: vec![source],
            parts: Vec::new(),
            ..(*self.entry).clone()
        };
        let receipt = self.write(&entry).await?;
        self.entry.parts.push(receipt.entry);
        Ok(receipt)
    }

    /// Records the whole request, before its answer leaves.
    ///
    /// # Errors
    /// When it can't be recorded: nothing may leave then, and a refusal is put on record instead.
    pub async fn close(&mut self, kind: Kind) -> Result<Receipt, Refusal> {
        self.entry.kind = kind;
        if kind == Kind::Lookup {
            self.entry.body_mac = self.body_mac.take();
        }
        // The log has the entry now and keeps it even when the caller leaves.
        self.open = false;
        let receipt = self.write(&self.entry).await;
        if let Ok(receipt) = &receipt {
            self.known(|known| known.entry(receipt.entry));
        }
        if let Err(refusal) = &receipt {
            self.entry.refused(refusal.code().as_str());
            self.audit.record_detached(&self.entry);
        }
        receipt
    }

    /// As [`close`](Self::close), and hands the entry to the log at once: what is returned waits until it is
    /// durable, for as long as it takes, also when the caller leaves.
    ///
    /// # Errors
    /// As of [`close`](Self::close).
    pub fn close_whenever(
        &mut self,
        kind: Kind,
    ) -> impl Future<Output = Result<Receipt, Refusal>> + Send + use<> {
        self.entry.kind = kind;
        self.open = false;
        let recorded = self.audit.record_whenever(&self.entry);
        let (audit, mut entry) = (self.audit.clone(), self.entry.clone());
        let metrics = self.telemetry.metrics().clone();
        async move {
            let receipt = recorded.await;
            match &receipt {
                Ok(_) => metrics.audit_recorded(kind.as_str()),
                Err(refusal) => {
                    metrics.audit_write_failed();
                    entry.refused(refusal.code().as_str());
                    audit.record_detached(&entry);
                }
            }
            receipt
        }
    }

    /// Records a refusal; `false` when it is one of too many that were refused before anything was
    /// asked, which the next entry of the kind counts.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub async fn refuse(&mut self, refusal: &Refusal) -> Result<bool, Refusal> {
        if !self.open {
            return Ok(true);
        }
        self.entry.refusal = Some(refusal.code().as_str());
        // Once a request was recorded it isn't open any more, so nothing was asked here either.
        let is_unrecordable = matches!(refusal, Refusal::AuditUnavailable(_));
        if refusal.is_cheap() || is_unrecordable {
            let Some(unrecorded) = self.audit.has_room_for_refusals() else {
                self.open = false;
                return Ok(false);
            };
            self.entry.unrecorded = unrecorded;
        }
        if is_unrecordable {
            // Waiting for the disk once more would only tell the caller later.
            self.open = false;
            self.entry.kind = Kind::Refusal;
            self.audit.record_detached(&self.entry);
            self.telemetry.metrics().audit_write_failed();
            return Ok(true);
        }
        self.close(Kind::Refusal).await.map(|_| true)
    }

    async fn write(&self, entry: &Entry) -> Result<Receipt, Refusal> {
        let _room = self.telemetry.room_span(&self.handle, "audit");
        let metrics = self.telemetry.metrics();
        let receipt = self.audit.record(entry).await;
        match &receipt {
            Ok(_) => metrics.audit_recorded(entry.kind.as_str()),
            Err(_) => metrics.audit_write_failed(),
        }
        receipt
    }

    /// Ends the span with the status that leaves, and says so in a line.
    pub fn responded(&mut self, status: u16, overall: Option<&'static str>) {
        let Some(mut span) = self.span.take() else {
            return;
        };
        let code = self.entry.refusal;
        span.knows(|known| {
            if let Some(overall) = overall {
                known.overall(overall);
            }
            if let Some(code) = code {
                known.code(code);
            }
        });
        let elapsed = span.finish(status, None);
        tracing::info!(
            trace_id = self.trace_id(),
            http.route = self.entry.operation.unwrap_or_default(),
            http.response.status_code = status,
            loket.member = self.entry.member.as_ref().map_or("", MemberId::as_str),
            loket.system = self.entry.system.as_ref().map_or("", SystemId::as_str),
            loket.certificate = self.entry.certificate.as_deref().unwrap_or_default(),
            loket.code = self.entry.refusal.unwrap_or_default(),
            loket.overall = overall.unwrap_or_default(),
            loket.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        self.entry.kind = Kind::Abandoned;
        if let Some(call) = &mut self.entry.call
            && call.outcome == CallOutcome::Open
        {
            call.outcome = CallOutcome::CutShort;
            self.count_call();
        }
        for (source, asked) in self.entry.sources.iter_mut().zip(self.asked.iter()) {
            if source.reason == Reason::CallerLeft && asked.load(Ordering::Relaxed) {
                // The agency has the question, though nobody waits for its answer.
                source.reason = Reason::NoAnswerYet;
                source.outcome = source.reason.outcome();
            }
        }
        self.audit.record_detached(&self.entry);
        self.telemetry
            .metrics()
            .audit_recorded(Kind::Abandoned.as_str());
        tracing::info!(
            trace_id = self.trace_id(),
            http.route = self.entry.operation.unwrap_or_default(),
            loket.member = self.entry.member.as_ref().map_or("", MemberId::as_str),
            "abandoned"
        );
    }
}

#[cfg(test)]
mod tests;
