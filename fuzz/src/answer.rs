//! What an agency answers: the first byte picks the record, the second what was asked.

use jiff::Timestamp;
use libfuzzer_sys::Corpus;
use loket_gateway::check::{self, Checked};
use loket_gateway::minimise;
use loket_gateway::policy::Allowed;
use loket_sdk::claims::{Claim, Op};
use loket_sdk::ids::Scheme;
use loket_sdk::message::SubjectKey;
use loket_sdk::schema::{self, RecordSchema};

pub(crate) fn run(data: &[u8]) -> Corpus {
    let [record, asked, body @ ..] = data else {
        return Corpus::Reject;
    };
    let records = schema::records();
    let record = &records[usize::from(*record) % records.len()];
    let asked = allowed(record, *asked);
    let subject = SubjectKey {
        scheme: Scheme::Nik,
        value: "3510161405889901".to_owned().into(),
    };
    let now = Timestamp::UNIX_EPOCH;
    match check::answer(body, record, &asked, &subject, now) {
        Ok(checked) => minimised(record, checked, &asked),
        Err(unusable) => {
            for violation in &unusable.violations {
                crate::is_silent(&violation.pointer);
                crate::is_silent(&violation.message);
            }
        }
    }
    Corpus::Keep
}

/// All fields, those whose position's bit is set, or claims of those.
fn allowed(record: &RecordSchema, bits: u8) -> Allowed {
    let named = record.fields().iter().enumerate();
    let named = named.filter(|(i, _)| bits == 0 || bits & (1 << (i % 7)) != 0);
    let names = named.map(|(_, field)| field.name.to_owned());
    if bits & 0x80 == 0 {
        return Allowed::Fields(names.collect());
    }
    let claims = names.map(|field| Claim {
        field,
        op: Op::Exists,
        value: None,
    });
    Allowed::Claims(claims.collect())
}

/// Nothing but what was allowed gets through.
fn minimised(record: &RecordSchema, checked: Checked, asked: &Allowed) {
    match (checked, asked) {
        (Checked::Record { members, .. }, Allowed::Fields(names)) => {
            let kept = minimise::fields(members, names);
            assert!(kept.data.keys().all(|name| names.contains(name)));
            assert_eq!(kept.data.len() + kept.missing.len(), names.len());
        }
        (Checked::Record { members, .. }, Allowed::Claims(claims)) => {
            let answers = minimise::claims_from_record(&members, claims, record);
            assert_eq!(answers.len(), claims.len());
        }
        (Checked::Claims { answers, .. }, Allowed::Claims(claims)) => {
            let answers = minimise::claims_from_answers(&answers, claims);
            assert_eq!(answers.len(), claims.len());
        }
        (Checked::Claims { .. }, Allowed::Fields(_)) => panic!("claims, and fields were asked"),
        (Checked::Without { .. }, _) => {}
    }
}
