//! The built `loket` as a process, agencies that can be broken in every way beside it, and a load of
//! lookups that keeps what every caller saw. Nothing here looks inside the gateway: in go a
//! configuration and faults, out come answers, the audit log and the admin listener's words.

mod agency;
mod binary;
mod callers;
mod disk;
mod figures;
mod flooding;
mod gateway;
mod hosts;
mod ledger;
mod liar;
mod registers;
mod site;
mod slow_sync;

pub use agency::AgencyProcess;
pub use binary::{is_long, loket, report, skip};
pub use callers::{Load, Saw, Seen};
pub use disk::{Disk, Frozen};
pub use figures::{Times, is_well, only, untouched};
pub use flooding::Frames;
pub use gateway::Gateway;
pub use hosts::Hosts;
pub use ledger::Ledger;
pub use liar::{Liar, Lie};
pub use registers::{BYSTANDERS, REGISTERS, Register, register};
pub use site::Site;
pub use slow_sync::SlowSync;
