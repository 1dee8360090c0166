//! The counter's side: what an agency said, proven from the result and its keys.

use std::collections::BTreeSet;

use super::{Asked, Error, Question, Said, SourceKeys, Statement};
use crate::claims::{Claim, ClaimAnswer, ClaimResult};
use crate::ids::{MemberId, normalise};
use crate::message::{Lookup, Outcome, Reason, SourceResult, SourceStatus, SubjectKey};

impl SourceResult {
    /// Proves that the agency itself said what this result holds, to this lookup of this member:
    /// each field, each answered claim, and that it said no more of what was asked. It needs no
    /// gateway, today or in years, and doesn't ask whether the statement is fresh: see
    /// [`Statement::issued_at`].
    ///
    /// # Errors
    /// [`Error::NotSigned`] when there is no signature; otherwise what speaks against it.
    pub fn verify_source(
        &self,
        keys: &SourceKeys,
        lookup: &Lookup,
        member: &MemberId,
    ) -> Result<Statement, Error> {
        let signature = self
            .provenance
            .as_ref()
            .and_then(|it| it.signature.as_ref());
        let (Some(signature), Some(source)) = (signature, &self.source) else {
            return Err(Error::NotSigned);
        };
        let asserted = &lookup.subject;
        let value = normalise(asserted.scheme, asserted.value.expose());
        let subject = SubjectKey {
            scheme: asserted.scheme,
            value: value.map_err(|_| Error::OtherQuestion)?.into(),
        };
        let question = Question {
            organisation: member,
            purpose: lookup.purpose,
            record: &self.record,
            subject: &subject,
        };
        let statement = Statement::verify(signature, source, &question, |kid| keys.find(kid))?;
        if !keys.was_in_time(statement.kid(), statement.issued_at()) {
            return Err(Error::KeyOutOfTime);
        }
        let status = status(self.reason).ok_or(Error::OtherStatus)?;
        if self.outcome != self.reason.outcome() {
            return Err(Error::OtherStatus);
        }
        self.answers_what_was_asked(lookup)?;
        let salts = signature.salts.expose();
        let (claims, answers) = self.claims_asked(lookup, &statement);
        let asked = match self.data {
            None if !claims.is_empty() => Asked::Claims(&claims),
            // Which fields were granted, the caller knows from the statement.
            _ => Asked::Fields(statement.asked()),
        };
        let said = Said {
            status,
            as_of: self.as_of,
            record: self.data.as_ref().map(|data| data.expose()),
            claims: Some(&answers),
        };
        // Of an answer without data only its status is told; what was asked stands in the question.
        let asked = match self.outcome {
            Outcome::Found => asked,
            _ => Asked::Fields(statement.asked()),
        };
        statement.says(&said, asked, salts)?;
        let fields = self.data.iter().flat_map(|data| data.expose().keys());
        let refused = |it: &&ClaimAnswer| it.result != ClaimResult::NotPermitted;
        let answered = self.claims.iter().filter(refused).map(|it| &it.field);
        let mut given = fields.chain(answered);
        match given.find(|name| !statement.asked().contains(name)) {
            Some(name) => Err(Error::PutIn(name.clone())),
            None => Ok(statement),
        }
    }

    /// Data or claims of a found record, each claim once and as it was asked: whatever more there is,
    /// the agency's signature isn't over it.
    fn answers_what_was_asked(&self, lookup: &Lookup) -> Result<(), Error> {
        let query = lookup.records.iter().filter(|it| it.record == self.record);
        let asked: Vec<&Claim> = query.flat_map(|it| it.claims.iter().flatten()).collect();
        let mut seen = BTreeSet::new();
        let answered = |it: &&ClaimAnswer| it.result != ClaimResult::NotPermitted;
        for answer in self.claims.iter().filter(answered) {
            let is_asked = asked
                .iter()
                .any(|claim| claim.field == answer.field && claim.op == answer.op);
            let is_said = matches!(answer.result, ClaimResult::Match | ClaimResult::Mismatch);
            let is_beside = self.data.is_some() || self.outcome != Outcome::Found;
            if !is_asked || !seen.insert(&answer.field) || (is_said && is_beside) {
                return Err(Error::PutIn(answer.field.clone()));
            }
        }
        let data = self.data.as_ref().map(|data| data.expose());
        match data.filter(|_| self.outcome != Outcome::Found || !asked.is_empty()) {
            Some(data) => Err(Error::PutIn(
                data.keys().next().cloned().unwrap_or_default(),
            )),
            None => Ok(()),
        }
    }

    /// The claims that the agency was asked, with its answers; the gateway refused the others.
    fn claims_asked(&self, lookup: &Lookup, of: &Statement) -> (Vec<Claim>, Vec<ClaimAnswer>) {
        let query = lookup.records.iter().filter(|it| it.record == self.record);
        let asked = query.flat_map(|it| it.claims.iter().flatten());
        let claims: Vec<Claim> = asked
            .filter(|claim| of.asked().contains(&claim.field))
            .cloned()
            .collect();
        // What the agency left unanswered, the gateway tells as not available.
        let is_answered = |it: &&ClaimAnswer| {
            it.result != ClaimResult::NotAvailable || of.wire.claims.contains_key(&it.field)
        };
        let answers = self.claims.iter().filter(is_answered).cloned().collect();
        (claims, answers)
    }
}

/// The agency's own word for what became of the question; none for what the gateway found itself.
fn status(reason: Reason) -> Option<SourceStatus> {
    match reason {
        Reason::Complete | Reason::InPart | Reason::Stale => Some(SourceStatus::Found),
        Reason::NoRecord => Some(SourceStatus::NotFound),
        Reason::SeveralRecords => Some(SourceStatus::SeveralRecords),
        Reason::RefusedBySource => Some(SourceStatus::Refused),
        Reason::QuotaUsedUp => Some(SourceStatus::QuotaUsedUp),
        Reason::SourceWillAnswerLater => Some(SourceStatus::Later),
        Reason::CitizenMustAct => Some(SourceStatus::CitizenMustAct),
        Reason::NoGrant
        | Reason::NotThisPurpose
        | Reason::NotTheseFields
        | Reason::OnHold
        | Reason::NoAnswerYet
        | Reason::Unreachable
        | Reason::BreakerOpen
        | Reason::Overloaded
        | Reason::SourceError
        | Reason::Draining
        | Reason::NotJson
        | Reason::BreaksSchema
        | Reason::TooLarge
        | Reason::OtherSubject
        | Reason::BadSignature
        | Reason::RequiredSourceFailed
        | Reason::CallerLeft => None,
    }
}
