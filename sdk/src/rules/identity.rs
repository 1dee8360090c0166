//! Rules of documents that show who somebody is: passport and driving licence.

use super::{Data, at};
use crate::ids::{Mrz, Sex};

fn lines<'a>(data: &Data<'a>) -> Option<(&'a str, &'a str)> {
    let zone = data.fields.get("mrz")?;
    Some((zone["line1"].as_str()?, zone["line2"].as_str()?))
}

/// With a wrong check digit, only that is told: the zone was misread, and agrees with nothing.
fn zone(data: &Data<'_>) -> Option<Mrz> {
    let (line1, line2) = lines(data)?;
    Mrz::from_lines(line1, line2).ok()
}

pub(super) fn mrz_check_digits(data: &Data<'_>) -> Vec<String> {
    let is_broken = |(line1, line2)| Mrz::from_lines(line1, line2).is_err();
    at("/mrz", lines(data).map(is_broken))
}

pub(super) fn mrz_number(data: &Data<'_>) -> Vec<String> {
    let both = zone(data).zip(data.text("passport_number"));
    at(
        "/passport_number",
        both.map(|(mrz, number)| mrz.document_number() != number),
    )
}

pub(super) fn mrz_birth_date(data: &Data<'_>) -> Vec<String> {
    at("/birth_date", short_date_differs(data, 13, "birth_date"))
}

pub(super) fn mrz_expiry(data: &Data<'_>) -> Vec<String> {
    at("/expires_on", short_date_differs(data, 21, "expires_on"))
}

/// Compares YYMMDD, since the zone has no century; `<` stands for a digit that isn't known.
fn short_date_differs(data: &Data<'_>, from: usize, field: &str) -> Option<bool> {
    let mrz = zone(data)?;
    let short = mrz.expose_line2().get(from..from + 6)?;
    let date = data.known(field)?.first.strftime("%y%m%d").to_string();
    let mut pairs = short.bytes().zip(date.bytes());
    Some(pairs.any(|(zone, field)| zone != b'<' && zone != field))
}

pub(super) fn mrz_sex(data: &Data<'_>) -> Vec<String> {
    let both = zone(data).zip(data.text("sex"));
    at(
        "/sex",
        both.map(|(mrz, code)| mrz.sex() != Sex::from_code(code)),
    )
}

pub(super) fn licence_is_nik(data: &Data<'_>) -> Vec<String> {
    let is_broken = || {
        let numbers = data.text("licence_number")?.ne(data.text("nik")?);
        Some(data.text("numbering")? == "nik16" && numbers)
    };
    at("/licence_number", is_broken())
}
