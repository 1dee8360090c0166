//! What can go wrong between the counter and the gateway, and whose move it is.

use std::error::Error as StdError;
use std::time::Duration;

use uuid::Uuid;

use super::tls_fault::TlsFault;
use crate::problem::{Fault, Problem};

/// The result of the client's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stands between the caller and an answer.
///
/// `Display` says what happened and what to do, in one line, without a citizen's data.
/// [`Error::trace_id`] is what the gateway's operator needs to find the call; it is there even
/// when no answer came, since the client starts the trace.
///
/// An agency that doesn't answer is no error: it is an [`Outcome`](crate::message::Outcome) in
/// the answer.
///
/// ```
/// use loket_sdk::client::Client;
///
/// let error = Client::builder().url("http://gateway.example").build().unwrap_err();
/// assert_eq!(error.code(), "usage");
/// assert!(!error.is_retryable());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway answered a problem; its `code` is in [`Problem::code`].
    #[error("{}", problem_sentence(problem))]
    Problem {
        /// The document, as it came.
        problem: Box<Problem>,
        /// The header `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The handshake failed, on either side. Trying again changes nothing.
    #[error("{fault}")]
    Tls {
        /// What was wrong with which certificate.
        fault: TlsFault,
        /// 32 hexadecimal digits.
        trace_id: String,
        /// The TLS library's words.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No connection, or it closed before any answer.
    #[error(
        "the gateway at {address} can't be reached: {reason}; check LOKET_URL, the network and whether the gateway runs"
    )]
    Connect {
        /// Host and port.
        address: String,
        /// What failed.
        reason: &'static str,
        /// 32 hexadecimal digits.
        trace_id: String,
        /// The system's words.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No answer in time. The gateway may have carried the lookup out.
    #[error(
        "no answer within {} ms, and the lookup may have been carried out: send it again with the same request_id, under which the audit log shows both",
        after.as_millis()
    )]
    Timeout {
        /// How long the client waited.
        after: Duration,
        /// The lookup's id; `None` for other operations.
        request_id: Option<Uuid>,
        /// 32 hexadecimal digits.
        trace_id: String,
    },
    /// The answer isn't what the wire contract says. Never quotes the answer.
    #[error("the gateway's answer isn't as agreed: {what}; give its operator the trace id")]
    Protocol {
        /// What isn't as agreed.
        what: String,
        /// 32 hexadecimal digits.
        trace_id: String,
    },
    /// The answer or the stream broke off.
    #[error(
        "the answer broke off before its end: send the lookup again with the same request_id, under which the audit log shows both"
    )]
    Incomplete {
        /// The lookup's id; `None` for other operations.
        request_id: Option<Uuid>,
        /// 32 hexadecimal digits.
        trace_id: String,
        /// Why, where it is known.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The client or the lookup isn't fully or rightly filled in; nothing was sent.
    #[error("{what}")]
    Usage {
        /// What is missing or wrong, and the remedy.
        what: String,
    },
}

fn problem_sentence(problem: &Problem) -> String {
    let mut text = format!("{} ({})", problem.title, problem.code.as_str());
    if !problem.detail.is_empty() {
        text.push_str(": ");
        text.push_str(&problem.detail);
    }
    for violation in &problem.errors {
        let place = match violation.pointer.as_str() {
            "" => "the document",
            pointer => pointer,
        };
        text.push_str(&format!("; {place}: {}", violation.message));
    }
    text
}

impl Error {
    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::Usage { what: what.into() }
    }

    pub(super) fn protocol(what: impl Into<String>, trace_id: &str) -> Self {
        Self::Protocol {
            what: what.into(),
            trace_id: trace_id.to_owned(),
        }
    }

    /// A stable word for programs and log searches: the problem's code, or `tls_…`, `connect`,
    /// `timeout`, `protocol`, `incomplete`, `usage`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Problem { problem, .. } => problem.code.as_str(),
            Self::Tls { fault, .. } => fault.code(),
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Protocol { .. } => "protocol",
            Self::Incomplete { .. } => "incomplete",
            Self::Usage { .. } => "usage",
        }
    }

    /// Whose move it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Problem { problem, .. } => problem.fault,
            Self::Tls { fault, .. } => fault.fault(),
            Self::Usage { .. } => Fault::Caller,
            Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Protocol { .. }
            | Self::Incomplete { .. } => Fault::Gateway,
        }
    }

    /// Whether the same request may simply be sent again later. False after a timeout and a
    /// broken-off answer: what was asked may have been carried out, so only the same
    /// `request_id` may be sent again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Problem { problem, .. } => problem.retryable,
            Self::Connect { .. } => true,
            Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::Protocol { .. }
            | Self::Incomplete { .. }
            | Self::Usage { .. } => false,
        }
    }

    /// How long the gateway asks to wait before the next request.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The trace id, 32 hexadecimal digits; empty when nothing was sent ([`Error::Usage`]).
    #[must_use]
    pub fn trace_id(&self) -> &str {
        match self {
            Self::Problem { problem, .. } => &problem.trace_id,
            Self::Tls { trace_id, .. }
            | Self::Connect { trace_id, .. }
            | Self::Timeout { trace_id, .. }
            | Self::Protocol { trace_id, .. }
            | Self::Incomplete { trace_id, .. } => trace_id,
            Self::Usage { .. } => "",
        }
    }

    /// The problem document, when the gateway answered one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }
}
