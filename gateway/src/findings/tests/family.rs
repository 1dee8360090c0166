//! C07 to C09 and C16.

use super::*;

fn person(changes: Value) -> SourceResult {
    sample("person-identity", changes)
}

#[test]
fn c07_death_stops_what_is_for_the_living() {
    let dead = [person(json!({"identity_status": "deceased"}))];
    let deceased = |severity: &str| {
        format!("deceased {severity} [person-identity] identity_status -> dukcapil")
    };
    check(
        "C07",
        Purpose::PassportApplication,
        &[person(json!({}))],
        &[],
    );
    check(
        "C07",
        Purpose::PassportApplication,
        &dead,
        &[&deceased("blocking")],
    );
    check("C07", Purpose::PropertyTax, &dead, &[&deceased("warning")]);
    check("C07", Purpose::DeathRegistration, &dead, &[]);
}

#[test]
fn c07_death_leaves_a_list_of_tasks() {
    let own = json!({"nik": FATHER});
    let alive = [
        sample("health-insurance", json!({"membership_status": "active"})),
        sample("driving-licence", json!({})),
        sample("social-assistance", own),
        sample("taxpayer", json!({})),
        sample("vehicle-registration", json!({})),
    ];
    check("C07", Purpose::DeathRegistration, &alive, &[]);
    let deed = sample("death-certificate", json!({"deceased_nik": FATHER}));
    let mut results = alive.to_vec();
    results.push(deed);
    check(
        "C07",
        Purpose::DeathRegistration,
        &results,
        &[
            "deceased_licensed info [death-certificate driving-licence] deceased_nik,state -> korlantas",
            "deceased_insured info [death-certificate health-insurance] deceased_nik,membership_status -> bpjs-kesehatan",
            "deceased_receives_aid info [death-certificate social-assistance] deceased_nik,programmes -> kemensos",
            "deceased_taxpayer info [death-certificate taxpayer] deceased_nik,registration_status -> djp",
            "deceased_owns_vehicle info [death-certificate vehicle-registration] deceased_nik,owner_nik -> samsat",
        ],
    );
    let ended = [
        sample("death-certificate", json!({"deceased_nik": FATHER})),
        sample(
            "health-insurance",
            json!({"membership_status": "inactive_deceased"}),
        ),
        sample("driving-licence", json!({"expires_on": "2025-12-02"})),
        sample(
            "social-assistance",
            json!({"nik": FATHER, "programmes": []}),
        ),
        sample("taxpayer", json!({"registration_status": "deleted"})),
        sample("vehicle-registration", json!({"owner_nik": MOTHER})),
    ];
    check("C07", Purpose::DeathRegistration, &ended, &[]);
}

#[test]
fn c07_a_deed_counts_if_in_force_and_about_the_person() {
    let deed = |changes| [sample("death-certificate", changes)];
    let purpose = Purpose::BusinessLicence;
    let deceased = "deceased blocking [death-certificate] deceased_nik -> dukcapil";
    check("C07", purpose, &deed(json!({})), &[]);
    check(
        "C07",
        purpose,
        &deed(json!({"deceased_nik": FATHER})),
        &[deceased],
    );
    check(
        "C07",
        purpose,
        &deed(json!({"deceased_nik": FATHER, "state": "cancelled"})),
        &[],
    );
    let claims = |nik, state| {
        let nik = claim("deceased_nik", Op::Equals, nik);
        [verified(
            "death-certificate",
            &[nik, claim("state", Op::Equals, state)],
        )]
    };
    let (yes, no) = (ClaimResult::Match, ClaimResult::Mismatch);
    check("C07", purpose, &claims(yes, yes), &[deceased]);
    check("C07", purpose, &claims(no, yes), &[]);
    check("C07", purpose, &claims(yes, no), &[]);
}

