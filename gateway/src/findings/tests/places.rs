//! C05, C06, C13 and C14.

use super::*;

const MIMIKA: &str = "9109011405889901";

#[test]
fn c05_numbers_with_old_regions() {
    let purpose = Purpose::IdentityCheck;
    let results = [
        sample(
            "person-identity",
            json!({"nik": MIMIKA, "kk_number": "0010161006159901"}),
        ),
        sample("taxpayer", json!({"nik": MIMIKA})),
        sample("passport", json!({})),
    ];
    let nik = "nik_region_retired info [person-identity taxpayer] nik -> nobody";
    let card = "kk_region_unknown info [person-identity] kk_number -> nobody";
    check_of(MIMIKA, "C05", purpose, &results, &[card, nik]);
    let unknown = [sample(
        "person-identity",
        json!({"nik": "9910161405889901"}),
    )];
    let nik = "nik_region_unknown info [person-identity] nik -> nobody";
    check_of("9910161405889901", "C05", purpose, &unknown, &[nik]);
    let card = [sample(
        "family-card",
        json!({"kk_number": "9109011006159901"}),
    )];
    let retired = "kk_region_retired info [family-card] kk_number -> nobody";
    check("C05", purpose, &card, &[retired]);
    check("C05", purpose, &samples(), &[]);
}

#[test]
fn c05_villages_with_old_regions() {
    let at = |code: &str| [sample("property-tax", json!({"village_code": code}))];
    let retired = "village_region_retired info [property-tax] village_code -> bapenda";
    let unknown = "village_region_unknown info [property-tax] village_code -> bapenda";
    check(
        "C05",
        Purpose::PropertyTax,
        &at("91.09.01.1003"),
        &[retired],
    );
    check(
        "C05",
        Purpose::PropertyTax,
        &at("99.09.01.1003"),
        &[unknown],
    );
    check("C05", Purpose::PropertyTax, &at("94.04.01.1003"), &[]);
    let home = [sample(
        "family-card",
        json!({"address": {"village_code": "91.09.01.1003"}}),
    )];
    let retired = "village_region_retired info [family-card] address -> dukcapil";
    check("C05", Purpose::PropertyTax, &home, &[retired]);
}

#[test]
fn c06_home_on_two_cards() {
    let at = |person: &str, card: &str| {
        [("person-identity", person), ("family-card", card)]
            .map(|(name, code)| sample(name, json!({"address": {"village_code": code}})))
    };
    let differs = "address_differs info [person-identity family-card] address -> dukcapil";
    let purpose = Purpose::AddressChange;
    check("C06", purpose, &at("35.10.16.1003", "35.10.16.1003"), &[]);
    check(
        "C06",
        purpose,
        &at("35.10.16.1003", "35.10.16.1004"),
        &[differs],
    );
    check("C06", purpose, &at("91.09.01.1003", "94.04.01.1003"), &[]);
}

#[test]
fn c06_property_in_another_regency() {
    let at = |code: &str| {
        [
            sample("person-identity", json!({})),
            sample("property-tax", json!({"village_code": code})),
            sample("land-title", json!({"village_code": code})),
        ]
    };
    check("C06", Purpose::PropertyTax, &at("35.10.01.2001"), &[]);
    check(
        "C06",
        Purpose::PropertyTax,
        &at("35.09.16.1003"),
        &[
            "property_elsewhere info [person-identity land-title] address,village_code -> nobody",
            "property_elsewhere info [person-identity property-tax] address,village_code -> nobody",
        ],
    );
}

#[test]
fn c13_vehicle() {
    let at = |owner: Value| [sample("vehicle-registration", json!({"owner_nik": owner}))];
    let differs = "vehicle_owner_differs warning [vehicle-registration] owner_nik -> samsat";
    check("C13", Purpose::VehicleTax, &at(json!(FATHER)), &[]);
    check("C13", Purpose::VehicleTax, &at(Value::Null), &[]);
    check("C13", Purpose::VehicleTax, &at(json!(MOTHER)), &[differs]);
    let context = context(Scheme::Plate, "P 9901 ZZ", Purpose::VehicleTax);
    assert!(lines(&at(json!(MOTHER)), &context).is_empty());
}

#[test]
fn c14_payer_and_holder() {
    let at = |payer: Value| {
        [
            sample("land-title", json!({})),
            found("property-tax", payer),
        ]
    };
    let differs = |field: &str| {
        let records = "[land-title property-tax]";
        format!("payer_not_holder warning {records} holders,{field} -> bapenda")
    };
    let purpose = Purpose::LandTransfer;
    let (by_nik, by_name) = (differs("payer_nik"), differs("payer_name"));
    check("C14", purpose, &at(json!({"payer_nik": MOTHER})), &[]);
    check(
        "C14",
        purpose,
        &at(json!({"payer_name": "SEKAR C LESTARI"})),
        &[],
    );
    check("C14", purpose, &at(json!({"payment_status": "paid"})), &[]);
    check(
        "C14",
        purpose,
        &at(json!({"payer_name": "WAGIMAN"})),
        &[&by_name],
    );
    let namesake = json!({"payer_nik": GRANDFATHER, "payer_name": "BAGAS CONTOH PRATAMA"});
    check("C14", purpose, &at(namesake), &[&by_nik]);
}

#[test]
fn c14_a_payer_who_died() {
    let purpose = Purpose::LandTransfer;
    let at = |payer: Value| {
        [
            sample("death-certificate", json!({})),
            found("property-tax", payer),
        ]
    };
    let deceased = |fields: &str| {
        format!("payer_deceased warning [death-certificate property-tax] {fields} -> bapenda")
    };
    let by_name = deceased("full_name,payer_name");
    let by_nik = deceased("deceased_nik,payer_nik");
    check(
        "C14",
        purpose,
        &at(json!({"payer_name": "WAGIMAN"})),
        &[&by_name],
    );
    check(
        "C14",
        purpose,
        &at(json!({"payer_nik": GRANDFATHER})),
        &[&by_nik],
    );
    check(
        "C14",
        purpose,
        &at(json!({"payer_nik": MOTHER, "payer_name": "WAGIMAN"})),
        &[],
    );
    check(
        "C14",
        purpose,
        &at(json!({"payer_name": "SEKAR CONTOH LESTARI"})),
        &[],
    );
    let person = [
        sample("person-identity", json!({"identity_status": "deceased"})),
        found("property-tax", json!({"payer_nik": FATHER})),
    ];
    let fields = "identity_status,payer_nik -> bapenda";
    let deceased = format!("payer_deceased warning [person-identity property-tax] {fields}");
    check("C14", purpose, &person, &[&deceased]);
}
