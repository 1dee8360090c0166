//! Settings: the tables of the file in, checked values out. A wrong value is reported and its
//! default taken in its place, so that the rest is checked too.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use loket_sdk::identity::SpiffeId;
use loket_sdk::message::{MAX_DEADLINE_MS, MIN_DEADLINE_MS};

use crate::telemetry;

use super::document::{Document, Keys, Report, Section};
use super::material::{self, Side};
use super::value::{ANY, SOME, address, duration, number};
use super::{
    AuditSettings, Config, ConfigErrors, Deadlines, Drain, Limits, Listener, Reload, database,
    directory, file, listener, replay, retention, signing, warnings,
};

pub(super) fn read(path: &Path, text: &str, now: Timestamp) -> Result<Config, ConfigErrors> {
    let mut report = Report::new(path, text);
    let mut document = Document::parse(text, &mut report);
    if report.has_errors() {
        // What stands behind a syntax error would be reported as missing.
        return Err(report.into_errors());
    }
    let out = &mut report;
    let base = path.parent().unwrap_or(Path::new(""));
    let gateway = document.required::<file::Gateway>("gateway", out);
    let unsigned = gateway.as_ref().map(|section| unsigned(section, out));
    let gateway = gateway.map(|s| identity(&s, out));
    let listener = document.required::<file::Listener>("listener", out);
    let listener = listener.map(|section| (listener::read(&section, out), section.at));
    let trust_domain = gateway.as_ref().map(|(domain, _)| domain.as_str());
    let server_tls = document
        .required::<file::Tls>("tls", out)
        .and_then(|section| {
            material::mutual_tls(&Side::from(section), base, trust_domain, now, out)
        });
    let client_tls = document
        .required::<file::Upstream>("upstream", out)
        .and_then(|section| {
            material::mutual_tls(&Side::from(section), base, trust_domain, now, out)
        });
    let admin = document
        .optional("admin", out)
        .map(|s| admin(&s, listener.as_ref(), out));
    let limits = document.optional("limits", out).map(|s| limits(&s, out));
    let audit = document
        .required("audit", out)
        .and_then(|s| audit(&s, trust_domain.unwrap_or_default(), base, out));
    let replay = document
        .optional("replay", out)
        .and_then(|s| replay::read(&s, audit.as_ref(), base, out));
    let telemetry = document
        .optional("telemetry", out)
        .map(|s| observed(s, out));
    let drain = document.optional("drain", out).map(|s| drain(&s, out));
    let reload = document.optional("reload", out).map(|s| reload(&s, out));
    let holds = document.string("holds_file", out);
    let holds = holds
        .map(|section| material::holds(&section, base, out))
        .unwrap_or_default();
    let entries = directory::Entries {
        members: document.entries("members", out),
        sources: document.entries("sources", out),
        grants: document.entries("grants", out),
        services: document.entries("services", out),
        service_grants: document.entries("service_grants", out),
        narrowings: document.entries("narrowings", out),
        grants_dir: document.string("grants_dir", out),
        unsigned,
        visibility: document.entries("visibility", out),
    };
    document.finish(out);
    let zone = gateway
        .as_ref()
        .map_or(TimeZone::UTC, |(_, zone)| zone.clone());
    let around = directory::Surroundings {
        base,
        zone: &zone,
        now,
    };
    let directory = entries.directory(trust_domain.unwrap_or_default(), holds, &around, out);
    if let Some(directory) = &directory {
        warnings::of_directory(directory, &entries, &around, out);
    }
    match (
        gateway, listener, server_tls, client_tls, admin, limits, audit, telemetry, drain, reload,
        directory,
    ) {
        (
            Some((trust_domain, time_zone)),
            Some((listener, _)),
            Some(server_tls),
            Some(client_tls),
            Some(admin),
            Some(limits),
            Some(audit),
            Some(telemetry),
            Some(drain),
            Some(reload),
            Some(directory),
        ) if !report.has_errors() => Ok(Config {
            trust_domain,
            time_zone,
            listener,
            server_tls,
            client_tls,
            admin,
            limits,
            audit,
            replay,
            telemetry,
            drain,
            reload,
            directory,
            file_sha256: Some(sha256(text)),
            warnings: report.into_warnings(),
        }),
        _ => Err(report.into_errors()),
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

fn unsigned(section: &Section<file::Gateway>, out: &mut Report) -> bool {
    let key = "danger_unsigned_grants";
    let allowed = section.raw.danger_unsigned_grants.unwrap_or(false);
    if allowed {
        let message = "whoever writes this file grants what agencies own";
        let remedy = "for development only: else let agencies sign, and name grants_dir";
        out.warn(&section.at, key, message, remedy);
    }
    allowed
}

fn identity(section: &Section<file::Gateway>, out: &mut Report) -> (String, TimeZone) {
    let (raw, at) = (&section.raw, &section.at);
    let sample = format!("spiffe://{}/member/system", raw.trust_domain);
    if sample.parse::<SpiffeId>().is_err() {
        let remedy = "write a lower-case name such as loket.example";
        out.error(
            at,
            "trust_domain",
            "isn't the trust domain of a SPIFFE ID",
            remedy,
        );
    }
    let name = raw.time_zone.as_deref().unwrap_or("Asia/Jakarta");
    let zone = TimeZone::get(name).unwrap_or_else(|_| {
        let remedy = "write an IANA name such as Asia/Jakarta or Asia/Baku";
        out.error(at, "time_zone", "isn't a time zone", remedy);
        TimeZone::UTC
    });
    (raw.trust_domain.clone(), zone)
}

fn admin(
    section: &Section<file::Admin>,
    listener: Option<&(Listener, Keys)>,
    out: &mut Report,
) -> SocketAddr {
    let text = section.raw.address.as_deref().unwrap_or("127.0.0.1:9901");
    let admin = address(&section.at, text, out);
    if listener.is_some_and(|(listener, _)| listener.address == admin && admin.port() != 0) {
        let remedy = "give the operators' listener a port of its own";
        out.error(
            &section.at,
            "address",
            "is the public listener's address too",
            remedy,
        );
    }
    admin
}

fn limits(section: &Section<file::Limits>, out: &mut Report) -> Limits {
    let (raw, at) = (&section.raw, &section.at);
    let longest = Duration::from_millis(MAX_DEADLINE_MS.into());
    let mut time = |key, text: &Option<String>, default| {
        duration(
            at,
            key,
            text.as_deref(),
            Duration::from_millis(default),
            SOME,
            out,
        )
    };
    let body_timeout = time("body_timeout", &raw.body_timeout, 5_000);
    let edge = time("edge_deadline", &raw.edge_deadline, 20_000);
    let fan_out = time(
        "fan_out_deadline",
        &raw.fan_out_deadline,
        MAX_DEADLINE_MS.into(),
    );
    let stale_for = duration(
        at,
        "stale_for",
        raw.stale_for.as_deref(),
        Duration::from_secs(900),
        ANY,
        out,
    );
    let key = "fan_out_deadline";
    if !(Duration::from_millis(MIN_DEADLINE_MS.into())..=longest).contains(&fan_out) {
        let message = format!("isn't between {MIN_DEADLINE_MS} ms and {MAX_DEADLINE_MS} ms");
        out.error(
            at,
            key,
            message,
            "those are the deadlines that a lookup may ask for",
        );
    }
    let deadlines = Deadlines::new(edge, fan_out).unwrap_or_else(|order| {
        // Whoever wrote only one of the two reads of the one that is there.
        let key = if raw.fan_out_deadline.is_some() {
            key
        } else {
            "edge_deadline"
        };
        out.error(
            at,
            key,
            order.to_string(),
            "raise edge_deadline or lower fan_out_deadline",
        );
        Deadlines::default()
    });
    let max_requests = number(at, "max_requests", raw.max_requests, 1024, 1, 1 << 20, out);
    Limits {
        max_requests,
        max_requests_per_member: number(
            at,
            "max_requests_per_member",
            raw.max_requests_per_member,
            max_requests,
            1,
            1 << 20,
            out,
        ),
        max_body: number(at, "max_body", raw.max_body, 65_536, 1_024, 16 << 20, out),
        body_timeout,
        deadlines,
        stale_for,
        stale_entries: number(
            at,
            "stale_entries",
            raw.stale_entries,
            10_000,
            0,
            10_000_000,
            out,
        ),
    }
}

fn audit(
    section: &Section<file::Audit>,
    trust_domain: &str,
    base: &Path,
    out: &mut Report,
) -> Option<AuditSettings> {
    let (raw, at) = (&section.raw, &section.at);
    let store = database::store(raw, at, base, out);
    let subject_key = material::subject_key(at, &raw.subject_key_file, base, out);
    let origin = match &raw.origin {
        Some(origin) => origin.get_ref().clone(),
        None => format!("{trust_domain}/audit"),
    };
    let signing_keys = signing::signing_keys(at, &raw.signing_key_files, &origin, base, out);
    let verifier_keys = signing::verifier_keys(at, &raw.verifier_keys, &origin, out);
    Some(AuditSettings {
        store: store?,
        origin,
        signing_keys: signing_keys?,
        verifier_keys,
        subject_key: subject_key?,
        commit_interval: duration(
            at,
            "commit_interval",
            raw.commit_interval.as_deref(),
            Duration::from_millis(1),
            Duration::ZERO..=Duration::from_millis(100),
            out,
        ),
        retention: retention::read(at, raw.retention.as_deref(), out),
        witnesses: signing::witnesses(at, &raw.witnesses, out),
        witness_interval: duration(
            at,
            "witness_interval",
            raw.witness_interval.as_deref(),
            Duration::from_secs(60),
            Duration::from_secs(1)..=Duration::from_secs(24 * 3600),
            out,
        ),
    })
}

fn observed(section: Section<file::Telemetry>, out: &mut Report) -> telemetry::Settings {
    let Section { raw, at } = section;
    let endpoint = raw.otlp_endpoint.and_then(|text| {
        let uri = text.parse::<http::Uri>().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some("http"));
        if uri.is_none() {
            let remedy = "write the URL of a collector on this host, such as http://127.0.0.1:4318; it takes the rest of the way";
            out.error(&at, "otlp_endpoint", "isn't an http URL", remedy);
        }
        uri
    });
    let ratio = raw.sampling_ratio.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&ratio) {
        out.error(
            &at,
            "sampling_ratio",
            "isn't between 0 and 1",
            "write 0.1 to keep a tenth",
        );
    }
    let usual = telemetry::TRACES >> 20;
    let traces = number(&at, "traces_mib", raw.traces_mib, usual, 0, 4096, out);
    let level = raw.log_level.unwrap_or_else(|| "info".to_owned());
    if level
        .parse::<tracing::level_filters::LevelFilter>()
        .is_err()
    {
        let remedy = "write off, error, warn, info, debug or trace";
        out.error(&at, "log_level", "isn't a level", remedy);
    }
    telemetry::Settings {
        service_instance_id: raw.instance_id.unwrap_or_else(host_name),
        environment: raw.environment.unwrap_or_else(|| "production".to_owned()),
        otlp_endpoint: endpoint,
        sampling_ratio: ratio,
        slow: duration(&at, "slow", raw.slow.as_deref(), telemetry::SLOW, SOME, out),
        traces: traces << 20,
        log_format: raw.log_format.unwrap_or(telemetry::LogFormat::Json),
        log_level: level,
    }
}

fn drain(section: &Section<file::Drain>, out: &mut Report) -> Drain {
    let (raw, at) = (&section.raw, &section.at);
    let mut time = |key, text: &Option<String>, default| {
        duration(
            at,
            key,
            text.as_deref(),
            Duration::from_secs(default),
            ANY,
            out,
        )
    };
    Drain {
        delay: time("delay", &raw.delay, 5),
        grace: time("grace", &raw.grace, 25),
    }
}

fn reload(section: &Section<file::Reload>, out: &mut Report) -> Reload {
    let (raw, at) = (&section.raw, &section.at);
    let default = Reload::default();
    let text = raw.interval.as_deref();
    let range = Duration::from_millis(10)..=*SOME.end();
    Reload {
        watch: raw.watch.unwrap_or(default.watch),
        interval: duration(at, "interval", text, default.interval, range, out),
    }
}

/// The machine's name, which is the pod's in a cluster.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "loket".to_owned(),
        name => name.to_owned(),
    }
}
