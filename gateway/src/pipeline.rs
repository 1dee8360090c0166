//! Pipeline: a request's way through the house, top to bottom.
//!
//! [`edge`] knows nothing of citizens; `handle` opens the trail, records and replies; `walk`
//! goes through the rooms, each of which takes the evidence of the one before:
//! identify -> admit -> validate -> route -> authorise -> ask -> check -> minimise -> compare.

mod conclude;
mod gateway;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Method, Response, Version, header};
use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::message::{Answer, Obligation};
use loket_sdk::schema;
use loket_sdk::trace::{TraceContext, TraceId};
use rustls::pki_types::UnixTime;
use serde_json::json;

use crate::admission::Admitted;
use crate::answer::{self, Keeping, Lookup};
use crate::audit::Kind;
use crate::directory::Directory;
use crate::fanout;
use crate::identity::Peer;
use crate::refusal::{NotEnrolled, Refusal};
use crate::relay::{self, Opened};
use crate::replay::basis::Basis;
use crate::replay::{self, Kept, Met, ReplayKey};
use crate::reply::{self, Body};
use crate::request::{CallTarget, Operation, Shape, Unread, Wanted, head};
use crate::snapshot::Snapshot;
use crate::telemetry::{Decision, RateScope};
use crate::trail::Trail;
use crate::validate::Valid;
use crate::{
    access, break_glass, catalogue, explain, identity, openapi, policy, route, transparency,
    validate,
};

use conclude::{Walked, conclude};
pub use gateway::{Arrival, Gateway};

/// The way in. A panic ends its own request only; its message, which could quote a value, is
/// dropped, and the trail records the request as abandoned.
///
/// # Errors
/// None.
pub async fn edge(gateway: Arc<Gateway>, arrival: Arrival) -> Result<Response<Body>, Infallible> {
    let trace_id = OnceLock::new();
    // Boxed: a large future is copied at every step that hyper takes with it.
    let handle = Box::pin(handle(gateway, arrival, &trace_id));
    let handled = AssertUnwindSafe(handle).catch_unwind().await;
    Ok(handled.unwrap_or_else(|_| {
        let trace_id = trace_id.get().map(TraceId::to_string).unwrap_or_default();
        tracing::error!(trace_id, "a handler panicked");
        reply::panicked(&trace_id)
    }))
}

/// Opens the trail, walks, records, replies. No record, no answer.
async fn handle(
    gateway: Arc<Gateway>,
    arrival: Arrival,
    trace_id: &OnceLock<TraceId>,
) -> Response<Body> {
    let Arrival {
        peer,
        share,
        address,
        request,
    } = arrival;
    let (mut head, body) = request.into_parts();
    let clear = head::clear(&head);
    let is_clear = clear.is_ok();
    let operation = clear.and_then(|()| Operation::of(&head));
    let place = gateway.places.take(&share);
    let shed = place.as_ref().err().copied();
    let parent = TraceContext::from_headers(&head.headers);
    let span = gateway.telemetry.server_span(
        &head.method,
        Operation::route(&operation),
        parent.as_ref(),
        // Never the path: a caller may write anything there.
        Operation::route(&operation),
        "https",
        head.version,
        Some(address),
    );
    let mut trail = Trail::open(
        gateway.audit.clone(),
        gateway.telemetry.clone(),
        span,
        place.ok(),
    );
    let _ = trace_id.set(trail.span().trace_context().trace_id);
    trail.operation(Operation::route(&operation));
    let mut body = Unread {
        body: Some(body),
        limits: gateway.limits.clone(),
    };
    let patience = gateway.limits.deadlines.edge();
    let (method, version) = (head.method.clone(), head.version);
    // Nobody is asked for a body that nobody will read.
    let expects = head.headers.contains_key(header::EXPECT);
    let streams = matches!(operation, Ok(Operation::Call(_)));
    let outcome = if let Some(why) = shed {
        gateway.telemetry.metrics().request_shed(why);
        Err(Refusal::Overloaded)
    } else {
        let walk = walk(&gateway, &mut trail, &peer, operation, &mut head, &mut body);
        if streams {
            // It may send for as long as it moves.
            walk.await
        } else {
            // Every wait inside is shorter, so this ends only what is stuck.
            tokio::time::timeout(patience, walk)
                .await
                .unwrap_or_else(|_| Err(Refusal::Internal("the walk got stuck".to_owned())))
        }
    };
    if outcome.is_err()
        && is_clear
        && !expects
        && let Some(_room) = gateway.places.room_for_rest(shed)
    {
        body.drain().await;
    }
    let ends = matches!(&outcome, Err(refusal) if refusal.ends_connection());
    let mut response = conclude(outcome, trail, patience).await;
    if ends || (!is_clear && version < Version::HTTP_2) {
        reply::last(&mut response);
    }
    if method == Method::HEAD && !streams {
        reply::head(response)
    } else {
        response
    }
}

