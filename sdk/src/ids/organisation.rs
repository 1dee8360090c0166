//! Identifiers that name no person: agencies, members, their systems, cases.

use super::{
    error::{IdError, IdErrorKind},
    newtype::open_id,
};

open_id! {
    /// An agency that owns records: `dukcapil`, `bpjs-kesehatan`.
    ///
    /// Shape: `^[a-z][a-z0-9-]{1,39}$`. Source: the wire contract, `source.agency`.
    AgencyId, "agency_id", kebab
}

open_id! {
    /// An organisation enrolled at the gateway: `bapenda-3510`.
    ///
    /// Shape: `^[a-z][a-z0-9-]{1,39}$`. Source: the wire contract, first part of the path of the
    /// SPIFFE ID in the certificate.
    MemberId, "member_id", kebab
}

open_id! {
    /// A system that a member runs: `siak`, `counter-app`.
    ///
    /// Shape: `^[a-z][a-z0-9-]{1,39}$`. Source: the wire contract, second part of the path of the
    /// SPIFFE ID in the certificate.
    SystemId, "system_id", kebab
}

open_id! {
    /// A case at a mall, under which all its lookups are audited: `MPP-3510-20261124-000124`.
    ///
    /// Shape: `^[A-Z0-9][A-Z0-9./-]{3,63}$`. Source: the wire contract, `case_id`.
    CaseId, "case_id", case_id
}

open_id! {
    /// A public-service mall: `ID-35.10`, country and region.
    ///
    /// Shape: `^[A-Z]{2}-[0-9A-Z.]{2,12}$`. Source: the wire contract, `requester.mall`.
    MallId, "mall_id", mall_id
}

fn mall_id(name: &'static str, raw: &str) -> Result<String, IdError> {
    let fits = raw.split_once('-').is_some_and(|(country, place)| {
        country.len() == 2
            && country.bytes().all(|b| b.is_ascii_uppercase())
            && (2..=12).contains(&place.len())
            && place
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || b == b'.')
    });
    match fits {
        true => Ok(raw.to_owned()),
        false => Err(IdErrorKind::Pattern {
            expected: "ID-35.10: two capital letters, a dash, 2 to 12 digits, capital letters or dots",
        }
        .of(name)),
    }
}

fn kebab(name: &'static str, raw: &str) -> Result<String, IdError> {
    let fits = (2..=40).contains(&raw.len())
        && raw.starts_with(|c: char| c.is_ascii_lowercase())
        && raw
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match fits {
        true => Ok(raw.to_owned()),
        false => Err(IdErrorKind::Pattern {
            expected: "bpjs-kesehatan: 2 to 40 lower-case letters, digits or dashes, a letter first",
        }
        .of(name)),
    }
}

fn case_id(name: &'static str, raw: &str) -> Result<String, IdError> {
    let fits = (4..=64).contains(&raw.len())
        && raw.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
        && raw.bytes().all(|b| {
            b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'.' | b'/' | b'-')
        });
    match fits {
        true => Ok(raw.to_owned()),
        false => Err(IdErrorKind::Pattern {
            expected: "MPP-3510-20261124-000124: 4 to 64 capital letters, digits, dots, slashes \
                       or dashes, a letter or digit first",
        }
        .of(name)),
    }
}
