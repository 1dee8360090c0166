use clap::Parser;
use loket_sdk::message::{Mender, Reason, Step};
use loket_sdk::testing::Ca;

use super::*;
use crate::commands::lookup::tests::NIK;
use crate::commands::lookup::tests::town::Town;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// Code, output, what was said.
fn ran(words: &[&str], input: &str) -> (u8, String, String) {
    let args = Cli::try_parse_from(["explain"].iter().chain(words)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_with(&args.args, &mut input.as_bytes(), &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

fn explanation(words: &[&str], input: &str) -> (u8, Explanation) {
    let words = [words, &["--output=json"]].concat();
    let (code, out, err) = ran(&words, input);
    let explanation = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    (code, explanation)
}

const READ: &str = "--record=taxpayer/1=npwp,registered_name";
const PURPOSE: &str = "--purpose=business_licence";

#[test]
fn a_caller_asks_its_gateway() {
    let town = Town::start();
    let file = |name: &str| town.files.path().join(name).display().to_string();
    let given = [
        format!("--url={}", town.url),
        format!("--cert={}", file("dpmptsp-3510-counter-app.pem")),
        format!("--key={}", file("dpmptsp-3510-counter-app.key")),
        format!("--ca={}", file("ca.pem")),
    ];
    let right = [
        "--legal-basis=legal_obligation:PP 28/2025",
        "--case=MPP-3510-20261124-000123",
        "--clerk=clk-7f3a",
        "--counter=B07",
    ];
    let with = |more: &[&'static str]| {
        let given = given.iter().map(String::as_str);
        given
            .chain(right)
            .chain(more.iter().copied())
            .collect::<Vec<&str>>()
    };
    let (code, out, err) = ran(&with(&[PURPOSE, READ]), NIK);
    assert_eq!((code, err.as_str()), (code::COMPLETE, ""), "{out}");
    assert!(
        out.contains("taxpayer/1 djp allowed") && !out.contains(NIK),
        "{out}"
    );

    let birth_date = "--record=person-identity/1=birth_date";
    let (code, explained) = explanation(&with(&[PURPOSE, READ, birth_date]), NIK);
    assert_eq!(
        (code, explained.first_failing),
        (code::PARTIAL, Some(Step::Fields))
    );
    let (code, explained) = explanation(&with(&["--purpose=land_transfer", READ]), NIK);
    assert_eq!(
        (code, explained.first_failing),
        (code::DENIED, Some(Step::Purpose))
    );
    let (code, explained) = explanation(&with(&[PURPOSE, "--record=passport/1"]), NIK);
    assert_eq!(code, code::DENIED);
    assert_eq!(explained.records[0].reason, Some(Reason::NoGrant));
    assert_eq!(explained.records[0].source, None);
    assert_eq!(town.dukcapil.requests().len(), 0);
    town.leave();
}

#[test]
fn an_operator_needs_no_gateway() {
    let town = Town::start();
    let file = |name: &str| town.files.path().join(name).display().to_string();
    let config = format!("--config={}", file("loket.toml"));
    let by = |certificate: &str| format!("--certificate={}", file(certificate));
    let counter = by("dpmptsp-3510-counter-app.pem");
    let (code, explained) = explanation(&[&config, &counter, PURPOSE, READ], "");
    assert_eq!(code, code::COMPLETE, "{explained:?}");
    let passport = "--record=passport/1";
    let (code, explained) = explanation(&[&config, &counter, PURPOSE, passport], "");
    let last = explained.records[0].steps.last().unwrap();
    assert_eq!(
        (code, last.mended_by),
        (code::DENIED, Some(Mender::Operator))
    );

    // Another authority's certificate, then one of a system that isn't enrolled.
    Ca::new("loket.example")
        .system("dpmptsp-3510", "stranger")
        .write_to(town.files.path());
    let stranger = by("dpmptsp-3510-stranger.pem");
    let (code, explained) = explanation(&[&config, &stranger, PURPOSE, READ], "");
    assert_eq!(
        (code, explained.first_failing),
        (code::DENIED, Some(Step::Certificate))
    );
    let gateway = by("gateway-front.pem");
    let (code, explained) = explanation(&[&config, &gateway, PURPOSE, READ], "");
    assert_eq!(
        (code, explained.first_failing),
        (code::DENIED, Some(Step::Member))
    );

    let nowhere = format!("--config={}", file("nowhere.toml"));
    assert_eq!(ran(&[&nowhere, &counter, PURPOSE, READ], "").0, 3);
    let none = by("nowhere.pem");
    assert_eq!(ran(&[&config, &none, PURPOSE, READ], "").0, code::USAGE);
    assert_eq!(
        ran(&[&config, &counter, PURPOSE, READ, "-"], "12").0,
        code::USAGE
    );
    town.leave();
}

/// The subject's name in the list of holds is the gateway's.
#[test]
fn an_operator_sees_a_hold() {
    let town = Town::start();
    let path = town.files.path();
    let key = crate::audit::subject_key(&[0x5e; 32]);
    let subject = loket_sdk::message::SubjectKey {
        scheme: loket_sdk::ids::Scheme::Nik,
        value: loket_sdk::sensitive::Sensitive::new(NIK.to_owned()),
    };
    std::fs::write(
        path.join("holds"),
        crate::audit::subject_ref(&key, &subject),
    )
    .unwrap();
    let text = std::fs::read_to_string(path.join("loket.toml")).unwrap();
    let text = format!(
        "holds_file = \"holds\"\n{}",
        text.replace("[\"business_licence\"]", "[\"identity_check\"]")
    );
    std::fs::write(path.join("held.toml"), text).unwrap();
    let config = format!("--config={}", path.join("held.toml").display());
    let counter = format!(
        "--certificate={}",
        path.join("dpmptsp-3510-counter-app.pem").display()
    );
    let words = [&config, &counter, "--purpose=identity_check", READ];
    let (code, explained) = explanation(&[words[0], words[1], words[2], words[3], "-"], NIK);
    assert_eq!(
        (code, explained.first_failing),
        (code::DENIED, Some(Step::Hold))
    );
    let (code, _) = explanation(&words, "");
    assert_eq!(code, code::COMPLETE);
    town.leave();
}

#[test]
fn what_is_missing_is_asked_for() {
    for words in [
        &["--purpose=business_licence", READ][..],
        &["--config=loket.toml", PURPOSE, READ],
        &["--certificate=counter.pem", PURPOSE, READ],
    ] {
        let words = ["explain"].iter().chain(words);
        assert!(Cli::try_parse_from(words).is_err());
    }
}
