//! Policy: grants and a question in, a permit or a reason for refusing out.
//!
//! Pure, and default deny: what no grant in force names for this consumer, source, record and
//! purpose is neither asked nor passed on.

mod calls;
mod matrix;

use std::collections::BTreeSet;

use jiff::civil::Date;
use loket_sdk::claims::{self, Claim};
use loket_sdk::ids::{AgencyId, MemberId};
use loket_sdk::message::{Purpose, Reason, RecordQuery, RecordRef, Withheld, WithheldReason};
use loket_sdk::schema::{self, RecordSchema};

use crate::directory::{Directory, Grant, GrantIndex, Mode};
use crate::route::{Leg, Routed};

pub use calls::{NamedBy, PermittedCall, authorise_call};
pub use matrix::matrix;

/// What a consumer wants to know of one source.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub consumer: &'a MemberId,
    /// Why.
    pub purpose: Purpose,
    /// Which record.
    pub record: &'a RecordRef,
    /// Whose data.
    pub source: &'a AgencyId,
    /// What of it.
    pub wanted: Wanted<'a>,
    /// Today, in the agencies' time zone.
    pub today: Date,
    /// Whether the subject's data is held.
    pub held: bool,
    /// Whether the lookup would break the glass.
    pub break_glass: bool,
}

impl Question<'_> {
    /// Whether the grant covers it without breaking the glass.
    fn is_ordinary(&self, grant: &Grant) -> bool {
        grant.purposes.contains(&self.purpose) && (!self.held || self.purpose.is_mandatory())
    }

    /// Whether the grant covers it by breaking the glass.
    fn is_emergency(&self, grant: &Grant) -> bool {
        self.break_glass && grant.break_glass_ok
    }
}

/// What of a record.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// All that may be read.
    All,
    /// These fields.
    Fields(&'a [String]),
    /// Match or mismatch of these claims.
    Claims(&'a [Claim]),
}

/// What the source may be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Allowed {
    /// To give these fields.
    Fields(Vec<String>),
    /// To verify these claims.
    Claims(Vec<Claim>),
}

/// Leave to ask. Built only here.
#[derive(Debug, Clone, PartialEq)]
pub struct Permit {
    grants: Vec<GrantIndex>,
    allowed: Allowed,
    withheld: Vec<Withheld>,
    refused: Vec<Claim>,
    stale_ok: bool,
    breaks_glass: bool,
}

impl Permit {
    /// The grants that it rests on; each counts one question.
    #[must_use]
    pub fn grants(&self) -> &[GrantIndex] {
        &self.grants
    }

    /// What may be asked.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Fields asked for that may not be read.
    #[must_use]
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// Claims that may not be asked.
    #[must_use]
    pub fn refused(&self) -> &[Claim] {
        &self.refused
    }

    /// Whether it rests on a grant that covers it by breaking the glass only.
    #[must_use]
    pub fn breaks_glass(&self) -> bool {
        self.breaks_glass
    }

    /// Whether the last good answer may stand in for a source that fails.
    #[must_use]
    pub fn stale_ok(&self) -> bool {
        self.stale_ok
    }
}

/// Decides one question: each stage in turn, then what of it may be asked.
///
/// # Errors
/// One of `no_grant`, `not_this_purpose`, `not_these_fields`, `on_hold`.
pub fn decide(directory: &Directory, question: &Question<'_>) -> Result<Permit, Reason> {
    examine(directory, question, &mut |_, _| ())
}

/// Decides as [`decide`] does, and tells of each stage that is passed, with the grants that still
/// count, so that what is explained can't be another decision.
///
/// # Errors
/// As [`decide`].
pub fn examine<'d>(
    directory: &'d Directory,
    question: &Question<'_>,
    passed: &mut dyn FnMut(Stage, &[Granted<'d>]),
) -> Result<Permit, Reason> {
    let mut grants: Vec<Granted<'d>> = own_grants(directory, question).collect();
    for stage in Stage::ALL {
        stage.narrow(question, &mut grants)?;
        passed(stage, &grants);
    }
    if question.break_glass {
        // What an ordinary grant names needs no glass broken.
        grants.sort_by_key(|(_, grant)| !question.is_ordinary(grant));
    }
    let permit = match question.wanted {
        Wanted::All => permit_all(&grants),
        Wanted::Fields(fields) => permit_fields(&grants, fields),
        Wanted::Claims(claims) => permit_claims(&grants, claims, schema::record(question.record)),
    }?;
    let is_drawn = |index: &GrantIndex| permit.grants.contains(index);
    let breaks_glass = grants
        .iter()
        .any(|(index, grant)| is_drawn(index) && !question.is_ordinary(grant));
    Ok(Permit {
        breaks_glass,
        ..permit
    })
}

/// The consumer's grants for the record by the source, in force or not.
pub fn own_grants<'d>(
    directory: &'d Directory,
    question: &Question<'_>,
) -> impl Iterator<Item = Granted<'d>> {
    directory
        .grants_of(question.consumer, question.record)
        .filter(|(_, grant)| grant.source == *question.source)
}

