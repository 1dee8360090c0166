//! Told: what a source said in, what its leg tells of it and what goes on record out.

use loket_sdk::claims::{ClaimAnswer, ClaimResult};
use loket_sdk::message::{Outcome, Reason, SourceResult, SourceSignature};
use loket_sdk::sensitive::Sensitive;

use super::{Asking, Unasked};
use crate::audit::SourceEntry;
use crate::check::{Checked, Vouched};
use crate::last_good::Kept;
use crate::minimise;
use crate::policy::{Allowed, Permit};

impl Asking {
    pub(super) fn checked(&self, leg: usize, permit: &Permit, vouched: Vouched) -> SourceResult {
        let Vouched {
            checked,
            mut provenance,
        } = vouched;
        let (data, answers, missing, as_of) = match (checked, permit.allowed()) {
            (
                Checked::Without {
                    reason,
                    retry_after_s,
                },
                _,
            ) => {
                if permit.stale_ok() {
                    // The source has taken its last answer back.
                    self.context
                        .last_good
                        .forget(&self.fingerprint(leg, permit));
                }
                // They could only be of what isn't given.
                minimise::salts(&mut provenance, |_| false);
                return SourceResult {
                    retry_after_s,
                    provenance: Some(provenance),
                    ..self.result(leg, reason)
                };
            }
            (Checked::Record { members, as_of }, Allowed::Fields(fields)) => {
                let kept = minimise::fields(members, fields);
                self.count_dropped(leg, kept.dropped);
                minimise::salts(&mut provenance, |name| kept.data.contains_key(name));
                let data = Some(Sensitive::new(kept.data));
                (data, Vec::new(), kept.missing, as_of)
            }
            (Checked::Record { members, as_of }, Allowed::Claims(claims)) => {
                let schema = self.routed.legs()[leg].schema;
                let answers = minimise::claims_from_record(&members, claims, schema);
                // With its salt, a value that may only be verified could be found by trying.
                minimise::salts(&mut provenance, |_| false);
                (None, answers, Vec::new(), as_of)
            }
            (Checked::Claims { answers, as_of }, Allowed::Claims(claims)) => {
                let answers = minimise::claims_from_answers(&answers, claims);
                minimise::salts(&mut provenance, |name| {
                    answers.iter().any(|answer| answer.field == name)
                });
                (None, answers, Vec::new(), as_of)
            }
            // The check lets claims through only where claims were asked.
            (Checked::Claims { .. }, Allowed::Fields(_)) => {
                return self.result(leg, Reason::BreaksSchema);
            }
        };
        let kept = Kept {
            data,
            answers,
            missing,
            as_of,
            provenance,
        };
        if permit.stale_ok() {
            self.context
                .last_good
                .keep(self.fingerprint(leg, permit), kept.clone());
        }
        let result = self.disclosed(leg, permit, Reason::Complete, kept);
        let lacks = |answer: &ClaimAnswer| {
            matches!(
                answer.result,
                ClaimResult::NotAvailable | ClaimResult::NotPermitted
            )
        };
        let in_part = !result.withheld.is_empty() || result.claims.iter().any(lacks);
        if in_part {
            SourceResult {
                reason: Reason::InPart,
                ..result
            }
        } else {
            result
        }
    }

    pub(super) fn failed(&self, leg: usize, permit: &Permit, unasked: Unasked) -> SourceResult {
        let unanswered = matches!(
            unasked.reason.outcome(),
            Outcome::TimedOut | Outcome::Unavailable
        );
        if permit.stale_ok()
            && unanswered
            && let Some(kept) = self.context.last_good.find(&self.fingerprint(leg, permit))
        {
            return self.disclosed(leg, permit, Reason::Stale, kept);
        }
        let retry_after_s = unasked.retry_after_s;
        SourceResult {
            retry_after_s,
            ..self.result(leg, unasked.reason)
        }
    }

    fn disclosed(&self, leg: usize, permit: &Permit, reason: Reason, kept: Kept) -> SourceResult {
        SourceResult {
            as_of: Some(kept.as_of),
            provenance: Some(kept.provenance),
            data: kept.data,
            claims: self.all_claims(leg, permit, kept.answers),
            withheld: [permit.withheld(), &kept.missing].concat(),
            ..self.result(leg, reason)
        }
    }

    /// The claims in the order asked, those that may not be asked among them.
    fn all_claims(
        &self,
        leg: usize,
        permit: &Permit,
        answers: Vec<ClaimAnswer>,
    ) -> Vec<ClaimAnswer> {
        let query = self.routed.query(&self.routed.legs()[leg]);
        let mut answers = answers.into_iter();
        let mut refused = permit.refused().iter().peekable();
        let all: Vec<ClaimAnswer> = query
            .claims
            .iter()
            .flatten()
            .filter_map(|claim| match refused.next_if(|next| *next == claim) {
                Some(_) => Some(minimise::unanswered(claim, ClaimResult::NotPermitted)),
                None => answers.next(),
            })
            .collect();
        let agency = self.agency(leg);
        for answer in all
            .iter()
            .filter(|answer| answer.result == ClaimResult::Mismatch)
        {
            self.context
                .telemetry
                .metrics()
                .mismatch(&answer.field, agency);
        }
        all
    }

    /// A result that says no more than why.
    pub(super) fn result(&self, leg: usize, reason: Reason) -> SourceResult {
        let schema = self.routed.legs()[leg].schema;
        SourceResult {
            record: schema.record.clone(),
            version: schema.version.clone(),
            source: self.upstream(leg).map(|upstream| upstream.name().clone()),
            outcome: reason.outcome(),
            reason,
            as_of: None,
            elapsed_ms: 0,
            data: None,
            claims: Vec::new(),
            withheld: Vec::new(),
            retry_after_s: None,
            provenance: None,
        }
    }

    /// What goes on record of a result: names, never values.
    pub(super) fn entry(
        &self,
        leg: usize,
        permit: Option<&Permit>,
        result: &SourceResult,
    ) -> SourceEntry {
        let grants = self.context.snapshot.directory.grants();
        let answered = |answer: &&ClaimAnswer| {
            matches!(answer.result, ClaimResult::Match | ClaimResult::Mismatch)
        };
        SourceEntry {
            record: result.record.clone(),
            agency: self.upstream(leg).map(|upstream| upstream.agency().clone()),
            grants: permit
                .iter()
                .flat_map(|permit| permit.grants())
                .map(|&grant| grants[grant].id.clone())
                .collect(),
            fields: result
                .data
                .iter()
                .flat_map(|data| data.expose().keys().cloned())
                .collect(),
            claims: result
                .claims
                .iter()
                .filter(answered)
                .map(|a| a.field.clone())
                .collect(),
            outcome: result.outcome,
            reason: result.reason,
            elapsed_ms: result.elapsed_ms,
            signature: result
                .provenance
                .iter()
                .find_map(|provenance| provenance.signature.as_ref())
                .map(SourceSignature::sha256),
        }
    }

    fn count_dropped(&self, leg: usize, dropped: usize) {
        if dropped == 0 {
            return;
        }
        tracing::info!(
            trace_id = %self.context.span.trace_id_hex(),
            service.peer.name = self.agency(leg),
            loket.record = %self.routed.legs()[leg].schema.record,
            loket.dropped_members = dropped,
            "a source sent members that it wasn't asked for; they were dropped"
        );
    }
}
