use jiff::civil::date;
use loket_sdk::message::{LegalBasisKind, Purpose};

use super::{BASE, check, load, patched, town};
use crate::directory::{Role, Visibility};

const END: (&str, &str) = ("[limits]\n", "[limits]\n");

fn with(rule: &str) -> String {
    format!("{BASE}\n[[visibility]]\n{rule}\n")
}

#[test]
fn rules_and_roles_are_read() {
    let today = date(2026, 11, 24);
    let rule = "purposes = [\"police_clearance\"]\nlegal_bases = [\"legal_obligation\"]\ndeferred_days = 90";
    let config = load(&town(), &with(rule)).unwrap();
    let decided = |purpose, basis| config.directory.visibility(purpose, basis, today);
    let obliged = LegalBasisKind::LegalObligation;
    let deferred = Visibility::Deferred(date(2027, 2, 22));
    assert_eq!(decided(Purpose::PoliceClearance, obliged), deferred);
    assert_eq!(
        decided(Purpose::PoliceClearance, LegalBasisKind::Consent),
        Visibility::Now
    );
    assert_eq!(decided(Purpose::VehicleTax, obliged), Visibility::Now);
    assert!(config.directory.members()[0].systems[0].roles.is_empty());

    let desk = patched(&[(
        "id = \"counter\"\n",
        "id = \"counter\"\nroles = [\"subject_desk\"]\n",
    )]);
    let config = load(&town(), &desk).unwrap();
    assert!(
        config.directory.members()[0].systems[0]
            .roles
            .contains(&Role::SubjectDesk)
    );
}

#[test]
fn what_is_wrong_in_a_rule_is_found_there() {
    let rule = |text: &str, expected: &[(&str, &str, &str)]| {
        let patch = format!("[[visibility]]\n{text}\n[limits]\n");
        check(&[(END.0, &patch)], expected);
    };
    let at = |key: &'static str| ("", key, "");
    let purpose = "purposes = [\"vehicle_tax\"]\n";
    rule(
        &format!("{purpose}deferred_days = 0"),
        &[at("visibility[0].deferred_days")],
    );
    rule(
        &format!("{purpose}deferred_days = 3651"),
        &[at("visibility[0].deferred_days")],
    );
    rule(
        &format!("{purpose}withheld = \" \""),
        &[at("visibility[0].withheld")],
    );
    rule(purpose, &[at("visibility[0].deferred_days")]);
    let both = format!("{purpose}deferred_days = 3\nwithheld = \"UU 27/2022 art. 15\"");
    rule(&both, &[at("visibility[0].deferred_days")]);
    rule(
        "deferred_days = 3",
        &[("", "visibility[0].purposes", "would hide every lookup")],
    );
    // The caller states the legal basis.
    rule(
        "legal_bases = [\"legal_obligation\"]\ndeferred_days = 3",
        &[("", "visibility[0].purposes", "would choose whether")],
    );
    rule(
        "purposes = [\"vehicle-tax\"]\ndeferred_days = 3",
        &[("", "visibility[0].purposes", "vehicle_tax")],
    );
    let patch = [(
        "id = \"counter\"\n",
        "id = \"counter\"\nroles = [\"desk\"]\n",
    )];
    check(
        &patch,
        &[("", "members[0].systems[0].roles", "subject_desk")],
    );
}

/// What stands behind a reference is for people.
#[test]
fn a_hold_may_say_why() {
    let dir = town();
    let reference = "ab".repeat(32);
    let holds = format!("# Holds\n{reference} # 2026-11-24 Perkara 12/2026\n");
    std::fs::write(dir.path().join("holds.txt"), holds).unwrap();
    let config = load(&dir, &format!("holds_file = \"holds.txt\"\n{BASE}")).unwrap();
    assert!(config.directory.is_held(&reference));
    assert_eq!(config.directory.holds().len(), 1);
}
