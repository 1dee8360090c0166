use jiff::Timestamp;
use jiff::civil::date;
use serde_json::{Value, json};

use super::{breach, usage};
use crate::audit::draft::Draft;
use crate::audit::store::{Memory, Reader, Store, suite};
use crate::commands::rows::{Output, Rows};
use crate::directory::Directory;
use crate::fixture::{services, town};

/// A log of these entries, which are dated as they are written.
fn log(entries: &[Value]) -> std::sync::Arc<dyn Reader> {
    let mut store = Memory::new(suite::signer());
    let drafts: Vec<Draft> = entries
        .iter()
        .map(|entry| Draft::of(entry).unwrap())
        .collect();
    store.append(&drafts).unwrap();
    store.reader()
}

fn written(rows: &Rows) -> Vec<Value> {
    let mut out = Vec::new();
    rows.write(Output::Json, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn lookup(trace: &str, kind: &str, sources: Value) -> Value {
    json!({
        "kind": kind, "trace_id": trace, "request_id": trace, "member": "bapenda",
        "clerk": "clk-1", "subject_ref": format!("{trace:0>64}"), "sources": sources,
    })
}

fn source(grant: &str, outcome: &str, reason: &str) -> Value {
    json!({"record": "person-identity/1", "grants": [grant], "fields": ["nik"],
        "claims": ["full_name"], "outcome": outcome, "reason": reason})
}

#[test]
fn usage_counts_as_quotas_do() {
    let mut parts = services::with_calls(town::parts());
    parts.grants[0].daily_quota = Some(5);
    parts.service_grants[0].daily_quota = Some(2);
    let (grant, called) = (
        parts.grants[0].id.clone(),
        parts.service_grants[0].id.clone(),
    );
    let directory = Directory::new(parts).unwrap();
    let found = || json!([source(&grant, "found", "complete")]);
    let call = |kind: &str, id: &str, asked: bool| {
        json!({"kind": kind, "request_id": id, "trace_id": id,
            "call": {"agency": "dukcapil", "service": "population", "grant": called,
                "asked": asked, "outcome": "answered"}})
    };
    let reader = log(&[
        lookup("1", "result", found()),
        lookup("1", "lookup", found()),
        lookup("2", "lookup", found()),
        lookup(
            "3",
            "lookup",
            json!([source(&grant, "timed_out", "no_answer_yet")]),
        ),
        lookup(
            "4",
            "lookup",
            json!([source(&grant, "denied", "quota_used_up")]),
        ),
        lookup("5", "abandoned", found()),
        lookup("6", "lookup", json!([source("gone", "found", "complete")])),
        json!({"kind": "read", "trace_id": "7"}),
        call("call_opened", "8", true),
        call("call", "8", true),
        call("refusal", "9", false),
        call("call", "10", true),
    ]);
    let today = town::zone().to_datetime(Timestamp::now()).date();
    let half = if today.month() < 7 { 1 } else { 2 };
    let half = usage::half_year(&format!("{}H{half}", today.year())).unwrap();
    let days = usage::count(&*reader, &town::zone(), half).unwrap();
    let by_month = written(&usage::rows(
        &days,
        &directory,
        usage::By::Month,
        Some(&grant),
    ));
    assert_eq!(by_month.len(), 1);
    let row = &by_month[0];
    let counts = ["questions", "found", "timed_out", "denied", "daily_quota"];
    assert_eq!(
        counts.map(|name| row[name].as_u64().unwrap()),
        [4, 3, 1, 1, 5]
    );
    assert_eq!(row["days_from_80_percent"], 1);
    assert_eq!(row["days_used_up"], 0);
    let by_day = written(&usage::rows(&days, &directory, usage::By::Day, None));
    let row = |grant: &str| by_day.iter().find(|row| row["grant"] == grant).unwrap();
    assert_eq!(row(&grant)["left"], 1);
    assert_eq!(row(&called)["questions"], 2);
    assert_eq!(row(&called)["left"], 0);
    assert_eq!(row("gone")["left"], Value::Null);
    let other = usage::half_year(&format!("{}H1", today.year() - 1)).unwrap();
    assert!(
        usage::count(&*reader, &town::zone(), other)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_half_year_is_six_months() {
    let half = usage::half_year("2026H2").unwrap();
    assert_eq!((half.first, half.end), (date(2026, 7, 1), date(2027, 1, 1)));
    for wrong in ["2026", "2026H3", "H1", "26H1", "-2026H1", "2026-07"] {
        assert!(usage::half_year(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_breach_concerns_those_of_whom_something_was_given() {
    let found = || json!([source("G-1", "found", "complete")]);
    let nothing = json!([{"record": "taxpayer/1", "outcome": "denied", "reason": "no_grant"}]);
    let mut other = lookup("4", "lookup", found());
    other["clerk"] = json!("clk-2");
    let mut whole = lookup("1", "lookup", found());
    whole["parts"] = json!([1]);
    // The trace of another's lookup, as a caller may choose it, and a stream that ended with its process.
    let mut same = lookup("1", "result", found());
    same["subject_ref"] = json!(format!("{:0>64}", "5"));
    let reader = log(&[
        lookup("1", "result", found()),
        whole,
        same,
        lookup("2", "lookup", nothing),
        lookup("3", "abandoned", found()),
        other,
        json!({"kind": "call", "member": "bapenda", "clerk": "clk-1",
            "call": {"agency": "dukcapil", "service": "population", "grant": "S-1",
                "outcome": "answered"}}),
    ]);
    let always: [Timestamp; 2] =
        ["2000-01-01T00:00:00Z", "2099-01-01T00:00:00Z"].map(|moment| moment.parse().unwrap());
    let of = |clerk, member| breach::Of {
        from: always[0],
        to: always[1],
        member,
        clerk,
    };
    let found = breach::gather(&*reader, of(Some("clk-1"), Some("bapenda"))).unwrap();
    let rows = written(&breach::rows(&found));
    let subjects: Vec<&str> = rows
        .iter()
        .map(|row| row["subject_ref"].as_str().unwrap().trim_start_matches('0'))
        .collect();
    assert_eq!(subjects, ["1", "3", "5"]);
    // What a stream says twice was given once.
    for row in &rows {
        assert_eq!(row["lookups"], 1);
        assert_eq!(row["given"], json!(["person-identity/1:nik=1"]));
    }
    assert_eq!(
        rows[0]["verified"],
        json!(["person-identity/1:full_name=1"])
    );
    assert_eq!(found.calls["dukcapil/population"], 1);
    let all = breach::gather(&*reader, of(None, None)).unwrap();
    assert_eq!(all.subjects.len(), 4);
    let nobody = breach::gather(&*reader, of(None, Some("bpn"))).unwrap();
    assert!(nobody.subjects.is_empty() && nobody.calls.is_empty());
    let before = breach::Of {
        to: always[0],
        ..of(None, None)
    };
    assert!(
        breach::gather(&*reader, before)
            .unwrap()
            .subjects
            .is_empty()
    );
}
