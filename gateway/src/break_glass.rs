//! Break-glass: a lookup that passes a hold or a purpose in, on record before anyone is asked; then a
//! second person's approval in, on record too.
//!
//! Only a grant that is marked for it lets anything through, and no more than its fields. What nobody
//! has approved in time is told of until it is, or the memory of it ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use loket_sdk::ids::MemberId;
use loket_sdk::message::{Approval, Approved, BrokenGlass, Receipt};
use serde::Deserialize;

use crate::audit::Kind;
use crate::identity::Identified;
use crate::policy::Permitted;
use crate::refusal::Refusal;
use crate::trail::Trail;

/// How long the second person has.
pub const APPROVE_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// How long one without approval is told of, also after a restart. The log has it for ever.
pub const KEPT: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How many of one member may wait.
const MOST: usize = 1000;

/// What waits for a second person.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<BTreeMap<u64, Broken>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    member: MemberId,
    clerk: String,
    at: Timestamp,
}

/// Puts on record that a lookup breaks the glass.
///
/// # Errors
/// When it can't be recorded, or too many of the member's wait for a second person: nobody may be
/// asked then.
pub async fn open(
    waiting: &Waiting,
    permitted: &Permitted,
    trail: &mut Trail,
) -> Result<Option<BrokenGlass>, Refusal> {
    let routed = permitted.routed();
    let glass = routed.lookup().break_glass.as_ref();
    let Some(glass) = glass.filter(|_| permitted.breaks_glass()) else {
        return Ok(None);
    };
    let member = routed.admitted().identified().member();
    if waiting.of(member) >= MOST {
        let what = "Too many of your lookups that broke the glass wait for a second person. Approve them first";
        return Err(Refusal::SecondPersonNeeded(what));
    }
    let Receipt { entry, at, .. } = trail.break_glass().await?;
    trail.telemetry().metrics().glass_broken(glass.ground);
    let broken = Broken {
        member: member.clone(),
        clerk: routed.lookup().clerk.clone(),
        at,
    };
    waiting.all().insert(entry, broken);
    Ok(Some(BrokenGlass {
        entry,
        approve_by: at.saturating_add(APPROVE_WITHIN).unwrap_or(at),
    }))
}

/// Puts a second person's approval on record.
///
/// # Errors
/// [`Refusal::NotFound`] when nothing of the member waits under that number, which may be another
/// member's; [`Refusal::SecondPersonNeeded`] when it is the first person; when it can't be recorded.
pub async fn approve(
    waiting: &Waiting,
    entry: u64,
    approval: &Approval,
    identified: &Identified,
    trail: &mut Trail,
) -> Result<Approved, Refusal> {
    trail.approval(approval, entry);
    let broken = waiting.all().get(&entry).cloned();
    let broken = broken
        .filter(|broken| broken.member == *identified.member())
        .ok_or(Refusal::NotFound)?;
    if broken.clerk == approval.clerk {
        let what = "This clerk asked. Let another clerk of your organisation approve";
        return Err(Refusal::SecondPersonNeeded(what));
    }
    let receipt = trail.close(Kind::BreakGlassApproved).await?;
    waiting.all().remove(&entry);
    Ok(Approved {
        entry,
        trace_id: trail.trace_id().to_owned(),
        receipt,
    })
}

impl Waiting {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Broken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, member: &MemberId) -> usize {
        let all = self.all();
        all.values().filter(|it| it.member == *member).count()
    }

    /// How many have waited too long; what is older than [`KEPT`] is forgotten.
    pub fn overdue(&self, now: Timestamp) -> usize {
        let mut all = self.all();
        all.retain(|_, broken| now.duration_since(broken.at) <= KEPT);
        let is_late = |broken: &&Broken| now.duration_since(broken.at) > APPROVE_WITHIN;
        all.values().filter(is_late).count()
    }

    /// Learns of what one entry of the log says, in the log's order.
    pub fn replay(&self, line: &str) {
        #[derive(Deserialize)]
        struct Line {
            entry: u64,
            at: Timestamp,
            clock: Option<Timestamp>,
            kind: String,
            member: Option<MemberId>,
            clerk: Option<String>,
            break_glass: Option<Glass>,
        }
        #[derive(Deserialize)]
        struct Glass {
            entry: Option<u64>,
        }
        // Nearly all lines are others.
        if !line.contains(r#""kind":"break_glass"#) {
            return;
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return;
        };
        if line.kind == Kind::BreakGlassApproved.as_str() {
            if let Some(entry) = line.break_glass.and_then(|glass| glass.entry) {
                self.all().remove(&entry);
            }
        } else if let (Some(member), Some(clerk)) = (line.member, line.clerk) {
            let broken = Broken {
                member,
                clerk,
                at: line.clock.unwrap_or(line.at),
            };
            self.all().insert(line.entry, broken);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(entry: u64, at: &str, kind: &str, of: Option<u64>) -> String {
        let glass = match of {
            Some(of) => json!({"entry": of}),
            None => json!({"ground": "disaster"}),
        };
        json!({
            "entry": entry, "at": at, "kind": kind, "member": "dinsos", "clerk": "clk-1",
            "break_glass": glass,
        })
        .to_string()
    }

    /// How many are late at that moment, after `entry at [of]` lines.
    fn late(lines: &[(u64, &str, Option<u64>)], now: &str) -> usize {
        let waiting = Waiting::default();
        for (entry, at, of) in lines {
            let kind = match of {
                Some(_) => "break_glass_approved",
                None => "break_glass",
            };
            waiting.replay(&line(*entry, at, kind, *of));
        }
        waiting.overdue(now.parse().unwrap())
    }

    #[test]
    fn what_nobody_approved_is_late_after_a_day_and_forgotten_after_three() {
        let open = (7, "2026-11-20T05:00:00Z", None);
        let approved = (9, "2026-11-20T06:00:00Z", Some(7));
        let other = (9, "2026-11-20T06:00:00Z", Some(8));
        assert_eq!(late(&[open], "2026-11-21T05:00:00Z"), 0);
        assert_eq!(late(&[open], "2026-11-21T05:00:01Z"), 1);
        assert_eq!(late(&[open, other], "2026-11-22T05:00:00Z"), 1);
        assert_eq!(late(&[open, approved], "2026-11-22T05:00:00Z"), 0);
        assert_eq!(late(&[open], "2026-11-23T05:00:01Z"), 0);
    }

    #[test]
    fn other_entries_say_nothing() {
        let waiting = Waiting::default();
        waiting.replay(&line(1, "2026-11-20T05:00:00Z", "lookup", None));
        waiting.replay(r#"{"kind":"break_glass"}"#);
        assert!(waiting.all().is_empty());
    }
}
