//! Visibility: why somebody was looked up in, when the citizen is told out.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;
use loket_sdk::message::{LegalBasisKind, Purpose};

/// When the citizen is told of an entry. Decided when it is written, and on record with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Visibility {
    /// At once.
    #[default]
    Now,
    /// From this day on, so that an inquiry isn't given away while it runs.
    Deferred(Date),
    /// Not by the gateway; the ground is told.
    Withheld(Arc<str>),
}

/// What isn't told at once. It goes by purposes, which a grant binds to a member: the legal basis is what the
/// caller says it is, and only narrows a rule. An empty set of those names every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibilityRule {
    /// For which purposes.
    pub purposes: BTreeSet<Purpose>,
    /// By which legal bases.
    pub legal_bases: BTreeSet<LegalBasisKind>,
    /// What then.
    pub then: Hidden,
}

/// For how long something isn't told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hidden {
    /// So many days.
    Days(u16),
    /// For good, on this ground.
    For(Arc<str>),
}

impl VisibilityRule {
    fn fits(&self, purpose: Purpose, basis: LegalBasisKind) -> bool {
        self.purposes.contains(&purpose)
            && (self.legal_bases.is_empty() || self.legal_bases.contains(&basis))
    }
}

/// The first rule that fits decides; without one the citizen is told at once.
pub(super) fn decide(
    rules: &[VisibilityRule],
    purpose: Purpose,
    basis: LegalBasisKind,
    today: Date,
) -> Visibility {
    let rule = rules.iter().find(|rule| rule.fits(purpose, basis));
    match rule.map(|rule| &rule.then) {
        None => Visibility::Now,
        Some(Hidden::Days(days)) => {
            Visibility::Deferred(today.saturating_add(i64::from(*days).days()))
        }
        Some(Hidden::For(ground)) => Visibility::Withheld(ground.clone()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rule = |purposes: &[Purpose], bases: &[LegalBasisKind], then| VisibilityRule {
            purposes: purposes.iter().copied().collect(),
            legal_bases: bases.iter().copied().collect(),
            then,
        };
        let rules = [
            rule(
                &[Purpose::PoliceClearance],
                &[LegalBasisKind::LegalObligation],
                Hidden::For("UU 27/2022 art. 15".into()),
            ),
            rule(&[Purpose::PoliceClearance], &[], Hidden::Days(90)),
        ];
        let today = date(2026, 11, 24);
        let decided = |purpose, basis| decide(&rules, purpose, basis, today);
        assert_eq!(
            decided(Purpose::PoliceClearance, LegalBasisKind::LegalObligation),
            Visibility::Withheld("UU 27/2022 art. 15".into())
        );
        assert_eq!(
            decided(Purpose::PoliceClearance, LegalBasisKind::Consent),
            Visibility::Deferred(date(2027, 2, 22))
        );
        assert_eq!(
            decided(Purpose::VehicleTax, LegalBasisKind::LegalObligation),
            Visibility::Now
        );
        assert_eq!(
            decide(
                &[],
                Purpose::PoliceClearance,
                LegalBasisKind::Consent,
                today
            ),
            Visibility::Now
        );
    }
}
