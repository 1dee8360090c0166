//! The answers that the kit itself would never send.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ca::must;
use super::fault::Fault;
use super::samples::sample;
use crate::message::{RecordRef, SourceRequest};
use crate::problem::{Code, MEDIA_TYPE, Problem};

/// What a faulty agency answers instead; `None` leaves the kit's answer as it is. `whole` is the
/// record that the answer would have been taken from.
pub(super) fn instead(
    fault: &Fault,
    record: &RecordRef,
    question: &SourceRequest,
    whole: Option<Map<String, Value>>,
) -> Option<Response<Full<Bytes>>> {
    let whole = whole.unwrap_or_else(|| object(sample(&record.to_string())));
    let document = match fault {
        // Those that act before there is an answer, and those that leave it alone.
        Fault::None | Fault::Slow(_) | Fault::Down | Fault::Hang => return None,
        Fault::Broken => broken(question),
        Fault::WrongCitizen => wrong_citizen(question, whole),
        Fault::ExtraField => extra_field(question, whole),
        Fault::Refusing => json!({"status": "refused"}),
        Fault::QuotaUsedUp => json!({"status": "quota_used_up", "retry_after_s": 3600}),
        Fault::Later => json!({"status": "later", "retry_after_s": 60}),
        Fault::CitizenMustAct => json!({"status": "citizen_must_act"}),
        Fault::SeveralRecords => json!({"status": "several_records"}),
        Fault::TooLarge => {
            // Written as text: serde escapes so much letter by letter, which tests would wait for.
            let filling = "x".repeat(Fault::TOO_LARGE);
            let text = format!(r#"{{"status":"found","record":"{filling}"}}"#);
            return Some(response(200, "application/json", text));
        }
        Fault::Instead(text) => {
            return Some(response(200, "application/json", text.clone()));
        }
        Fault::NotJson => {
            let page = "<html><h1>502 Bad Gateway</h1></html>";
            return Some(response(200, "application/json", page));
        }
        Fault::Status(status) => {
            return Some(response(*status, "text/plain", "something is wrong"));
        }
        Fault::Draining => return Some(draining()),
    };
    Some(response(200, "application/json", document.to_string()))
}

fn response(
    status: u16,
    media_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = must(StatusCode::from_u16(status));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn draining() -> Response<Full<Bytes>> {
    let problem = Problem::new(Code::Draining, "Ask another instance.", "");
    let text = must(serde_json::to_string(&problem));
    let mut response = response(Code::Draining.status(), MEDIA_TYPE, text);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn found(question: &SourceRequest, members: Value) -> Value {
    let mut answer = object(json!({
        "status": "found",
        "as_of": Timestamp::now(),
        "subject": question.subject,
    }));
    answer.extend(object(members));
    Value::Object(answer)
}

fn claims(question: &SourceRequest, result: &str) -> Option<Vec<Value>> {
    let claims = question.claims.as_ref()?;
    let answer = |claim: &crate::claims::Claim| json!({"field": claim.field, "op": claim.op, "result": result});
    Some(claims.iter().map(answer).collect())
}

/// No field of any record is a list of lists, and no result is called so.
fn broken(question: &SourceRequest) -> Value {
    match claims(question, "perhaps") {
        Some(claims) => found(question, json!({"claims": claims})),
        None => {
            let fields = question.fields.iter().flatten();
            let record: Map<String, Value> = fields
                .map(|name| (name.clone(), json!([[false]])))
                .collect();
            found(question, json!({"record": record}))
        }
    }
}

fn wrong_citizen(question: &SourceRequest, whole: Map<String, Value>) -> Value {
    let mut other = question.clone();
    other.subject.value = someone_else(question.subject.value.expose()).into();
    if let Some(claims) = claims(question, "match") {
        return found(&other, json!({"claims": claims}));
    }
    let mut whole = Value::Object(whole);
    replace(
        &mut whole,
        question.subject.value.expose(),
        other.subject.value.expose(),
    );
    let asked = question.fields.as_deref().unwrap_or_default();
    let mut record = object(whole);
    record.retain(|name, _| asked.contains(name));
    found(&other, json!({"record": record}))
}

fn extra_field(question: &SourceRequest, mut whole: Map<String, Value>) -> Value {
    whole.insert("note_of_the_registry".into(), "not for others".into());
    found(question, json!({"record": whole}))
}

/// The same identifier with its last digit changed.
fn someone_else(value: &str) -> String {
    let mut letters: Vec<char> = value.chars().collect();
    if let Some(last) = letters.iter_mut().rev().find(|c| c.is_ascii_digit()) {
        *last = if *last == '1' { '2' } else { '1' };
    }
    letters.into_iter().collect()
}

fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text == from => to.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, from, to)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| replace(member, from, to)),
        _ => {}
    }
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
