//! Errors in words: what happened, whose move it is, what to do, and the trace id to ask with.

use std::io::{self, Write};

use loket_sdk::client::Error;
use loket_sdk::problem::Fault;
use serde_json::json;

use super::arguments::Output;
use super::table::printable;

/// What the caller got wrong; nothing was sent.
pub(in crate::commands) fn usage(what: &str, err: &mut dyn Write) -> io::Result<()> {
    writeln!(err, "error: {}", printable(what))?;
    writeln!(err, "For more information, try '--help'.")
}

/// What stands between the caller and an answer; for programs, the last document of the output too.
pub(in crate::commands) fn failure(
    error: &Error,
    output: Output,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    if let Error::Usage { what } = error {
        return usage(what, err);
    }
    let fault = serde_json::to_value(error.fault()).unwrap_or_default();
    let retry_after = error.retry_after().map(|wait| wait.as_secs());
    if output != Output::Table {
        let mut document = json!({
            "event": "problem",
            "code": error.code(),
            "fault": fault,
            "retryable": error.is_retryable(),
            "message": error.to_string(),
            "trace_id": error.trace_id(),
        });
        if let Some(seconds) = retry_after {
            document["retry_after_s"] = seconds.into();
        }
        writeln!(out, "{document}")?;
    }
    writeln!(err, "error: {}", printable(&error.to_string()))?;
    let whose = match error.fault() {
        Fault::Caller => "this side: the request, its certificate or its grants",
        Fault::Gateway => "the gateway or the way there; its operator can mend it",
        Fault::Source => "the agency behind the gateway",
    };
    writeln!(err, "fault: {whose}")?;
    match (error.is_retryable(), retry_after) {
        (true, Some(seconds)) => writeln!(err, "retry: the same command, in {seconds} s")?,
        (true, None) => writeln!(err, "retry: the same command, after a pause")?,
        (false, _) => match request_id(error) {
            Some(id) => writeln!(err, "retry: the same command with --request-id {id}")?,
            None => writeln!(err, "retry: not as it is")?,
        },
    }
    writeln!(err, "trace: {}", printable(error.trace_id()))
}

/// Of a lookup that may have been carried out.
fn request_id(error: &Error) -> Option<uuid::Uuid> {
    match error {
        Error::Timeout { request_id, .. } | Error::Incomplete { request_id, .. } => *request_id,
        _ => None,
    }
}
