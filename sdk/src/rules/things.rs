//! Rules of land, business, assistance and addresses.

use serde_json::Value;

use super::{Data, at};
use crate::ids::RegionCode;

/// KBLI 2017 was replaced in 2020, and its codes mean something else since.
const KBLI_VERSIONS: [&str; 2] = ["2020", "2025"];

/// Deciles come anew four times a year.
const DECILE_DAYS: i32 = 100;

/// A share of a title in lowest terms.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Share {
    part: u128,
    of: u128,
}

impl Share {
    const NONE: Self = Self { part: 0, of: 1 };
    const ALL: Self = Self { part: 1, of: 1 };

    fn read(text: &str) -> Option<Self> {
        let (part, of) = text.split_once('/')?;
        let (part, of): (u16, u16) = (part.parse().ok()?, of.parse().ok()?);
        Self::new(part.into(), of.into())
    }

    fn new(part: u128, of: u128) -> Option<Self> {
        let divisor = greatest_common_divisor(part, of);
        Some(Self {
            part: part.checked_div(divisor)?,
            of: of.checked_div(divisor)?,
        })
    }

    /// `None` when the sum is too fine to be counted, which no real title's is.
    fn plus(self, other: Self) -> Option<Self> {
        let part = self.part.checked_mul(other.of)?;
        let part = part.checked_add(other.part.checked_mul(self.of)?)?;
        Self::new(part, self.of.checked_mul(other.of)?)
    }
}

fn greatest_common_divisor(a: u128, b: u128) -> u128 {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

/// A title may leave the shares out; it is judged when every holder has one.
pub(super) fn shares_make_one(data: &Data<'_>) -> Vec<String> {
    let sum = || {
        let mut shares = data
            .items("holders")?
            .iter()
            .map(|holder| Share::read(holder["share"].as_str()?));
        shares.try_fold(Share::NONE, |sum, share| sum.plus(share?))
    };
    at("/holders", sum().map(|sum| sum != Share::ALL))
}

pub(super) fn kbli_version(data: &Data<'_>) -> Vec<String> {
    let is_broken = |activity: &Value| {
        let version = activity["kbli_version"].as_str();
        version.is_some_and(|version| !KBLI_VERSIONS.contains(&version))
    };
    let activities = data.items("activities").unwrap_or_default().iter();
    let activities = activities.enumerate();
    activities
        .filter(|(_, activity)| is_broken(activity))
        .map(|(index, _)| format!("/activities/{index}/kbli_version"))
        .collect()
}

pub(super) fn decile_recent(data: &Data<'_>) -> Vec<String> {
    let as_of = data.fields.get("decile").and(data.known("decile_as_of"));
    let is_broken = as_of.map(|as_of| (data.today - as_of.first).get_days() > DECILE_DAYS);
    at("/decile_as_of", is_broken)
}

/// Villages have no code table here; their provinces do.
pub(super) fn village_known(data: &Data<'_>) -> Vec<String> {
    data.broken_texts(&["village_code"], |code| {
        RegionCode::parse(code).is_ok_and(|code| code.province().is_none())
    })
}
