//! Files: the configuration's file in, itself and every file that it names out, whatever else may
//! be wrong with it. For whoever watches them.

use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The keys that name files, one or many. Paths are relative to the file that names them.
const KEYS: [&str; 14] = [
    "holds_file",
    "grants_dir",
    "tls.certificate",
    "tls.key",
    "tls.client_ca",
    "tls.revocation_lists",
    "upstream.certificate",
    "upstream.key",
    "upstream.server_ca",
    "upstream.revocation_lists",
    "audit.subject_key_file",
    "audit.signing_key_files",
    "audit.postgres.password_file",
    "audit.postgres.ca",
];

/// The file and those that it names, which needn't exist; of a directory also what is within.
#[must_use]
pub fn named_by(path: &Path) -> Vec<PathBuf> {
    let base = path.parent().unwrap_or(Path::new(""));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // Of a file that is no TOML only itself can be watched.
    let table = text.parse::<Table>().unwrap_or_default();
    let named = KEYS.iter().filter_map(|key| value(&table, key));
    let names = named.flat_map(all);
    let keys = table.get("members").into_iter().flat_map(all);
    let keys = keys.flat_map(|member| member.get("keys").into_iter().flat_map(all));
    let keys = keys.filter_map(|key| key.get("public_key_file"));
    let paths = names.chain(keys).filter_map(Value::as_str);
    let mut paths: Vec<PathBuf> = paths.map(|name| base.join(name)).collect();
    if let Some(grants) = table.get("grants_dir").and_then(Value::as_str) {
        paths.extend(within(&base.join(grants)).unwrap_or_default());
    }
    paths.insert(0, path.to_owned());
    paths
}

/// What a directory holds, by name. Names with a dot before them are those of tools: Kubernetes turns
/// a link called `..data`.
pub(super) fn within(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn all(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    }
}

/// The file of those whose data is held, if the configuration names one.
#[must_use]
pub fn holds(path: &Path) -> Option<PathBuf> {
    let table: Table = std::fs::read_to_string(path).ok()?.parse().ok()?;
    let name = value(&table, "holds_file")?.as_str()?;
    Some(path.parent().unwrap_or(Path::new("")).join(name))
}

fn value<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    let mut keys = key.split('.');
    let first = table.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of the example, which has every key, that isn't commented out.
    #[test]
    fn the_example_names_its_files() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("loket.example.toml");
        let named = named_by(&example);
        let base = example.parent().unwrap();
        let names: Vec<_> = named[1..]
            .iter()
            .map(|path| path.strip_prefix(base).unwrap().to_str().unwrap())
            .collect();
        let expected = [
            "grants",
            "tls/gateway-front.pem",
            "tls/gateway-front.key",
            "tls/ca.pem",
            "tls/crl.pem",
            "tls/gateway-back.pem",
            "tls/gateway-back.key",
            "tls/ca.pem",
            "tls/crl.pem",
            "subject.key",
            "audit.key",
            "keys/dukcapil-2026-1.pub",
            "keys/bpjs-kesehatan-2026-1.pub",
            "keys/imigrasi-2026-1.pub",
            "keys/korlantas-2026-1.pub",
            "keys/samsat-2026-1.pub",
            "keys/bpn-2026-1.pub",
            "keys/bapenda-3510-2026-1.pub",
            "keys/djp-2026-1.pub",
            "keys/kemensos-2026-1.pub",
            "keys/oss-2026-1.pub",
        ];
        assert_eq!(named[0], example);
        assert_eq!(names, expected);
    }

    #[test]
    fn a_broken_file_names_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("loket.toml");
        assert_eq!(named_by(&path), std::slice::from_ref(&path));
        std::fs::write(&path, "tls = [").unwrap();
        assert_eq!(named_by(&path), std::slice::from_ref(&path));
        std::fs::write(&path, "holds_file = \"holds.txt\"\ntls = 5\n").unwrap();
        assert_eq!(
            named_by(&path),
            [path.clone(), directory.path().join("holds.txt")]
        );
    }
}
