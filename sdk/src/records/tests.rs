use serde_json::{Map, Value};

use super::*;
use crate::schema::{self, RecordSchema};

/// Calls a generic function once for every record, in the catalogue's order.
macro_rules! for_every_record {
    ($check:ident) => {
        for_every_record!($check: PersonIdentity FamilyCard BirthCertificate DeathCertificate
            MarriageCertificate Taxpayer HealthInsurance DrivingLicence VehicleRegistration
            Passport LandTitle BusinessLicence PropertyTax SocialAssistance AzPersonIdentity
            AzTaxpayer)
    };
    ($check:ident: $($Record:ident)*) => { [$($check::<$Record>()),*] };
}

fn compiled<R: Record>() -> &'static RecordSchema {
    schema::record(&R::record_ref()).unwrap()
}

fn entry<R: Record>() -> &'static loket_schemas::Record {
    loket_schemas::record(R::NAME, R::MAJOR).unwrap()
}

fn valid<R: Record>() -> impl Iterator<Item = (&'static str, Value)> {
    let cases = entry::<R>().valid.iter();
    cases.map(|(name, text)| (*name, serde_json::from_str(text).unwrap()))
}

fn sample<R: Record>() -> Map<String, Value> {
    let (_, sample) = valid::<R>()
        .find(|(name, _)| *name == "sample.json")
        .unwrap();
    sample.as_object().unwrap().clone()
}

fn read<T: DeserializeOwned>(value: impl Into<Value>) -> Result<T, serde_json::Error> {
    serde_json::from_value(value.into())
}

#[test]
fn the_whole_catalogue_has_types() {
    fn name<R: Record>() -> String {
        R::record_ref().to_string()
    }
    let mut named = for_every_record!(name);
    let mut catalogue: Vec<String> = schema::records()
        .iter()
        .map(|schema| schema.record.to_string())
        .collect();
    named.sort();
    catalogue.sort();
    assert_eq!(named.as_slice(), catalogue);
}

#[test]
fn valid_records_come_back_as_they_went_in() {
    fn check<R: Record>() {
        for (case, value) in valid::<R>() {
            let whole: R =
                read(value.clone()).unwrap_or_else(|e| panic!("{} {case}: {e}", R::NAME));
            assert_eq!(
                serde_json::to_value(&whole).unwrap(),
                value,
                "{} {case}",
                R::NAME
            );
            let part: R::Part = read(value.clone()).unwrap();
            assert_eq!(
                serde_json::to_value(&part).unwrap(),
                value,
                "{} {case}",
                R::NAME
            );
        }
    }
    for_every_record!(check);
}

#[test]
fn every_property_has_a_place() {
    // A value for every property of every record would need samples that are fuller than the
    // golden ones; a member that the type doesn't know is refused by its name, though.
    fn check<R: Record>() {
        for field in compiled::<R>().fields() {
            let mut record = sample::<R>();
            record.entry(&field.name).or_insert(Value::Null);
            let refused = read::<R>(record)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default();
            assert!(!refused.contains("unknown field"), "{}: {refused}", R::NAME);
        }
    }
    for_every_record!(check);
}

#[test]
fn a_part_has_any_fields() {
    fn check<R: Record>() {
        let whole = sample::<R>();
        let round_trip = |part: Map<String, Value>| {
            let read: R::Part = read(part.clone()).unwrap();
            assert_eq!(
                serde_json::to_value(&read).unwrap(),
                Value::from(part),
                "{}",
                R::NAME
            );
        };
        round_trip(Map::new());
        for (name, value) in &whole {
            round_trip(Map::from_iter([(name.clone(), value.clone())]));
            let mut without = whole.clone();
            without.remove(name);
            round_trip(without);
        }
        let strange = Map::from_iter([("strange".to_owned(), Value::from(1))]);
        let read: R::Part = read(strange).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::json!({}));
    }
    for_every_record!(check);
}

