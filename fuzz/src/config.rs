//! The text of a configuration, beside the files that a good one names.

use std::sync::LazyLock;

use jiff::Timestamp;
use libfuzzer_sys::Corpus;
use loket_gateway::config::Config;

pub(crate) fn run(data: &[u8]) -> Corpus {
    let Ok(text) = std::str::from_utf8(data) else {
        return Corpus::Reject;
    };
    let path = crate::pki::directory().join("loket.toml");
    // The certificates are as old as the process.
    static NOW: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);
    match Config::read(&path, text, *NOW) {
        Ok(config) => assert!(config.limits.deadlines.fan_out() < config.limits.deadlines.edge()),
        Err(errors) => {
            let lines = text.split('\n').count();
            for error in errors.errors.iter().chain(&errors.warnings) {
                assert!(error.line <= lines.max(1), "line {} of {lines}", error.line);
            }
            assert!(!errors.to_string().is_empty());
        }
    }
    Corpus::Keep
}
