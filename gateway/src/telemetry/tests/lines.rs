use std::io;

use serde_json::Value;

use super::*;
use crate::telemetry::{TelemetryError, subscriber};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(format: LogFormat, level: &str, work: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let settings = Settings {
        log_format: format,
        log_level: level.to_owned(),
        ..settings(0.0)
    };
    let subscriber = subscriber(&settings, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_line_is_one_json_object() {
    let text = written(LogFormat::Json, "info", || {
        tracing::warn!(
            trace_id = "0af7651916cd43dd8448eb211c80319c",
            span_id = %"b7ad6b7169203331",
            service.peer.name = "dukcapil",
            http.response.status_code = 502,
            loket.ratio = 0.5,
            loket.stale = true,
            loket.note = "two\nlines",
            "the agency {}",
            "failed"
        );
    });
    assert_eq!(text.lines().count(), 1);
    let mut line: Value = serde_json::from_str(&text).unwrap();
    let timestamp = line["timestamp"].take();
    let timestamp = timestamp.as_str().unwrap();
    assert_eq!(timestamp.len(), "2026-11-24T07:00:00.123456789Z".len());
    timestamp.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "timestamp": null,
            "severity_text": "WARN",
            "severity_number": 13,
            "body": "the agency failed",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
            "attributes": {
                "service.peer.name": "dukcapil",
                "http.response.status_code": 502,
                "loket.ratio": 0.5,
                "loket.stale": true,
                "loket.note": "two\nlines",
            },
        })
    );
}

#[test]
fn a_number_is_one_or_null() {
    let text = written(LogFormat::Json, "info", || {
        tracing::info!(
            loket.whole = 1.0,
            loket.large = 1e300,
            loket.none = f64::NAN,
            loket.least = i64::MIN,
            loket.most = u64::MAX,
            loket.wide = u128::MAX,
        );
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        line["attributes"],
        serde_json::json!({
            "loket.whole": 1.0,
            "loket.large": 1e300,
            "loket.none": null,
            "loket.least": i64::MIN,
            "loket.most": u64::MAX,
            "loket.wide": u128::MAX.to_string(),
        })
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_as_it_was(text in r"[\x00-\x7f\u{80}-\u{10ffff}]{0,40}") {
        let line = written(LogFormat::Json, "info", || {
            tracing::info!(loket.note = text, loket.shown = %text, "{text}");
        });
        proptest::prop_assert_eq!(line.lines().count(), 1);
        let line: Value = serde_json::from_str(&line).unwrap();
        proptest::prop_assert_eq!(line["body"].as_str(), Some(text.as_str()));
        for name in ["loket.note", "loket.shown"] {
            proptest::prop_assert_eq!(line["attributes"][name].as_str(), Some(text.as_str()));
        }
    }
}

#[test]
fn a_line_without_fields_has_no_empty_members() {
    let text = written(LogFormat::Json, "info", || tracing::info!("ready"));
    let line: Value = serde_json::from_str(&text).unwrap();
    let members: Vec<_> = line.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["body", "severity_number", "severity_text", "timestamp"]
    );
}

#[test]
fn a_line_without_a_message_has_an_empty_body() {
    let text = written(LogFormat::Json, "info", || tracing::info!(loket.count = 1));
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["body"], "");
    assert_eq!(line["attributes"]["loket.count"], 1);
}

#[test]
fn pretty_text_cannot_start_a_line_of_its_own() {
    let text = written(LogFormat::Text, "info", || {
        tracing::info!(
            loket.note = "two\nlines \x1b[2J",
            trace_id = "0af7",
            "ready\nnot"
        );
    });
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("ready\\nnot"));
    assert!(text.contains("two\\nlines \\u{1b}[2J"));
    assert!(text.contains("0af7"));
}

#[test]
fn others_only_warn_and_opentelemetry_keeps_quiet() {
    let events = || {
        tracing::debug!(target: "loket_gateway::audit", "ours below");
        tracing::info!(target: "loket_sdk::wire", "ours");
        tracing::info!(target: "hyper::proto::h1", "a body");
        tracing::warn!(target: "rustls::conn", "theirs");
        tracing::error!(target: "opentelemetry_sdk", "an export failed");
    };
    let cases = [
        ("debug", vec!["ours below", "ours", "theirs"]),
        ("info", vec!["ours", "theirs"]),
        ("error", vec![]),
        ("off", vec![]),
    ];
    for (level, bodies) in cases {
        let text = written(LogFormat::Json, level, events);
        let found: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].take())
            .collect();
        assert_eq!(found, bodies, "{level}");
    }
}

#[test]
fn an_unknown_level_is_refused() {
    for level in ["loud", "", "3", "INFO"] {
        let settings = Settings {
            log_level: level.to_owned(),
            ..settings(0.0)
        };
        let refused = subscriber(&settings, io::sink).err().unwrap();
        assert!(matches!(refused, TelemetryError::LogLevel(_)), "{level}");
    }
}
