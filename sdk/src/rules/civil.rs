//! Rules of the civil registry: family card, birth and death.

use std::collections::HashSet;

use serde_json::Value;

use super::{Data, at};

/// UU 24/2013: a birth registered later is late.
const LATE_AFTER_DAYS: i32 = 60;

fn niks_of_heads(members: &[Value]) -> Vec<&str> {
    let heads = members.iter().filter(|member| member["relation"] == "1");
    heads.filter_map(|head| head["nik"].as_str()).collect()
}

pub(super) fn one_head(data: &Data<'_>) -> Vec<String> {
    let is_broken = |members| niks_of_heads(members).len() != 1;
    at("/members", data.items("members").map(is_broken))
}

/// With no head or several, `one_head` says so.
pub(super) fn head_is_a_member(data: &Data<'_>) -> Vec<String> {
    let (Some(head), Some(members)) = (data.text("head_nik"), data.items("members")) else {
        return vec![];
    };
    match niks_of_heads(members)[..] {
        [nik] => at("/head_nik", Some(nik != head)),
        _ => vec![],
    }
}

pub(super) fn member_once(data: &Data<'_>) -> Vec<String> {
    let mut seen = HashSet::new();
    let members = data.items("members").unwrap_or_default().iter().enumerate();
    members
        .filter(|(_, member)| member["nik"].as_str().is_some_and(|nik| !seen.insert(nik)))
        .map(|(index, _)| format!("/members/{index}/nik"))
        .collect()
}

pub(super) fn death_after_birth(data: &Data<'_>) -> Vec<String> {
    let dates = data.known("death_date").zip(data.known("birth_date"));
    at(
        "/death_date",
        dates.map(|(death, birth)| death.last < birth.first),
    )
}

pub(super) fn timeliness(data: &Data<'_>) -> Vec<String> {
    let dates = data.known("birth_date").zip(data.known("registered_on"));
    let told = dates.zip(data.text("timeliness"));
    let is_broken = told.map(|((birth, registered), timeliness)| {
        let days = (registered.first - birth.first).get_days();
        (days > LATE_AFTER_DAYS) != (timeliness == "late")
    });
    at("/timeliness", is_broken)
}
