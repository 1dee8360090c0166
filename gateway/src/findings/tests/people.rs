//! C01 to C04 and C20.

use super::*;

fn person(changes: Value) -> SourceResult {
    sample("person-identity", changes)
}

#[test]
fn c01_names() {
    let differs = "name_different warning [person-identity passport] full_name -> imigrasi";
    let at = |name: &str| {
        [
            person(json!({})),
            sample("passport", json!({"full_name": name})),
        ]
    };
    check(
        "C01",
        Purpose::IdentityCheck,
        &at("Bagas  Contoh Pratama"),
        &[],
    );
    check(
        "C01",
        Purpose::IdentityCheck,
        &at("BAGAS CONTOH-PRATAMA"),
        &[],
    );
    check(
        "C01",
        Purpose::IdentityCheck,
        &at("SURYO LAIN SEKALI"),
        &[differs],
    );
    for purpose in [
        Purpose::PassportApplication,
        Purpose::LandTransfer,
        Purpose::BusinessLicence,
    ] {
        let blocking = differs.replace("warning", "blocking");
        check("C01", purpose, &at("SURYO LAIN SEKALI"), &[&blocking]);
        let variant = "name_variant warning [person-identity passport] full_name -> imigrasi";
        check("C01", purpose, &at("BAGAS C PRATAMA"), &[variant]);
    }
}

#[test]
fn c01_every_record_that_names_the_person() {
    let other = "SURYO LAIN SEKALI";
    let spouse = json!({"nik": FATHER, "full_name": other});
    let member = json!([{"nik": FATHER, "full_name": other}, {"nik": MOTHER, "full_name": "X"}]);
    let results = [
        person(json!({})),
        found("birth-certificate", json!({"child_name": other})),
        found(
            "death-certificate",
            json!({"full_name": other, "deceased_nik": FATHER}),
        ),
        found("driving-licence", json!({"full_name": other})),
        found("family-card", json!({"members": member})),
        found("health-insurance", json!({"full_name": other})),
        found(
            "land-title",
            json!({"holders": [{"nik": FATHER, "name": other}]}),
        ),
        found("marriage-certificate", json!({"spouse_1": spouse})),
        found(
            "property-tax",
            json!({"payer_name": other, "payer_nik": FATHER}),
        ),
        found("taxpayer", json!({"registered_name": other})),
        found("vehicle-registration", json!({"owner_name": other})),
    ];
    check(
        "C01",
        Purpose::IdentityCheck,
        &results,
        &[
            "name_different warning [person-identity birth-certificate] full_name,child_name -> dukcapil",
            "name_different warning [person-identity death-certificate] full_name -> dukcapil",
            "name_different warning [person-identity driving-licence] full_name -> korlantas",
            "name_different warning [person-identity family-card] full_name,members -> dukcapil",
            "name_different warning [person-identity health-insurance] full_name -> bpjs-kesehatan",
            "name_different warning [person-identity land-title] full_name,holders -> bpn",
            "name_different warning [person-identity marriage-certificate] full_name,spouse_1 -> dukcapil",
            "name_different warning [person-identity property-tax] full_name,payer_name -> bapenda",
            "name_different warning [person-identity taxpayer] full_name,registered_name -> djp",
            "name_different warning [person-identity vehicle-registration] full_name,owner_name -> samsat",
        ],
    );
}

#[test]
fn c01_other_people_and_organisations_are_left_alone() {
    let results = [
        person(json!({})),
        found(
            "birth-certificate",
            json!({"child_name": "LARAS CONTOH", "child_nik": BABY}),
        ),
        found(
            "death-certificate",
            json!({"full_name": "WAGIMAN", "deceased_nik": GRANDFATHER}),
        ),
        found("property-tax", json!({"payer_name": "WAGIMAN"})),
        found(
            "taxpayer",
            json!({"registered_name": "PT LAIN", "taxpayer_type": "entity"}),
        ),
        found(
            "vehicle-registration",
            json!({"owner_name": "SEKAR", "owner_nik": MOTHER}),
        ),
        found("business-licence", json!({"business_name": "TOKO LAIN"})),
        found(
            "land-title",
            json!({"holders": [{"name": "SEKAR CONTOH", "nik": MOTHER}]}),
        ),
        found(
            "land-title",
            json!({"holders": [{"name": "SEKAR LAIN"}, {"name": "BAGAS CONTOH PRATAMA"}]}),
        ),
    ];
    check("C01", Purpose::IdentityCheck, &results, &[]);
}

#[test]
fn c01_azerbaijani_letters() {
    let at = |name: &str, kind: &str| {
        let changes = json!({"registered_name": name, "taxpayer_type": kind});
        [
            sample("az-person-identity", json!({})),
            sample("az-taxpayer", changes),
        ]
    };
    let fields = "surname,given_name,patronymic,registered_name -> az-tax";
    let differs = format!("name_different blocking [az-person-identity az-taxpayer] {fields}");
    let purpose = Purpose::BusinessLicence;
    check("C01", purpose, &at("NUMUNEYEV ELCIN RESID OĞLU", "2"), &[]);
    check("C01", purpose, &at("BAŞQA ADAM TAMAM", "2"), &[&differs]);
    check("C01", purpose, &at("BAŞQA MMC", "1"), &[]);
}

