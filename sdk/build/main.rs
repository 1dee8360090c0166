//! Makes the record types of `loket_sdk::records` from the schemas of `loket-schemas`.
//!
//! In: the schemas. Out: `OUT_DIR/records.rs`, one type for each record, one for its part, and
//! those that records share. typify gives the shapes; what it gives beyond is replaced here, so
//! that no type shows data in `Debug` or `Display` and every item has a doc comment.
//!
//! Only shapes become types. Patterns, lengths, bounds and conditions are for schema validation,
//! which has them in one place and with errors that show no value. A schema that uses a keyword
//! for which there is no shape stops the build.
#![allow(clippy::expect_used, clippy::panic)]

mod catalogue;
mod docs;
mod items;

use std::{env, fs, iter, path::Path};

use serde_json::{Map, Value, json};
use syn::visit_mut::{self, VisitMut};
use typify::{TypeSpace, TypeSpaceSettings};

use catalogue::Catalogue;
use items::pascal;

/// Shared definitions that have a type already, written in the same form as they are read.
///
/// `npwp15` isn't here, since `Npwp` writes 16 digits; nor `az_document_number`, since the schema
/// takes residence permits too.
const KNOWN: [(&str, &str); 20] = [
    ("business_nib", "crate::ids::BusinessNib"),
    ("certificate_number", "crate::ids::CertificateNumber"),
    ("chassis_number", "crate::ids::ChassisNumber"),
    ("date", "jiff::civil::Date"),
    ("fin", "crate::ids::AzFin"),
    ("jkn_number", "crate::ids::JknCardNumber"),
    ("kk_number", "crate::ids::KkNumber"),
    ("licence_number", "crate::ids::LicenceNumber"),
    ("mrz", "crate::ids::Mrz"),
    ("nik", "crate::ids::Nik"),
    ("nitku", "crate::ids::Nitku"),
    ("nop", "crate::ids::Nop"),
    ("npwp16", "crate::ids::Npwp"),
    ("parcel_id", "crate::ids::ParcelId"),
    ("passport_number", "crate::ids::PassportNumber"),
    ("plate_number", "crate::ids::PlateNumber"),
    ("regency_code", "crate::ids::RegionCode"),
    ("region_code", "crate::ids::RegionCode"),
    ("village_code", "crate::ids::RegionCode"),
    ("voen", "crate::ids::AzVoen"),
];

/// A number that needn't be whole: as JSON has it, since `f64` would write 120 as 120.0.
const NUMBER: (&str, &str) = ("number", "serde_json::Number");

/// Fields that spell an identifier out in place of referring to its definition.
const SPELT_OUT: [(&str, &str, &str); 1] =
    [("vehicle-registration", "chassis_number", "chassis_number")];

#[expect(clippy::print_stdout, reason = "a build script speaks to cargo so")]
fn main() {
    println!("cargo:rerun-if-changed=build");
    let mut catalogue = Catalogue::default();
    loket_schemas::RECORDS
        .iter()
        .for_each(|record| catalogue.add(record));
    let file = catalogue.finish(typify(&catalogue.definitions));
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(
        Path::new(&out).join("records.rs"),
        prettyplease::unparse(&file),
    )
    .expect("OUT_DIR can be written to");
}

fn typify(definitions: &Map<String, Value>) -> syn::File {
    let mut settings = TypeSpaceSettings::default();
    for (definition, known) in KNOWN.into_iter().chain([NUMBER]) {
        settings.with_replacement(pascal(definition), known, iter::empty());
    }
    let root = serde_json::from_value(json!({ "definitions": definitions }))
        .expect("the definitions are a schema");
    let mut space = TypeSpace::new(&settings);
    space
        .add_root_schema(root)
        .expect("typify knows the shapes");
    syn::parse2(space.to_stream()).expect("typify writes Rust")
}

/// Writes what is in the prelude without its path.
struct ShortPaths;

impl VisitMut for ShortPaths {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        let prelude = ["Option", "Result", "String", "Vec"];
        let of_std = path
            .segments
            .first()
            .is_some_and(|first| first.ident == "std");
        if let Some(last) = path.segments.last()
            && of_std
            && prelude.iter().any(|it| last.ident == it)
            // `fmt::Result` isn't the prelude's.
            && !path.segments.iter().any(|it| it.ident == "fmt")
        {
            *path = last.clone().into();
        }
        path.leading_colon = None;
        visit_mut::visit_path_mut(self, path);
    }
}
