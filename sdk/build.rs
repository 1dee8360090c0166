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

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs, iter, path::Path};

use quote::{format_ident, quote};
use serde_json::{Map, Value, json};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Ident, Item, ItemEnum, ItemStruct, parse_quote};
use typify::{TypeSpace, TypeSpaceSettings};

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

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
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

/// What typify is given, and what it can't know.
#[derive(Default)]
struct Catalogue {
    /// Type name to schema.
    definitions: Map<String, Value>,
    /// Type name to doc comment.
    docs: BTreeMap<String, String>,
    /// Type and member name to doc comment.
    member_docs: BTreeMap<(String, String), String>,
    /// Enum and typify's name of the variant to its code.
    codes: BTreeMap<(String, String), Code>,
    /// Names of the part types.
    parts: BTreeSet<String>,
    /// Type name, record name and major version.
    records: Vec<(String, &'static str, u32)>,
}

struct Code {
    code: String,
    variant: String,
    doc: String,
}

impl Catalogue {
    fn add(&mut self, record: &'static loket_schemas::Record) {
        let mut schema = loket_schemas::bundled(record.text);
        for (name, field, definition) in SPELT_OUT {
            if name == record.name {
                let field = &mut schema["properties"][field];
                field["$ref"] = format!("#/$defs/{definition}").into();
                schema["$defs"][definition] = json!({ "type": "string" });
            }
        }
        let shared = schema["$defs"].as_object().cloned().unwrap_or_default();
        for (name, definition) in shared {
            self.define(pascal(&name), &definition);
        }
        self.definitions
            .insert(pascal(NUMBER.0), json!({ "type": "number" }));

        let whole = pascal(record.name);
        let part = format!("{whole}Part");
        assert!(!self.definitions.contains_key(&whole), "{whole} twice");
        self.define(whole.clone(), &schema);
        self.docs.insert(whole.clone(), whole_doc(&schema, record));

        schema["required"] = json!([]);
        self.define(part.clone(), &schema);
        self.definitions[&part]
            .as_object_mut()
            .expect("a record is an object")
            .remove("additionalProperties");
        self.docs.insert(part.clone(), part_doc(&whole));

        self.parts.insert(part);
        self.records.push((whole, record.name, record.major));
    }

    fn define(&mut self, name: String, schema: &Value) {
        self.docs
            .insert(name.clone(), definition_doc(schema, &name));
        for (member, property) in members(schema) {
            let key = (name.clone(), member.clone());
            self.member_docs.insert(key, member_doc(property, member));
        }
        if let Some(codes) = schema["enum"].as_array() {
            self.define_codes(&name, schema, codes);
        }
        self.definitions.insert(name, shape(schema));
    }

    fn define_codes(&mut self, name: &str, schema: &Value, codes: &[Value]) {
        let lists: Value =
            serde_json::from_str(loket_schemas::CODE_LISTS).expect("the code lists are JSON");
        let list = &lists[text(schema, "x-code-list")];
        for code in codes.iter().filter_map(Value::as_str) {
            let entry = list["values"]
                .as_array()
                .and_then(|values| values.iter().find(|value| value["code"] == code))
                .unwrap_or_else(|| panic!("{name}: {code} isn't in its code list"));
            let english = entry["label"]["en"].as_str().unwrap_or(code);
            let variant = match code.starts_with(|c: char| c.is_ascii_digit()) {
                true => pascal(english.split('(').next().unwrap_or_default()),
                false => pascal(code),
            };
            let doc = format!("`{code}`: {}.", label(entry).unwrap_or_default());
            let code = Code {
                code: code.to_owned(),
                variant,
                doc,
            };
            self.codes
                .insert((name.to_owned(), typified(&code.code)), code);
        }
    }

    fn finish(&self, file: syn::File) -> syn::File {
        let mut items: Vec<Item> = Vec::new();
        for item in file.items {
            match item {
                Item::Struct(item) => items.extend(self.finish_struct(item)),
                Item::Enum(item) => items.extend(self.finish_enum(item)),
                // Neither typify's impls nor its error: the ways in and out are `doors` and `codes`.
                _ => {}
            }
        }
        items.extend(self.records.iter().flat_map(record_impls));
        let mut file = syn::File { items, ..file };
        ShortPaths.visit_file_mut(&mut file);
        file
    }

