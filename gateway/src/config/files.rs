//! Files: the configuration's file in, itself and every file that it names out, whatever else may
//! be wrong with it. For whoever watches them.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The keys that name files, one or many. Paths are relative to the file that names them.
const KEYS: [&str; 11] = [
    "holds_file",
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
];

/// The file and those that it names, which needn't exist.
#[must_use]
pub fn named_by(path: &Path) -> Vec<PathBuf> {
    let base = path.parent().unwrap_or(Path::new(""));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // Of a file that is no TOML only itself can be watched.
    let table = text.parse::<Table>().unwrap_or_default();
    let named = KEYS.iter().filter_map(|key| value(&table, key));
    let names = named.flat_map(|value| match value {
        Value::Array(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    });
    let paths = names.filter_map(Value::as_str).map(|name| base.join(name));
    std::iter::once(path.to_owned()).chain(paths).collect()
}

/// The file of those whose data is held, if the configuration names one.
#[must_use]
pub fn holds(path: &Path) -> Option<PathBuf> {
    let table: Table = std::fs::read_to_string(path).ok()?.parse().ok()?;
    let name = value(&table, "holds_file")?.as_str()?;
    Some(path.parent().unwrap_or(Path::new("")).join(name))
}

fn value<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    match key.split_once('.') {
        Some((section, key)) => table.get(section)?.get(key),
        None => table.get(key),
    }
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
