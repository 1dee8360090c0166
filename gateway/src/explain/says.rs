//! Says: what each step tells its reader. A caller hears of its own grants only.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use loket_sdk::message::{
    ExplainedStep, LegalBasisKind, Mender, Purpose, Reason, SourceName, Step,
};
use serde::Deserialize;

use super::{Audience, Inquiry};
use crate::directory::{Directory, Grant, GrantIndex, GrantState, Mode};
use crate::identity::Identified;
use crate::policy::{Allowed, Granted, Permit, Question, Stage, Wanted, own_grants};
use crate::refusal::{NotEnrolled, Refusal};
use crate::route::Leg;

/// The first steps of a caller that is let in.
#[must_use]
pub fn admitted(identified: &Identified) -> Vec<ExplainedStep> {
    let (member, system) = (identified.member(), identified.system());
    vec![
        passed(Step::Certificate, certificate()),
        passed(
            Step::Member,
            format!("{member} is enrolled, with its system {system}."),
        ),
    ]
}

/// The first steps of a caller that isn't.
#[must_use]
pub fn refused(refusal: &Refusal) -> Vec<ExplainedStep> {
    match refusal {
        Refusal::NotEnrolled(NotEnrolled::UnknownSystem) => vec![
            passed(Step::Certificate, certificate()),
            failed(Step::Member, refusal.sentence(), Mender::Operator),
        ],
        _ => vec![failed(
            Step::Certificate,
            refusal.sentence(),
            Mender::Caller,
        )],
    }
}

fn certificate() -> String {
    "It is valid, trusted and names a system.".to_owned()
}

fn passed(step: Step, says: String) -> ExplainedStep {
    ExplainedStep {
        step,
        passed: true,
        says,
        mended_by: None,
    }
}

fn failed(step: Step, says: String, mended_by: Mender) -> ExplainedStep {
    ExplainedStep {
        step,
        passed: false,
        says,
        mended_by: Some(mended_by),
    }
}

pub(super) struct Says<'a> {
    pub(super) inquiry: &'a Inquiry<'a>,
    pub(super) directory: &'a Directory,
    pub(super) trace_id: &'a str,
}

