//! Failure: why a question has no answer, found from a status, a problem or an error's causes.

use http::{StatusCode, header};
use loket_sdk::message::Reason;
use loket_sdk::problem::Code;

use super::connector::Refused;
use crate::telemetry::ErrorType;

const MAX_RETRY_AFTER_S: u64 = 86_400;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The word that the caller is told.
    pub reason: Reason,
    /// The word that operations are told.
    pub error_type: ErrorType,
    /// When to ask again, in seconds.
    pub retry_after_s: Option<u64>,
    /// Whether the question may have reached the agency.
    pub asked: bool,
    /// Whether the caller's deadline was shorter than the agency's own time.
    pub(super) hasty: bool,
}

impl Failure {
    pub(super) fn new(reason: Reason, error_type: ErrorType) -> Self {
        Self {
            reason,
            error_type,
            retry_after_s: None,
            asked: true,
            hasty: false,
        }
    }

    pub(super) fn unasked(reason: Reason, error_type: ErrorType) -> Self {
        Self {
            asked: false,
            ..Self::new(reason, error_type)
        }
    }

    pub(super) fn with_retry_after(self, wait: std::time::Duration) -> Self {
        Self {
            retry_after_s: Some(wait.as_secs().max(1)),
            ..self
        }
    }

    /// The caller's time is over before the agency's.
    pub(super) fn hasty() -> Self {
        Self {
            hasty: true,
            ..Self::new(Reason::NoAnswerYet, ErrorType::Timeout)
        }
    }

    /// What a health check's status says.
    pub(super) fn unwell(status: u16) -> Self {
        Self::new(Reason::SourceError, ErrorType::Status(status))
    }

    /// Whether it counts against the agency. A deadline of the caller's that was shorter than the
    /// agency's own time says nothing about the agency: else one hasty counter could close it to all.
    pub(super) fn trips(self) -> bool {
        match self.reason {
            Reason::NoAnswerYet => !self.hasty,
            Reason::SourceError => !matches!(self.error_type, ErrorType::Status(400..=499)),
            // Refused, too busy or too large again and again, it isn't worth asking.
            Reason::Overloaded => self.asked,
            Reason::Unreachable | Reason::Draining | Reason::TooLarge => true,
            _ => false,
        }
    }

    /// Whether asking again asks once: the first never left, for want of a connection.
    pub(super) fn is_safe_to_retry(self) -> bool {
        !self.asked
            && matches!(
                self.error_type,
                ErrorType::ConnectFailed | ErrorType::ConnectionReset
            )
    }
}

/// What a status other than 200 means, with the code of a problem of ours.
pub(super) fn refusal(status: StatusCode, code: Option<Code>) -> Reason {
    match (status, code) {
        (_, Some(Code::Draining)) => Reason::Draining,
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Reason::RefusedBySource,
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => Reason::Overloaded,
        (StatusCode::GATEWAY_TIMEOUT, Some(Code::SourceTimeout)) => Reason::NoAnswerYet,
        _ => Reason::SourceError,
    }
}

pub(super) fn retry_after(headers: &http::HeaderMap) -> Option<u64> {
    let seconds: u64 = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(seconds.min(MAX_RETRY_AFTER_S))
}

/// Why there is no connection.
pub(super) fn unconnected(refused: &Refused) -> Failure {
    Failure::unasked(Reason::Unreachable, refused.error_type())
}

/// What broke on the way to the head of an answer; `unsent` says that nothing was written.
pub(super) fn broken(error: &hyper::Error, unsent: bool) -> Failure {
    // The caller's body ended too soon: no fault of the agency's.
    let reason = match error.is_user() {
        true => Reason::CallerLeft,
        false => Reason::Unreachable,
    };
    Failure {
        asked: !unsent,
        ..Failure::new(reason, ErrorType::ConnectionReset)
    }
}