/// Whose request it is, and what it asks for.
async fn walk(
    gateway: &Gateway,
    trail: &mut Trail,
    peer: &Peer,
    operation: Result<Operation, Refusal>,
    head: &mut Parts,
    body: &mut Unread,
) -> Result<Walked, Refusal> {
    let snapshot = gateway.snapshot.load_full();
    let now = Timestamp::now();
    let admitted = enter(gateway, &snapshot, trail, peer, &head.headers, now)?;
    let known = || head.headers.get(header::IF_NONE_MATCH).cloned();
    match operation? {
        Operation::Lookup => {
            let wanted = Wanted::of(&head.headers)?;
            let key = ReplayKey::of(&head.headers)?;
            let bytes = body.read(&head.headers).await?;
            let posted = Posted { bytes, wanted, key };
            look_up(gateway, snapshot, trail, admitted, posted, now).await
        }
        Operation::Explain => {
            let bytes = body.read(&head.headers).await?;
            explain_lookup(gateway, &snapshot, trail, admitted, &bytes, now)
        }
        Operation::Approve(entry) => {
            let bytes = body.read(&head.headers).await?;
            let (approval, identified) = (validate::approval(&bytes)?, admitted.identified());
            break_glass::approve(&gateway.waiting, entry, &approval, identified, trail)
                .await
                .map(Walked::Approved)
        }
        Operation::AccessReport => {
            let shape = Shape::of(&head.headers)?;
            let bytes = body.read(&head.headers).await?;
            report(gateway, &snapshot, trail, &admitted, &bytes, shape).await
        }
        Operation::Catalogue => {
            let today = snapshot.admission.today(now);
            let catalogue = catalogue::catalogue(&snapshot.directory, admitted.identified(), today);
            Ok(Walked::Document(json!(catalogue)))
        }
        Operation::Schema(record) => {
            let schema = schema::record(&record).ok_or(Refusal::NotFound)?;
            let text = serde_json::to_vec_pretty(&schema.document).unwrap_or_default();
            Ok(Walked::Tagged(text.into(), known()))
        }
        Operation::OpenApi => Ok(Walked::Tagged(openapi::document(), known())),
        Operation::Receipt(entry) => {
            let caller = admitted.identified();
            let evidence = transparency::receipt(&gateway.audit, caller, entry).await?;
            Ok(Walked::Document(json!(evidence)))
        }
        Operation::Checkpoint => {
            let note = transparency::checkpoint(&gateway.audit).await?;
            Ok(Walked::Bytes("text/plain; charset=utf-8", note.into()))
        }
        Operation::Tile(name) => {
            let hashes = transparency::tile(&gateway.audit, name).await?;
            Ok(Walked::Bytes("application/octet-stream", hashes))
        }
        Operation::Call(target) => {
            let called = call(gateway, &snapshot, trail, admitted, target, head, body, now);
            called.await.map(|opened| Walked::Call(Box::new(opened)))
        }
    }
}