impl Says<'_> {
    fn to_operator(&self) -> bool {
        self.inquiry.audience == Audience::Operator
    }

    /// It refuses nothing: a basis that the list of purposes doesn't name is recorded all the same.
    pub(super) fn legal_basis(&self) -> Option<ExplainedStep> {
        let (basis, purpose) = (self.inquiry.legal_basis?, self.inquiry.asked.purpose);
        let usual = USUAL_BASES.get(&purpose).map_or(&[][..], Vec::as_slice);
        let says = if usual.is_empty() || usual.contains(&basis) {
            format!("{basis} goes with {purpose}.")
        } else {
            format!(
                "{basis} is recorded as stated. The list of purposes names {} for {purpose}, so the agency may ask.",
                listed(usual)
            )
        };
        Some(passed(Step::LegalBasis, says))
    }

    /// Who would be asked, if the reader may know.
    pub(super) fn source(&self, leg: &Leg) -> Option<SourceName> {
        let source = &self.directory.sources()[leg.source?];
        let question = self.inquiry.asked.question(self.directory, leg)?;
        let known = self.to_operator() || own_grants(self.directory, &question).next().is_some();
        known.then(|| source.name())
    }

    pub(super) fn passed(&self, stage: Stage, grants: &[Granted<'_>]) -> ExplainedStep {
        let asked = &self.inquiry.asked;
        match stage {
            Stage::Grant => {
                let standing = |(_, grant): &Granted<'_>| standing(grant, asked.today);
                let all: Vec<String> = grants.iter().map(standing).collect();
                passed(Step::Grant, all.join(" "))
            }
            Stage::Purpose => passed(Step::Purpose, self.purposes(grants)),
            Stage::Hold => passed(Step::Hold, self.no_hold(grants)),
        }
    }

    fn purposes(&self, grants: &[Granted<'_>]) -> String {
        let purpose = self.inquiry.asked.purpose;
        let (own, broken): (Vec<Granted<'_>>, Vec<Granted<'_>>) = grants
            .iter()
            .partition(|(_, grant)| grant.purposes.contains(&purpose));
        let mut says = Vec::new();
        if !own.is_empty() {
            says.push(format!("{} for {purpose}.", names(&own)));
        }
        if !broken.is_empty() {
            says.push(format!(
                "{} for other purposes, and would be used by breaking the glass.",
                names(&broken)
            ));
        }
        says.join(" ")
    }

    /// That a hold leaves the purpose alone would tell a caller that there is one.
    fn no_hold(&self, grants: &[Granted<'_>]) -> String {
        let asked = &self.inquiry.asked;
        if asked.held && asked.break_glass && !asked.purpose.is_mandatory() {
            return format!(
                "The subject's data is held; {} to be used by breaking the glass.",
                names(grants)
            );
        }
        let says = match (self.to_operator(), self.inquiry.subject_named) {
            (true, true) if self.inquiry.asked.held => {
                "The subject's data is held, which leaves alone what a law obliges."
            }
            (true, false) => "No subject is named, so a hold wouldn't be seen.",
            _ => "No hold stands in the way.",
        };
        says.to_owned()
    }

    pub(super) fn failed(&self, reason: Reason, question: Option<&Question<'_>>) -> ExplainedStep {
        let own = || {
            let own = question.map(|question| own_grants(self.directory, question));
            own.into_iter().flatten()
        };
        let asked = &self.inquiry.asked;
        match reason {
            Reason::NotThisPurpose => {
                let in_force = own().filter(|(_, grant)| grant.is_in_force(asked.today));
                let told = in_force
                    .map(|(_, grant)| format!("{} is for {}.", grant.id, listed(&grant.purposes)));
                let told: Vec<String> = told.collect();
                let says = format!(
                    "{} None is for {}. Ask for a purpose that is granted, or the agency for a grant.",
                    told.join(" "),
                    asked.purpose
                );
                failed(Step::Purpose, says, Mender::Agency)
            }
            Reason::OnHold => {
                let says = format!(
                    "The subject's data is held for purposes that no law obliges. Ask the operator of the gateway, trace id {}.",
                    self.trace_id
                );
                failed(Step::Hold, says, Mender::Operator)
            }
            Reason::NotTheseFields => self.no_fields(own(), question.map(|it| it.wanted)),
            // No grant; policy has no other reason.
            _ => {
                let told: Vec<String> = own().map(|(_, it)| standing(it, asked.today)).collect();
                match (told.is_empty(), question) {
                    (false, _) => {
                        let says = format!("{} The agency can mend that.", told.join(" "));
                        failed(Step::Grant, says, Mender::Agency)
                    }
                    (true, None) if self.to_operator() => failed(
                        Step::Grant,
                        "No source answers for this record.".to_owned(),
                        Mender::Operator,
                    ),
                    (true, Some(question)) if self.to_operator() => {
                        let (source, consumer) = (question.source, question.consumer);
                        let says = format!("{source} has granted {consumer} nothing of this record.");
                        failed(Step::Grant, says, Mender::Agency)
                    }
                    (true, _) => failed(
                        Step::Grant,
                        "Nobody has granted you this record. GET /v1/catalogue says what is granted; the agency that owns the record gives grants.".to_owned(),
                        Mender::Agency,
                    ),
                }
            }
        }
    }

    fn no_fields<'g>(
        &self,
        own: impl Iterator<Item = Granted<'g>>,
        wanted: Option<Wanted<'_>>,
    ) -> ExplainedStep {
        let asked = &self.inquiry.asked;
        let (mut read, mut verify) = (Vec::new(), Vec::new());
        let counts = |grant: &Grant| {
            grant.is_in_force(asked.today) && grant.purposes.contains(&asked.purpose)
        };
        for (_, grant) in own.filter(|(_, grant)| counts(grant)) {
            let fields = grant.fields.iter().map(String::as_str);
            match grant.mode {
                Mode::Read => read.extend(fields),
                Mode::Verify => verify.extend(fields),
            }
        }
        let may_verify = |field: &String| verify.contains(&field.as_str());
        let as_claims = match wanted {
            Some(Wanted::Fields(fields)) => fields.iter().any(may_verify),
            Some(Wanted::All) => !verify.is_empty(),
            Some(Wanted::Claims(_)) | None => false,
        };
        let mut says = "None of what you ask for is granted as you ask for it.".to_owned();
        for (granted, fields) in [("to read", &read), ("for claims only", &verify)] {
            if !fields.is_empty() {
                says += &format!(" Granted {granted}: {}.", fields.join(", "));
            }
        }
        if as_claims {
            failed(
                Step::Fields,
                says + " Ask whether values are right, with claims.",
                Mender::Caller,
            )
        } else {
            failed(
                Step::Fields,
                says + " The agency gives grants.",
                Mender::Agency,
            )
        }
    }

    pub(super) fn fields(&self, permit: &Permit) -> ExplainedStep {
        let mut says = match permit.allowed() {
            Allowed::Fields(fields) => format!("To read: {}.", fields.join(", ")),
            Allowed::Claims(claims) => {
                let fields: Vec<&str> = claims.iter().map(|claim| claim.field.as_str()).collect();
                format!("To verify: {}.", fields.join(", "))
            }
        };
        let withheld: Vec<String> = permit
            .withheld()
            .iter()
            .map(|withheld| format!("{} ({})", withheld.field, withheld.reason))
            .collect();
        let refused: Vec<String> = permit
            .refused()
            .iter()
            .map(|claim| format!("{} {}", claim.field, claim.op.as_str()))
            .collect();
        for (what, list) in [("Withheld", withheld), ("Not permitted", refused)] {
            if !list.is_empty() {
                says += &format!(" {what}: {}.", list.join(", "));
            }
        }
        passed(Step::Fields, says)
    }

    pub(super) fn quota(
        &self,
        permit: &Permit,
        left: &dyn Fn(GrantIndex) -> Option<u64>,
        used_up: bool,
    ) -> ExplainedStep {
        let told = permit.grants().iter().map(|&index| {
            let grant = &self.directory.grants()[index];
            match (grant.daily_quota, left(index)) {
                (None, _) => format!("{} has no quota.", grant.id),
                (Some(quota), Some(left)) => {
                    format!("{} has {left} of {quota} left today.", grant.id)
                }
                (Some(quota), None) => format!(
                    "{} has {quota} a day; how many are left the running gateway knows.",
                    grant.id
                ),
            }
        });
        let told = told.collect::<Vec<String>>().join(" ");
        if used_up {
            let says = format!(
                "{told} That isn't enough for this lookup. Wait for the next day, or ask the agency for more."
            );
            return failed(Step::Quota, says, Mender::Agency);
        }
        passed(Step::Quota, told)
    }

    pub(super) fn required(&self, lacking: bool) -> ExplainedStep {
        let required = self.inquiry.asked.records.iter().filter(|it| it.required);
        let required: Vec<&str> = required.map(|it| it.record.as_str()).collect();
        let required = required.join(", ");
        if lacking {
            let says = format!(
                "One of the required records ({required}) can't be asked, so none is. Mend that, or ask without requiring it."
            );
            return failed(Step::RequiredRecords, says, Mender::Caller);
        }
        passed(
            Step::RequiredRecords,
            format!("What is required can be asked: {required}."),
        )
    }
}

fn names(grants: &[Granted<'_>]) -> String {
    let ids: Vec<&str> = grants.iter().map(|(_, grant)| grant.id.as_str()).collect();
    let verb = if ids.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", ids.join(", "))
}

fn standing(grant: &Grant, today: Date) -> String {
    let (from, to) = (grant.valid_from, grant.valid_to);
    let state = match grant.state {
        GrantState::Draft => "is a draft".to_owned(),
        GrantState::ProofOfConcept => "is under proof of concept".to_owned(),
        GrantState::Suspended => "is suspended".to_owned(),
        GrantState::Ended => "has ended".to_owned(),
        GrantState::Active if today < from => format!("begins on {from}"),
        GrantState::Active if today > to => format!("ended on {to}"),
        GrantState::Active => format!("is in force until {to}"),
    };
    format!("{} of {} {state}.", grant.id, grant.agreement)
}

fn listed<'t>(words: impl IntoIterator<Item = &'t (impl ToString + 't)>) -> String {
    let words: Vec<String> = words.into_iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The legal bases that the list of purposes names.
static USUAL_BASES: LazyLock<HashMap<Purpose, Vec<LegalBasisKind>>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Document {
        purposes: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        purpose: Purpose,
        legal_bases: Vec<LegalBasisKind>,
    }
    let document = serde_json::from_str::<Document>(loket_schemas::PURPOSES);
    let entries = document
        .map(|document| document.purposes)
        .unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| (entry.purpose, entry.legal_bases))
        .collect()
});
