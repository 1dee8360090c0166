//! Admission: how much each member may ask a second, and each grant a day.
//!
//! There is one limiter per member and one counter per grant of the directory, so memory is
//! bounded by the directory and not by who knocks. How many requests may be open at once, and whose,
//! is for [`places`].

pub mod places;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use loket_sdk::ids::MemberId;

use crate::directory::{Directory, GrantIndex, Rate, ServiceGrantIndex};
use crate::identity::Identified;
use crate::refusal::{Limited, Refusal};

/// A member within its rate. Built only here.
#[derive(Debug, Clone)]
pub struct Admitted {
    identified: Identified,
}

impl Admitted {
    /// Who asks.
    #[must_use]
    pub fn identified(&self) -> &Identified {
        &self.identified
    }
}

/// The limiters and counters of one snapshot.
#[derive(Debug)]
pub struct Admission {
    clock: DefaultClock,
    rates: Vec<(Rate, Arc<DefaultDirectRateLimiter>)>,
    quotas: Vec<Option<Daily>>,
    calls: Vec<Option<Daily>>,
    zone: TimeZone,
    ledger: Ledger,
}

/// What goes on when a snapshot is replaced: by name, also of members and grants that are no longer
/// there, so that taking one out and in again gives nobody a fresh start.
#[derive(Debug, Clone, Default)]
struct Ledger {
    rates: HashMap<MemberId, (Rate, Arc<DefaultDirectRateLimiter>)>,
    used: HashMap<String, Used>,
}

/// Questions of one day.
type Used = Arc<Mutex<Spent>>;

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    day: Date,
    used: u64,
    /// Percent of the quota that were warned of on that day.
    warned: u8,
}

/// When a quota is spoken of before it refuses, and when it has begun to; in percent.
const WARN_AT: [u8; 2] = [100, 80];

#[derive(Debug)]
struct Daily {
    grant: Arc<str>,
    quota: u64,
    used: Used,
}

impl Daily {
    /// The counter, begun anew on a new day. A request that was under way at midnight finds the new
    /// day's.
    fn with<T>(&self, today: Date, f: impl FnOnce(u64, &mut Spent) -> T) -> T {
        let mut used = self
            .used
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if used.day < today {
            *used = Spent {
                day: today,
                ..Spent::default()
            };
        }
        f(self.quota, &mut used)
    }

    fn draw(&self, today: Date) -> bool {
        let (left, warning) = self.with(today, |quota, spent| {
            let left = spent.used < quota;
            spent.used += u64::from(left);
            (left, spent.warning(quota))
        });
        self.warn(warning);
        left
    }

    fn give_back(&self, today: Date) {
        self.with(today, |_, spent| {
            let counted = u64::from(spent.day == today);
            spent.used = spent.used.saturating_sub(counted);
        });
    }

    fn recount(&self, day: Date, asked: u64) {
        let warning = self.with(day, |quota, spent| {
            if spent.day == day {
                spent.used = spent.used.saturating_add(asked);
            }
            spent.warning(quota)
        });
        self.warn(warning);
    }

    /// One line a day and step: whoever runs the consumer can ask for more before it is refused.
    fn warn(&self, warning: Option<u8>) {
        if let Some(percent) = warning {
            tracing::warn!(
                loket.grant = &*self.grant,
                loket.quota = self.quota,
                loket.used_percent = percent,
                "a grant's questions of today are nearly used up, or are"
            );
        }
    }
}

impl Spent {
    /// The step that has just been reached, once.
    fn warning(&mut self, quota: u64) -> Option<u8> {
        let is_reached =
            |percent: &u8| u128::from(self.used) * 100 >= u128::from(quota) * u128::from(*percent);
        let reached = WARN_AT.into_iter().find(is_reached)?;
        (self.warned < reached).then(|| {
            self.warned = reached;
            reached
        })
    }
}

/// Today's quota of a grant is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp {
    /// Until the next day begins in the agencies' time zone.
    pub retry_after: Duration,
}

impl Admission {
    /// Fresh limiters and counters; days begin at midnight in `zone`.
    #[must_use]
    pub fn new(directory: &Directory, zone: TimeZone) -> Self {
        Self::with_ledger(directory, zone, Ledger::default())
    }

    /// For the next directory: the limiters of members whose rate is the same go on, and so do the
    /// counters of grants, whatever their quota is now.
    #[must_use]
    pub fn succeeded_by(&self, directory: &Directory) -> Self {
        Self::with_ledger(directory, self.zone.clone(), self.ledger.clone())
    }

