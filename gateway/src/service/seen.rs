//! Seen: a line of the audit log in, the change of a grant that it records out.

use serde::Deserialize;

use crate::audit::Kind;
use crate::grants::Change;

pub(super) fn change(line: &str) -> Option<Change> {
    #[derive(Deserialize)]
    struct Line {
        kind: String,
        change: Change,
    }
    // Most lines are of other kinds, and long.
    if !line.contains("\"change\"") {
        return None;
    }
    let line: Line = serde_json::from_str(line).ok()?;
    (line.kind == Kind::GrantChanged.as_str()).then_some(line.change)
}
