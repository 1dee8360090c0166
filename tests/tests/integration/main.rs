//! The town as its people see it: one binary, one file per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are no tests to clippy"
)]

mod access;
mod admin;
mod audit;
mod bad_input;
mod bare_agency;
mod break_glass;
mod calls;
mod catalogue;
mod collector;
mod explain;
mod faults;
mod grants;
mod identity;
mod invariants;
mod journeys;
mod minimisation;
mod minors;
mod operate;
mod outcomes;
mod overload;
mod privacy;
mod problems;
mod reload;
mod replay;
mod signatures;
mod streaming;
mod telemetry;
