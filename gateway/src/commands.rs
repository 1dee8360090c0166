//! Commands: one file per subcommand of `loket`.

pub mod audit;
pub mod check;
pub mod lookup;
pub mod pki;
pub mod serve;
