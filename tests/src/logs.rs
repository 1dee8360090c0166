//! The log lines of every gateway in this process, in one buffer.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use loket_gateway::telemetry::{LogFormat, Settings, Traces, init_logs};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static INSTALLED: OnceLock<()> = OnceLock::new();

struct Buffer;

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects from now on; later calls do nothing.
pub fn install() {
    INSTALLED.get_or_init(|| {
        let settings = settings("trace");
        init_logs(&settings, || Buffer, &Traces::new(0)).expect("no other subscriber");
    });
}

/// Everything logged so far.
#[must_use]
pub fn text() -> String {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8(lines.clone()).expect("logs are UTF-8")
}

/// Telemetry of a gateway in a test; the logs say all that they ever say.
#[must_use]
pub fn settings(log_level: &str) -> Settings {
    Settings {
        service_instance_id: "town".to_owned(),
        environment: "test".to_owned(),
        otlp_endpoint: None,
        sampling_ratio: 1.0,
        slow: loket_gateway::telemetry::SLOW,
        traces: loket_gateway::telemetry::TRACES,
        log_format: LogFormat::Json,
        log_level: log_level.to_owned(),
    }
}