    fn with_ledger(directory: &Directory, zone: TimeZone, mut ledger: Ledger) -> Self {
        let members = directory.members().iter();
        let rates = members
            .map(|member| {
                let fresh = || (member.rate, Arc::new(limiter(member.rate)));
                let kept = ledger.rates.entry(member.id.clone()).or_insert_with(fresh);
                if kept.0 != member.rate {
                    *kept = fresh();
                }
                kept.clone()
            })
            .collect();
        let mut daily = |id: &str, quota: Option<u64>| {
            let used = ledger.used.entry(id.to_owned()).or_default();
            quota.map(|quota| Daily {
                grant: id.into(),
                quota,
                used: used.clone(),
            })
        };
        let grants = directory.grants().iter();
        let quotas = grants
            .map(|grant| daily(&grant.id, grant.daily_quota))
            .collect();
        let grants = directory.service_grants().iter();
        let calls = grants
            .map(|grant| daily(&grant.id, grant.daily_quota))
            .collect();
        Self {
            clock: DefaultClock::default(),
            rates,
            quotas,
            calls,
            zone,
            ledger,
        }
    }

    /// Lets a member's request in, or says when the next one will be.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`].
    pub fn admit(&self, identified: Identified) -> Result<Admitted, Refusal> {
        let (rate, limiter) = &self.rates[identified.index()];
        match limiter.check() {
            Ok(()) => Ok(Admitted { identified }),
            Err(until) => Err(Refusal::RateLimited(Limited {
                retry_after: until.wait_time_from(self.clock.now()),
                burst: rate.burst.get(),
                per_second: rate.per_second.get(),
            })),
        }
    }

    /// Today, in the agencies' time zone.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> Date {
        self.zone.to_datetime(now).date()
    }

    /// The agencies' time zone.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Counts one question against each of the grants, or none when one is used up.
    ///
    /// # Errors
    /// [`UsedUp`] when one of them has no more questions today.
    pub fn draw(&self, grants: &[GrantIndex], now: Timestamp) -> Result<(), UsedUp> {
        let today = self.today(now);
        for (position, &grant) in grants.iter().enumerate() {
            if !self.draw_one(grant, today) {
                self.give_back(&grants[..position], now);
                return Err(UsedUp {
                    retry_after: self.until_tomorrow(now),
                });
            }
        }
        Ok(())
    }

    /// Every grant with a quota, and how much of today's is used, from 0 to 1.
    pub fn used(&self, now: Timestamp) -> impl Iterator<Item = (&str, f64)> {
        let today = self.today(now);
        let quotas = self.quotas.iter().chain(&self.calls).flatten();
        quotas.map(move |daily| {
            let used = daily.with(today, |quota, spent| match spent.day == today {
                true => spent.used as f64 / quota.max(1) as f64,
                // A request of tomorrow came first.
                false => 0.0,
            });
            (&*daily.grant, used)
        })
    }

    /// Questions that a grant has left today; none when it has no quota.
    #[must_use]
    pub fn left(&self, grant: GrantIndex, now: Timestamp) -> Option<u64> {
        let daily = self.quotas[grant].as_ref()?;
        Some(daily.with(self.today(now), |quota, spent| {
            quota.saturating_sub(spent.used)
        }))
    }

    /// Takes back what [`Self::draw`] counted, for a question that wasn't asked after all.
    pub fn give_back(&self, grants: &[GrantIndex], now: Timestamp) {
        let today = self.today(now);
        for &grant in grants {
            if let Some(daily) = &self.quotas[grant] {
                daily.give_back(today);
            }
        }
    }

    /// Counts questions that were asked before this process started.
    pub fn recount(&self, grant: GrantIndex, day: Date, questions: u64) {
        if let Some(daily) = &self.quotas[grant] {
            daily.recount(day, questions);
        }
    }

    /// Counts one call against a service grant; `false` when it has none left today.
    #[must_use]
    pub fn draw_call(&self, grant: ServiceGrantIndex, now: Timestamp) -> bool {
        let daily = self.calls[grant].as_ref();
        daily.is_none_or(|daily| daily.draw(self.today(now)))
    }

    /// Takes back what [`Self::draw_call`] counted, for a call that never reached the agency.
    pub fn give_back_call(&self, grant: ServiceGrantIndex, now: Timestamp) {
        if let Some(daily) = &self.calls[grant] {
            daily.give_back(self.today(now));
        }
    }

    /// Counts calls that were made before this process started.
    pub fn recount_calls(&self, grant: ServiceGrantIndex, day: Date, calls: u64) {
        if let Some(daily) = &self.calls[grant] {
            daily.recount(day, calls);
        }
    }

    fn draw_one(&self, grant: GrantIndex, today: Date) -> bool {
        let daily = self.quotas[grant].as_ref();
        daily.is_none_or(|daily| daily.draw(today))
    }

    /// How long until the next day begins in the agencies' time zone.
    #[must_use]
    pub fn until_tomorrow(&self, now: Timestamp) -> Duration {
        self.today(now)
            .tomorrow()
            .and_then(|tomorrow| self.zone.to_timestamp(tomorrow.at(0, 0, 0, 0)))
            .ok()
            .and_then(|midnight| Duration::try_from(now.duration_until(midnight)).ok())
            .unwrap_or(Duration::from_secs(3600))
    }
}

fn limiter(rate: Rate) -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(rate.per_second).allow_burst(rate.burst))
}

#[cfg(test)]
mod tests;
