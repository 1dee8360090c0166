//! Commands: one file per subcommand of `loket`.

mod admin;
pub mod audit;
pub mod break_glass;
pub mod check;
pub mod explain;
pub mod grant;
pub mod hold;
pub mod justifications;
pub mod lookup;
pub mod manuals;
pub mod operate;
pub mod pki;
pub mod register;
pub mod rows;
pub mod serve;
pub mod top;
pub mod trace;
