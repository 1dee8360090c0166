//! Without a gateway: a configuration, a certificate and a question in, the explanation that the
//! operator may see out. What only a running gateway knows, as what is left of quotas, is said to be so.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use loket_sdk::claims::Claim;
use loket_sdk::message::{Explanation, RecordQuery, SubjectKey};
use loket_sdk::sensitive::Sensitive;
use loket_sdk::trace::TraceContext;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use uuid::Uuid;

use super::Args;
use crate::commands::check;
use crate::commands::lookup::question::Asked;
use crate::commands::lookup::{code, question, subject, voice};
use crate::config::Config;
use crate::explain::{self, Audience, Inquiry, Names};
use crate::identity::{self, Identified, Peer, Trust};
use crate::refusal::{NotEnrolled, Refusal};
use crate::{audit, policy, route, validate};

/// The inner error is an exit code, and has been said.
pub(super) fn explain(
    args: &Args,
    input: &mut dyn BufRead,
    err: &mut dyn Write,
) -> anyhow::Result<Result<Explanation, u8>> {
    let usage = |what: &str, err: &mut dyn Write| {
        voice::usage(what, err)?;
        anyhow::Ok(Err(code::USAGE))
    };
    let (Some(path), Some(certificate)) = (&args.config, &args.certificate) else {
        return usage("--config and --certificate go together", err);
    };
    let loaded = Config::load(path);
    let Ok(config) = &loaded else {
        check::text(&loaded, false, err)?;
        return Ok(Err(check::WRONG));
    };
    let chain = match chain(certificate) {
        Ok(chain) => chain,
        Err(what) => return usage(&what, err),
    };
    let records = match records(args) {
        Ok(records) => records,
        Err(what) => return usage(&what, err),
    };
    let subject = match named(args, input, err)? {
        Ok(subject) => subject,
        Err(what) => return usage(&what, err),
    };
    let trace_id = TraceContext::root(false).trace_id.to_string();
    let names = Names {
        request_id: Uuid::now_v7(),
        trace_id: &trace_id,
    };
    let now = Timestamp::now();
    let identified = match identify(config, &chain, now)? {
        Ok(identified) => identified,
        Err(refusal) => return Ok(Ok(explain::shut_out(names, explain::refused(&refusal)))),
    };
    let directory = &config.directory;
    let legs = route::legs(&records, directory);
    let inquiry = Inquiry {
        asked: policy::Asked {
            consumer: identified.member(),
            purpose: args.purpose,
            records: &records,
            today: config.time_zone.to_datetime(now).date(),
            held: subject.as_ref().is_some_and(|it| is_held(config, it)),
            break_glass: args.glass.break_glass.is_some(),
        },
        legs: &legs,
        legal_basis: args.legal_basis.as_ref().map(|basis| basis.kind),
        subject_named: subject.is_some(),
        audience: Audience::Operator,
    };
    let steps = explain::admitted(&identified);
    Ok(Ok(explain::explain(
        names,
        steps,
        &inquiry,
        directory,
        &|_| None,
    )))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<CertificateDer<'static>> =
        read.map_err(|error| format!("{}: {error}", path.display()))?;
    if chain.is_empty() {
        return Err(format!("{}: it holds no PEM certificate", path.display()));
    }
    Ok(chain)
}

/// As at a handshake and a request after it.
fn identify(
    config: &Config,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> anyhow::Result<Result<Identified, Refusal>> {
    // Of the first generation nothing has been vetted.
    let trust = Trust::new(config.server_tls.client_verifier()?, 1);
    let peer = Peer::of(Some(chain));
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let Some(certificate) = &peer.certificate else {
        return Ok(Err(Refusal::NotEnrolled(NotEnrolled::Unnamed)));
    };
    let identified = trust.vet(&peer, moment).and_then(|()| {
        let headers = HeaderMap::new();
        identity::identify(certificate, &headers, &config.directory, now.as_second())
    });
    Ok(identified)
}

/// Whom it is about, if anyone is named; the inner error is a sentence for the caller.
fn named(
    args: &Args,
    input: &mut dyn BufRead,
    err: &mut dyn Write,
) -> io::Result<Result<Option<SubjectKey>, String>> {
    let (argument, scheme) = (&args.question.subject, args.question.scheme);
    if argument.is_none() {
        return Ok(Ok(None));
    }
    let value = subject::read(argument.as_ref(), scheme, input, err)?;
    Ok(value.map(|value| Some(SubjectKey { scheme, value })))
}

fn is_held(config: &Config, subject: &SubjectKey) -> bool {
    let key = audit::subject_key(config.audit.subject_key.expose());
    let alias = validate::alias(subject);
    let mut names = std::iter::once(subject).chain(&alias);
    names.any(|name| config.directory.is_held(&audit::subject_ref(&key, name)))
}

/// One query per record for its fields, one for its claims.
fn records(args: &Args) -> Result<Vec<RecordQuery>, String> {
    let mut queries: Vec<RecordQuery> = Vec::new();
    for text in &args.question.record {
        queries.push(RecordQuery {
            record: text.record.clone(),
            fields: text.fields.clone(),
            claims: None,
            required: text.required || args.question.required.contains(&text.record),
        });
    }
    for text in &args.question.claim {
        let Asked {
            record,
            field,
            op,
            value,
        } = question::claim(text.expose())?;
        let value = Some(value).filter(|value| !value.is_null());
        let claim = Claim {
            field,
            op,
            value: value.map(Sensitive::new),
        };
        let same = queries
            .iter_mut()
            .find(|query| query.record == record && query.claims.is_some());
        match same {
            Some(query) => query.claims.get_or_insert_default().push(claim),
            None => queries.push(RecordQuery {
                required: args.question.required.contains(&record),
                record,
                fields: None,
                claims: Some(vec![claim]),
            }),
        }
    }
    Ok(queries)
}
