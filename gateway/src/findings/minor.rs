//! Whether what is disclosed shows that the subject is under 18, by a record or by a claim. A child's
//! data is specific (UU 27/2022 art. 4), whatever the class of its fields.

use jiff::civil::Date;
use loket_sdk::claims::{ClaimResult, Op, PartialDate};
use loket_sdk::message::{Finding, RecordQuery, RecordRef, SourceResult};

use super::code::Code;
use super::person::is_minor;

/// A claim that tells it if it is answered so.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    record: RecordRef,
    op: Op,
    when: ClaimResult,
}

const FIELD: &str = "birth_date";

/// The claims of a lookup that would tell.
#[must_use]
pub fn tellings(queries: &[RecordQuery], today: Date) -> Vec<Telling> {
    let claims = queries.iter().flat_map(|query| {
        let claims = query.claims.iter().flatten();
        claims.map(|claim| (&query.record, claim))
    });
    claims
        .filter_map(|(record, claim)| {
            let value = claim.value.as_ref()?.expose().as_str()?;
            let bound = PartialDate::parse(value)?;
            let (tells, when) = match claim.op {
                Op::DateEquals => (is_minor(bound, today), ClaimResult::Match),
                Op::After => {
                    let day_after = bound.last().tomorrow().ok()?;
                    (is_minor(day_after.into(), today), ClaimResult::Match)
                }
                Op::Before => (is_minor(bound.first().into(), today), ClaimResult::Mismatch),
                _ => return None,
            };
            (claim.field == FIELD && tells).then(|| Telling {
                record: record.clone(),
                op: claim.op,
                when,
            })
        })
        .collect()
}

/// Whether a finding or an answer to such a claim shows it.
#[must_use]
pub fn is_shown(findings: &[Finding], results: &[SourceResult], tellings: &[Telling]) -> bool {
    let by_record = || {
        let minor = Code::Minor.as_str();
        findings.iter().any(|finding| finding.code == minor)
    };
    let by_claim = |telling: &Telling| {
        results
            .iter()
            .filter(|result| result.record == telling.record)
            .flat_map(|result| &result.claims)
            .any(|claim| {
                claim.field == FIELD && claim.op == telling.op && claim.result == telling.when
            })
    };
    by_record() || tellings.iter().any(by_claim)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;

    const TODAY: Date = date(2026, 11, 24);

    /// When `birth_date OP VALUE`, answered `when`, shows a child born at the latest 17 years and 364
    /// days ago.
    fn check(claim: &str, expected: Option<ClaimResult>) {
        let (op, value) = claim.split_once(' ').unwrap();
        let queries = json!([{"record": "person-identity/1", "claims": [
            {"field": "birth_date", "op": op, "value": value},
            {"field": "full_name", "op": "name_matches", "value": "X"},
        ]}]);
        let queries: Vec<RecordQuery> = serde_json::from_value(queries).unwrap();
        let told = tellings(&queries, TODAY);
        let when: Vec<ClaimResult> = told.iter().map(|telling| telling.when).collect();
        assert_eq!(when, Vec::from_iter(expected), "{claim}");
    }

    #[test]
    fn a_claim_tells_an_age() {
        check("date_equals 2008-11-25", Some(ClaimResult::Match));
        check("date_equals 2008-11-24", None);
        check("date_equals 1988-05-14", None);
        check("after 2008-11-24", Some(ClaimResult::Match));
        check("after 2008-11-23", None);
        check("before 2008-11-25", Some(ClaimResult::Mismatch));
        check("before 2008-11-24", None);
        check("before 2020-01-01", Some(ClaimResult::Mismatch));
    }
}
