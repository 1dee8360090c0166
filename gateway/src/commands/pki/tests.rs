use std::fs;
use std::os::unix::fs::PermissionsExt;

use clap::Parser;
use loket_sdk::tls::MutualTls;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn loket(dir: &std::path::Path, line: &str) -> anyhow::Result<String> {
    let line = line.replace("DIR", &dir.display().to_string());
    let cli = Cli::try_parse_from(std::iter::once("pki").chain(line.split(' ')))?;
    let mut out = Vec::new();
    run(&cli.args, &mut out)?;
    Ok(String::from_utf8(out)?)
}

#[test]
fn a_certificate_is_issued_inspected_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let run = |line: &str| loket(dir, line).unwrap_or_else(|error| panic!("{line}: {error:#}"));
    run("init --dir DIR --trust-domain loket.example");
    let issue = "issue --dir DIR --member dukcapil --system siak --dns siak.example --ip 127.0.0.1";
    assert!(run(issue).contains("dukcapil-siak.pem"));
    let [certificate, key, ca, list] = [
        "dukcapil-siak.pem",
        "dukcapil-siak.key",
        "ca.pem",
        "crl.pem",
    ]
    .map(|name| dir.join(name));
    for key in [&key, &dir.join("ca.key")] {
        assert_eq!(
            fs::metadata(key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let shown = run("inspect DIR/dukcapil-siak.pem");
    for part in [
        "spiffe://loket.example/dukcapil/siak",
        "usages     server, client",
        "days left  ",
        "O=dukcapil",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let soon = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(inspect(&certificate, soon).unwrap()[0].days_left, 89);
    assert!(run("inspect DIR/ca.pem").contains("development"));
    let tls = MutualTls::from_files(&certificate, &key, &ca, std::slice::from_ref(&list)).unwrap();
    tls.server().unwrap();
    tls.client().unwrap();

    let empty = fs::read(&list).unwrap();
    assert!(run("revoke --dir DIR DIR/dukcapil-siak.pem").contains("revoked "));
    let full = fs::read(&list).unwrap();
    assert!(full.len() > empty.len());
    assert!(!run("revoke --dir DIR DIR/dukcapil-siak.pem").contains("revoked "));
    run("crl --dir DIR --days 7");
    let der = CertificateRevocationListDer::from_pem_file(&list).unwrap();
    let serial = &inspect(&certificate, soon).unwrap()[0].certificate.serial;
    let serial = crate::config::unhex(serial.replace(':', "").as_bytes()).unwrap();
    assert!(der.windows(serial.len()).any(|window| window == serial));
    let index = fs::read_to_string(dir.join("index.json")).unwrap();
    assert!(index.contains("\"crl_days\": 7"), "{index}");
}

#[test]
fn nothing_is_overwritten_and_nothing_foreign_revoked() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let init = "init --dir DIR --trust-domain loket.example";
    let issue = "issue --dir DIR --member dukcapil --system siak --usage client";
    for dir in [&one, &two] {
        loket(dir.path(), init).unwrap();
        loket(dir.path(), issue).unwrap();
        for line in [init, issue] {
            let error = loket(dir.path(), line).unwrap_err();
            let said = format!("{error:#}");
            assert!(
                said.contains("nothing is overwritten") || said.contains("there already"),
                "{said}"
            );
        }
    }
    let foreign = two.path().join("dukcapil-siak.pem");
    let line = format!("revoke --dir DIR {}", foreign.display());
    assert!(
        loket(one.path(), &line)
            .unwrap_err()
            .to_string()
            .contains("wasn't issued")
    );
    for bad in [
        "init --dir DIR/x --trust-domain UPPER",
        "issue --dir DIR --member A --system b",
    ] {
        assert!(loket(one.path(), bad).is_err());
    }
}
