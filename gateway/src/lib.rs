//! The gateway: one lookup in, every agency that may answer asked, one answer out.
//!
//! The rooms stand in the order in which a request walks through them; a room imports no later
//! one. The way itself is in [`pipeline`].

pub mod refusal;

pub mod directory;

pub mod grants;

pub mod telemetry;

pub mod checkpoint;

pub mod config;

pub mod audit;

pub mod request;

pub mod identity;

pub mod admission;

pub mod validate;

pub mod route;

pub mod policy;

pub mod check;

pub mod minimise;

pub mod workers;

pub mod upstream;

pub mod snapshot;

pub mod last_good;

pub mod replay;

pub mod fanout;

pub mod trail;

pub mod break_glass;

pub mod relay;

pub mod findings;

pub mod answer;

pub mod explain;

pub mod access;

pub mod catalogue;

pub mod openapi;

pub mod transparency;

pub mod reply;

pub mod stream;

pub mod pipeline;

pub mod witness;

pub mod listener;

pub mod supervisor;

pub mod reload;

pub mod admin;

pub mod service;

pub mod commands;

#[cfg(test)]
mod fixture;