/// A routed call's rooms, in order.
#[expect(clippy::too_many_arguments, reason = "each is one room's")]
async fn call(
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
    admitted: Admitted,
    target: CallTarget,
    head: &mut Parts,
    body: &mut Unread,
    now: Timestamp,
) -> Result<Opened, Refusal> {
    // What can't be recorded isn't asked either.
    gateway.audit.ready()?;
    let today = snapshot.admission.today(now);
    let permitted =
        policy::authorise_call(admitted, target, &head.method, &snapshot.directory, today);
    let metrics = gateway.telemetry.metrics();
    metrics.policy_decided(decision(&permitted), None);
    relay::forward(&permitted?, snapshot, head, &mut body.body, trail, now).await
}

/// A lookup as it was sent.
struct Posted {
    bytes: Bytes,
    wanted: Wanted,
    key: Option<ReplayKey>,
}

/// A lookup's rooms, in order.
async fn look_up(
    gateway: &Gateway,
    snapshot: Arc<Snapshot>,
    trail: &mut Trail,
    admitted: Admitted,
    posted: Posted,
    now: Timestamp,
) -> Result<Walked, Refusal> {
    let (telemetry, directory) = (&gateway.telemetry, &snapshot.directory);
    let valid = {
        let _room = telemetry.room_span(trail.span(), "validate");
        validate::lookup(&posted.bytes)?
    };
    // What can't be recorded isn't asked either.
    gateway.audit.ready()?;
    let held = is_held(&valid, directory, trail);
    let today = snapshot.admission.today(now);
    known(&valid, directory, today, trail);
    let met = gateway.replay.meet(replay::Asked {
        member: admitted.identified().member(),
        request_id: valid.lookup().request_id,
        body: &posted.bytes,
        key: posted.key,
    })?;
    let routed = route::route(admitted, valid, directory);
    let purpose = routed.lookup().purpose.as_str();
    let permitted = policy::authorise(routed, directory, today, held);
    telemetry
        .metrics()
        .policy_decided(decision(&permitted), Some(purpose));
    let permitted = permitted.map_err(|denied| {
        trail.planned(fanout::denied(&denied, &snapshot));
        Refusal::NothingGranted
    })?;
    let basis = Basis::of(&permitted, directory);
    let claim = match met {
        Met::New(claim) => claim,
        Met::Again(mut again) => match again.answer(basis).await {
            Some(kept) => {
                let lookup = Box::new(Lookup::of(&permitted, &snapshot, today, None));
                return repeat(kept, lookup, posted.wanted, trail).await;
            }
            None => again.ask_again()?,
        },
    };
    trail.body(claim.body_mac());
    let keeping = Keeping { claim, basis };
    let broken = break_glass::open(&gateway.waiting, &permitted, trail).await?;
    let lookup = Box::new(Lookup::of(&permitted, &snapshot, today, broken));
    let context = fanout::Context {
        snapshot,
        last_good: gateway.last_good.clone(),
        telemetry: telemetry.clone(),
        span: trail.span().clone(),
        longest: gateway.limits.deadlines.fan_out(),
        now,
    };
    let (plan, fan_out) = fanout::ask(permitted, context);
    trail.planned(plan);
    match posted.wanted {
        Wanted::Whole => {
            let answer = answer::collect(&lookup, fan_out, trail).await?;
            let text = keeping.keep(&answer, trail).await;
            Ok(Walked::Answer(answer.overall, text))
        }
        Wanted::Parts => Ok(Walked::Stream(lookup, fan_out, keeping)),
    }
}

/// Gives an answer again: on record like the first time, and nobody is asked.
async fn repeat(
    kept: Kept,
    lookup: Box<Lookup>,
    wanted: Wanted,
    trail: &mut Trail,
) -> Result<Walked, Refusal> {
    let broken = |_| Refusal::Internal("a kept answer isn't one".to_owned());
    let answer: Answer = serde_json::from_slice(&kept.answer).map_err(broken)?;
    if answer.obligations.contains(&Obligation::GuardianCheck) {
        trail.minor();
    }
    trail.replays(kept.entry, kept.sources);
    trail.close(Kind::Replay).await?;
    Ok(match wanted {
        Wanted::Whole => Walked::Answer(answer.overall, kept.answer),
        Wanted::Parts => Walked::Repeat(lookup, Box::new(answer)),
    })
}

