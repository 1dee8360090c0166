//! A lookup, put together and checked before anything leaves the machine.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::builder::deadline_ms;
use super::call::JSON;
use super::error::{Error, Result};
use super::send::check;
use super::stream::Results;
use super::{Client, event};
use crate::claims::{Claim, Op};
use crate::ids::CaseId;
use crate::message::{
    Answer, BreakGlass, Explanation, Ground, LegalBasis, LegalBasisKind, Locale, Lookup,
    PresentedAs, Purpose, RecordQuery, RecordRef, Subject,
};
use crate::sensitive::Sensitive;
use crate::trace::TraceContext;

/// A lookup in the making. Needed: purpose, case, clerk and counter, legal basis, and at least
/// one record or claim. [`send`](Self::send) names everything that is missing at once.
#[derive(Debug, Clone)]
#[must_use = "a lookup does nothing until it is sent"]
pub struct LookupBuilder {
    client: Client,
    subject: Subject,
    purpose: Option<Purpose>,
    case: Option<String>,
    clerk: Option<String>,
    counter: Option<String>,
    basis: Option<LegalBasis>,
    agreement: Option<String>,
    consent: Option<String>,
    asked: Vec<(String, Asked)>,
    required: Vec<String>,
    deadline: Duration,
    locale: Option<Locale>,
    request_id: Option<Uuid>,
    break_glass: Option<BreakGlass>,
    trace: Option<TraceContext>,
}

#[derive(Debug, Clone)]
enum Asked {
    All,
    Fields(Vec<String>),
    Claim(Claim),
}

impl LookupBuilder {
    pub(super) fn new(client: Client, subject: Subject) -> Self {
        Self {
            subject,
            purpose: None,
            case: None,
            clerk: client.0.clerk.clone(),
            counter: client.0.counter.clone(),
            basis: None,
            agreement: None,
            consent: None,
            asked: Vec::new(),
            required: Vec::new(),
            deadline: client.0.deadline,
            locale: None,
            request_id: None,
            break_glass: None,
            trace: None,
            client,
        }
    }

    /// Why the citizen's data is asked for.
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// The case at the counter, under which everything is audited: `MPP-3510-20261124-000124`.
    pub fn case(mut self, case: impl Into<String>) -> Self {
        self.case = Some(case.into());
        self
    }

    /// Who asks, at which counter.
    pub fn by(mut self, clerk: impl Into<String>, counter: impl Into<String>) -> Self {
        self.clerk = Some(clerk.into());
        self.counter = Some(counter.into());
        self
    }

    /// By which right, and the law or document that says so.
    pub fn legal_basis(mut self, kind: LegalBasisKind, reference: impl Into<String>) -> Self {
        self.basis = Some(LegalBasis {
            kind,
            reference: reference.into(),
            agreement_id: None,
            consent_id: None,
        });
        self
    }

    /// The agreement between the organisations.
    pub fn agreement(mut self, id: impl Into<String>) -> Self {
        self.agreement = Some(id.into());
        self
    }

    /// The citizen's consent; needed when the basis is [`LegalBasisKind::Consent`].
    pub fn consent(mut self, id: impl Into<String>) -> Self {
        self.consent = Some(id.into());
        self
    }

    /// How the citizen showed the identifier.
    pub fn presented_as(mut self, how: PresentedAs) -> Self {
        self.subject.presented_as = Some(how);
        self
    }

    /// Asks for a record, `person-identity/1`, with all fields that the grant allows.
    pub fn record(mut self, record: impl ToString) -> Self {
        self.asked.push((record.to_string(), Asked::All));
        self
    }

    /// Asks for some fields of a record.
    pub fn record_fields(
        mut self,
        record: impl ToString,
        fields: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        self.asked.push((record.to_string(), Asked::Fields(fields)));
        self
    }

    /// Has a value checked where it is kept: the answer is match or mismatch, never the value.
    /// The claims on one record are one question. `()` is the value of an operation without one,
    /// such as [`Op::Exists`].
    pub fn claim(
        mut self,
        record: impl ToString,
        field: impl Into<String>,
        op: Op,
        value: impl Into<Value>,
    ) -> Self {
        let claim = Claim {
            field: field.into(),
            op,
            value: Some(value.into())
                .filter(|value| !value.is_null())
                .map(Sensitive::new),
        };
        self.asked.push((record.to_string(), Asked::Claim(claim)));
        self
    }

    /// The service can't go on without this record: when it is denied, nothing else is asked.
    pub fn required(mut self, record: impl ToString) -> Self {
        self.required.push(record.to_string());
        self
    }

    /// How long the gateway may take, 200 ms to 15 s. The client waits
    /// [`MARGIN`](super::MARGIN) longer.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Language of the sentences in the answer.
    pub fn locale(mut self, locale: Locale) -> Self {
        self.locale = Some(locale);
        self
    }

    /// The lookup's id, a UUID; a fresh one of version 7 if not set. A lookup that
    /// is sent again keeps its id, so that the audit log shows both as one question.
    pub fn request_id(mut self, id: Uuid) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Breaks the glass: passes a hold, or asks for a purpose that isn't granted, within grants that
    /// allow it. What happened is told in 20 to 500 characters, and a second person must
    /// [approve](super::Client::approve) within 24 hours.
    pub fn break_glass(mut self, ground: Ground, justification: impl Into<String>) -> Self {
        self.break_glass = Some(BreakGlass {
            ground,
            justification: Sensitive::new(justification.into()),
        });
        self
    }

    /// The trace to take part in; a new one if not set.
    pub fn trace(mut self, context: TraceContext) -> Self {
        self.trace = Some(context);
        self
    }

