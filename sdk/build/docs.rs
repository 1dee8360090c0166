//! Docs: labels, owners and classes of the schemas in, doc comments out.

use serde_json::Value;
use syn::{Attribute, parse_quote};

/// `Nama lengkap / Full name`.
pub(crate) fn label(of: &Value) -> Option<String> {
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

pub(crate) fn whole_doc(schema: &Value, record: &loket_schemas::Record) -> String {
    format!(
        "{}: the record `{}/{}`, whole.\n\nOwner: {}. Unknown members are refused.",
        label(schema).unwrap_or_default(),
        record.name,
        record.major,
        schema["x-owner"]["name"].as_str().unwrap_or_default(),
    )
}

pub(crate) fn part_doc(whole: &str) -> String {
    format!(
        "[`{whole}`] as it travels when only some fields are granted: every field may be absent.\n\n\
         Unknown members of the record are dropped, so that a newer minor version can be read;\n\
         those of what it holds are refused, as its schema does.",
    )
}

pub(crate) fn definition_doc(schema: &Value, name: &str) -> String {
    match (
        schema["description"].as_str(),
        schema["x-code-list"].as_str(),
    ) {
        (Some(description), _) => description.to_owned(),
        (None, Some(list)) => format!("A code of the list `{list}`."),
        (None, None) => format!("`{name}` of the shared definitions."),
    }
}

pub(crate) fn member_doc(property: &Value, name: &str) -> String {
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

pub(crate) fn document(attributes: &mut Vec<Attribute>, doc: &str) {
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