    fn finish_struct(&self, mut item: ItemStruct) -> Vec<Item> {
        let name = item.ident.to_string();
        let mut after = vec![redacted(&item.ident)];
        if let syn::Fields::Unnamed(fields) = &mut item.fields {
            let inner = &mut fields.unnamed[0];
            inner.vis = syn::Visibility::Inherited;
            after.extend(doors(&item.ident, &inner.ty));
            item.attrs = self.attributes(&item.attrs, &name, &["Clone", "PartialEq", "Eq", "Hash"]);
        } else {
            let default = self.parts.contains(&name).then_some("Default");
            let derived: Vec<_> = ["Clone", "PartialEq", "Eq"]
                .into_iter()
                .chain(default)
                .collect();
            item.attrs = self.attributes(&item.attrs, &name, &derived);
            for field in &mut item.fields {
                tell_absent_from_empty(field);
                let member = field.ident.as_ref().expect("a named field").to_string();
                document(&mut field.attrs, &self.member_docs[&(name.clone(), member)]);
            }
        }
        iter::once(item.into()).chain(after).collect()
    }

    fn finish_enum(&self, mut item: ItemEnum) -> Vec<Item> {
        let name = item.ident.to_string();
        let derived = [
            "Clone",
            "Copy",
            "Debug",
            "PartialEq",
            "Eq",
            "Hash",
            "PartialOrd",
            "Ord",
        ];
        item.attrs = self.attributes(&item.attrs, &name, &derived);
        let mut codes = Vec::new();
        for variant in &mut item.variants {
            let code = &self.codes[&(name.clone(), variant.ident.to_string())];
            variant.ident = Ident::new(&code.variant, variant.ident.span());
            document(&mut variant.attrs, &code.doc);
            codes.push((variant.ident.clone(), code.code.as_str()));
        }
        let after = code_impls(&item.ident, &codes);
        iter::once(item.into()).chain(after).collect()
    }

    fn attributes(&self, given: &[Attribute], name: &str, derived: &[&str]) -> Vec<Attribute> {
        let derived = derived.iter().map(|it| format_ident!("{it}"));
        let mut attributes =
            vec![parse_quote!(#[derive(#(#derived,)* serde::Serialize, serde::Deserialize)])];
        attributes.extend(
            given
                .iter()
                .filter(|it| it.path().is_ident("serde"))
                .cloned(),
        );
        let doc = self
            .docs
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no doc comment"));
        document(&mut attributes, doc);
        attributes
    }
}

/// The part of a schema that becomes a type.
fn shape(schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return json!({ "$ref": format!("#/definitions/{}", pascal(name)) });
    }
    match text(schema, "type") {
        "string" if schema["enum"].is_array() => {
            json!({ "type": "string", "enum": schema["enum"] })
        }
        "string" | "boolean" => json!({ "type": schema["type"] }),
        // Wide, so that a minor version may widen a bound.
        "integer" => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(0..), Some(_)) => json!({ "type": "integer", "format": "uint32" }),
            (Some(0..), None) => json!({ "type": "integer", "format": "uint64" }),
            _ => json!({ "type": "integer", "format": "int64" }),
        },
        "number" => json!({ "$ref": format!("#/definitions/{}", pascal(NUMBER.0)) }),
        "array" => json!({ "type": "array", "items": shape(&schema["items"]) }),
        "object" => {
            let properties: Map<_, _> = members(schema)
                .map(|(name, it)| (name.clone(), shape(it)))
                .collect();
            json!({
                "type": "object",
                "properties": properties,
                "required": schema["required"],
                "additionalProperties": false,
            })
        }
        other => panic!("no Rust type for a schema of type {other:?}: {schema}"),
    }
}

fn members(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn text<'a>(schema: &'a Value, member: &str) -> &'a str {
    schema[member].as_str().unwrap_or_default()
}

/// `Nama lengkap / Full name`.
fn label(of: &Value) -> Option<String> {
    let label = of.get("x-label").or(of.get("label"))?;
    let words: Vec<_> = ["id", "en"]
        .iter()
        .filter_map(|language| label[language].as_str())
        .collect();
    match words.as_slice() {
        [one, other] if one == other => Some((*one).to_owned()),
        _ => Some(words.join(" / ")),
    }
}

fn whole_doc(schema: &Value, record: &loket_schemas::Record) -> String {
    format!(
        "{}: the record `{}/{}`, whole.\n\nOwner: {}. Unknown members are refused.",
        label(schema).unwrap_or_default(),
        record.name,
        record.major,
        schema["x-owner"]["name"].as_str().unwrap_or_default(),
    )
}

fn part_doc(whole: &str) -> String {
    format!(
        "[`{whole}`] as it travels when only some fields are granted: every field may be absent.\n\n\
         Unknown members of the record are dropped, so that a newer minor version can be read;\n\
         those of what it holds are refused, as its schema does.",
    )
}

fn definition_doc(schema: &Value, name: &str) -> String {
    match (
        schema["description"].as_str(),
        schema["x-code-list"].as_str(),
    ) {
        (Some(description), _) => description.to_owned(),
        (None, Some(list)) => format!("A code of the list `{list}`."),
        (None, None) => format!("`{name}` of the shared definitions."),
    }
}

