//! C10 to C12, C15, C17 to C19.

use super::*;

#[test]
fn c10_matching() {
    let at = |changes| [sample("taxpayer", changes)];
    let unmatched =
        |severity: &str| format!("nik_not_matched {severity} [taxpayer] nik_match_status -> djp");
    let purpose = Purpose::BusinessLicence;
    check(
        "C10",
        purpose,
        &at(json!({"nik_match_status": "valid"})),
        &[],
    );
    check("C10", purpose, &at(json!({})), &[&unmatched("blocking")]);
    check(
        "C10",
        Purpose::LandTransfer,
        &at(json!({})),
        &[&unmatched("warning")],
    );
    let none = json!({"nik_match_status": "not_applicable"});
    check("C10", purpose, &at(none), &[&unmatched("blocking")]);
    let none = json!({"nik_match_status": "not_applicable", "taxpayer_type": "entity"});
    check("C10", purpose, &at(none), &[]);
}

#[test]
fn c10_a_residents_number_is_the_nik() {
    let at = |kind: Value| {
        let npwp = "0999999998627000";
        let valid = json!({"npwp": npwp, "nik_match_status": "valid", "taxpayer_type": kind});
        [sample("taxpayer", valid)]
    };
    let other = "npwp_not_nik warning [taxpayer] npwp,nik -> djp";
    check(
        "C10",
        Purpose::LandTransfer,
        &at(json!("individual_resident")),
        &[other],
    );
    check("C10", Purpose::LandTransfer, &at(Value::Null), &[other]);
    check(
        "C10",
        Purpose::LandTransfer,
        &at(json!("individual_nonresident")),
        &[],
    );
}

#[test]
fn c11_passport() {
    let at = |date: &str| [sample("passport", json!({"expires_on": date}))];
    let expired = "passport_expired warning [passport] expires_on -> imigrasi";
    let soon = "passport_expires_soon warning [passport] expires_on -> imigrasi";
    for (date, expected) in [
        ("2026-11-23", Some(expired)),
        ("2026-11-24", Some(soon)),
        ("2027-05-23", Some(soon)),
        ("2027-05-24", None),
    ] {
        let expected: Vec<&str> = expected.into_iter().collect();
        check("C11", Purpose::PassportApplication, &at(date), &expected);
    }
    let of_mother = [sample(
        "passport",
        json!({"nik": MOTHER, "expires_on": "2020-01-01"}),
    )];
    check("C11", Purpose::PassportApplication, &of_mother, &[]);
}

#[test]
fn c12_driving_licence() {
    let at = |changes| [sample("driving-licence", changes)];
    let purpose = Purpose::DrivingLicenceRenewal;
    let expired = "licence_expired warning [driving-licence] expires_on -> korlantas";
    let odd = "licence_number_odd warning [driving-licence] licence_number,numbering -> korlantas";
    let legacy = "licence_number_legacy info [driving-licence] numbering -> korlantas";
    check("C12", purpose, &at(json!({})), &[]);
    check(
        "C12",
        purpose,
        &at(json!({"expires_on": "2026-11-24"})),
        &[],
    );
    check(
        "C12",
        purpose,
        &at(json!({"expires_on": "2026-11-23"})),
        &[expired],
    );
    check("C12", purpose, &at(json!({"state": "expired"})), &[expired]);
    check(
        "C12",
        purpose,
        &at(json!({"licence_number": MOTHER})),
        &[odd],
    );
    let old = json!({"licence_number": "880599010001", "numbering": "legacy12"});
    check("C12", purpose, &at(old), &[legacy]);
    check(
        "C12",
        purpose,
        &at(json!({"numbering": "legacy14"})),
        &[odd, legacy],
    );
}

#[test]
fn c15_holder_and_taxpayer() {
    let at = |licence, payer| {
        [
            sample("business-licence", licence),
            sample("taxpayer", payer),
        ]
    };
    let current = json!([{"kbli": "47111", "kbli_version": "2025"}]);
    let licence = |npwp: Value, form: Value| json!({"activities": current.clone(), "holder_npwp": npwp, "legal_form": form});
    let purpose = Purpose::BusinessLicence;
    let differs = |fields: &str| {
        format!("holder_not_taxpayer warning [business-licence taxpayer] {fields} -> bkpm")
    };
    let individual = licence(json!(FATHER), json!("individual"));
    check("C15", purpose, &at(individual.clone(), json!({})), &[]);
    let other = licence(json!(MOTHER), json!("individual"));
    check(
        "C15",
        purpose,
        &at(other, json!({})),
        &[&differs("holder_npwp,npwp")],
    );
    let no_npwp = licence(Value::Null, json!("individual"));
    let mother = json!({"npwp": MOTHER, "nik": MOTHER});
    check(
        "C15",
        purpose,
        &at(no_npwp.clone(), mother),
        &[&differs("holder_nik,nik")],
    );
    let mother = json!({"npwp": MOTHER, "nik": null});
    check(
        "C15",
        purpose,
        &at(no_npwp, mother),
        &[&differs("holder_nik,npwp")],
    );
    let company = licence(json!("0999999998627000"), json!("pt"));
    check("C15", purpose, &at(company.clone(), json!({})), &[]);
    let other_company = json!({"taxpayer_type": "entity", "npwp": "0999999997627000", "nik": null});
    check(
        "C15",
        purpose,
        &at(company, other_company),
        &[&differs("holder_npwp,npwp")],
    );
}

