//! The built binaries, and how long a run may take.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the binary that runs lies: `target/<profile>`.
fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let folder = own.parent().and_then(Path::parent);
    folder.expect("a folder of a profile").to_owned()
}

/// The binary `loket`, built beside this one if it isn't there already.
///
/// # Panics
/// When it can't be built.
#[must_use]
pub fn loket() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let folder = folder();
    let mut cargo = Command::new(env!("CARGO"));
    // Both packages, so that the dependencies are those of this binary and aren't built again.
    cargo.args([
        "build",
        "--quiet",
        "-p",
        "loket-gateway",
        "-p",
        "loket-tests",
        "--bin",
        "loket",
    ]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo
        .arg("--target-dir")
        .arg(folder.parent().expect("a target folder"));
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.expect("cargo runs").success());
    folder.join("loket")
}

/// The agency's binary, which cargo builds before it runs the tests of this package.
pub(super) fn agency() -> PathBuf {
    folder().join("loket-test-agency")
}

/// Whether faults should last as long as for a report rather than for a gate: `LOKET_FAULTS=long`.
#[must_use]
pub fn is_long() -> bool {
    std::env::var_os("LOKET_FAULTS").is_some_and(|form| form == "long")
}

/// Says, past the capture of tests that pass, that something couldn't be tried here.
pub fn skip(test: &str, reason: &str) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}

/// Says a figure, when `LOKET_FAULTS` is set.
pub fn report(text: &str) {
    if std::env::var_os("LOKET_FAULTS").is_some() {
        // Nobody to tell is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
