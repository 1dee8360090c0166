//! Identifiers of people, their documents and things, and of organisations.
//!
//! In: text as a clerk types it or a system sends it. Out: one newtype per identifier, parsed
//! once and in normal form. Refused: what can't be such an identifier at all; the error says
//! what is wrong and what to do, and never repeats the value.
//!
//! What is merely odd gives an [`IdFinding`], never a refusal: a NIK follows neither a move nor
//! a corrected birth date, and registries are older than their rules.
//!
//! Personal identifiers have no `Display`, and their `Debug` is `Nik(…)`; [`Nik::expose`] and its
//! siblings reveal them. Separators that people write (spaces, dots, dashes) are taken out on
//! input and never put back on output.
//!
//! ```
//! use loket_sdk::ids::Nik;
//!
//! let nik = Nik::parse("3510 1614 0588 9901")?;
//! assert_eq!(nik.expose(), "3510161405889901");
//! assert_eq!(nik.region().as_str(), "35.10.16");
//! assert_eq!(format!("{nik:?}"), "Nik(…)");
//! # Ok::<(), loket_sdk::ids::IdError>(())
//! ```

mod azerbaijan;
mod cards;
mod error;
mod finding;
mod mrz;
mod newtype;
mod organisation;
mod population;
mod property;
mod region;
mod scheme;
mod tax;
mod text;
mod vehicle;

pub use azerbaijan::{AzDocumentNumber, AzFin, AzVoen, VoenHolder};
pub use cards::{
    CertificateNumber, JknCardNumber, Kpj, LicenceNumber, LicenceNumbering, PassportNumber,
};
pub use error::{IdError, IdErrorKind};
pub use finding::{FindingCode, IdFinding, Severity};
pub use mrz::Mrz;
pub use organisation::{AgencyId, CaseId, MallId, MemberId, SystemId};
pub use population::{KkNumber, Nik, Sex};
pub use property::{BusinessNib, Nop, ParcelId};
pub use region::{Province, RegionCode, Successor};
pub use scheme::{Scheme, findings, normalise};
pub use tax::{Nitku, Npwp};
pub use vehicle::{ChassisNumber, PlateNumber};

#[cfg(test)]
mod tests;
