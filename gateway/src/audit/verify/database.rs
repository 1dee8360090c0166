//! The log in a database, whether it is whole.

use super::{Asked, Verified, Violation, walk};
use crate::audit::store::postgres::Found;
use crate::config::Database;

/// Verifies the whole log in this database, also while gateways write to it. `progress` is told now and
/// then, and at the end, how many entries were good so far.
///
/// # Errors
/// The first [`Violation`]. A database that can't be read is one too, with
/// [`Flaw::Unreadable`](crate::audit::store::Flaw::Unreadable).
pub fn verify_in(
    database: &Database,
    asked: Asked<'_>,
    mut progress: impl FnMut(u64),
) -> Result<Verified, Violation> {
    let found = Found::read(database, None)?;
    let reader = found.reader();
    let first = reader.first()?;
    let verified = match walk(&*reader, found.checkpoints(), asked, &mut progress) {
        Err(violation) if violation.is_of_meanwhile(first) => {
            walk(&*reader, found.checkpoints(), asked, &mut progress)
        }
        walked => walked,
    }?;
    // The walk heeds no checkpoint of more than there was when it began.
    found.is_all_there()?;
    Ok(verified)
}