    /// The message that [`send`](Self::send) would send.
    ///
    /// # Errors
    /// [`Error::Usage`] that names everything that is missing or wrong.
    pub fn build(&self) -> Result<Lookup> {
        let mut faults = Vec::new();
        let purpose = needed(&mut faults, self.purpose, "purpose(…)");
        let case = needed(&mut faults, self.case.as_ref(), "case(…)");
        let clerk = needed(&mut faults, self.clerk.as_ref(), "by(clerk, counter)");
        let basis = needed(&mut faults, self.basis.as_ref(), "legal_basis(…)");
        if self.asked.is_empty() {
            faults.push("record(…), record_fields(…) or claim(…) is missing".to_owned());
        }
        let records = self.records(&mut faults);
        let case = case.map(|case| CaseId::parse(case));
        if let Some(Err(error)) = &case {
            faults.push(error.to_string());
        }
        let (Some(purpose), Some(Ok(case_id)), Some(clerk), Some(basis), true) =
            (purpose, case, clerk, basis, faults.is_empty())
        else {
            return Err(incomplete(&faults));
        };
        let lookup = Lookup {
            request_id: self.request_id.unwrap_or_else(Uuid::now_v7),
            case_id,
            purpose,
            legal_basis: LegalBasis {
                agreement_id: self.agreement.clone(),
                consent_id: self.consent.clone(),
                ..basis.clone()
            },
            clerk: clerk.clone(),
            counter: self.counter.clone().unwrap_or_default(),
            subject: self.subject.clone(),
            records,
            deadline_ms: Some(deadline_ms(self.deadline)?),
            locale: self.locale,
            break_glass: self.break_glass.clone(),
        };
        check(&lookup)?;
        Ok(lookup)
    }

    /// One question per record for its fields, one for its claims, in the order first named.
    fn records(&self, faults: &mut Vec<String>) -> Vec<RecordQuery> {
        let mut queries: Vec<RecordQuery> = Vec::new();
        for (name, asked) in &self.asked {
            let Ok(record) = name.parse::<RecordRef>() else {
                faults.push(format!("{name:?} isn't a record such as person-identity/1"));
                continue;
            };
            let is_claim = matches!(asked, Asked::Claim(_));
            let same = queries
                .iter_mut()
                .find(|query| query.record == record && query.claims.is_some() == is_claim);
            match (asked, same) {
                (_, None) => queries.push(RecordQuery {
                    required: self.required.contains(name),
                    record,
                    fields: match asked {
                        Asked::Fields(fields) => Some(fields.clone()),
                        _ => None,
                    },
                    claims: match asked {
                        Asked::Claim(claim) => Some(vec![claim.clone()]),
                        _ => None,
                    },
                }),
                (Asked::Claim(claim), Some(query)) => {
                    query.claims.get_or_insert_default().push(claim.clone());
                }
                // All of it already holds what else is asked of it.
                (Asked::All, Some(query)) => query.fields = None,
                (Asked::Fields(more), Some(query)) => {
                    if let Some(fields) = &mut query.fields {
                        let new = more.iter().filter(|field| !fields.contains(field));
                        let new: Vec<String> = new.cloned().collect();
                        fields.extend(new);
                    }
                }
            }
        }
        for name in &self.required {
            if !self.asked.iter().any(|(asked, _)| asked == name) {
                faults.push(format!("{name} is required and isn't asked for"));
            }
        }
        queries
    }

    /// Sends the lookup and waits for every agency or the deadline.
    ///
    /// # Errors
    /// [`Error::Usage`] when something is missing; the others when there is no answer. That an
    /// agency refused or failed is in the answer.
    pub async fn send(self) -> Result<Answer> {
        let lookup = self.build()?;
        self.client.call(&lookup, self.trace, JSON)?.answer().await
    }

    /// Sends the lookup and gives each agency's result as it arrives.
    ///
    /// # Errors
    /// As [`send`](Self::send); what fails after the start comes out of the stream.
    ///
    /// ```no_run
    /// use loket_sdk::client::{Event, LookupBuilder};
    ///
    /// # async fn example(lookup: LookupBuilder) -> loket_sdk::client::Result<()> {
    /// let mut results = lookup.stream().await?;
    /// while let Some(event) = results.next().await {
    ///     match event? {
    ///         Event::Result(card) => println!("{}: {}", card.record, card.outcome),
    ///         Event::Done(answer) => println!("{}", answer.overall),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stream(self) -> Result<Results> {
        let lookup = self.build()?;
        let call = self.client.call(&lookup, self.trace, event::MEDIA_TYPE)?;
        call.results().await
    }

    /// Asks why the lookup would be carried out or refused, instead of carrying it out.
    ///
    /// # Errors
    /// [`Error::Usage`] when something is missing; otherwise as for a lookup. That it would be
    /// refused is in the explanation.
    ///
    /// ```no_run
    /// # async fn example(lookup: loket_sdk::client::LookupBuilder) -> loket_sdk::client::Result<()> {
    /// let explanation = lookup.explain().await?;
    /// for record in &explanation.records {
    ///     for step in record.steps.iter().filter(|step| !step.passed) {
    ///         println!("{}: {}: {}", record.record, step.step, step.says);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn explain(self) -> Result<Explanation> {
        let lookup = self.build()?;
        self.client.explained(&lookup, self.trace).await
    }
}

fn needed<T>(faults: &mut Vec<String>, value: Option<T>, name: &str) -> Option<T> {
    if value.is_none() {
        faults.push(format!("{name} is missing"));
    }
    value
}

pub(super) fn incomplete(faults: &[String]) -> Error {
    Error::usage(format!("the lookup wasn't sent: {}", faults.join("; ")))
}
