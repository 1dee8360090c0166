//! Fuzzing: bytes from a stranger in, nothing but an answer or a refusal out.
//!
//! One binary with a module per door, so that the instrumented build is linked once; `LOKET_FUZZ`
//! names the door. A panic, an assertion or a hang is a finding. What a door says of bytes that it
//! refuses must never hold [`CANARY`], which is in the dictionary: it stands for a citizen's data.

#![no_main]

mod answer;
mod certificate;
mod config;
mod http;
mod lookup;
mod path;
mod pki;

use std::sync::OnceLock;

use libfuzzer_sys::{Corpus, fuzz_target};

/// What no error, problem or answer may repeat.
const CANARY: &str = "S3CRET";

type Door = fn(&[u8]) -> Corpus;

static DOOR: OnceLock<Door> = OnceLock::new();

fn door() -> Door {
    let name = std::env::var("LOKET_FUZZ").unwrap_or_default();
    match name.as_str() {
        "lookup" => lookup::run,
        "path" => path::run,
        "certificate" => certificate::run,
        "config" => config::run,
        "http1" => http::one,
        "http2" => http::two,
        "answer" => answer::run,
        other => panic!("LOKET_FUZZ names no target: {other:?}"),
    }
}

fuzz_target!(|data: &[u8]| -> Corpus { DOOR.get_or_init(door)(data) });

fn is_silent(said: &str) {
    assert!(!said.contains(CANARY), "a value was repeated: {said}");
}
