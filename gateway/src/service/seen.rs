//! Seen: a line of the audit log in, what it says of grants out.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::audit::Kind;
use crate::audit::log::{self, GoesOn};
use crate::audit::store::{ReadError, Reader};
use crate::grants::{Change, Standing};

/// What an entry says of grants.
pub(super) enum Seen {
    Change(Change),
    Standing(Standing),
}

/// Most lines are of other kinds, and long.
static KIND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""kind":"grant"#));

pub(super) fn of_leaf(leaf: &[u8]) -> Option<Seen> {
    KIND.find(leaf)?;
    of(str::from_utf8(leaf).ok()?)
}

pub(super) fn of(line: &str) -> Option<Seen> {
    #[derive(Deserialize)]
    struct Line {
        kind: String,
        change: Option<Change>,
        standing: Option<Standing>,
    }
    KIND.find(line.as_bytes())?;
    let line: Line = serde_json::from_str(line).ok()?;
    if line.kind == Kind::GrantChanged.as_str() {
        return line.change.map(Seen::Change);
    }
    let standing = line
        .standing
        .filter(|_| line.kind == Kind::GrantsStanding.as_str());
    standing.map(Seen::Standing)
}

/// The place from which on a log tells all that is known of grants, if it tells anything: however long ago
/// that was, and whatever clocks said, a serial once seen stays seen.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn grants_known_since(
    reader: &dyn Reader,
    goes_on: &mut GoesOn<'_>,
) -> Result<Option<u64>, ReadError> {
    let mut first_change: Option<u64> = None;
    let since = log::last(reader, goes_on, &mut |place, leaf| match of_leaf(leaf)? {
        // It is read itself, whatever it says.
        Seen::Standing(standing) => Some(standing.since?.checked_sub(1)?.min(place)),
        Seen::Change(_) => {
            first_change = Some(first_change.map_or(place, |first| first.min(place)));
            None
        }
    });
    // Where all was never put on record at once, changes tell it.
    Ok(since?.or(first_change))
}