#[test]
fn c15_kbli() {
    let at = |version: &str| {
        let activities = json!([
            {"kbli": "47111", "kbli_version": "2025"},
            {"kbli": "47112", "kbli_version": version},
        ]);
        [sample(
            "business-licence",
            json!({"activities": activities}),
        )]
    };
    let outdated = "kbli_outdated warning [business-licence] activities -> bkpm";
    check("C15", Purpose::BusinessLicence, &at("2025"), &[]);
    check("C15", Purpose::BusinessLicence, &at("2020"), &[outdated]);
    check("C15", Purpose::BusinessLicence, &at("2017"), &[outdated]);
}

#[test]
fn c17_insurance() {
    let at = |status: &str| {
        [sample(
            "health-insurance",
            json!({"membership_status": status}),
        )]
    };
    let field = "warning [health-insurance] membership_status -> bpjs-kesehatan";
    let inactive = format!("insurance_not_active {field}");
    let none = format!("not_insured {field}");
    for purpose in [
        Purpose::DrivingLicenceRenewal,
        Purpose::VehicleTax,
        Purpose::PoliceClearance,
        Purpose::LandTransfer,
    ] {
        check("C17", purpose, &at("active"), &[]);
        check("C17", purpose, &at("inactive_arrears"), &[&inactive]);
        check(
            "C17",
            purpose,
            &[result("health-insurance", Reason::NoRecord)],
            &[&none],
        );
        check(
            "C17",
            purpose,
            &[result("health-insurance", Reason::Unreachable)],
            &[],
        );
    }
    check(
        "C17",
        Purpose::BusinessLicence,
        &at("inactive_arrears"),
        &[],
    );
}

#[test]
fn c18_freshness() {
    let at = |name: &str, as_of: &str| SourceResult {
        as_of: Some(as_of.parse().unwrap()),
        ..sample(name, json!({}))
    };
    let stale = "stale info [vehicle-registration]  -> samsat";
    let purpose = Purpose::VehicleTax;
    check(
        "C18",
        purpose,
        &[at("vehicle-registration", "2026-11-24T08:00:00+07:00")],
        &[],
    );
    check(
        "C18",
        purpose,
        &[at("vehicle-registration", "2026-11-23T08:00:00+07:00")],
        &[stale],
    );
    // Aid data is good for a day.
    check(
        "C18",
        purpose,
        &[at("social-assistance", "2026-11-23T08:00:00+07:00")],
        &[],
    );
    let mut old = sample("vehicle-registration", json!({}));
    check("C18", purpose, &[old.clone()], &[]);
    old.reason = Reason::Stale;
    check("C18", purpose, &[old], &[stale]);
}

#[test]
fn c18_identity_not_in_use() {
    for (status, expected) in [
        ("active", None),
        ("inactive", Some("identity_inactive blocking")),
        (
            "blocked_no_biometric",
            Some("identity_without_biometric blocking"),
        ),
        ("moved_abroad", Some("identity_moved_abroad warning")),
    ] {
        let person = [sample(
            "person-identity",
            json!({"identity_status": status}),
        )];
        let line =
            expected.map(|start| format!("{start} [person-identity] identity_status -> dukcapil"));
        let expected: Vec<&str> = line.iter().map(String::as_str).collect();
        check("C18", Purpose::IdentityCheck, &person, &expected);
    }
}

#[test]
fn c19_duplicates() {
    let purpose = Purpose::IdentityCheck;
    let several = [result("person-identity", Reason::SeveralRecords)];
    check(
        "C19",
        purpose,
        &several,
        &["several_records blocking [person-identity]  -> dukcapil"],
    );
    check(
        "C19",
        purpose,
        &[result("person-identity", Reason::NoRecord)],
        &[],
    );
    let person = |status: &str| {
        [sample(
            "person-identity",
            json!({"identity_status": status}),
        )]
    };
    let blocked = "identity_duplicate blocking [person-identity] identity_status -> dukcapil";
    check("C19", purpose, &person("blocked_duplicate"), &[blocked]);
    check("C19", purpose, &person("active"), &[]);
}
