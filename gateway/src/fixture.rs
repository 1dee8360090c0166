//! Fixture: what the tests of several rooms share.

pub(crate) mod golden;
pub(crate) mod services;
pub(crate) mod town;
pub(crate) mod world;

use jiff::Timestamp;
use loket_sdk::identity::PeerCertificate;
use serde_json::{Value, json};

use crate::admission::{Admission, Admitted};
use crate::directory::Directory;
use crate::identity::{self, Identified};
use crate::policy::{self, Permitted};
use crate::route::{self, Routed};
use crate::validate;

/// The subject of most samples.
pub(crate) const NIK: &str = "3510161405889901";

/// 10:30 in Banyuwangi on the town's day.
pub(crate) fn now() -> Timestamp {
    "2026-11-24T03:30:00Z".parse().unwrap()
}

/// The certificate of a member's system at the town's counter.
pub(crate) fn peer(member: &str) -> PeerCertificate {
    PeerCertificate {
        spiffe: Some(
            format!("spiffe://{}/{member}/counter", town::TRUST_DOMAIN)
                .parse()
                .unwrap(),
        ),
        spki_sha256: [7; 32],
        serial: "01".to_owned(),
        subject: format!("CN={member}"),
        not_before: 0,
        not_after: i64::MAX,
        usages: Vec::new(),
    }
}

pub(crate) fn identified(directory: &Directory, member: &str) -> Identified {
    let headers = http::HeaderMap::new();
    identity::identify(&peer(member), &headers, directory, now().as_second()).unwrap()
}

pub(crate) fn admitted(directory: &Directory, member: &str) -> Admitted {
    let admission = Admission::new(directory, town::zone());
    admission.admit(identified(directory, member)).unwrap()
}

/// A lookup of these records about [`NIK`].
pub(crate) fn lookup(purpose: &str, records: Value) -> Value {
    json!({
        "request_id": "0192f0c4-7d1a-7e55-9b61-000000000001",
        "case_id": "MPP-3510-20261124-000123",
        "purpose": purpose,
        "legal_basis": {"kind": "public_task", "reference": "UU 24/2013 art. 58"},
        "clerk": "clk-7f3a",
        "counter": "B07",
        "subject": {"scheme": "nik", "value": NIK, "presented_as": "card_reader"},
        "records": records,
    })
}

pub(crate) fn routed(directory: &Directory, member: &str, lookup: &Value) -> Routed {
    let valid = validate::lookup(lookup.to_string().as_bytes()).unwrap();
    route::route(admitted(directory, member), valid, directory)
}

pub(crate) fn permitted(
    directory: &Directory,
    member: &str,
    lookup: &Value,
) -> Result<Permitted, Box<policy::Denied>> {
    policy::authorise(
        routed(directory, member, lookup),
        directory,
        town::TODAY,
        false,
    )
}

pub(crate) fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) if value == json!("~") => drop(members.remove(name)),
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(items) => match name.parse::<usize>() {
            Ok(index) => items[index] = value,
            Err(_) => items.push(value),
        },
        _ => panic!("nothing can be put at {pointer}"),
    }
}