#[test]
fn an_empty_list_is_not_an_absent_one() {
    let part: SocialAssistancePart = serde_json::from_str(r#"{"programmes": []}"#).unwrap();
    assert_eq!(part.programmes, Some(vec![]));
    assert_eq!(
        serde_json::to_string(&part).unwrap(),
        r#"{"programmes":[]}"#
    );
    assert_eq!(SocialAssistancePart::default().programmes, None);
}

#[test]
fn a_whole_record_has_every_required_member_and_no_other() {
    fn check<R: Record>() {
        for field in compiled::<R>().fields() {
            let mut record = sample::<R>();
            record.remove(&field.name);
            assert_eq!(
                read::<R>(record).is_err(),
                field.required,
                "{} {}",
                R::NAME,
                field.name
            );
        }
        let mut record = sample::<R>();
        record.insert("strange".to_owned(), Value::from(1));
        assert!(read::<R>(record).is_err(), "{}", R::NAME);
    }
    for_every_record!(check);
}

#[test]
fn members_of_another_type_and_unknown_codes_are_refused() {
    fn check<R: Record>() {
        for (name, value) in sample::<R>() {
            let coded = compiled::<R>().document["properties"][&name]
                .get("x-code-list")
                .is_some();
            let wrong: &[Value] = match value {
                Value::String(_) if coded => &[Value::from(1), Value::from("no such code")],
                Value::String(_) => &[Value::from(1), Value::Array(vec![])],
                _ => &[Value::from("text")],
            };
            for wrong in wrong {
                let mut record = sample::<R>();
                record.insert(name.clone(), wrong.clone());
                assert!(read::<R>(record.clone()).is_err(), "{} {name}", R::NAME);
                assert!(read::<R::Part>(record).is_err(), "{} {name}", R::NAME);
            }
        }
    }
    for_every_record!(check);
}

#[test]
fn every_invalid_case_is_caught_by_its_type_or_its_schema() {
    /// The faults that a type sees; the schema alone sees patterns, bounds and conditions.
    fn check<R: Record>() {
        for (case, text) in entry::<R>().invalid {
            let case_document: Value = serde_json::from_str(text).unwrap();
            let instance = &case_document["instance"];
            let refused = read::<R>(instance.clone()).is_err();
            let structural = case.starts_with("no-");
            assert!(refused || !structural, "{} {case}", R::NAME);
            let broken = compiled::<R>().check_whole(instance).is_err();
            assert!(refused || broken, "{} {case}", R::NAME);
        }
    }
    for_every_record!(check);
}

#[test]
fn what_only_the_schema_sees() {
    fn check<R: Record>(member: &str, value: Value) {
        let mut record = sample::<R>();
        record.insert(member.to_owned(), value);
        assert!(read::<R>(record.clone()).is_ok(), "{} {member}", R::NAME);
        assert!(
            compiled::<R>().check_whole(&record.into()).is_err(),
            "{} {member}",
            R::NAME
        );
    }
    // Patterns and lengths.
    check::<PersonIdentity>("full_name", "R2-D2".into());
    check::<PersonIdentity>("birth_date", "1988-13".into());
    check::<BusinessLicence>("activities", Value::Array(vec![]));
    // Separators that an identifier is read without.
    check::<PersonIdentity>("nik", "3510 1614 0588 9901".into());
    // Bounds.
    check::<SocialAssistance>("decile", 11.into());
    // `null` reads as absent.
    check::<PersonIdentity>("kk_number", Value::Null);
}

#[test]
fn debug_shows_no_data() {
    fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
            Value::Object(members) => members.values().for_each(|value| strings(value, found)),
            _ => {}
        }
    }
    fn check<R: Record + std::fmt::Debug>()
    where
        R::Part: std::fmt::Debug,
    {
        for (case, value) in valid::<R>() {
            let (whole, part): (R, R::Part) =
                (read(value.clone()).unwrap(), read(value.clone()).unwrap());
            let shown = format!("{whole:?} {whole:#?} {part:?} {part:#?}");
            assert!(shown.contains("(…)"), "{shown}");
            assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
            let mut texts = Vec::new();
            strings(&value, &mut texts);
            for text in texts.into_iter().filter(|text| text.len() > 2) {
                assert!(!shown.contains(text), "{} {case}: {shown}", R::NAME);
            }
        }
    }
    for_every_record!(check);

    let person: PersonIdentity = read(sample::<PersonIdentity>()).unwrap();
    let inside = format!(
        "{:?} {:?} {:?}",
        person.full_name, person.address, person.birth_date
    );
    assert_eq!(inside, "PersonName(…) Address(…) PartialDate(…)");
}

#[test]
fn codes_are_read_and_written() {
    assert_eq!("2".parse(), Ok(Sex::Female));
    assert_eq!("9".parse::<Sex>(), Err(UnknownCode));
    assert_eq!(Sex::Female.to_string(), "2");
    assert_eq!(BloodType::APlus.code(), "5");
    assert_eq!(Education::ALL.len(), 10);
    assert_eq!(Occupation::ALL.len(), 89);
}

#[test]
fn a_record_is_made_from_its_fields() {
    let part = TaxpayerPart {
        registered_name: Some("TOKO CONTOH".into()),
        registration_status: Some(TaxRegistration::NonEffective),
        ..TaxpayerPart::default()
    };
    assert_eq!(
        serde_json::to_value(part).unwrap(),
        serde_json::json!({"registered_name": "TOKO CONTOH", "registration_status": "non_effective"})
    );
}
