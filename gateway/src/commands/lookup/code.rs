//! Exit codes: what scripts are told of an answer or an error.

use loket_sdk::client::Error;
use loket_sdk::message::{Answer, Outcome, Overall};

/// Every agency gave an answer, an honest "no" among others.
pub(in crate::commands) const COMPLETE: u8 = 0;
/// None of the others.
pub(in crate::commands) const FAILED: u8 = 1;
/// The command line can't be carried out.
pub(in crate::commands) const USAGE: u8 = 2;
/// All say that they have no record.
pub(in crate::commands) const NOT_FOUND: u8 = 4;
/// All is denied, by a grant, the gateway or the agencies.
pub(in crate::commands) const DENIED: u8 = 5;
/// Some gave an answer.
pub(in crate::commands) const PARTIAL: u8 = 6;
/// None answered in time, or the gateway didn't.
pub(in crate::commands) const TIMED_OUT: u8 = 7;

/// By the answer as a whole; where all agencies say the same, by that. What wasn't attempted says
/// nothing by itself: it follows from another's denial.
pub(in crate::commands) fn of_answer(answer: &Answer) -> u8 {
    let mut outcomes = answer
        .results
        .iter()
        .map(|result| result.outcome)
        .filter(|outcome| *outcome != Outcome::NotAttempted);
    if let Some(first) = outcomes.next()
        && outcomes.all(|outcome| outcome == first)
    {
        match first {
            Outcome::NotFound => return NOT_FOUND,
            Outcome::Denied => return DENIED,
            Outcome::TimedOut => return TIMED_OUT,
            _ => {}
        }
    }
    match answer.overall {
        Overall::Complete => COMPLETE,
        Overall::Partial => PARTIAL,
        Overall::None => FAILED,
    }
}

/// By what stands between the caller and an answer.
pub(in crate::commands) fn of_error(error: &Error) -> u8 {
    match error {
        Error::Usage { .. } => USAGE,
        Error::Timeout { .. } => TIMED_OUT,
        Error::Problem { problem, .. } if problem.status == 403 => DENIED,
        _ => FAILED,
    }
}
