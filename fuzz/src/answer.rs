//! What an agency answers: the first byte picks the record, the second what was asked.

use jiff::Timestamp;
use libfuzzer_sys::Corpus;
use loket_gateway::check::{self, Checked, Origin};
use loket_gateway::minimise;
use loket_gateway::policy::Allowed;
use loket_sdk::claims::{Claim, Op};
use loket_sdk::ids::{self, AgencyId, MemberId, Scheme, SystemId};
use loket_sdk::message::{Purpose, SourceName, SubjectKey};
use loket_sdk::schema::{self, RecordSchema};
use loket_sdk::statement::Question;

pub(crate) fn run(data: &[u8]) -> Corpus {
    let [record, asked, body @ ..] = data else {
        return Corpus::Reject;
    };
    let records = schema::records();
    let record = &records[usize::from(*record) % records.len()];
    let asked = allowed(record, *asked);
    let subject = echoed(body).filter(|_| data[0] < 0x80);
    let subject = subject.unwrap_or_else(|| SubjectKey {
        scheme: Scheme::Nik,
        value: "3510161405889901".to_owned().into(),
    });
    let source = SourceName {
        agency: AgencyId::parse("djp").unwrap(),
        system: SystemId::parse("registry").unwrap(),
    };
    let origin = Origin {
        source: &source,
        question: Question {
            organisation: &MemberId::parse("mpp-kota").unwrap(),
            purpose: Purpose::IdentityCheck,
            record: &record.record,
            subject: &subject,
        },
        members: &[],
        requires_signature: false,
        now: now(),
        today: jiff::civil::date(2026, 11, 24),
    };
    match check::answer(body, record, &asked, &origin) {
        Ok(vouched) => minimised(record, vouched.checked, &asked),
        Err(unusable) => {
            for violation in &unusable.violations {
                crate::is_silent(&violation.pointer);
                crate::is_silent(&violation.message);
            }
        }
    }
    Corpus::Keep
}

/// Whom the answer says it is about; asked for, so that the record is read too.
fn echoed(body: &[u8]) -> Option<SubjectKey> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let subject: SubjectKey = serde_json::from_value(answer.get("subject")?.clone()).ok()?;
    let value = ids::normalise(subject.scheme, subject.value.expose()).ok()?;
    Some(SubjectKey {
        value: value.into(),
        ..subject
    })
}

/// Shortly after the answers of the seeds: one of the future is refused.
fn now() -> Timestamp {
    Timestamp::constant(1_795_500_000, 0)
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