/// A grant and where it stands.
pub type Granted<'d> = (GrantIndex, &'d Grant);

/// What leaves fewer grants to ask under, in the order in which it is looked at; each has a reason of
/// its own for when none is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In force today.
    Grant,
    /// For the purpose, or covered all the same by breaking the glass.
    Purpose,
    /// Not stopped by a hold on the subject, or covered all the same by breaking the glass.
    Hold,
}

impl Stage {
    /// In order.
    pub const ALL: [Self; 3] = [Self::Grant, Self::Purpose, Self::Hold];

    fn narrow(self, question: &Question<'_>, grants: &mut Vec<Granted<'_>>) -> Result<(), Reason> {
        let reason = match self {
            Self::Grant => {
                grants.retain(|(_, grant)| grant.is_in_force(question.today));
                Reason::NoGrant
            }
            Self::Purpose => {
                grants.retain(|(_, grant)| {
                    grant.purposes.contains(&question.purpose) || question.is_emergency(grant)
                });
                Reason::NotThisPurpose
            }
            Self::Hold => {
                let stops = question.held && !question.purpose.is_mandatory();
                grants.retain(|(_, grant)| !stops || question.is_emergency(grant));
                Reason::OnHold
            }
        };
        if grants.is_empty() {
            return Err(reason);
        }
        Ok(())
    }
}

/// Each field that may be read, by the first grant that names it.
fn permit_all(grants: &[(GrantIndex, &Grant)]) -> Result<Permit, Reason> {
    let mut readable: Vec<(&String, GrantIndex)> = grants
        .iter()
        .filter(|(_, grant)| grant.mode == Mode::Read)
        .flat_map(|(index, grant)| grant.fields.iter().map(|field| (field, *index)))
        .collect();
    readable.sort_by_key(|(field, _)| *field);
    readable.dedup_by_key(|(field, _)| *field);
    if readable.is_empty() {
        return Err(Reason::NotTheseFields);
    }
    let drawn = readable.iter().map(|(_, index)| *index).collect();
    let fields = readable.into_iter().map(|(field, _)| field.clone());
    let allowed = Allowed::Fields(fields.collect());
    Ok(permit(grants, drawn, allowed, Vec::new(), Vec::new()))
}

fn permit_fields(grants: &[(GrantIndex, &Grant)], wanted: &[String]) -> Result<Permit, Reason> {
    let mut drawn = BTreeSet::new();
    let (mut fields, mut withheld) = (Vec::new(), Vec::new());
    for field in wanted {
        let naming = || {
            grants
                .iter()
                .filter(|(_, grant)| grant.fields.contains(field))
        };
        match naming().find(|(_, grant)| grant.mode == Mode::Read) {
            Some((index, _)) => {
                drawn.insert(*index);
                fields.push(field.clone());
            }
            None => withheld.push(Withheld {
                field: field.clone(),
                reason: match naming().next() {
                    Some(_) => WithheldReason::VerifyOnly,
                    None => WithheldReason::NotGranted,
                },
            }),
        }
    }
    if fields.is_empty() {
        return Err(Reason::NotTheseFields);
    }
    Ok(permit(
        grants,
        drawn,
        Allowed::Fields(fields),
        withheld,
        Vec::new(),
    ))
}

fn permit_claims(
    grants: &[(GrantIndex, &Grant)],
    wanted: &[Claim],
    schema: Option<&RecordSchema>,
) -> Result<Permit, Reason> {
    // What the schema doesn't let be asked of a field isn't left to the source to refuse.
    let is_askable = |claim: &Claim| {
        schema
            .and_then(|schema| schema.field(&claim.field))
            .is_some_and(|field| claims::allowed(field.verify, claim.op))
    };
    let mut drawn = BTreeSet::new();
    let (mut permitted, mut refused) = (Vec::new(), Vec::new());
    for claim in wanted {
        // A grant to read a field is a grant to verify it.
        match grants
            .iter()
            .find(|(_, grant)| grant.fields.contains(&claim.field) && is_askable(claim))
        {
            Some((index, _)) => {
                drawn.insert(*index);
                permitted.push(claim.clone());
            }
            None => refused.push(claim.clone()),
        }
    }
    if permitted.is_empty() {
        return Err(Reason::NotTheseFields);
    }
    Ok(permit(
        grants,
        drawn,
        Allowed::Claims(permitted),
        Vec::new(),
        refused,
    ))
}

