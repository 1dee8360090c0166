//! Commands: one file per subcommand of `loket`.

pub mod check;
pub mod explain;
pub mod justifications;
pub mod lookup;
pub mod pki;
pub mod serve;
