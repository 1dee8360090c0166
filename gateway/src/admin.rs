//! The operators' listener: health, metrics, drain, reload.
//!
//! In come probes, scrapes, questions for traces and an operator's commands, from loopback unless configured otherwise;
//! out go short texts. Refused: whatever a browser sends across origins, and unknown paths.

mod agencies;
mod traces;

use std::future::{Future, IntoFuture as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use crate::reload::{Changes, Refused};
use crate::telemetry::Telemetry;

/// How long connections may go on once the listener should end.
const GRACE: Duration = Duration::from_secs(2);

/// One thing that must be well for the gateway to take requests. The text says what is wrong.
///
/// Called at each probe, on the runtime: it reads a flag and doesn't wait.
pub type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Whether the gateway takes requests.
///
/// An agency that is down doesn't belong here, as the others can still answer. An audit log that
/// can't be written does.
pub struct Readiness {
    /// Each with the name that `/readyz` shows.
    pub checks: Vec<(&'static str, Check)>,
    /// Set once everything is loaded and listening.
    pub started: Arc<AtomicBool>,
    /// Set once no new requests should come.
    pub draining: Arc<AtomicBool>,
}

/// What the listener shows and commands.
#[derive(Clone)]
pub struct AdminState {
    /// Answers `/readyz` and `/startupz`.
    pub readiness: Arc<Readiness>,
    /// Answers `/traces`.
    pub telemetry: Telemetry,
    /// Brings up to date what is only known when somebody looks.
    pub observe: Arc<dyn Fn() + Send + Sync>,
    /// Starts the drain; a second call does no harm.
    pub drain: Arc<dyn Fn() + Send + Sync>,
    /// Reads the configuration again.
    pub reload: Arc<dyn Fn() -> BoxFuture<'static, Result<Changes, Refused>> + Send + Sync>,
}

/// The routes of the admin listener.
pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(metrics))
        .route("/agencies", get(agencies::list))
        .route("/traces", get(traces::list))
        .route("/traces/{id}", get(traces::show))
        .route("/drain", post(drain))
        .route("/reload", post(reload))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .with_state(state)
}

/// Serves until `shutdown` is done, and lets what is under way end within two seconds.
///
/// # Errors
///
/// None today: failures to accept are retried inside.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_within(GRACE, listener, router, shutdown).await
}

async fn serve_within(
    grace: Duration,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let stop = async move {
        shutdown.await;
        // Nobody waits any more if the server has ended by itself.
        let _ = ended.send(());
    };
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .into_future();
    // A peer that never finishes its request would hold the server for good.
    let patience = async move {
        let _ = end.await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        result = served => result,
        () = patience => Ok(()),
    }
}

async fn livez() -> Response {
    text(StatusCode::OK, "ok\n".to_owned())
}

async fn startupz(State(state): State<AdminState>) -> Response {
    if state.readiness.started.load(Ordering::Acquire) {
        text(StatusCode::OK, "ok\n".to_owned())
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned())
    }
}

async fn readyz(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let verbose = query.is_some_and(|query| {
        query
            .split('&')
            .any(|part| part == "verbose" || part.starts_with("verbose="))
    });
    let (ready, report) = state.readiness.report(verbose);
    match ready {
        true => text(StatusCode::OK, report),
        false => text(StatusCode::SERVICE_UNAVAILABLE, report),
    }
}

impl Readiness {
    /// What is wrong is always listed, what is well only on request.
    fn report(&self, verbose: bool) -> (bool, String) {
        let starting = !self.started.load(Ordering::Acquire);
        let draining = self.draining.load(Ordering::Acquire);
        let own = [
            ("started", refuse(starting, "still starting")),
            ("accepting", refuse(draining, "draining")),
        ];
        let configured = self.checks.iter().map(|(name, check)| (*name, check()));

        let mut ready = true;
        let mut report = String::new();
        for (name, result) in own.into_iter().chain(configured) {
            match result {
                Ok(()) if verbose => report.push_str(&format!("[+]{name} ok\n")),
                Ok(()) => {}
                Err(reason) => {
                    ready = false;
                    report.push_str(&format!("[-]{name} failed: {reason}\n"));
                }
            }
        }
        report.push_str(if ready { "ready\n" } else { "not ready\n" });
        (ready, report)
    }
}

fn refuse(wrong: bool, reason: &str) -> Result<(), String> {
    match wrong {
        true => Err(reason.to_owned()),
        false => Ok(()),
    }
}

/// Prometheus' text, or OpenMetrics with exemplars for whoever takes that.
async fn metrics(State(state): State<AdminState>, headers: HeaderMap) -> Response {
    (state.observe)();
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    let (kind, text) = match accepted.any(|value| value.contains("application/openmetrics-text")) {
        true => (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            state.telemetry.openmetrics_text(),
        ),
        false => (
            "text/plain; version=0.0.4",
            state.telemetry.prometheus_text(),
        ),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn drain(State(state): State<AdminState>, headers: HeaderMap) -> Response {
    if is_from_browser(&headers) {
        let detail = "Drain from the command line, not from a browser.";
        return problem(StatusCode::FORBIDDEN, "from_browser", detail);
    }
    state.readiness.draining.store(true, Ordering::Release);
    (state.drain)();
    text(StatusCode::ACCEPTED, "draining\n".to_owned())
}

async fn reload(State(state): State<AdminState>, headers: HeaderMap) -> Response {
    if is_from_browser(&headers) {
        let detail = "Reload from the command line, not from a browser.";
        return problem(StatusCode::FORBIDDEN, "from_browser", detail);
    }
    let refused = match (state.reload)().await {
        Ok(changes) => return json(StatusCode::OK, "application/json", &changes),
        Err(refused) => refused,
    };
    let status = match &refused {
        Refused::Wrong(_) | Refused::Tls(_) | Refused::PutBack(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Refused::NeedsRestart(_) | Refused::Stopping | Refused::NoSource => StatusCode::CONFLICT,
        Refused::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut document = document(status, refused.code(), &refused.to_string());
    if let Refused::Wrong(errors) = &refused {
        document["findings"] = serde_json::json!(errors.errors);
    }
    json(status, "application/problem+json", &document)
}

/// Command-line tools send no Origin, while any page in an operator's browser could post here.
fn is_from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
}

async fn nothing_here() -> Response {
    let detail = "There's nothing at this path.";
    problem(StatusCode::NOT_FOUND, "not_found", detail)
}

async fn other_method() -> Response {
    let detail = "This path takes another method; see the Allow header.";
    problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

fn text(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let document = document(status, code, detail);
    json(status, "application/problem+json", &document)
}

/// RFC 9457 with the gateway's members; there are no traces here to name.
fn document(status: StatusCode, code: &str, detail: &str) -> serde_json::Value {
    serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
        "fault": "caller",
        "retryable": false,
    })
}

fn json(status: StatusCode, kind: &'static str, document: &impl serde::Serialize) -> Response {
    let body = serde_json::to_string(document).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests;
