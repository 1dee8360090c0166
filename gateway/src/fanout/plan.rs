//! Plan: decisions and quotas in, what is asked out. An explanation makes the same plan on quotas that
//! it only looks at.

use loket_sdk::message::{Reason, RecordQuery};

use crate::policy::Permit;
use crate::route::Leg;

/// What grants have left today.
pub trait Quotas {
    /// Counts one question against each grant of the permit.
    ///
    /// # Errors
    /// When one of them has no more questions today; then none is counted.
    fn draw(&mut self, permit: &Permit) -> Result<(), Unasked>;

    /// Takes back what was counted.
    fn give_back(&mut self, permit: &Permit);
}

/// A question that isn't asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unasked {
    /// Why.
    pub reason: Reason,
    /// When it may be asked again, in seconds.
    pub retry_after_s: Option<u64>,
}

impl From<Reason> for Unasked {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            retry_after_s: None,
        }
    }
}

/// Draws quotas, required records first: when one of those can't be asked, nothing is, since data that
/// the service can't use needn't be disclosed. Then no quota is drawn either.
pub fn plan(
    records: &[RecordQuery],
    legs: &[Leg],
    decisions: Vec<Result<Permit, Reason>>,
    quotas: &mut impl Quotas,
) -> Vec<Result<Permit, Unasked>> {
    let mut plans: Vec<Result<Permit, Unasked>> = decisions
        .into_iter()
        .map(|decision| decision.map_err(Unasked::from))
        .collect();
    let mut draw_all = |plans: &mut [Result<Permit, Unasked>], required: bool| {
        let mut drawn = Vec::new();
        for (leg, place) in legs.iter().enumerate() {
            if records[place.query].required != required {
                continue;
            }
            match plans[leg].as_ref().map(|permit| quotas.draw(permit)) {
                Ok(Ok(())) => drawn.push(leg),
                Ok(Err(unasked)) => plans[leg] = Err(unasked),
                Err(_) => {}
            }
        }
        drawn
    };
    let mut drawn = Vec::new();
    if !lacks_required(records, legs, &plans) {
        drawn = draw_all(&mut plans, true);
    }
    if lacks_required(records, legs, &plans) {
        for leg in drawn {
            if let Ok(permit) = &plans[leg] {
                quotas.give_back(permit);
            }
        }
        for plan in plans.iter_mut().filter(|plan| plan.is_ok()) {
            *plan = Err(Reason::RequiredSourceFailed.into());
        }
    } else {
        draw_all(&mut plans, false);
    }
    plans
}

/// Whether a required record has no source left that may be asked.
fn lacks_required(
    records: &[RecordQuery],
    legs: &[Leg],
    plans: &[Result<Permit, Unasked>],
) -> bool {
    records.iter().enumerate().any(|(query, asked)| {
        asked.required
            && !legs
                .iter()
                .zip(plans)
                .any(|(leg, plan)| leg.query == query && plan.is_ok())
    })
}
