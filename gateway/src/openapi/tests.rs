use std::collections::BTreeSet;

use super::*;

fn parsed() -> Value {
    serde_json::from_slice(&document()).unwrap()
}

/// Calls `visit` with every object, the document itself first.
fn walk<'v>(value: &'v Value, visit: &mut impl FnMut(&'v Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            visit(members);
            members.values().for_each(|member| walk(member, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods
                .iter()
                .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[test]
fn the_document_is_openapi() {
    let document = parsed();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} twice");
        let named: BTreeSet<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"].as_array();
        let described: BTreeSet<&str> = parameters
            .into_iter()
            .flatten()
            .filter(|it| it["in"] == "path")
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(named, described, "{method} {path}");
    }
}

/// Generators resolve `#/…` from the document's root, whatever an `$id` in between says.
#[test]
fn every_reference_leads_somewhere_from_the_root() {
    let document = parsed();
    let mut references = 0;
    walk(&document, &mut |members| {
        if let Some(reference) = members.get("$ref") {
            let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some(),
                "{reference} leads nowhere"
            );
            references += 1;
        }
        assert!(
            !members.contains_key("$id"),
            "{:?} moves the root of references",
            members["$id"]
        );
    });
    assert!(references > 20, "{references}");
}

/// What the pipeline serves, by the route templates that stand in it.
#[test]
fn every_route_is_described() {
    let source = include_str!("../request.rs");
    let routes: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Ok(Self::")?.split_once("=> \"/"))
        .map(|(_, route)| route.trim_end_matches("\","))
        .collect();
    let document = parsed();
    let described: BTreeSet<&str> = operations(&document)
        .iter()
        // The rest of a routed call's path is no part of its template.
        .map(|(path, ..)| path[1..].trim_end_matches("/{path}"))
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn every_problem_status_is_one_of_the_closed_list() {
    let document = parsed();
    for (path, method, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("200"), "{method} {path}");
        for (status, response) in responses.iter().filter(|(status, _)| *status != "200") {
            let codes: Vec<Code> = Code::ALL
                .iter()
                .copied()
                .filter(|code| code.status().to_string() == *status)
                .collect();
            assert!(
                !codes.is_empty(),
                "{status} of {method} {path} is no problem's"
            );
            let schema = &response["content"][MEDIA_TYPE]["schema"]["$ref"];
            assert_eq!(
                schema, "#/components/schemas/problem",
                "{status} of {method} {path}"
            );
        }
    }
}

/// Definitions that share a name are the same, so that side by side none hides another.
#[test]
fn no_definition_hides_another() {
    let document = parsed();
    for name in [
        "lookup",
        "answer",
        "explanation",
        "approval",
        "approved",
        "catalogue",
        "problem",
    ] {
        let mut schema = loket_schemas::bundled(loket_schemas::envelope(name).unwrap().text);
        from_the_root(&mut schema);
        let described = &document["components"]["schemas"];
        for member in ["type", "required", "properties"] {
            assert_eq!(described[name][member], schema[member], "{name} {member}");
        }
        for (definition, expected) in schema["$defs"].as_object().unwrap() {
            assert_eq!(&described[definition], expected, "{definition} of {name}");
        }
    }
}
