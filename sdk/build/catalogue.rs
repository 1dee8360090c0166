//! Catalogue: the schemas in, what typify is given and what it can't know out.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use quote::format_ident;
use serde_json::{Map, Value, json};
use syn::visit_mut::VisitMut;
use syn::{Attribute, Ident, Item, ItemEnum, ItemStruct, parse_quote};

use crate::docs::{definition_doc, document, label, member_doc, part_doc, whole_doc};
use crate::items::{
    code_impls, doors, pascal, record_impls, redacted, tell_absent_from_empty, typified,
};
use crate::{NUMBER, SPELT_OUT, ShortPaths};

/// What typify is given, and what it can't know.
#[derive(Default)]
pub(crate) struct Catalogue {
    /// Type name to schema.
    pub(crate) definitions: Map<String, Value>,
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

pub(crate) struct Code {
    code: String,
    variant: String,
    doc: String,
}

impl Catalogue {
    pub(crate) fn add(&mut self, record: &'static loket_schemas::Record) {
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

    pub(crate) fn finish(&self, file: syn::File) -> syn::File {
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
pub(crate) fn shape(schema: &Value) -> Value {
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

pub(crate) fn members(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

pub(crate) fn text<'a>(schema: &'a Value, member: &str) -> &'a str {
    schema[member].as_str().unwrap_or_default()
}
