//! Guard: what a request holds until the end of its answer's body.

use loket_sdk::message::Reason;
use tokio::time::Instant;

use super::breaker::Leave;
use super::call::Call;
use super::failure::Failure;
use super::limit::Slot;
use super::stack::Stack;
use crate::telemetry::{BreakerState, ErrorType, InFlight, SpanHandle};

/// How the body of a forwarded answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was read to its end.
    Whole,
    /// The source broke it off, or sent nothing for too long.
    SourceFailed,
    /// The caller wanted no more of it.
    CallerLeft,
}

/// Leave of the breaker, a slot, and a count in the metric.
pub(super) struct Entry {
    leave: Option<Leave>,
    _slot: Slot,
    _in_flight: InFlight,
}

impl Entry {
    pub(super) fn new(leave: Leave, slot: Slot, in_flight: InFlight) -> Self {
        Self {
            leave: Some(leave),
            _slot: slot,
            _in_flight: in_flight,
        }
    }

    /// Nothing came of it.
    pub(super) fn fail(mut self, stack: &Stack, failure: &Failure, span: &SpanHandle) {
        if !failure.proves_nothing() {
            self.settle(stack, failure.trips(), Some(failure), span);
        }
    }

    fn settle(
        &mut self,
        stack: &Stack,
        failed: bool,
        failure: Option<&Failure>,
        span: &SpanHandle,
    ) {
        let now = Instant::now();
        if let Some(limit) = stack.limit.note(failed, now) {
            let metrics = stack.telemetry.metrics();
            metrics.agency_limit(&stack.peer, limit as u64);
        }
        let Some(leave) = self.leave.take() else {
            return;
        };
        let was_probe = leave.is_probe();
        if let Some(change) = leave.finish(failed, now) {
            stack.note(&span.trace_id_hex(), change, failure);
        } else if was_probe && failed {
            let metrics = stack.telemetry.metrics();
            metrics.breaker_state(&stack.peer, BreakerState::Open);
        }
    }
}

/// Holds the slot, the count in flight, the span and the breaker's leave of an answer that has
/// begun. Dropped before it is concluded, the request was cancelled.
pub struct Guard {
    call: Call,
    entry: Entry,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    pub(super) fn new(call: Call, entry: Entry) -> Self {
        Self { call, entry }
    }

    /// When the attempt that was answered began.
    pub(super) fn started(&self) -> Instant {
        self.call.started
    }

    pub(super) fn stack(&self) -> &Stack {
        &self.call.stack
    }

    /// Ends the request with what became of the answer's body.
    pub fn conclude(self, ended: Ended) {
        match ended {
            Ended::CallerLeft => drop(self),
            Ended::SourceFailed => self.fail(&Failure::new(
                Reason::SourceError,
                ErrorType::ConnectionReset,
            )),
            Ended::Whole => {
                let Self {
                    mut call,
                    mut entry,
                } = self;
                call.keep_connection();
                let bad = call.is_bad_status();
                entry.settle(&call.stack, bad, None, call.span());
                if bad {
                    let reason = Reason::SourceError;
                    call.finish(reason.outcome().as_str(), reason.as_str(), None);
                } else {
                    call.finish("answered", Reason::Complete.as_str(), None);
                }
            }
        }
    }

    /// A lookup's answer is here; what it is worth is found out without the source.
    pub(super) fn answered(self) -> Call {
        let Self {
            mut call,
            mut entry,
        } = self;
        call.keep_connection();
        entry.settle(&call.stack, false, None, call.span());
        call
    }

    /// The body was read, and the answer is no answer.
    pub(super) fn refused(mut self, failure: &Failure) {
        self.call.keep_connection();
        let Self { call, entry } = self;
        entry.fail(&call.stack, failure, call.span());
        let (outcome, reason) = (failure.reason.outcome().as_str(), failure.reason.as_str());
        call.finish(outcome, reason, Some(failure.error_type));
    }

    /// The body broke, or doesn't end in time.
    pub(super) fn fail(self, failure: &Failure) {
        let Self { call, entry } = self;
        entry.fail(&call.stack, failure, call.span());
        call.fail(failure);
    }
}
