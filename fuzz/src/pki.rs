//! A directory with what a good configuration names, made once per process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use loket_gateway::commands::pki::{Authority, Leaf};
use loket_sdk::ids::{MemberId, SystemId};
use tempfile::TempDir;

/// RFC 8410 section 10.3.
const SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

/// `subject.key`, `audit.key`, `ca.pem`, `crl.pem`, `gateway-front` and `gateway-back`, each with a
/// `.pem` and a `.key`.
pub(crate) fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY
        .get_or_init(|| {
            let dir = tempfile::tempdir().expect("a directory");
            let mut authority = Authority::init(dir.path(), "loket.example").expect("an authority");
            for system in ["front", "back"] {
                let member = MemberId::parse("gateway").expect("a member");
                let system = SystemId::parse(system).expect("a system");
                let leaf = Leaf::new(member, system);
                authority.issue(&leaf).expect("a certificate");
            }
            for (name, text) in [
                ("subject.key", &*"5e".repeat(32)),
                ("audit.key", SIGNING_KEY),
            ] {
                let key = dir.path().join(name);
                fs::write(&key, text).expect("a file");
                fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
            }
            dir
        })
        .path()
}
