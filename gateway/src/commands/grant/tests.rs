use std::os::unix::fs::PermissionsExt;

use clap::Parser;

use super::*;
use crate::grants::{TYP, read as document};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// Words are parted by single blanks; DIR stands for the directory.
fn loket(dir: &Path, line: &str) -> anyhow::Result<(u8, String)> {
    let line = line.replace("DIR", &dir.display().to_string());
    let cli = Cli::try_parse_from(std::iter::once("grant").chain(line.split(' ')))?;
    let mut out = Vec::new();
    let code = run(&cli.args, &mut out)?;
    Ok((code, String::from_utf8(out)?))
}

const NEW: &str = "new --id grt-1 --agreement PKS-1 --consumer korlantas --source bpjs-kesehatan \
                   --record health-insurance/1 --purpose driving_licence_renewal --read \
                   --valid-from 2026-01-01 --valid-to 2028-12-31 --out DIR/grt-1.json";
const SIGN: &str = "sign --key DIR/bpjs-kesehatan-2026-1.key --kid bpjs-kesehatan/2026-1 \
                    --out DIR/grants DIR/grt-1.json";
const VERIFY: &str = "verify --key DIR/bpjs-kesehatan-2026-1.pub DIR/grants/grt-1.jws";

#[test]
fn a_grant_is_drafted_signed_verified_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let run = |line: &str| loket(dir, line).unwrap_or_else(|error| panic!("{line}: {error:#}"));
    let (_, said) = run("key --dir DIR --agency bpjs-kesehatan --id 2026-1");
    assert!(said.contains("[[members.keys]]"), "{said}");
    let key = fs::metadata(dir.join("bpjs-kesehatan-2026-1.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    loket(dir, "key --dir DIR --agency bpjs-kesehatan --id 2026-1").unwrap_err();

    let (_, said) = run(NEW);
    assert!(
        said.contains("membership_status") && said.contains("Card number"),
        "{said}"
    );
    loket(dir, NEW).unwrap_err();
    let draft = dir.join("grt-1.json");
    let first = document(&fs::read(&draft).unwrap()).unwrap();
    assert_eq!(first.state.as_str(), "draft");
    assert!(first.fields.len() > 10);

    run(SIGN);
    let (code, said) = run(VERIFY);
    assert_eq!(code, 0);
    assert!(
        said.contains("serial 1, draft, signed by bpjs-kesehatan/2026-1"),
        "{said}"
    );
    run(SIGN);
    run("key --dir DIR --agency korlantas --id 2026-1");
    let (code, said) = run(&VERIFY.replace("bpjs-kesehatan-2026-1.pub", "korlantas-2026-1.pub"));
    assert_eq!(code, WRONG);
    assert!(said.contains("altered, or signed by another"), "{said}");
    let other = SIGN.replace("bpjs-kesehatan/2026-1", "korlantas/2026-1");
    let error = loket(dir, &other).unwrap_err();
    assert!(
        format!("{error:#}").contains("only the agency that owns"),
        "{error:#}"
    );

    // A change needs a serial of its own.
    let text = fs::read_to_string(&draft).unwrap();
    let active = text.replace("\"draft\"", "\"active\"");
    fs::write(&draft, &active).unwrap();
    let error = loket(dir, SIGN).unwrap_err();
    assert!(
        format!("{error:#}").contains("only take a higher one"),
        "{error:#}"
    );
    let diff = "diff DIR/grants/grt-1.jws DIR/grt-1.json";
    let (code, said) = run(diff);
    assert_eq!(code, WRONG);
    assert!(
        said.contains("wider     the state was draft and is active"),
        "{said}"
    );
    fs::write(&draft, active.replace("\"serial\": 1", "\"serial\": 2")).unwrap();
    run(&SIGN.replace("sign ", "sign --now "));
    let (code, said) = run("diff DIR/grants/grt-1.jws DIR/grants/grt-1.jws");
    assert_eq!((code, said.as_str()), (0, "nothing differs\n"));

    // What is wider than the schema isn't signed in the first place.
    fs::write(&draft, active.replace("\"nik\"", "\"blood_type\"")).unwrap();
    let error = loket(dir, SIGN).unwrap_err();
    assert!(
        format!("{error:#}").contains("has no blood_type"),
        "{error:#}"
    );
}

#[test]
fn routed_calls_name_methods_and_paths() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let line = "new --id grt-2 --agreement PKS-1 --consumer korlantas --source dukcapil \
                --service population --valid-from 2026-01-01 --valid-to 2028-12-31 \
                --daily-quota 10 --out DIR/grt-2.json";
    loket(dir, line).unwrap_err();
    loket(dir, &format!("{line} --method GET --path /people/*/status")).unwrap();
    let draft = document(&fs::read(dir.join("grt-2.json")).unwrap()).unwrap();
    assert_eq!((draft.daily_quota, draft.mode), (Some(10), None));
    loket(dir, &format!("{line} --record taxpayer/1")).unwrap_err();
}

#[test]
fn what_is_not_a_grant_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    loket(dir, "key --dir DIR --agency bpjs-kesehatan --id 2026-1").unwrap();
    fs::create_dir(dir.join("grants")).unwrap();
    fs::write(dir.join("grants/grt-1.jws"), "{}").unwrap();
    let (code, said) = loket(dir, VERIFY).unwrap();
    assert_eq!(code, WRONG);
    assert!(said.contains("isn't signed"), "{said}");
    loket(dir, "verify DIR/grants/grt-1.jws").unwrap_err();
    assert_eq!(TYP, "loket-grant+jws");
}
