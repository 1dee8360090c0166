//! Services and their grants: the file's entries in, the directory's out.

use std::time::Duration;

use http::Method;
use loket_sdk::ids::{AgencyId, MemberId, SystemId};

use super::backend::backend;
use super::directory::id;
use super::document::{Report, Section};
use super::explain::nearest;
use super::file;
use super::value::duration;
use crate::directory::{CALL_METHODS, Service, ServiceGrant};

const FIRST_BYTE: Duration = Duration::from_secs(10);
const STALL: Duration = Duration::from_secs(30);
const MOST: Duration = Duration::from_secs(3600);
/// Patterns of one grant; more are several grants.
const MAX_PATHS: usize = 50;

pub(super) fn service(section: &Section<file::Service>, out: &mut Report) -> Option<Service> {
    let (raw, at) = (&section.raw, &section.at);
    let agency = id(at, "agency", &raw.agency, AgencyId::parse, out);
    let service = id(at, "service", &raw.service, SystemId::parse, out);
    let system = id(at, "system", &raw.system, SystemId::parse, out);
    let backend = backend(&raw.backend(), at, out);
    let mut time = |key, text: &Option<String>, default| {
        let range = Duration::from_millis(1)..=MOST;
        duration(at, key, text.as_deref(), default, range, out)
    };
    let first_byte_timeout = time("first_byte_timeout", &raw.first_byte_timeout, FIRST_BYTE);
    let stall_timeout = time("stall_timeout", &raw.stall_timeout, STALL);
    Some(Service {
        agency: agency?,
        service: service?,
        system: system?,
        backend: backend?,
        first_byte_timeout,
        stall_timeout,
    })
}

pub(super) fn grant(
    section: &Section<file::ServiceGrant>,
    out: &mut Report,
) -> Option<ServiceGrant> {
    let (raw, at) = (&section.raw, &section.at);
    for (key, text) in [("grant_id", &raw.grant_id), ("agreement", &raw.agreement)] {
        if text.trim().is_empty() {
            let remedy = "write what the agreement between the two says";
            out.error(at, key, "is empty", remedy);
        }
    }
    if raw.daily_quota == Some(0) {
        let remedy = "set state to \"suspended\", or leave the quota out for none";
        let message = "is 0, which lets nothing through";
        out.error(at, "daily_quota", message, remedy);
    }
    let consumer = id(at, "consumer", &raw.consumer, MemberId::parse, out);
    let agency = id(at, "agency", &raw.agency, AgencyId::parse, out);
    let service = id(at, "service", &raw.service, SystemId::parse, out);
    let methods = methods(section, out);
    let paths = paths(section, out);
    Some(ServiceGrant {
        id: raw.grant_id.clone(),
        agreement: raw.agreement.clone(),
        consumer: consumer?,
        agency: agency?,
        service: service?,
        methods: methods?,
        paths: paths?,
        daily_quota: raw.daily_quota,
        valid_from: raw.valid_from.0,
        valid_to: raw.valid_to.0,
        state: raw.state.0,
        dpia_ref: None,
        signature: None,
        narrowed: None,
    })
}

fn methods(section: &Section<file::ServiceGrant>, out: &mut Report) -> Option<Vec<Method>> {
    let (raw, at) = (&section.raw, &section.at);
    if raw.methods.is_empty() {
        out.error(at, "methods", "names no method", "name what may be called");
    }
    let known: Vec<&str> = CALL_METHODS.split(", ").collect();
    let mut methods = Vec::with_capacity(raw.methods.len());
    for method in &raw.methods {
        let text = method.get_ref().as_str();
        if !known.contains(&text) {
            let remedy = nearest(text, known.clone());
            let message = "isn't a method of routed calls";
            out.error_at(method.span(), &at.path("methods"), message, remedy);
        }
        methods.push(known.contains(&text).then(|| text.parse().ok()).flatten());
    }
    methods.into_iter().collect()
}

fn paths(
    section: &Section<file::ServiceGrant>,
    out: &mut Report,
) -> Option<Vec<crate::directory::PathPattern>> {
    let (raw, at) = (&section.raw, &section.at);
    let remedy = "write segments from the slash, such as /people/*/status; * is one segment, \
                  ** at the end any number";
    if raw.paths.is_empty() || raw.paths.len() > MAX_PATHS {
        let message = format!("doesn't name 1 to {MAX_PATHS} path patterns");
        out.error(at, "paths", message, remedy);
    }
    let mut paths = Vec::with_capacity(raw.paths.len());
    for path in &raw.paths {
        let pattern = path.get_ref().parse();
        if let Err(error) = &pattern {
            let error: &crate::directory::InvalidPattern = error;
            out.error_at(path.span(), &at.path("paths"), error.to_string(), remedy);
        }
        paths.push(pattern.ok());
    }
    paths.into_iter().collect()
}
