//! Break-glass: a lookup that passes a hold or a purpose in, on record before anyone is asked; then a
//! second person's approval in, on record too.
//!
//! Only a grant that is marked for it lets anything through, and no more than its fields. What nobody
//! has approved in time is told of until it is, or the memory of it ends; an approval that comes later
//! is taken, and is late.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use loket_sdk::ids::MemberId;
use loket_sdk::message::{Approval, Approved, BrokenGlass, Receipt};
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::audit::{Kind, PATIENCE};
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

/// What waits for a second person; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<Glasses>>);

#[derive(Debug, Default)]
struct Glasses {
    broken: BTreeMap<u64, Broken>,
    /// Of each member how many are about to be recorded.
    opening: HashMap<MemberId, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    member: MemberId,
    clerk: String,
    at: Timestamp,
    /// It waits for nobody any more, and counts for the rest of its time.
    approved_late: bool,
}

impl Broken {
    fn is_late(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) > APPROVE_WITHIN
    }
}

/// A place among those that wait, until it is filled or drops.
#[derive(Debug)]
struct Opening {
    waiting: Waiting,
    member: MemberId,
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
    let opening = waiting.reserve(routed.admitted().identified().member())?;
    let clerk = routed.lookup().clerk.clone();
    let recorded = trail.break_glass();
    let (metrics, ground) = (trail.telemetry().metrics().clone(), glass.ground);
    // Of its own: what is on record can be approved, whether or not its caller is still there.
    let booked = tokio::spawn(async move {
        let Receipt { entry, at, .. } = recorded.await?;
        metrics.glass_broken(ground);
        // The log's dates never go back, the clock may: nobody has longer for that.
        let at = at.min(Timestamp::now());
        opening.fill(entry, at, clerk);
        Ok((entry, at))
    });
    let (entry, at) = in_time(booked).await?;
    trail.broke_glass(entry);
    Ok(Some(BrokenGlass {
        entry,
        approve_by: at.saturating_add(APPROVE_WITHIN).unwrap_or(at),
    }))
}

/// What came of an entry and what follows from it, which goes on by itself when nobody waits any more.
async fn in_time<T>(booked: JoinHandle<Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = |_| Refusal::AuditUnavailable("the disk doesn't answer".to_owned());
    let broken = |_| Refusal::Internal("what was recorded isn't known".to_owned());
    let booked = tokio::time::timeout(PATIENCE, booked).await.map_err(late)?;
    booked.map_err(broken)?
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
    let broken = waiting.glasses().broken.get(&entry).cloned();
    let broken = broken.filter(|it| it.member == *identified.member() && !it.approved_late);
    let now = Timestamp::now();
    let late = broken.as_ref().is_some_and(|broken| broken.is_late(now));
    trail.approval(approval, entry, late);
    let broken = broken.ok_or(Refusal::NotFound)?;
    // Who writes their name in capitals is nobody else.
    if broken.clerk.eq_ignore_ascii_case(&approval.clerk) {
        let what = "This clerk asked. Let another clerk of your organisation approve";
        return Err(Refusal::SecondPersonNeeded(what));
    }
    let (waiting, recorded) = (
        waiting.clone(),
        trail.close_whenever(Kind::BreakGlassApproved),
    );
    // Of its own, as above.
    let booked = tokio::spawn(async move {
        let receipt = recorded.await?;
        waiting.approved(entry, late);
        Ok(receipt)
    });
    let receipt = in_time(booked).await?;
    Ok(Approved {
        entry,
        trace_id: trail.trace_id().to_owned(),
        late,
        receipt,
    })
}

impl Waiting {
    fn glasses(&self) -> MutexGuard<'_, Glasses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more of the member's.
    fn reserve(&self, member: &MemberId) -> Result<Opening, Refusal> {
        let mut glasses = self.glasses();
        let all = glasses.broken.values();
        let waiting = all.filter(|it| it.member == *member && !it.approved_late);
        let waiting = waiting.count();
        let opening = glasses.opening.entry(member.clone()).or_default();
        if waiting + *opening >= MOST {
            let what = "Too many of your lookups that broke the glass wait for a second person. Approve them first";
            return Err(Refusal::SecondPersonNeeded(what));
        }
        *opening += 1;
        Ok(Opening {
            waiting: self.clone(),
            member: member.clone(),
        })
    }

    fn approved(&self, entry: u64, late: bool) {
        let mut glasses = self.glasses();
        if !late {
            glasses.broken.remove(&entry);
        } else if let Some(broken) = glasses.broken.get_mut(&entry) {
            broken.approved_late = true;
        }
    }

    /// How many had nobody approve them in time; what is older than [`KEPT`] is forgotten.
    pub fn overdue(&self, now: Timestamp) -> usize {
        self.late(now, |_| true)
    }

    /// How many of those nobody has approved yet.
    pub fn unapproved(&self, now: Timestamp) -> usize {
        self.late(now, |broken| !broken.approved_late)
    }

    fn late(&self, now: Timestamp, counts: impl Fn(&Broken) -> bool) -> usize {
        let all = &mut self.glasses().broken;
        all.retain(|_, broken| {
            // What was dated by a clock that ran ahead has a day from when it was set right.
            broken.at = broken.at.min(now);
            now.duration_since(broken.at) <= KEPT
        });
        let late = all.values().filter(|broken| broken.is_late(now));
        late.filter(|broken| counts(broken)).count()
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
            #[serde(default)]
            late: bool,
        }
        // Nearly all lines are others.
        if !line.contains(r#""kind":"break_glass"#) {
            return;
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return;
        };
        if line.kind == Kind::BreakGlassApproved.as_str() {
            if let Some(glass) = line.break_glass
                && let Some(entry) = glass.entry
            {
                self.approved(entry, glass.late);
            }
        } else if let (Some(member), Some(clerk)) = (line.member, line.clerk) {
            let broken = Broken {
                member,
                clerk,
                at: line.clock.unwrap_or(line.at),
                approved_late: false,
            };
            self.glasses().broken.insert(line.entry, broken);
        }
    }
}

impl Opening {
    fn fill(self, entry: u64, at: Timestamp, clerk: String) {
        let broken = Broken {
            member: self.member.clone(),
            clerk,
            at,
            approved_late: false,
        };
        let mut glasses = self.waiting.glasses();
        glasses.broken.insert(entry, broken);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut glasses = self.waiting.glasses();
        if let Some(opening) = glasses.opening.get_mut(&self.member) {
            *opening -= 1;
            if *opening == 0 {
                glasses.opening.remove(&self.member);
            }
        }
    }
}

#[cfg(test)]
mod tests;
