//! The registers of a site: of each agency one record, and one field of it that is asked for.

/// An agency's record with the field that every lookup of the load asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// The agency.
    pub agency: &'static str,
    /// The record.
    pub record: &'static str,
    /// The field.
    pub field: &'static str,
}

/// Every agency that answers about a NIK. The first two are never broken.
pub const REGISTERS: &[Register] = &[
    new("dukcapil", "person-identity/1", "identity_status"),
    new("bpjs-kesehatan", "health-insurance/1", "membership_status"),
    new("korlantas", "driving-licence/1", "state"),
    new("kemensos", "social-assistance/1", "decile"),
    new("imigrasi", "passport/1", "state"),
    new("djp", "taxpayer/1", "registration_status"),
    new("bapenda", "property-tax/1", "payment_status"),
    new("samsat", "vehicle-registration/1", "blocked"),
    new("bpn", "land-title/1", "state"),
    new("bkpm", "business-licence/1", "state"),
];

/// Those that are well throughout, whatever becomes of the others.
pub const BYSTANDERS: &[Register] = &[REGISTERS[0], REGISTERS[1]];

const fn new(agency: &'static str, record: &'static str, field: &'static str) -> Register {
    Register {
        agency,
        record,
        field,
    }
}

/// The register of an agency.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn register(agency: &str) -> Register {
    let mut all = REGISTERS.iter();
    *all.find(|register| register.agency == agency)
        .expect("a register")
}
