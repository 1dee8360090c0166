//! Lists the schemas and their golden cases, so that a new case is a new file and nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// In the order of the catalogue: the citizen first, then what hangs on the citizen.
const RECORDS: [&str; 16] = [
    "person-identity",
    "family-card",
    "birth-certificate",
    "marriage-certificate",
    "death-certificate",
    "taxpayer",
    "health-insurance",
    "driving-licence",
    "vehicle-registration",
    "passport",
    "land-title",
    "property-tax",
    "business-licence",
    "social-assistance",
    "az-person-identity",
    "az-taxpayer",
];

const ENVELOPES: [&str; 14] = [
    "lookup",
    "answer",
    "explanation",
    "approval",
    "approved",
    "problem",
    "grant",
    "catalogue",
    "receipt",
    "audit-entry",
    "source-request",
    "source-answer",
    "access-report-request",
    "access-report",
];

fn main() -> io::Result<()> {
    let out = PathBuf::from(
        env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?,
    );

    let mut records = String::from("[\n");
    for name in RECORDS {
        let folder = Path::new("records").join(name);
        let text = include(&folder.join("v1.json"));
        let cases = cases(&folder.join("v1"))?;
        _ = writeln!(
            records,
            "Record {{ name: {name:?}, major: 1, text: {text}, {cases} }},"
        );
    }
    fs::write(out.join("records.rs"), records + "]")?;

    let mut envelopes = String::from("[\n");
    for name in ENVELOPES {
        let folder = Path::new("envelope");
        let text = include(&folder.join(format!("{name}.json")));
        let cases = cases(&folder.join(name))?;
        _ = writeln!(
            envelopes,
            "Envelope {{ name: {name:?}, text: {text}, {cases} }},"
        );
    }
    fs::write(out.join("envelopes.rs"), envelopes + "]")
}

fn include(file: &Path) -> String {
    // From the crate's folder, not an absolute path: the same table wherever the tree stands.
    let path = format!("/{}", file.display());
    format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))")
}

fn cases(folder: &Path) -> io::Result<String> {
    let valid = table(&folder.join("valid"))?;
    let invalid = table(&folder.join("invalid"))?;
    Ok(format!("valid: &[{valid}], invalid: &[{invalid}]"))
}

fn table(folder: &Path) -> io::Result<String> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "json"));
    files.sort();

    let mut rows = String::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().display().to_string();
        _ = write!(rows, "({name:?}, {}), ", include(&file));
    }
    Ok(rows)
}