/// An explanation's rooms, in order: a lookup's up to the asking.
fn explain_lookup(
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
    admitted: Admitted,
    bytes: &[u8],
    now: Timestamp,
) -> Result<Walked, Refusal> {
    let directory = &snapshot.directory;
    let valid = {
        let _room = gateway.telemetry.room_span(trail.span(), "validate");
        validate::lookup(bytes)?
    };
    let held = is_held(&valid, directory, trail);
    let today = snapshot.admission.today(now);
    known(&valid, directory, today, trail);
    let routed = route::route(admitted, valid, directory);
    let inquiry = explain::Inquiry {
        asked: policy::Asked::of(&routed, today, held),
        legs: routed.legs(),
        legal_basis: Some(routed.lookup().legal_basis.kind),
        subject_named: true,
        audience: explain::Audience::Caller,
    };
    let names = explain::Names {
        request_id: routed.lookup().request_id,
        trace_id: trail.trace_id(),
    };
    let steps = explain::admitted(routed.admitted().identified());
    let left = |grant| snapshot.admission.left(grant, now);
    let explanation = explain::explain(names, steps, &inquiry, directory, &left);
    trail.planned(explain::on_record(&explanation));
    Ok(Walked::Explanation(Box::new(explanation)))
}

/// Puts on record what is asked about whom, and whether that citizen is told of it: whatever becomes of
/// it, the entry must say so.
fn known(valid: &Valid, directory: &Directory, today: Date, trail: &mut Trail) {
    trail.lookup(valid);
    let (purpose, basis) = (valid.lookup().purpose, valid.lookup().legal_basis.kind);
    trail.visibility(directory.visibility(purpose, basis, today));
}

/// Whether the subject's data is held, under any of its names.
fn is_held(valid: &Valid, directory: &Directory, trail: &Trail) -> bool {
    directory.has_holds()
        && valid
            .names()
            .any(|name| directory.is_held(&trail.subject_ref(name)))
}

/// A report's rooms, in order.
async fn report(
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
    admitted: &Admitted,
    bytes: &[u8],
    shape: Shape,
) -> Result<Walked, Refusal> {
    let asked = access::request(admitted, bytes)?;
    // What can't be recorded isn't told either.
    gateway.audit.ready()?;
    let report = access::report(asked, snapshot, trail).await?;
    let page = match shape {
        Shape::Document => None,
        Shape::Page => Some(access::page(&report, snapshot.admission.zone())),
    };
    Ok(Walked::Report(Box::new(report), page))
}

fn decision<T, E>(outcome: &Result<T, E>) -> Decision {
    if outcome.is_ok() {
        Decision::Allowed
    } else {
        Decision::Denied
    }
}

/// Vet, identify, admit: what every operation goes through.
fn enter(
    gateway: &Gateway,
    snapshot: &Snapshot,
    trail: &mut Trail,
    peer: &Peer,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    if gateway.draining.load(Ordering::Relaxed) {
        return Err(Refusal::Draining);
    }
    let certificate = peer.certificate.as_ref();
    let certificate = certificate.ok_or(Refusal::NotEnrolled(NotEnrolled::Unnamed))?;
    let since_epoch = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    let moment = UnixTime::since_unix_epoch(since_epoch);
    let vetted = snapshot.trust.vet(peer, moment);
    let identified = vetted
        .and_then(|()| {
            identity::identify(certificate, headers, &snapshot.directory, now.as_second())
        })
        .inspect_err(|_| trail.certificate(identity::describe(certificate)))?;
    trail.identified(&identified);
    let admitted = snapshot.admission.admit(identified);
    gateway
        .telemetry
        .metrics()
        .rate_limited(RateScope::Counter, decision(&admitted));
    admitted
}
