//! Health: closes connections that nobody uses, and asks endpoints whether they are well.
//!
//! One task per source, which ends with it. A check is a GET on a pooled connection: any status
//! below 500 is well. What it finds counts like a request's success or failure, and it is the only
//! one to bring back an endpoint that was ejected.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, MissedTickBehavior};

use super::balance::Choice;
use super::call::Call;
use super::envelope::Envelope;
use super::failure::Failure;
use super::outlier::Standing;
use super::stack::{Stack, Terms};
use crate::directory::{Backend, HealthCheck};
use crate::telemetry::Called;

/// A larger answer isn't read, and its connection not kept.
const LARGEST: usize = 64 << 10;

/// Starts the task. Outside a runtime, as where a file is only checked, there is none to start.
pub(super) fn watch(stack: &Arc<Stack>, backend: &Backend) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let (weak, idle) = (Arc::downgrade(stack), backend.idle_timeout);
    runtime.spawn(prune(weak, idle));
    if let Some(check) = backend.health.clone() {
        for index in 0..stack.endpoints.len() {
            let (weak, check) = (Arc::downgrade(stack), check.clone());
            runtime.spawn(check_one(weak, index, check, backend.timeout));
        }
    }
}

async fn prune(stack: Weak<Stack>, idle: Duration) {
    let mut ticks = tokio::time::interval(idle);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(stack) = stack.upgrade() else { return };
        for endpoint in &stack.endpoints {
            endpoint.pool.prune(Instant::now());
        }
    }
}

async fn check_one(stack: Weak<Stack>, index: usize, check: HealthCheck, timeout: Duration) {
    let Ok(path) = check.path.parse::<PathAndQuery>() else {
        return;
    };
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(stack) = stack.upgrade() else { return };
        ask(&stack, index, &path, timeout).await;
    }
}

async fn ask(stack: &Arc<Stack>, index: usize, path: &PathAndQuery, timeout: Duration) {
    let outlier = &stack.endpoints[index].outlier;
    let probe = match outlier.standing(Instant::now()) {
        Standing::In => false,
        Standing::Out => return,
        Standing::Due => outlier.probe(),
    };
    let root = stack.telemetry.background_span();
    let terms = Terms {
        called: Called::Route {
            method: &Method::GET,
            template: path.as_str(),
        },
        parent: &root,
        deadline: None,
        connect: timeout,
        first_byte: timeout,
        hedge: None,
    };
    let mut envelope = Envelope::whole(Method::GET, path.clone(), HeaderMap::new(), Bytes::new());
    let mut call = Call::begin(stack, Choice { index, probe }, &terms, 0);
    match call.exchange(&mut envelope, &terms).await {
        Ok(response) if response.status().is_server_error() => {
            let status = response.status().as_u16();
            call.fail(&Failure::unwell(status));
        }
        Ok(response) => {
            let body = Limited::new(response.into_body(), LARGEST).collect();
            if let Ok(Ok(_)) = tokio::time::timeout(timeout, body).await {
                call.keep_connection();
            }
            call.finish("answered", "complete", None);
        }
        Err(failure) => call.fail(&failure),
    }
}