fn permit(
    grants: &[(GrantIndex, &Grant)],
    drawn: BTreeSet<GrantIndex>,
    allowed: Allowed,
    withheld: Vec<Withheld>,
    refused: Vec<Claim>,
) -> Permit {
    let stale_ok = grants
        .iter()
        .filter(|(index, _)| drawn.contains(index))
        .all(|(_, grant)| grant.stale_ok);
    Permit {
        grants: drawn.into_iter().collect(),
        allowed,
        withheld,
        refused,
        stale_ok,
        breaks_glass: false,
    }
}

/// A lookup of which at least something is granted. Built only here.
#[derive(Debug)]
pub struct Permitted {
    routed: Routed,
    decisions: Vec<Result<Permit, Reason>>,
}

impl Permitted {
    /// What is asked, of whom.
    #[must_use]
    pub fn routed(&self) -> &Routed {
        &self.routed
    }

    /// One decision per leg.
    pub fn decisions(&self) -> &[Result<Permit, Reason>] {
        &self.decisions
    }

    /// Whether anything of it is asked by breaking the glass only.
    #[must_use]
    pub fn breaks_glass(&self) -> bool {
        let mut permits = self.decisions.iter().flatten();
        permits.any(Permit::breaks_glass)
    }

    /// Gives both away.
    #[must_use]
    pub fn into_parts(self) -> (Routed, Vec<Result<Permit, Reason>>) {
        (self.routed, self.decisions)
    }
}

/// A lookup of which nothing is granted.
#[derive(Debug)]
pub struct Denied {
    routed: Routed,
    decisions: Vec<Result<Permit, Reason>>,
}

impl Denied {
    /// Each leg with why it may not be asked.
    pub fn legs(&self) -> impl Iterator<Item = (&Leg, Reason)> {
        let reasons = self
            .decisions
            .iter()
            .filter_map(|decision| decision.as_ref().err());
        self.routed.legs().iter().zip(reasons.copied())
    }
}

/// What a lookup's questions have in common.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub consumer: &'a MemberId,
    /// Why.
    pub purpose: Purpose,
    /// What.
    pub records: &'a [RecordQuery],
    /// Today, in the agencies' time zone.
    pub today: Date,
    /// Whether the subject's data is held.
    pub held: bool,
    /// Whether the lookup would break the glass.
    pub break_glass: bool,
}

impl<'a> Asked<'a> {
    /// Of a lookup.
    #[must_use]
    pub fn of(routed: &'a Routed, today: Date, held: bool) -> Self {
        Self {
            consumer: routed.admitted().identified().member(),
            purpose: routed.lookup().purpose,
            records: &routed.lookup().records,
            today,
            held,
            break_glass: routed.lookup().break_glass.is_some(),
        }
    }

    /// One leg's question; none when nobody answers for its record.
    #[must_use]
    pub fn question(&self, directory: &'a Directory, leg: &Leg) -> Option<Question<'a>> {
        let query = &self.records[leg.query];
        Some(Question {
            consumer: self.consumer,
            purpose: self.purpose,
            record: &query.record,
            source: &directory.sources()[leg.source?].agency,
            wanted: match (&query.fields, &query.claims) {
                (_, Some(claims)) => Wanted::Claims(claims),
                (Some(fields), None) => Wanted::Fields(fields),
                (None, None) => Wanted::All,
            },
            today: self.today,
            held: self.held,
            break_glass: self.break_glass,
        })
    }
}

/// Decides every leg of a lookup.
///
/// # Errors
/// [`Denied`] when no leg may be asked.
pub fn authorise(
    routed: Routed,
    directory: &Directory,
    today: Date,
    held: bool,
) -> Result<Permitted, Box<Denied>> {
    let asked = Asked::of(&routed, today, held);
    let decisions: Vec<Result<Permit, Reason>> = routed
        .legs()
        .iter()
        .map(|leg| match asked.question(directory, leg) {
            Some(question) => decide(directory, &question),
            None => Err(Reason::NoGrant),
        })
        .collect();
    // A hold is told per record: the clerk must see that it is the citizen's own.
    let nothing = decisions.iter().all(|decision| {
        decision
            .as_ref()
            .is_err_and(|reason| *reason != Reason::OnHold)
    });
    if nothing {
        return Err(Box::new(Denied { routed, decisions }));
    }
    Ok(Permitted { routed, decisions })
}

#[cfg(test)]
mod tests;