fn member_doc(property: &Value, name: &str) -> String {
    let mut doc = format!(
        "{}.",
        label(property).unwrap_or_else(|| format!("`{name}`"))
    );
    if let Some(description) = property["description"].as_str() {
        doc.push_str(&format!("\n\n{description}"));
    }
    let classes: Vec<_> = [("id", "Indonesia"), ("az", "Azerbaijan")]
        .iter()
        .filter_map(|(key, place)| {
            Some(format!("{} in {place}", property["x-class"][key].as_str()?))
        })
        .collect();
    if !classes.is_empty() {
        doc.push_str(&format!("\n\nData class: {}.", classes.join(", ")));
    }
    doc
}

fn document(attributes: &mut Vec<Attribute>, doc: &str) {
    attributes.retain(|it| !it.path().is_ident("doc"));
    let lines = doc.lines().map(|line| match line {
        "" => String::new(),
        _ => format!(" {line}"),
    });
    let doc = lines
        .map(|line| parse_quote!(#[doc = #line]))
        .collect::<Vec<_>>();
    attributes.splice(0..0, doc);
}

/// typify reads an absent list as an empty one; whether "none" was said or nothing matters here.
fn tell_absent_from_empty(field: &mut syn::Field) {
    let is_list = |it: &Attribute| quote!(#it).to_string().contains("Vec::is_empty");
    if field.attrs.iter().any(is_list) {
        let list = &field.ty;
        field.ty = parse_quote!(Option<#list>);
        field.attrs =
            vec![parse_quote!(#[serde(default, skip_serializing_if = "Option::is_none")])];
    }
}

fn redacted(name: &Ident) -> Item {
    let shown = format!("{name}(…)");
    parse_quote! {
        impl std::fmt::Debug for #name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(#shown)
            }
        }
    }
}

/// The ways in and out of a type that wraps one value.
fn doors(name: &Ident, inner: &syn::Type) -> Vec<Item> {
    let is_text = quote!(#inner).to_string().ends_with("String");
    let (seen, given) = match is_text {
        true => (quote!(str), quote!(value.to_owned())),
        false => (quote!(#inner), quote!(value.clone())),
    };
    let mut items = vec![
        parse_quote! {
            impl #name {
                /// The value; the caller answers for where it goes.
                #[must_use]
                pub fn expose(&self) -> &#seen {
                    &self.0
                }
            }
        },
        parse_quote! {
            impl From<#inner> for #name {
                fn from(value: #inner) -> Self {
                    Self(value)
                }
            }
        },
    ];
    if is_text {
        items.push(parse_quote! {
            impl From<&str> for #name {
                fn from(value: &str) -> Self {
                    Self(#given)
                }
            }
        });
    }
    items
}

/// The ways in and out of a code.
fn code_impls(name: &Ident, codes: &[(Ident, &str)]) -> [Item; 3] {
    let (variants, codes): (Vec<_>, Vec<_>) = codes.iter().cloned().unzip();
    [
        parse_quote! {
            impl #name {
                /// Every code, in the list's order.
                pub const ALL: &[Self] = &[#(Self::#variants,)*];

                /// The code as records write it.
                #[must_use]
                pub const fn code(self) -> &'static str {
                    match self {
                        #(Self::#variants => #codes,)*
                    }
                }
            }
        },
        parse_quote! {
            impl std::fmt::Display for #name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(self.code())
                }
            }
        },
        parse_quote! {
            impl std::str::FromStr for #name {
                type Err = UnknownCode;

                fn from_str(code: &str) -> Result<Self, UnknownCode> {
                    Self::ALL.iter().copied().find(|it| it.code() == code).ok_or(UnknownCode)
                }
            }
        },
    ]
}

fn record_impls((whole, name, major): &(String, &'static str, u32)) -> [Item; 2] {
    let (whole, part) = (format_ident!("{whole}"), format_ident!("{whole}Part"));
    [
        parse_quote!(impl sealed::Sealed for #whole {}),
        parse_quote! {
            impl Record for #whole {
                const NAME: &'static str = #name;
                const MAJOR: u32 = #major;
                type Part = #part;
            }
        },
    ]
}

/// `person-identity`, `area_m2`, `Diploma I or II`, `AB+` in upper camel case.
fn pascal(words: &str) -> String {
    let spelt = match words.trim_end() {
        it if it.ends_with('-') => it.replace('-', " minus"),
        it => it.replace('+', " plus"),
    };
    let words = spelt
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            let is_roman = word.bytes().all(|b| b"IVX".contains(&b));
            let is_acronym = word.bytes().all(|b| b.is_ascii_uppercase()) && !is_roman;
            let (first, rest) = word.split_at(1);
            match is_acronym {
                true => first.to_owned() + &rest.to_ascii_lowercase(),
                false => first.to_ascii_uppercase() + rest,
            }
        })
        .collect()
}

/// The name that typify gives to a code.
fn typified(code: &str) -> String {
    match code.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("X{code}"),
        false => pascal(code),
    }
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