#[test]
fn c08_marriage() {
    let at = |status: &str, state: &str| {
        let marriage = sample("marriage-certificate", json!({"state": state}));
        [person(json!({"marital_status": status})), marriage]
    };
    let fields = "warning [person-identity marriage-certificate] marital_status,state -> dukcapil";
    let differs = format!("marital_status_differs {fields}");
    let ended = format!("marriage_ended {fields}");
    for (status, state, expected) in [
        ("2", "married", None),
        ("1", "married", Some(&differs)),
        ("3", "married", Some(&differs)),
        ("3", "divorced", None),
        ("4", "divorced", None),
        ("2", "divorced", Some(&ended)),
        ("1", "widowed", Some(&differs)),
        ("1", "annulled", None),
    ] {
        let expected: Vec<&str> = expected.into_iter().map(String::as_str).collect();
        check("C08", Purpose::LandTransfer, &at(status, state), &expected);
    }
    let card = [
        sample("family-card", json!({})),
        sample("marriage-certificate", json!({"state": "divorced"})),
    ];
    let on_card =
        "marriage_ended warning [family-card marriage-certificate] members,state -> dukcapil";
    check("C08", Purpose::LandTransfer, &card, &[on_card]);
}

#[test]
fn c09_parents_on_the_card() {
    let purpose = Purpose::BirthRegistration;
    let at = |deed, card| {
        [
            sample("birth-certificate", deed),
            sample("family-card", card),
        ]
    };
    let missing = |field: &str| {
        let records = "[birth-certificate family-card]";
        format!("parent_not_in_family_card warning {records} {field},members -> dukcapil")
    };
    check("C09", purpose, &at(json!({}), json!({})), &[]);
    let other_father = at(json!({"father_nik": GRANDFATHER}), json!({}));
    check("C09", purpose, &other_father, &[&missing("father_nik")]);
    let named = json!({"mother_nik": null, "mother_name": "SITI LAIN SEKALI"});
    check(
        "C09",
        purpose,
        &at(named, json!({})),
        &[&missing("mother_name")],
    );
    let named = json!({"mother_nik": null, "mother_name": "SEKAR C LESTARI"});
    check("C09", purpose, &at(named, json!({})), &[]);
    let no_father = json!({"father_nik": null, "father_name": null});
    check("C09", purpose, &at(no_father, json!({})), &[]);
}

#[test]
fn c09_adults_and_grandchildren_live_elsewhere() {
    let member = |relation: &str| json!({"members": [{"nik": BABY, "relation": relation}]});
    let at = |relation| {
        [
            sample("birth-certificate", json!({})),
            sample("family-card", member(relation)),
        ]
    };
    check("C09", Purpose::PassportApplication, &at("6"), &[]);
    let both = "parent_not_in_family_card warning [birth-certificate family-card] mother_nik,father_nik,members -> dukcapil";
    check("C09", Purpose::PassportApplication, &at("4"), &[both]);
    let adult = json!({"child_nik": FATHER, "birth_date": "1988-05-14", "mother_nik": GRANDFATHER});
    let results = [
        sample("birth-certificate", adult),
        sample("family-card", json!({})),
    ];
    check("C09", Purpose::PassportApplication, &results, &[]);
}

#[test]
fn c09_a_child_without_a_deed() {
    let card = sample("family-card", json!({}));
    let results = [card, result("birth-certificate", Reason::NoRecord)];
    let purpose = Purpose::PassportApplication;
    let missing = "child_without_birth_certificate warning [birth-certificate family-card] child_nik,members -> dukcapil";
    check_of(BABY, "C09", purpose, &results, &[missing]);
    check_of(MOTHER, "C09", purpose, &results, &[]);
}

#[test]
fn c16_aid() {
    let at = |changes| {
        [
            sample("social-assistance", changes),
            sample("family-card", json!({})),
        ]
    };
    let purpose = Purpose::SocialAssistance;
    let stranger = json!({"nik": GRANDFATHER});
    let not_on_card = "aid_holder_not_in_family_card info [social-assistance family-card] nik,members -> kemensos";
    let other_card =
        "aid_family_card_differs info [social-assistance family-card] kk_number -> kemensos";
    check("C16", purpose, &at(json!({})), &[]);
    check("C16", purpose, &at(stranger.clone()), &[not_on_card]);
    check(
        "C16",
        purpose,
        &at(json!({"kk_number": "3510161006159999"})),
        &[other_card],
    );
    check("C16", Purpose::IdentityCheck, &at(stranger), &[]);
}
