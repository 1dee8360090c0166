//! Example agencies, one short file per idea. Each is a [`Provider`], and each keeps in memory what
//! a real one has in its database: the sample family's records.
//!
//! | file | agency | what it shows |
//! |---|---|---|
//! | [`tax`] | Ditjen Pajak | the least: one record, two identifiers; begin here |
//! | [`civil`] | Dukcapil | one system that answers for five records |
//! | [`health`] | BPJS Kesehatan | a database driver that blocks |
//! | [`vehicles`] | Samsat | more than one record of a citizen is an answer of its own |
//! | [`licences`] | Korlantas | a citizen's newest record among old ones |
//! | [`immigration`] | Imigrasi | an archive that takes longer than the counter waits |
//! | [`land`] | ATR/BPN | a record that several citizens share |
//! | [`business`] | BKPM (OSS) | the agency's own reference of an answer |
//! | [`property_tax`] | Bapenda of the regency | a record that doesn't name the citizen |
//!
//! None of them checks grants, cuts fields or compares claims: the gateway asks only what is
//! granted, and the kit sends only what was asked.
//!
//! [`Provider`]: loket_sdk::provider::Provider

pub mod register;

pub mod business;
pub mod civil;
pub mod health;
pub mod immigration;
pub mod land;
pub mod licences;
pub mod property_tax;
pub mod tax;
pub mod vehicles;

pub use register::{Register, key, samples};
