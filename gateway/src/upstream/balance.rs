//! Balance: a source's endpoints in, the one to ask out.
//!
//! Of two that are drawn the one with the lower load is asked. One whose time in exile is over gets
//! one request to try. When every endpoint is ejected all are asked as if none were: whether the
//! source is worth asking at all is the breaker's to say, and a wrong guess about all endpoints at
//! once is more often the gateway's network than theirs.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::outlier::Standing;

pub(super) struct Balance {
    seed: AtomicU64,
    /// Whether only health checks bring an endpoint back.
    checked: bool,
}

/// Whom to ask, and whether it is a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) index: usize,
    pub(super) probe: bool,
}

impl Balance {
    pub(super) fn new(checked: bool) -> Self {
        Self {
            seed: AtomicU64::new(0x9e37_79b9_7f4a_7c15),
            checked,
        }
    }

    /// Whom to ask, rather not the one to avoid.
    pub(super) fn choose(&self, endpoints: &[Endpoint], avoid: Option<usize>) -> Choice {
        let asked = |index| Choice {
            index,
            probe: false,
        };
        if endpoints.len() < 2 {
            return asked(0);
        }
        let now = Instant::now();
        let (mut candidates, mut willing) = (0_u64, 0_u64);
        for (index, endpoint) in endpoints.iter().enumerate().take(64) {
            if avoid == Some(index) || endpoint.held(now).is_some() {
                continue;
            }
            willing |= 1 << index;
            match endpoint.outlier.standing(now) {
                Standing::In => candidates |= 1 << index,
                Standing::Due if !self.checked && endpoint.outlier.probe() => {
                    return Choice { index, probe: true };
                }
                Standing::Due | Standing::Out => {}
            }
        }
        if candidates == 0 {
            candidates = willing;
        }
        if candidates == 0 {
            let all = u64::MAX >> (64 - endpoints.len().min(64));
            candidates = all & !avoid.map_or(0, |index| 1 << index);
        }
        let random = self.random();
        let one = nth(candidates, (random >> 32) as u32);
        let others = candidates & !(1 << one);
        if others == 0 {
            return asked(one);
        }
        let other = nth(others, random as u32);
        let (a, b) = (&endpoints[one].load, &endpoints[other].load);
        asked(if b.cost(now) < a.cost(now) {
            other
        } else {
            one
        })
    }

    /// A step of splitmix64: even enough to draw by, and never contended for long.
    fn random(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.seed.fetch_add(step, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// One of the set bits, by a random number.
fn nth(mut bits: u64, random: u32) -> usize {
    for _ in 0..random % bits.count_ones() {
        bits &= bits - 1;
    }
    bits.trailing_zeros() as usize
}

#[cfg(test)]
mod tests;
