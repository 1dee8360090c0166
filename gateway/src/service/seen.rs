//! Seen: a line of the audit log in, what it says of grants out.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::audit::store::{ReadError, Reader};
use crate::audit::{Kind, log};
use crate::grants::{Change, Standing};

/// What an entry says of grants.
pub(super) enum Seen {
    Change(Change),
    Standing(Standing),
}

/// Most lines are of other kinds, and long.
static KIND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""kind":"grant"#));

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

/// The place from which on a log tells all that is known of grants, if it was ever put on record: however
/// long ago that was, and whatever clocks said, a serial once seen stays seen.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn grants_known_since(reader: &dyn Reader) -> Result<Option<u64>, ReadError> {
    log::last(reader, &mut |place, leaf| {
        // It is read itself, whatever it says.
        standing_since(leaf).map(|since| since.min(place))
    })
}

/// The place from which on the entries up to this one tell all that was known of grants.
fn standing_since(leaf: &[u8]) -> Option<u64> {
    KIND.find(leaf)?;
    match of(str::from_utf8(leaf).ok()?)? {
        Seen::Standing(standing) => standing.since?.checked_sub(1),
        Seen::Change(_) => None,
    }
}
