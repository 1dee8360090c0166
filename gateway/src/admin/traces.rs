//! `/traces` and `/traces/{id}`: recent requests of this gateway, as JSON.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use loket_sdk::trace::TraceId;
use serde_json::json;

use super::{AdminState, json, problem};
use crate::telemetry::Filter;

/// Traces that pass the filter of the query, the newest first.
pub(super) async fn list(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let filter = match Filter::of(query.as_deref().unwrap_or_default()) {
        Ok(filter) => filter,
        Err(error) => {
            return problem(StatusCode::BAD_REQUEST, "malformed", &error.to_string());
        }
    };
    let telemetry = &state.telemetry;
    let document = json!({
        "schema": "loket.traces/1",
        "gateway": telemetry.instance(),
        "traces": telemetry.traces().list(&filter),
    });
    json(StatusCode::OK, "application/json", &document)
}

/// All requests of one trace that this gateway keeps; with `?format=otlp` as Jaeger and Tempo import them.
pub(super) async fn show(
    State(state): State<AdminState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(id) = id.parse::<TraceId>() else {
        let detail = "A trace id is 32 lower-case hexadecimal digits.";
        return problem(StatusCode::BAD_REQUEST, "malformed", detail);
    };
    let telemetry = &state.telemetry;
    let missing = || {
        let detail = "This gateway doesn't keep that trace: it is of another gateway, wasn't sampled, or is too old.";
        problem(StatusCode::NOT_FOUND, "not_found", detail)
    };
    match query.as_deref() {
        Some("format=otlp") => match telemetry.export_trace(id) {
            Some(document) => json(StatusCode::OK, "application/json", &document),
            None => missing(),
        },
        None | Some("") => {
            let requests = telemetry.traces().show(id);
            if requests.is_empty() {
                return missing();
            }
            let document = json!({
                "schema": "loket.trace/1",
                "gateway": telemetry.instance(),
                "requests": requests,
            });
            json(StatusCode::OK, "application/json", &document)
        }
        Some(_) => {
            let detail = "The only query here is format=otlp.";
            problem(StatusCode::BAD_REQUEST, "malformed", detail)
        }
    }
}
