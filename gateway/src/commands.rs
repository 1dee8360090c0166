//! Commands: one file per subcommand of `loket`.

pub mod check;
pub mod grant;
pub mod lookup;
pub mod pki;
pub mod serve;
