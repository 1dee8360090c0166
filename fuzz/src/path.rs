//! The first line of a request: a method's first letter, then what stands for the path.

use ::http::{Method, Request, Uri};
use libfuzzer_sys::Corpus;
use loket_gateway::request::{CallTarget, Operation};

pub(crate) fn run(data: &[u8]) -> Corpus {
    let Some((method, target)) = data.split_first() else {
        return Corpus::Reject;
    };
    let Ok(uri) = Uri::try_from(target) else {
        return Corpus::Reject;
    };
    let method = match method {
        b'P' => Method::POST,
        b'H' => Method::HEAD,
        b'C' => Method::CONNECT,
        _ => Method::GET,
    };
    let (mut head, ()) = Request::new(()).into_parts();
    (head.method, head.uri) = (method, uri);
    let operation = Operation::of(&head);
    // One way to write each: what was recognised is what the path says, letter by letter.
    let written = match &operation {
        Ok(Operation::Lookup) => "/v1/lookups".to_owned(),
        Ok(Operation::Catalogue) => "/v1/catalogue".to_owned(),
        Ok(Operation::OpenApi) => "/openapi.json".to_owned(),
        Ok(Operation::Explain) => "/v1/explain".to_owned(),
        Ok(Operation::Approve(entry)) => format!("/v1/break-glass/{entry}/approvals"),
        Ok(Operation::AccessReport) => "/v1/access-reports".to_owned(),
        Ok(Operation::Receipt(entry)) => format!("/v1/receipts/{entry}"),
        Ok(Operation::Checkpoint) => "/v1/log/checkpoint".to_owned(),
        Ok(Operation::Tile(name)) => format!("/v1/log/tile/{name}"),
        Ok(Operation::Schema(record)) => format!("/v1/schemas/{record}"),
        Ok(Operation::Call(target)) => {
            forwarded(target);
            return Corpus::Keep;
        }
        Err(refusal) => {
            crate::lookup::refused(refusal);
            return Corpus::Keep;
        }
    };
    assert_eq!(head.uri.path(), written);
    Corpus::Keep
}

/// What a source sees of a routed call has one reading: no segment is empty or climbs, and none
/// holds an encoded slash.
fn forwarded(target: &CallTarget) {
    let path = target.path();
    let rest = path.strip_prefix('/').expect("it begins at the root");
    for segment in rest.split('/') {
        assert!(rest.is_empty() || !segment.is_empty(), "{path}");
        let lower = segment.to_ascii_lowercase();
        assert!(!matches!(&*lower, "." | ".." | "%2e" | "%2e%2e"), "{path}");
        assert!(!lower.contains("%2f") && !lower.contains("%5c"), "{path}");
    }
    target.path_and_query().expect("it can be forwarded");
}
