//! One leg: a permit in, what its source said of it out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use loket_sdk::message::{Reason, Requester, SourceRequest, SubjectKey};
use loket_sdk::statement::Question;
use tokio::time::Instant;

use super::{Asking, Part, Unasked};
use crate::check::{self, Origin, Unusable, Vouched};
use crate::policy::{Allowed, Permit};
use crate::replay::basis;
use crate::route::{Leg, Routed};
use crate::telemetry::ErrorType;
use crate::upstream::{Answered, Call, Failure, Upstream};

impl Asking {
    pub(super) async fn ask_one(self: Arc<Self>, leg: usize, permit: Permit) -> Part {
        self.asked[leg].store(true, Ordering::Relaxed);
        let started = Instant::now();
        let answer = self.question(leg, &permit).await;
        let mut result = match answer {
            Ok(vouched) => self.checked(leg, &permit, vouched),
            Err(unasked) => self.failed(leg, &permit, unasked),
        };
        result.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let entry = self.entry(leg, Some(&permit), &result);
        Part {
            leg,
            asked: !matches!(result.reason, Reason::BreakerOpen | Reason::Overloaded),
            result,
            entry,
        }
    }

    async fn question(&self, leg: usize, permit: &Permit) -> Result<Vouched, Unasked> {
        let Leg { schema, source, .. } = self.routed.legs()[leg];
        // A permit is for a source, and a request serialises: maps in it have string keys.
        let Some(upstream) = self.upstream(leg) else {
            return Err(Reason::NoGrant.into());
        };
        let Some(body) = self.body(permit) else {
            return Err(Reason::SourceError.into());
        };
        let source = source.map(|source| &self.context.snapshot.directory.sources()[source]);
        let shares = source.is_some_and(|source| source.backend.single_flight);
        let call = Call {
            record: schema.record.clone(),
            request_id: self.routed.lookup().request_id,
            body,
            deadline: self.deadline,
            max_answer: source.map_or(0, |source| source.max_answer),
            key: shares.then(|| self.fingerprint(leg, permit)),
            parent: self.context.span.clone(),
        };
        let answered = match upstream.ask(&call).await {
            Ok(answered) => answered,
            Err(failure) => {
                if !failure.asked {
                    let admission = &self.context.snapshot.admission;
                    admission.give_back(permit.grants(), self.context.now);
                }
                return Err(failure.into());
            }
        };
        let (directory, now) = (&self.context.snapshot.directory, self.context.now);
        let origin = Origin {
            source: upstream.name(),
            question: Question {
                organisation: self.routed.admitted().identified().member(),
                purpose: self.routed.lookup().purpose,
                record: &schema.record,
                subject: self.routed.subject(),
            },
            members: directory.members(),
            requires_signature: source.is_some_and(|source| source.requires_signature),
            now,
            today: self.context.snapshot.admission.today(now),
        };
        match check::answer(&answered.bytes, schema, permit.allowed(), &origin) {
            Ok(vouched) => {
                let reason = vouched.checked.reason();
                let error_type = match reason {
                    Reason::RefusedBySource => Some(ErrorType::PolicyDenied),
                    Reason::QuotaUsedUp => Some(ErrorType::RateLimited),
                    _ => None,
                };
                answered.conclude(reason, error_type);
                Ok(vouched)
            }
            Err(unusable) => Err(self.complain(leg, upstream, answered, &unusable)),
        }
    }

    /// Tells operations what is wrong with an answer, by places only.
    fn complain(
        &self,
        leg: usize,
        upstream: &Upstream,
        answered: Answered,
        unusable: &Unusable,
    ) -> Unasked {
        let is_forged = unusable.reason == Reason::BadSignature;
        let error_type = match is_forged {
            true => ErrorType::SignatureInvalid,
            false => ErrorType::SchemaInvalid,
        };
        answered.conclude(unusable.reason, Some(error_type));
        let agency = upstream.agency().as_str();
        let record = self.routed.legs()[leg].schema.record.to_string();
        if !is_forged {
            let metrics = self.context.telemetry.metrics();
            metrics.schema_violated(agency, &record);
        }
        let places: Vec<&str> = unusable
            .violations
            .iter()
            .map(|v| v.pointer.as_str())
            .take(5)
            .collect();
        tracing::warn!(
            trace_id = %self.context.span.trace_id_hex(),
            service.peer.name = agency,
            loket.record = %record,
            loket.reason = unusable.reason.as_str(),
            loket.pointers = ?places,
            "a source's answer can't be used"
        );
        unusable.reason.into()
    }

    fn body(&self, permit: &Permit) -> Option<Bytes> {
        let mut body = self.opening.clone()?;
        match permit.allowed() {
            Allowed::Fields(fields) => {
                body.extend_from_slice(br#","fields":"#);
                serde_json::to_writer(&mut body, fields).ok()?;
            }
            Allowed::Claims(claims) => {
                body.extend_from_slice(br#","claims":"#);
                serde_json::to_writer(&mut body, claims).ok()?;
            }
        }
        body.push(b'}');
        Some(body.into())
    }

    pub(super) fn upstream(&self, leg: usize) -> Option<&Arc<Upstream>> {
        self.routed.legs()[leg]
            .source
            .map(|source| &self.context.snapshot.upstreams[source])
    }

    pub(super) fn agency(&self, leg: usize) -> &str {
        self.upstream(leg)
            .map_or("", |upstream| upstream.agency().as_str())
    }

    /// Names a question: the same consumer, purpose, subject, source, record and fields, and what vouches
    /// for an answer: one isn't kept longer than the key it was believed by.
    pub(super) fn fingerprint(&self, leg: usize, permit: &Permit) -> [u8; 32] {
        let SubjectKey { scheme, value } = self.routed.subject();
        let allowed = match permit.allowed() {
            Allowed::Fields(fields) => serde_json::to_vec(fields),
            Allowed::Claims(claims) => serde_json::to_vec(claims),
        };
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in [
            self.routed
                .admitted()
                .identified()
                .member()
                .as_str()
                .as_bytes(),
            self.routed.lookup().purpose.as_str().as_bytes(),
            scheme.as_str().as_bytes(),
            value.expose().as_bytes(),
            self.agency(leg).as_bytes(),
            self.routed.legs()[leg].schema.record.as_str().as_bytes(),
            &allowed.unwrap_or_default(),
        ] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let directory = &self.context.snapshot.directory;
        if let Some(source) = self.routed.legs()[leg].source {
            basis::vouched(&mut context, &directory.sources()[source], directory);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        out
    }
}

/// The question that every source of a lookup is asked, open at its end for what is asked of each.
pub(super) fn opening(routed: &Routed) -> Option<Vec<u8>> {
    let lookup = routed.lookup();
    let identified = routed.admitted().identified();
    let request = SourceRequest {
        request_id: lookup.request_id,
        case_id: lookup.case_id.clone(),
        purpose: lookup.purpose,
        legal_basis: lookup.legal_basis.clone(),
        requester: Requester {
            organisation: identified.member().clone(),
            mall: identified.mall().cloned(),
            counter: lookup.counter.clone(),
            clerk: lookup.clerk.clone(),
        },
        subject: routed.subject().clone(),
        fields: None,
        claims: None,
    };
    let mut opening = serde_json::to_vec(&request).ok()?;
    opening.pop_if(|last| *last == b'}').map(|_| opening)
}

impl From<Failure> for Unasked {
    fn from(failure: Failure) -> Self {
        Self {
            reason: failure.reason,
            retry_after_s: failure.retry_after_s,
        }
    }
}
