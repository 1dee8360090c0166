//! What it costs to read and check a record, for each record's sample.

#![expect(clippy::expect_used, reason = "a benchmark that can't run should stop")]

use divan::Bencher;
use divan::counter::BytesCount;
use loket_sdk::json;
use loket_sdk::schema::{self, RecordSchema};
use loket_sdk::testing::sample;
use serde_json::Value;

fn main() {
    divan::main();
}

fn records() -> Vec<String> {
    schema::records()
        .iter()
        .map(|schema| schema.record.to_string())
        .collect()
}

fn schema_of(record: &str) -> &'static RecordSchema {
    let record = record.parse().expect("a record and version");
    schema::record(&record).expect("a record of the catalogue")
}

/// As its agency holds it.
#[divan::bench(args = records())]
fn whole(bencher: Bencher<'_, '_>, record: &str) {
    let (schema, sample) = (schema_of(record), sample(record));
    bencher.bench(|| schema.check_whole(&sample).expect("a sound sample"));
}

/// As it travels, with every field asked for.
#[divan::bench(args = records())]
fn part(bencher: Bencher<'_, '_>, record: &str) {
    let (schema, sample) = (schema_of(record), sample(record));
    let asked: Vec<&str> = names(&sample);
    bencher.bench(|| {
        let asked = asked.iter().copied();
        schema.check_part(&sample, asked).expect("a sound sample");
    });
}

fn names(record: &Value) -> Vec<&str> {
    record
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Strict parsing: no member twice, not too deep.
#[divan::bench(args = records())]
fn parse(bencher: Bencher<'_, '_>, record: &str) {
    let text = sample(record).to_string();
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| json::parse(text.as_bytes()));
}
