//! Faults: the built gateway with everything around it broken, one subject per file.
//!
//! Each test says what callers saw, that sources which weren't broken answered as before, that every
//! answer is in the audit log, and that all is well again by itself. `LOKET_FAULTS=long` lasts
//! longer, is stricter and prints figures; `LOKET_FAULTS=short` prints them too.

mod answers;
mod audit_disk;
mod certificates;
mod clock;
mod descriptors;
mod gateway_killed;
mod logs;
mod network;
mod sources;
mod telemetry;
