//! Failure: why a question has no answer, found from a status, a problem or an error's causes.

use std::error::Error as _;
use std::io;

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

    /// Whether it says nothing about the agency, neither good nor bad.
    pub(super) fn proves_nothing(self) -> bool {
        match self.reason {
            Reason::NoAnswerYet => self.hasty,
            Reason::CallerLeft => true,
            // For want of something of ours.
            Reason::Overloaded => !self.asked,
            _ => false,
        }
    }

    /// Whether the connection broke before there was an answer: another endpoint may do better.
    pub(super) fn is_of_the_connection(self) -> bool {
        self.reason == Reason::SourceError
            && matches!(
                self.error_type,
                ErrorType::ConnectionReset | ErrorType::Protocol
            )
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
        // The question, or the record, didn't come to the agency in time.
        (StatusCode::REQUEST_TIMEOUT, _) => Reason::NoAnswerYet,
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

/// Why there is no connection. What we lack ourselves is no fault of the agency's.
pub(super) fn unconnected(refused: &Refused) -> Failure {
    if refused.is_ours() {
        return Failure::unasked(Reason::Overloaded, ErrorType::RateLimited);
    }
    Failure::unasked(Reason::Unreachable, refused.error_type())
}

/// What broke on the way to the head of an answer; `unsent` says that nothing was written.
pub(super) fn broken(error: &hyper::Error, unsent: bool) -> Failure {
    let (reason, error_type) = if error.is_user() {
        // The caller's body ended too soon: no fault of the agency's.
        (Reason::CallerLeft, ErrorType::ConnectionReset)
    } else if is_alert(error) {
        // In TLS 1.3 our certificate is refused after our side of the handshake is over.
        (Reason::Unreachable, ErrorType::TlsHandshake)
    } else if unsent {
        (Reason::Unreachable, ErrorType::ConnectionReset)
    } else if error.is_parse() {
        (Reason::SourceError, ErrorType::Protocol)
    } else {
        (Reason::SourceError, ErrorType::ConnectionReset)
    };
    Failure {
        asked: !unsent,
        ..Failure::new(reason, error_type)
    }
}

fn is_alert(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            return matches!(inner, Some(rustls::Error::AlertReceived(_)));
        }
        cause = error.source();
    }
    false
}
