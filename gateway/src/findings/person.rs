//! C02 to C04 and C20: birth date and sex, in the records and in the NIK.

use jiff::ToSpan;
use jiff::civil::Date;
use loket_sdk::claims::{ClaimResult, Op, PartialDate};
use loket_sdk::ids::{Nik, Sex};
use loket_sdk::message::{Purpose, Severity};

use super::code::Code;
use super::draft::Draft;
use super::said::{self, Fact, Said};
use super::view::View;

const ADULT_YEARS: i32 = 18;

pub(super) fn c02_birth_date(view: &View<'_>) -> Vec<Draft> {
    let severity = match view.context.purpose {
        Purpose::PassportApplication => Severity::Blocking,
        _ => Severity::Warning,
    };
    let agree = |a: &str, b: &str| match (PartialDate::parse(a), PartialDate::parse(b)) {
        (Some(a), Some(b)) => a.agrees_with(&b),
        _ => true,
    };
    let mut drafts = disagreeing(
        view,
        Fact::BirthDate,
        Code::BirthDateDiffers,
        severity,
        agree,
    );
    let dates = [Op::DateEquals, Op::Equals];
    let claim = Code::BirthDateClaimDiffers;
    drafts.extend(mismatched(view, "birth_date", &dates, claim, severity));
    drafts
}

pub(super) fn c03_sex(view: &View<'_>) -> Vec<Draft> {
    let severity = Severity::Warning;
    let agree = |a: &str, b: &str| match (Sex::from_code(a), Sex::from_code(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    let mut drafts = disagreeing(view, Fact::Sex, Code::SexDiffers, severity, agree);
    drafts.extend(sex_in_nik(view));
    drafts.extend(mismatched(
        view,
        "sex",
        &[Op::Equals],
        Code::SexClaimDiffers,
        severity,
    ));
    drafts
}

pub(super) fn c04_nik_date(view: &View<'_>) -> Vec<Draft> {
    let (Some(nik), Some(said)) = (&view.nik, reference(view, Fact::BirthDate)) else {
        return Vec::new();
    };
    let date = said.texts.first().and_then(|text| PartialDate::parse(text));
    match date {
        Some(date) if !is_in_nik(nik, date, view.context.today) => {
            vec![
                Code::NikDateDiffers
                    .info()
                    .on(said.record.result, &["nik", said.field]),
            ]
        }
        _ => Vec::new(),
    }
}

pub(super) fn c20_minor(view: &View<'_>) -> Vec<Draft> {
    let said = reference(view, Fact::BirthDate).or_else(|| azerbaijani_birth_date(view));
    let Some(said) = said else { return Vec::new() };
    let date = said.texts.first().and_then(|text| PartialDate::parse(text));
    match date {
        Some(date) if is_minor(date, view.context.today) => {
            vec![Code::Minor.info().on(said.record.result, &[said.field])]
        }
        _ => Vec::new(),
    }
}

/// Whether someone born then is under 18; where the day isn't known, whether they may be, since
/// a child's data is protected more.
pub(super) fn is_minor(born: PartialDate, today: Date) -> bool {
    let adult_on = born.last().checked_add(ADULT_YEARS.years());
    adult_on.is_ok_and(|adult_on| adult_on > today)
}

fn reference<'a>(view: &View<'a>, fact: Fact) -> Option<Said<'a>> {
    let civil = said::civil(view, fact).into_iter().next();
    civil.or_else(|| said::elsewhere(view, fact).into_iter().next())
}

fn azerbaijani_birth_date<'a>(view: &View<'a>) -> Option<Said<'a>> {
    let record = view.own("az-person-identity").next()?;
    let texts = vec![record.text("birth_date")?];
    Some(Said {
        record,
        field: "birth_date",
        texts,
    })
}

/// Everyone against the civil registry; without it, against the first, and nobody is to blame.
fn disagreeing(
    view: &View<'_>,
    fact: Fact,
    code: Code,
    severity: Severity,
    agree: impl Fn(&str, &str) -> bool,
) -> Vec<Draft> {
    let mut said = said::civil(view, fact);
    let is_civil = !said.is_empty();
    said.extend(said::elsewhere(view, fact));
    let Some((first, others)) = said.split_first() else {
        return Vec::new();
    };
    let differs = |other: &&Said<'_>| match (first.texts.first(), other.texts.first()) {
        (Some(a), Some(b)) => !agree(a, b),
        _ => false,
    };
    others
        .iter()
        .filter(differs)
        .map(|other| {
            let draft = code.at(severity).on(first.record.result, &[first.field]);
            let draft = draft.on(other.record.result, &[other.field]);
            if is_civil {
                draft.mended_by(other.record.result)
            } else {
                draft
            }
        })
        .collect()
}

fn mismatched(
    view: &View<'_>,
    field: &'static str,
    ops: &[Op],
    code: Code,
    severity: Severity,
) -> Vec<Draft> {
    view.claims()
        .filter(|(_, claim)| claim.field == field && ops.contains(&claim.op))
        .filter(|(_, claim)| claim.result == ClaimResult::Mismatch)
        .map(|(result, _)| code.at(severity).on(result, &[field]))
        .collect()
}

fn sex_in_nik(view: &View<'_>) -> Option<Draft> {
    let said = reference(view, Fact::Sex)?;
    let recorded = Sex::from_code(said.texts.first()?)?;
    let in_nik = view.nik.as_ref()?.sex()?;
    let draft = Code::SexNotAsInNik
        .warning()
        .on(said.record.result, &["nik", said.field]);
    (recorded != in_nik).then(|| draft.mended_by(said.record.result))
}

/// The century isn't in the number, so both that it can be are tried.
fn is_in_nik(nik: &Nik, date: PartialDate, today: Date) -> bool {
    let Some(newest) = nik.birth_date(today) else {
        return false;
    };
    let older = newest.checked_sub(100.years()).ok();
    [Some(newest), older]
        .into_iter()
        .flatten()
        .any(|day| PartialDate::from(day).agrees_with(&date))
}
