use clap::Parser;
use loket_sdk::claims::Op;
use loket_sdk::client::Error;
use loket_sdk::message::{Answer, Reason};
use loket_sdk::problem::{Code, Problem};
use serde_json::{Value, json};

use super::question::{Basis, RecordText, claim};
use super::table::{self, Showing};
use super::{Args, Output, code, run_with, voice};

pub(in crate::commands) mod town;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

pub(in crate::commands) const NIK: &str = "3510161405889901";

fn parse(more: &[&str]) -> Result<Args, clap::Error> {
    let base = [
        "lookup",
        "--purpose=business_licence",
        "--legal-basis=legal_obligation:PP 28/2025",
        "--case=MPP-3510-20261124-000123",
        "--clerk=clk-7f3a",
        "--counter=B07",
        "--url=https://localhost:1",
        "--cert=/nowhere/counter.pem",
        "--key=/nowhere/counter.key",
        "--ca=/nowhere/ca.pem",
    ];
    Cli::try_parse_from(base.iter().chain(more)).map(|cli| cli.args)
}

/// Code, output, what was said.
pub(in crate::commands) fn ran(args: &Args, input: &str) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run_with(args, &mut input.as_bytes(), &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

#[test]
fn a_record_has_fields_and_a_mark() {
    let check = |text: &str, expected: Result<(Option<&[&str]>, bool), &str>| {
        let read = text.parse::<RecordText>();
        match (&read, expected) {
            (Ok(read), Ok((fields, required))) => {
                let fields = fields.map(|all| all.iter().map(ToString::to_string).collect());
                assert_eq!((&read.fields, read.required), (&fields, required), "{text}");
            }
            (Err(what), Err(part)) => assert!(what.contains(part), "{text}: {what}"),
            _ => panic!("{text}: {read:?}"),
        }
    };
    check("taxpayer/1", Ok((None, false)));
    check("taxpayer/1!", Ok((None, true)));
    check(
        "taxpayer/1=npwp, registered_name",
        Ok((Some(&["npwp", "registered_name"]), false)),
    );
    check("taxpayer/1=npwp!", Ok((Some(&["npwp"]), true)));
    check("taxpayer/1!=npwp", Ok((Some(&["npwp"]), true)));
    check("taxpayer", Err("person-identity/1"));
    check("tax-payer/1", Err("there are person-identity/1"));
    check(
        "taxpayer/1=nwpw",
        Err("no such field; it has business_places"),
    );
    check("taxpayer/1=", Err("no such field"));
}

#[test]
fn a_claim_has_the_type_of_its_field() {
    let check = |text: &str, expected: Result<(Op, Value), &str>| {
        let read = claim(text);
        match (&read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!((read.op, read.value.clone()), expected),
            (Err(what), Err(part)) => {
                assert!(what.contains(part), "{text}: {what}");
                assert!(!what.contains("BAGAS"), "{what}");
            }
            _ => panic!("{text}: {read:?}"),
        }
    };
    check(
        "person-identity/1:full_name:name_matches=BAGAS = CONTOH",
        Ok((Op::NameMatches, json!("BAGAS = CONTOH"))),
    );
    check(
        "person-identity/1:nik:exists",
        Ok((Op::Exists, Value::Null)),
    );
    check(
        "social-assistance/1:decile:at_most=4",
        Ok((Op::AtMost, json!(4))),
    );
    check(
        "social-assistance/1:decile:equals=4",
        Ok((Op::Equals, json!(4))),
    );
    check(
        "taxpayer/1:vat_registered:equals=true",
        Ok((Op::Equals, json!(true))),
    );
    check(
        "person-identity/1:nik:equals=3510",
        Ok((Op::Equals, json!("3510"))),
    );
    check(
        "person-identity/1:sex:one_of=male, female",
        Ok((Op::OneOf, json!(["male", "female"]))),
    );
    check("person-identity/1:nik:exists=1", Err("takes no value"));
    check(
        "person-identity/1:full_name:name_matches=",
        Err("needs a value"),
    );
    check(
        "person-identity/1:full_name:sounds_like=BAGAS",
        Err("there are equals"),
    );
    check(
        "person-identity/1:nickname:equals=BAGAS",
        Err("no such field"),
    );
    check("person-identity/1=BAGAS", Err("RECORD:FIELD:OP=VALUE"));
    check(
        "social-assistance/1:decile:at_most=BAGAS",
        Err("needs a number"),
    );
}

#[test]
fn the_legal_basis_names_its_kinds() {
    let read: Basis = "public_task:UU 22/2009 art. 85: SIM".parse().unwrap();
    assert_eq!(read.reference, "UU 22/2009 art. 85: SIM");
    let refused = |text: &str| text.parse::<Basis>().unwrap_err();
    assert!(refused("law:PP 28/2025").contains("consent, contract, legal_obligation"));
    assert!(refused("public_task").contains("after the colon"));
    let error = parse(&["--record=taxpayer/1", "--legal-basis=why"]).unwrap_err();
    assert_eq!(error.exit_code(), i32::from(code::USAGE));
}

#[test]
fn something_must_be_asked() {
    assert_eq!(parse(&[]).unwrap_err().exit_code(), 2);
    parse(&["--record=taxpayer/1"]).unwrap();
    parse(&["--claim=taxpayer/1:npwp:exists"]).unwrap();
}

#[test]
fn nothing_personal_is_repeated() {
    let args = parse(&[
        NIK,
        "--claim=person-identity/1:full_name:name_matches=BAGAS",
    ])
    .unwrap();
    let shown = format!("{args:?}");
    assert!(!shown.contains(NIK) && !shown.contains("BAGAS"), "{shown}");
    let (code, out, err) = ran(&args, "");
    assert_eq!((code, out.as_str()), (code::USAGE, ""));
    assert!(err.contains("history") && err.contains("/nowhere"), "{err}");
    assert!(!err.contains(NIK), "{err}");
}

#[test]
fn the_subject_is_a_line_of_standard_input() {
    let args = parse(&["-", "--record=taxpayer/1"]).unwrap();
    let said = |input: &str| ran(&args, input).2;
    assert!(said("").contains("subject is missing"));
    assert!(said("\n").contains("subject is missing"));
    let short = said("351016140588\n");
    assert!(
        short.contains("error:") && !short.contains("3510"),
        "{short}"
    );
    // Read to its end, so the certificate is what is missing next.
    assert!(said("3510 1614 0588 9901\n").contains("/nowhere"));
    assert!(!said(NIK).contains("history"));
}

fn answer(overall: &str, reasons: &[Reason]) -> Answer {
    let result = |reason: &Reason| {
        json!({
            "record": "taxpayer/1", "version": "1.0", "outcome": reason.outcome(),
            "reason": reason, "elapsed_ms": 12,
            "source": {"agency": "djp", "system": "coretax"},
        })
    };
    serde_json::from_value(json!({
        "request_id": "0192f0c4-7d1a-7e55-9b61-000000000001",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "answered_at": "2026-11-24T03:00:00Z",
        "overall": overall,
        "results": reasons.iter().map(result).collect::<Vec<_>>(),
        "receipt": {"entry": 12, "at": "2026-11-24T03:00:00Z", "hash": "ab".repeat(32)},
    }))
    .unwrap()
}

#[test]
fn the_exit_code_tells_what_became_of_it() {
    use Reason::*;
    let check = |overall: &str, reasons: &[Reason], expected: u8| {
        assert_eq!(
            code::of_answer(&answer(overall, reasons)),
            expected,
            "{reasons:?}"
        );
    };
    check("complete", &[Complete, InPart], 0);
    check("complete", &[Complete, NoRecord], 0);
    check("complete", &[NoRecord, SeveralRecords], 4);
    check("none", &[NoGrant, QuotaUsedUp], 5);
    check("none", &[NoGrant, RequiredSourceFailed], 5);
    check("partial", &[Complete, NoGrant], 6);
    check("partial", &[Complete, NoAnswerYet, Unreachable], 6);
    check("none", &[NoAnswerYet, NoAnswerYet], 7);
    check("none", &[NoAnswerYet, Unreachable], 1);
    check("none", &[Unreachable], 1);
    check("none", &[BreaksSchema, NoGrant], 1);
    check("none", &[RequiredSourceFailed], 1);
}

fn problem(code: Code) -> Error {
    Error::Problem {
        problem: Box::new(Problem::new(code, "Do \u{1b}[31mthis.", "0af7")),
        retry_after: code.retryable().then(|| std::time::Duration::from_secs(3)),
    }
}

#[test]
fn an_error_has_its_exit_code() {
    let timeout = Error::Timeout {
        after: std::time::Duration::from_secs(4),
        request_id: Some(uuid::Uuid::nil()),
        trace_id: "0af7".to_owned(),
    };
    assert_eq!(code::of_error(&timeout), 7);
    for (problem_code, expected) in [
        (Code::NothingGranted, 5),
        (Code::NotEnrolled, 5),
        (Code::BreaksSchema, 1),
        (Code::RateLimited, 1),
        (Code::AuditUnavailable, 1),
    ] {
        assert_eq!(
            code::of_error(&problem(problem_code)),
            expected,
            "{problem_code:?}"
        );
    }
    let mut err = Vec::new();
    voice::failure(&timeout, Output::Table, &mut Vec::new(), &mut err).unwrap();
    assert!(
        String::from_utf8(err)
            .unwrap()
            .contains("--request-id 00000000")
    );
}

#[test]
fn an_error_says_whose_move_it_is() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    voice::failure(
        &problem(Code::Overloaded),
        Output::Ndjson,
        &mut out,
        &mut err,
    )
    .unwrap();
    insta::assert_snapshot!(String::from_utf8(err).unwrap(), @r"
    error: Too busy to serve this now (overloaded): Do �[31mthis.
    fault: the gateway or the way there; its operator can mend it
    retry: the same command, in 3 s
    trace: 0af7
    ");
    let document: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(document["event"], "problem");
    assert_eq!(document["retry_after_s"], 3);
}

fn shown(answer: &Answer, exposed: bool) -> String {
    let mut out = Vec::new();
    let showing = Showing {
        exposed,
        width: 100,
    };
    table::write(answer, showing, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_table_shows_everything_that_was_said() {
    let mut whole = json!(answer(
        "partial",
        &[Reason::InPart, Reason::Complete, Reason::QuotaUsedUp]
    ));
    whole["results"][0]["data"] = json!({
        "npwp": "0012345678901000",
        "registered_name": "BAGAS \u{1b}[2JCONTOH",
        "vat_registered": true,
        "business_places": [{"nitku": "0012345678901000000000", "city": "BANYUWANGI"}],
    });
    whole["results"][0]["withheld"] = json!([{"field": "nik", "reason": "verify_only"}]);
    whole["results"][0]["as_of"] = json!("2026-11-24T02:59:00Z");
    whole["results"][1]["claims"] = json!([
        {"field": "registered_name", "op": "name_matches", "result": "mismatch"},
    ]);
    whole["results"][2]["retry_after_s"] = json!(3600);
    whole["findings"] = json!([{
        "rule": "C03", "code": "name_variant", "severity": "warning",
        "records": ["taxpayer/1"], "fields": ["registered_name"], "owner": "djp",
        "message": "The name is written in another way.",
    }]);
    whole["obligations"] = json!(["show_only", "delete_after_case"]);
    whole["required_missing"] = json!(["taxpayer/1"]);
    let answer: Answer = serde_json::from_value(whole).unwrap();
    insta::assert_snapshot!(shown(&answer, false), @r"
    ─────────────────────────────────────────────────────────────────────────────────────────────
     record       agency   outcome   reason          ms   answer
    ═════════════════════════════════════════════════════════════════════════════════════════════
     taxpayer/1   djp      found     in_part         12   business_places[0].city = BANYUWANGI
                                                          business_places[0].nitku =
                                                          0012••••••••••••••0000
                                                          npwp = 0012••••••••1000
                                                          registered_name = BAGAS �[2JCONTOH
                                                          vat_registered = true
                                                          withheld nik: verify_only
                                                          as of 2026-11-24T02:59:00Z
    ─────────────────────────────────────────────────────────────────────────────────────────────
     taxpayer/1   djp      found     complete        12   registered_name name_matches: mismatch
    ─────────────────────────────────────────────────────────────────────────────────────────────
     taxpayer/1   djp      denied    quota_used_up   12   ask again in 3600 s
    ─────────────────────────────────────────────────────────────────────────────────────────────
    finding      C03 warning name_variant (taxpayer/1): The name is written in another way. [djp]
    obligations  show_only, delete_after_case
    missing      taxpayer/1
    overall      partial
    receipt      entry 12 of 2026-11-24T03:00:00Z, abababababababababababababababababababababababababababababababab
    request      0192f0c4-7d1a-7e55-9b61-000000000001
    trace        0af7651916cd43dd8448eb211c80319c
    ");
    let exposed = shown(&answer, true);
    assert!(exposed.contains("npwp = 0012345678901000"), "{exposed}");
}