#[test]
fn c01_claims() {
    let person = |field: &str, found| [verified("person-identity", &[name_claim(field, found)])];
    let purpose = Purpose::BusinessLicence;
    check(
        "C01",
        purpose,
        &person("full_name", NameMatch::Equivalent),
        &[],
    );
    check(
        "C01",
        purpose,
        &person("birth_place", NameMatch::Different),
        &[],
    );
    check(
        "C01",
        purpose,
        &person("full_name", NameMatch::Variant),
        &["name_claim_variant warning [person-identity] full_name -> nobody"],
    );
    check(
        "C01",
        purpose,
        &person("full_name", NameMatch::Different),
        &["name_claim_different blocking [person-identity] full_name -> nobody"],
    );
    check(
        "C01",
        purpose,
        &[verified(
            "land-title",
            &[name_claim("holders", NameMatch::Different)],
        )],
        &["name_claim_different warning [land-title] holders -> bpn"],
    );
}

#[test]
fn c02_birth_date() {
    let at = |date: &str| {
        let card = sample("health-insurance", json!({"birth_date": date}));
        [person(json!({})), card]
    };
    let fields = "[person-identity health-insurance] birth_date -> bpjs-kesehatan";
    let warning = format!("birth_date_differs warning {fields}");
    let blocking = format!("birth_date_differs blocking {fields}");
    check("C02", Purpose::IdentityCheck, &at("1988-05-14"), &[]);
    check("C02", Purpose::IdentityCheck, &at("1988-05"), &[]);
    check("C02", Purpose::IdentityCheck, &at("1988"), &[]);
    check(
        "C02",
        Purpose::IdentityCheck,
        &at("1988-10-05"),
        &[&warning],
    );
    check("C02", Purpose::IdentityCheck, &at("1989"), &[&warning]);
    check(
        "C02",
        Purpose::PassportApplication,
        &at("1989"),
        &[&blocking],
    );
    check(
        "C02",
        Purpose::IdentityCheck,
        &[
            sample("passport", json!({})),
            sample("driving-licence", json!({"birth_date": "1980"})),
        ],
        &["birth_date_differs warning [passport driving-licence] birth_date -> nobody"],
    );
}

#[test]
fn c02_claims() {
    let at = |result| {
        [verified(
            "person-identity",
            &[claim("birth_date", Op::DateEquals, result)],
        )]
    };
    check("C02", Purpose::VehicleTax, &at(ClaimResult::Match), &[]);
    check(
        "C02",
        Purpose::VehicleTax,
        &at(ClaimResult::NotAvailable),
        &[],
    );
    check(
        "C02",
        Purpose::PassportApplication,
        &at(ClaimResult::Mismatch),
        &["birth_date_claim_differs blocking [person-identity] birth_date -> nobody"],
    );
}

#[test]
fn c03_sex() {
    let purpose = Purpose::IdentityCheck;
    let card = |sex: &str| {
        [
            person(json!({})),
            sample("health-insurance", json!({"sex": sex})),
        ]
    };
    check("C03", purpose, &card("1"), &[]);
    check("C03", purpose, &card("9"), &[]);
    check(
        "C03",
        purpose,
        &card("2"),
        &["sex_differs warning [person-identity health-insurance] sex -> bpjs-kesehatan"],
    );
    let in_nik = "sex_not_as_in_nik warning [person-identity] nik,sex -> dukcapil";
    check("C03", purpose, &[person(json!({"sex": "2"}))], &[in_nik]);
    let of_mother = [person(json!({"nik": MOTHER, "sex": "2"}))];
    check_of(MOTHER, "C03", purpose, &of_mother, &[]);
    check(
        "C03",
        purpose,
        &[verified(
            "person-identity",
            &[claim("sex", Op::Equals, ClaimResult::Mismatch)],
        )],
        &["sex_claim_differs warning [person-identity] sex -> nobody"],
    );
}

#[test]
fn c04_nik_date() {
    let at = |date: &str| [person(json!({"birth_date": date}))];
    let differs = "nik_date_differs info [person-identity] nik,birth_date -> nobody";
    for date in ["1988-05-14", "1988-05", "1988", "1888-05-14"] {
        check("C04", Purpose::PoliceClearance, &at(date), &[]);
    }
    for date in ["1988-05-15", "1988-06", "1989"] {
        check("C04", Purpose::PoliceClearance, &at(date), &[differs]);
    }
}

#[test]
fn c20_minor() {
    let at = |date: &str| [person(json!({"birth_date": date}))];
    let minor = "minor info [person-identity] birth_date -> nobody";
    check("C20", Purpose::IdentityCheck, &at("2008-11-24"), &[]);
    check("C20", Purpose::IdentityCheck, &at("2008-11-25"), &[minor]);
    check("C20", Purpose::IdentityCheck, &at("2008"), &[minor]);
    check("C20", Purpose::IdentityCheck, &at("2007"), &[]);
    let az = [sample(
        "az-person-identity",
        json!({"birth_date": "2015-09-12"}),
    )];
    let context = context(Scheme::AzFin, "7ZX9K2Q", Purpose::BusinessLicence);
    let expected = ["C20 minor info [az-person-identity] birth_date -> nobody"];
    assert_eq!(lines(&az, &context), expected);
}
