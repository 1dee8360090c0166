//! Failure: why a question has no answer, found from a status, a problem or an error's causes.

use http::{StatusCode, header};
use hyper_util::client::legacy;
use loket_sdk::message::Reason;
use loket_sdk::problem::Code;

use super::connector::{self, Refused};
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
}

impl Failure {
    pub(super) fn new(reason: Reason, error_type: ErrorType) -> Self {
        Self {
            reason,
            error_type,
            retry_after_s: None,
            asked: true,
        }
    }

    pub(super) fn unasked(reason: Reason, error_type: ErrorType) -> Self {
        Self {
            asked: false,
            ..Self::new(reason, error_type)
        }
    }

    /// Whether it counts against the agency. A deadline of the caller's that was shorter than the
    /// agency's own time says nothing about the agency: else one hasty counter could close it to all.
    pub(super) fn trips(self, hasty: bool) -> bool {
        match self.reason {
            Reason::NoAnswerYet => !hasty,
            Reason::SourceError => !matches!(self.error_type, ErrorType::Status(400..=499)),
            Reason::Unreachable | Reason::Draining => true,
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

/// Finds what broke: name, connection, handshake, identity, or the exchange on the way.
pub(super) fn classify(error: &legacy::Error) -> Failure {
    let mut unsent = error.is_connect();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(refused) = current.downcast_ref::<Refused>() {
            return Failure::unasked(Reason::Unreachable, refused.error_type());
        }
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return Failure::unasked(Reason::Unreachable, connector::tls_error_type(tls));
        }
        if let Some(io) = current.downcast_ref::<std::io::Error>()
            && let Some(tls) = io
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return Failure::unasked(Reason::Unreachable, connector::tls_error_type(tls));
        }
        // Hyper says so of a request that it never began to write.
        unsent |= current
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_canceled);
        cause = current.source();
    }
    let error_type = if error.is_connect() {
        ErrorType::ConnectFailed
    } else {
        ErrorType::ConnectionReset
    };
    Failure {
        asked: !unsent,
        ..Failure::new(Reason::Unreachable, error_type)
    }
}
