//! Manual: how to do things with the SDK, one page per task.
//!
//! - [`first_lookup`]: a counter asks.
//! - [`first_agency`]: an agency answers.
//! - [`grants`]: an agency lets others ask for its data, and revokes it.
//! - [`routed_calls`]: an agency's system calls another's service.
//! - [`outcomes`]: what a result means and what to do at the counter.
//! - [`errors`]: what stands between you and an answer, every code.
//! - [`signed_answers`]: an agency signs, a counter proves.
//! - [`receipts`]: keep them, and verify them with nobody's help.
//! - [`citizens_view`]: a desk tells a citizen who looked.
//! - [`certificates`]: who is who, and how to get, renew and check a certificate.
//! - [`from_other_languages`]: the same in curl, PHP and Java.

pub mod first_lookup {
    #![doc = include_str!("manual/first_lookup.md")]
}

pub mod first_agency {
    #![doc = include_str!("manual/first_agency.md")]
}

pub mod grants {
    #![doc = include_str!("manual/grants.md")]
}

pub mod routed_calls {
    #![doc = include_str!("manual/routed_calls.md")]
}

pub mod outcomes {
    #![doc = include_str!("manual/outcomes.md")]
}

pub mod errors {
    #![doc = include_str!("manual/errors.md")]
}

pub mod signed_answers {
    #![doc = include_str!("manual/signed_answers.md")]
}

pub mod receipts {
    #![doc = include_str!("manual/receipts.md")]
}

pub mod citizens_view {
    #![doc = include_str!("manual/citizens_view.md")]
}

pub mod certificates {
    #![doc = include_str!("manual/certificates.md")]
}

pub mod from_other_languages {
    #![doc = include_str!("manual/from_other_languages.md")]
}

#[cfg(test)]
mod tests {
    use crate::message::{Outcome, Reason, WithheldReason};
    use crate::problem::{Code, Fault};

    const OUTCOMES: &str = include_str!("manual/outcomes.md");
    const ERRORS: &str = include_str!("manual/errors.md");

    /// The one line of the page that explains the word.
    #[track_caller]
    fn row<'a>(page: &'a str, word: &str) -> &'a str {
        let cell = format!("`{word}` |");
        let mut rows = page.lines().filter(|line| line.contains(&cell));
        let row = rows.next().unwrap_or_else(|| panic!("{word} has no row"));
        assert_eq!(rows.next(), None, "{word} has two rows");
        row
    }

    #[test]
    fn every_outcome_and_reason_is_explained() {
        for reason in Reason::ALL {
            let row = row(OUTCOMES, reason.as_str());
            let outcome = format!("| `{}` |", reason.outcome());
            assert!(row.starts_with(&outcome), "{row}");
        }
        for word in Outcome::ALL {
            assert!(OUTCOMES.contains(&format!("| `{word}` |")));
        }
        for reason in WithheldReason::ALL {
            row(OUTCOMES, reason.as_str());
        }
    }

    #[test]
    fn every_problem_is_explained() {
        for code in Code::ALL {
            let row = row(ERRORS, code.as_str());
            let fault = match code.fault() {
                Fault::Caller => "caller",
                Fault::Gateway => "gateway",
                Fault::Source => "source",
            };
            let again = if code.retryable() { "yes" } else { "no" };
            let cells = format!(
                "| `{code}` | {} | {fault} | {again} |",
                code.status(),
                code = code.as_str()
            );
            assert!(row.starts_with(&cells), "{row}\n{cells}");
        }
        for word in ["connect", "timeout", "protocol", "incomplete", "usage"] {
            row(ERRORS, word);
        }
    }

    #[test]
    fn the_first_agencys_record_is_one() {
        let page = include_str!("manual/first_agency.md");
        let text = page
            .split("json!(")
            .nth(1)
            .unwrap()
            .split(");")
            .next()
            .unwrap();
        let record: serde_json::Value = serde_json::from_str(text).unwrap();
        let taxpayer = "taxpayer/1".parse().unwrap();
        crate::schema::record(&taxpayer)
            .unwrap()
            .check_whole(&record)
            .unwrap();
    }
}
