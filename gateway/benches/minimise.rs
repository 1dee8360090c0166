//! What it costs to keep only what is granted of a whole record.

#![expect(clippy::expect_used, reason = "a benchmark that can't run should stop")]

use divan::Bencher;
use loket_gateway::minimise;
use loket_sdk::claims::{Claim, Op};
use loket_sdk::schema;
use loket_sdk::testing::sample;
use serde_json::{Map, Value, json};

const RECORD: &str = "person-identity/1";

fn main() {
    divan::main();
}

fn person() -> Map<String, Value> {
    match sample(RECORD) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The first so many of the record's 21 fields.
#[divan::bench(args = [1, 8, 21])]
fn fields(bencher: Bencher<'_, '_>, permitted: usize) {
    let person = person();
    let permitted: Vec<String> = person.keys().take(permitted).cloned().collect();
    bencher
        .with_inputs(|| person.clone())
        .bench_values(|person| minimise::fields(person, &permitted));
}

/// A name, a date, a region and a number, held against the record.
#[divan::bench]
fn claims(bencher: Bencher<'_, '_>) {
    let schema = schema::record(&RECORD.parse().expect("a record")).expect("in the catalogue");
    let person = person();
    let claims = [
        ("full_name", Op::NameMatches, json!("BAGAS CONTOH PRATAMA")),
        ("birth_date", Op::DateEquals, json!("1988-05-14")),
        ("address", Op::RegionWithin, json!("35.10")),
        ("nik", Op::Equals, json!("3510161405889901")),
    ]
    .map(|(field, op, value)| Claim {
        field: field.to_owned(),
        op,
        value: Some(value.into()),
    });
    bencher.bench(|| minimise::claims_from_record(&person, &claims, schema));
}
