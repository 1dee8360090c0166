//! The grants of the town: what the law lets each service see (purposes and their fields), all
//! given to the mall, so that one counter can play every journey.

use jiff::civil::date;
use loket_gateway::directory::{Grant, GrantState, Mode};
use loket_sdk::ids::{AgencyId, MemberId};
use loket_sdk::schema;

/// Every field of the record.
const ALL: &str = "*";

/// `(purpose, mode, record, fields)`; `r` reads, `v` verifies.
const TABLE: &[(&str, char, &str, &str)] = &[
    (
        "identity_check",
        'v',
        "person-identity",
        "nik full_name birth_date sex",
    ),
    (
        "identity_check",
        'r',
        "person-identity",
        "identity_status card_status",
    ),
    (
        "birth_registration",
        'r',
        "person-identity",
        "nik full_name birth_date address kk_number identity_status marital_status marriage_registered",
    ),
    ("birth_registration", 'r', "family-card", ALL),
    (
        "birth_registration",
        'v',
        "marriage-certificate",
        "certificate_number spouse_1 spouse_2 married_on state",
    ),
    ("birth_registration", 'r', "birth-certificate", ALL),
    (
        "health_insurance_enrolment",
        'v',
        "person-identity",
        "nik full_name birth_date",
    ),
    (
        "health_insurance_enrolment",
        'v',
        "family-card",
        "kk_number members",
    ),
    (
        "health_insurance_enrolment",
        'v',
        "birth-certificate",
        "child_nik mother_nik state",
    ),
    ("health_insurance_enrolment", 'r', "health-insurance", ALL),
    (
        "death_registration",
        'r',
        "person-identity",
        "nik full_name birth_date identity_status kk_number",
    ),
    ("death_registration", 'r', "family-card", ALL),
    ("death_registration", 'r', "death-certificate", ALL),
    (
        "death_registration",
        'r',
        "health-insurance",
        "membership_status",
    ),
    ("death_registration", 'v', "social-assistance", "programmes"),
    (
        "address_change",
        'r',
        "person-identity",
        "nik full_name address kk_number identity_status",
    ),
    ("address_change", 'r', "family-card", ALL),
    (
        "address_change",
        'r',
        "health-insurance",
        "membership_status primary_facility",
    ),
    ("address_change", 'v', "vehicle-registration", "owner_nik"),
    (
        "driving_licence_renewal",
        'v',
        "person-identity",
        "nik full_name birth_date sex",
    ),
    (
        "driving_licence_renewal",
        'r',
        "person-identity",
        "identity_status address",
    ),
    ("driving_licence_renewal", 'r', "driving-licence", ALL),
    (
        "driving_licence_renewal",
        'r',
        "health-insurance",
        "membership_status",
    ),
    (
        "passport_application",
        'r',
        "person-identity",
        "nik full_name sex birth_place birth_date identity_status citizenship address",
    ),
    (
        "passport_application",
        'v',
        "family-card",
        "kk_number members",
    ),
    (
        "passport_application",
        'v',
        "birth-certificate",
        "child_name birth_date mother_name father_name state",
    ),
    (
        "passport_application",
        'v',
        "marriage-certificate",
        "certificate_number state",
    ),
    ("passport_application", 'r', "passport", ALL),
    (
        "business_licence",
        'v',
        "person-identity",
        "nik full_name birth_date",
    ),
    (
        "business_licence",
        'r',
        "person-identity",
        "identity_status address",
    ),
    (
        "business_licence",
        'r',
        "taxpayer",
        "npwp registered_name nik_match_status registration_status compliance_status",
    ),
    ("business_licence", 'r', "business-licence", ALL),
    ("business_licence", 'r', "property-tax", "payment_status"),
    (
        "business_licence",
        'v',
        "land-title",
        "parcel_id holders state",
    ),
    (
        "business_licence",
        'v',
        "az-person-identity",
        "fin surname given_name birth_date",
    ),
    ("business_licence", 'r', "az-taxpayer", ALL),
    (
        "land_transfer",
        'v',
        "person-identity",
        "nik full_name birth_date",
    ),
    (
        "land_transfer",
        'r',
        "person-identity",
        "identity_status marital_status",
    ),
    ("land_transfer", 'r', "land-title", ALL),
    (
        "land_transfer",
        'r',
        "property-tax",
        "nop payer_name payment_status tax_year",
    ),
    ("land_transfer", 'v', "taxpayer", "npwp registered_name"),
    (
        "land_transfer",
        'r',
        "health-insurance",
        "membership_status",
    ),
    (
        "land_transfer",
        'v',
        "death-certificate",
        "deceased_nik state",
    ),
    ("social_assistance", 'v', "person-identity", "nik full_name"),
    (
        "social_assistance",
        'r',
        "person-identity",
        "identity_status kk_number",
    ),
    ("social_assistance", 'r', "family-card", "kk_number members"),
    ("social_assistance", 'r', "social-assistance", ALL),
    (
        "social_assistance",
        'r',
        "health-insurance",
        "membership_status segment",
    ),
    (
        "social_assistance",
        'v',
        "vehicle-registration",
        "owner_nik",
    ),
    ("social_assistance", 'v', "land-title", "holders"),
];

/// The whole table for one consumer.
#[must_use]
pub fn all(consumer: &str) -> Vec<Grant> {
    TABLE
        .iter()
        .map(|(purpose, mode, record, fields)| {
            let mode = if *mode == 'r' {
                Mode::Read
            } else {
                Mode::Verify
            };
            let fields: Vec<&str> = fields.split(' ').collect();
            let mut grant = grant(consumer, purpose, &format!("{record}/1"), mode, &fields);
            let mode = if mode == Mode::Read { "read" } else { "verify" };
            grant.id = format!("{purpose}.{record}.{mode}");
            grant
        })
        .collect()
}

/// One grant in force, of the agency that owns the record; `*` is every field.
#[must_use]
pub fn grant(consumer: &str, purpose: &str, record: &str, mode: Mode, fields: &[&str]) -> Grant {
    let record = record.parse().expect("a record");
    let schema = schema::record(&record).expect("a known record");
    let fields = if fields == [ALL] {
        let all = schema.fields().iter().map(|field| field.name.to_string());
        all.collect()
    } else {
        fields.iter().map(|field| (*field).to_owned()).collect()
    };
    Grant {
        id: format!("{purpose}.{}.{mode:?}", record.name()),
        agreement: "PKS-CONTOH-001".to_owned(),
        consumer: MemberId::parse(consumer).expect("a member"),
        source: AgencyId::parse(&schema.owner).expect("an agency"),
        record,
        purposes: [purpose.parse().expect("a purpose")].into(),
        fields,
        mode,
        daily_quota: None,
        valid_from: date(2020, 1, 1),
        valid_to: date(2099, 12, 31),
        state: GrantState::Active,
        stale_ok: false,
        dpia_ref: None,
        signature: None,
        narrowed: None,
        break_glass_ok: false,
    }
}
