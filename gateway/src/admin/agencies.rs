//! `/agencies`: how each agency's system did over the last minutes, the worst first, as JSON.

use std::cmp::Reverse;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::{AdminState, json, problem};

/// Minutes of the window when nobody says how many, and the most.
const USUAL: u64 = 5;
const MOST: u64 = 60;

pub(super) async fn list(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let minutes = match query.as_deref().unwrap_or_default() {
        "" => Some(USUAL),
        query => query
            .strip_prefix("minutes=")
            .and_then(|text| text.parse().ok()),
    };
    let Some(minutes) = minutes.filter(|minutes| (1..=MOST).contains(minutes)) else {
        let detail = "The only query here is minutes=1 to minutes=60.";
        return problem(StatusCode::BAD_REQUEST, "malformed", detail);
    };
    let window = Duration::from_secs(minutes * 60);
    let (mut agencies, lookups) = state.telemetry.agencies(window);
    agencies.sort_by_key(|agency| {
        let rates = &agency.rates;
        let is_open = agency.breaker.as_deref() == Some("open");
        let share = (rates.failed * 1_000_000)
            .checked_div(rates.calls)
            .unwrap_or_default();
        let slow = rates.p95_ms.unwrap_or_default() as u64;
        Reverse((is_open, share, slow))
    });
    let document = json!({
        "schema": "loket.agencies/1",
        "gateway": state.telemetry.instance(),
        "lookups": lookups,
        "agencies": agencies,
    });
    json(StatusCode::OK, "application/json", &document)
}
