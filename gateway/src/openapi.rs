//! OpenAPI: the description of the public listener, assembled from the same schemas that validate.

use std::sync::{Arc, LazyLock};

use loket_sdk::problem::{Code, MEDIA_TYPE};
use serde_json::{Map, Value, json};

use crate::directory::CALL_METHODS;

/// The document, OpenAPI 3.1, as JSON.
#[must_use]
pub fn document() -> Arc<[u8]> {
    static DOCUMENT: LazyLock<Arc<[u8]>> = LazyLock::new(|| {
        serde_json::to_vec_pretty(&assemble())
            .unwrap_or_default()
            .into()
    });
    DOCUMENT.clone()
}

fn assemble() -> Value {
    let lookup = json!({
        "operationId": "lookup",
        "summary": "Look one subject up at every agency that may answer",
        "description": "The same request_id with the same body has the same answer for 24 hours, and no source is asked.",
        "parameters": [{
            "name": "Loket-Replay-Key",
            "in": "header",
            "description": "32 bytes in base64, under which the answer is kept; send the same again.",
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$" }
        }],
        "requestBody": { "required": true, "content": content("lookup") },
        "responses": responses(&[
            ("200", json!({
                "description": "The lookup was carried out, whatever each source said.",
                "content": {
                    "application/json": { "schema": reference("answer") },
                    "text/event-stream": { "schema": { "type": "string" } }
                }
            })),
        ], &[400, 403, 406, 408, 409, 413, 415, 422, 429, 500, 503]),
    });
    let explain = json!({
        "operationId": "explain",
        "summary": "Why a lookup would be carried out or refused, step by step; nobody is asked",
        "requestBody": { "required": true, "content": content("lookup") },
        "responses": responses(&[
            ("200", json!({
                "description": "The steps up to the first that fails, and who can mend it.",
                "content": content("explanation")
            })),
        ], &[400, 403, 408, 413, 415, 422, 429, 500, 503]),
    });
    let approve = json!({
        "operationId": "approve",
        "summary": "Approve, as the second person, a lookup that broke the glass",
        "parameters": [parameter("entry")],
        "requestBody": { "required": true, "content": content("approval") },
        "responses": responses(&[
            ("200", json!({ "description": "It is on record.", "content": content("approved") })),
        ], &[400, 403, 404, 408, 413, 415, 422, 429, 500, 503]),
    });
    let access_report = json!({
        "operationId": "access_report",
        "summary": "Tell a citizen who looked at the data about them",
        "description": "For systems whose entry has the role subject_desk. Fields are named, values never are. One page holds up to 500 entries of the log; `next` leads to the one before.",
        "requestBody": { "required": true, "content": content("access-report-request") },
        "responses": responses(&[
            ("200", json!({
                "description": "Who looked, newest first; as a page to print out where text/html is accepted.",
                "content": {
                    "application/json": { "schema": reference("access-report") },
                    "text/html": { "schema": { "type": "string" } }
                }
            })),
        ], &[400, 403, 406, 408, 413, 415, 422, 429, 500, 503]),
    });
    let read = |id: &str, summary: &str, schema: Value, parameters: Value| {
        json!({
            "operationId": id,
            "summary": summary,
            "parameters": parameters,
            "responses": responses(&[
                ("200", json!({
                    "description": summary,
                    "content": { "application/json": { "schema": schema } }
                })),
            ], &[403, 404, 429, 500, 503]),
        })
    };
    let file = |id: &str, summary: &str, media_type: &str, parameters: Value| {
        json!({
            "operationId": id,
            "summary": summary,
            "parameters": parameters,
            "responses": responses(&[
                ("200", json!({
                    "description": summary,
                    "content": { media_type: {} }
                })),
            ], &[403, 404, 429, 500, 503]),
        })
    };
    let call = |method: &str| {
        json!({
            "operationId": format!("{method}_service"),
            "summary": "Call an agency's service through the gateway",
            "description": "The rest of the path, of any number of segments, and the query go to the service as they are, in canonical form; bodies stream both ways. A grant names service, methods and path patterns.",
            "parameters": [parameter("agency"), parameter("service"), parameter("path")],
            "responses": responses(&[
                ("200", json!({ "description": "What the service answers; any other status of its own passes as well." })),
            ], &[400, 403, 405, 408, 429, 500, 503, 504]),
        })
    };
    let mut calls = Map::new();
    for method in CALL_METHODS.split(", ") {
        let method = method.to_ascii_lowercase();
        calls.insert(method.clone(), call(&method));
    }
    let object = json!({ "type": "object" });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Loket gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One lookup, every agency that may answer. Mutual TLS; who asks is what the certificate says.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": {
            "/v1/lookups": { "post": lookup },
            "/v1/explain": { "post": explain },
            "/v1/break-glass/{entry}/approvals": { "post": approve },
            "/v1/access-reports": { "post": access_report },
            "/v1/catalogue": { "get": read("catalogue", "What this caller may ask and call", reference("catalogue"), json!([])) },
            "/v1/schemas/{record}/{version}": {
                "get": read("schema", "The JSON Schema of a record", object.clone(), json!([parameter("record"), parameter("version")]))
            },
            "/v1/services/{agency}/{service}/{path}": calls,
            "/v1/receipts/{entry}": {
                "get": read("receipt", "Evidence that an exchange of this caller is in the audit log", reference("receipt"), json!([parameter("entry")]))
            },
            "/v1/log/checkpoint": { "get": file("checkpoint", "The newest checkpoint of the audit log, a signed note (C2SP tlog-checkpoint)", "text/plain", json!([])) },
            "/v1/log/tile/{level}/{tile}": {
                "get": file("tile", "Hashes of the audit log's tree (C2SP tlog-tiles); the tile's number may have several segments", "application/octet-stream", json!([parameter("level"), parameter("tile")]))
            },
            "/openapi.json": { "get": read("openapi", "This document", object, json!([])) }
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "mutual_tls": { "type": "mutualTLS" } }
        },
        "security": [{ "mutual_tls": [] }]
    })
}

fn parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

fn content(name: &str) -> Value {
    json!({ "application/json": { "schema": reference(name) } })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The envelopes and what they refer to, side by side: generators resolve every reference from the
/// document's root, whatever an `$id` in between says.
fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    for name in [
        "lookup",
        "answer",
        "explanation",
        "approval",
        "approved",
        "catalogue",
        "receipt",
        "problem",
        "access-report-request",
        "access-report",
    ] {
        let Some(envelope) = loket_schemas::envelope(name) else {
            continue;
        };
        let Value::Object(mut members) = loket_schemas::bundled(envelope.text) else {
            continue;
        };
        members.remove("$id");
        members.remove("$schema");
        if let Some(Value::Object(definitions)) = members.remove("$defs") {
            schemas.extend(definitions);
        }
        schemas.insert(name.to_owned(), Value::Object(members));
    }
    schemas.values_mut().for_each(from_the_root);
    schemas
}

fn from_the_root(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref") {
                *target = target.replace("#/$defs/", "#/components/schemas/");
            }
            members.values_mut().for_each(from_the_root);
        }
        Value::Array(items) => items.iter_mut().for_each(from_the_root),
        _ => {}
    }
}

fn responses(good: &[(&str, Value)], problems: &[u16]) -> Map<String, Value> {
    let problems = problems.iter().map(|status| {
        let codes: Vec<&str> = Code::ALL
            .iter()
            .filter(|c| c.status() == *status)
            .map(|c| c.as_str())
            .collect();
        let response = json!({
            "description": codes.join(", "),
            "content": { MEDIA_TYPE: { "schema": reference("problem") } }
        });
        (status.to_string(), response)
    });
    good.iter()
        .map(|(status, response)| ((*status).to_owned(), response.clone()))
        .chain(problems)
        .collect()
}

#[cfg(test)]
mod tests;
