//! The operator's commands against the built gateway: what they say, and the exit codes that scripts go by.

use std::net::SocketAddr;
use std::process::{Command, Output};

use loket_tests::real::{BYSTANDERS, Gateway, Lie, Seen, Site, loket, register};
use serde_json::{Value, json};

async fn run(admin: SocketAddr, words: &[&str]) -> (i32, String) {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    let run = move || -> Output {
        let mut command = Command::new(loket());
        command.args(words).arg("--admin").arg(admin.to_string());
        command.output().unwrap()
    };
    let ran = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    let code = ran.status.code().unwrap();
    (code, String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_checks_reloads_and_drains() {
    let site = Site::new().await;
    let config = site.config();
    let gateway = Gateway::start(&config);
    let admin = gateway.admin_address();

    let (code, said) = run(admin, &["healthcheck"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("[+]audit ok\n"), "{said}");
    let (code, said) = run(admin, &["healthcheck", "--live"]).await;
    assert_eq!((code, said.as_str()), (0, "ok\n"));
    let (code, said) = run(admin, &["healthcheck", "--output", "json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["well"]), (0, &Value::Bool(true)));

    let (code, said) = run(admin, &["reload"]).await;
    assert_eq!((code, said.lines().next()), (0, Some("nothing changed")));
    let file = site.grant(BYSTANDERS[1], "mpp-kota", 2, "suspended");
    let (code, said) = run(admin, &["reload"]).await;
    let changed = said.lines().next().unwrap();
    assert_eq!(
        (code, changed),
        (0, "grants changed: bpjs-kesehatan-mpp-kota")
    );
    std::fs::write(&file, "none").unwrap();
    let (code, said) = run(admin, &["reload"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("what was in force stays\n"), "{said}");
    assert!(said.contains("wrong: "), "{said}");
    assert!(said.contains(".jws:"), "{said}");

    let (code, said) = run(admin, &["drain", "--output", "json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["draining"]), (0, &Value::Bool(true)));
    gateway.ended().await;
    let (code, said) = run(admin, &["healthcheck"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("error: nobody answers at "), "{said}");
    site.close().await;
}

/// From "lookups are failing" to the agency, a trace and its cause, in two commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_finds_a_failing_trace_and_its_cause() {
    let mut site = Site::new().await;
    let land = site.liar(register("bpn")).await;
    let gateway = Gateway::start(&site.config());
    let admin = gateway.admin_address();
    let load = site.load(&gateway);
    load.before().await;
    land.tell(Lie::GarbageBody);
    let fails = |seen: &[Seen]| {
        let last = seen
            .last()
            .and_then(|seen| seen.reason(land.register().record));
        last.is_some_and(|reason| reason.as_str() == "not_json")
    };
    load.until("it fails", fails).await;
    load.end().await;

    let words = &["trace", "list", "--why", "failed", "--agency", "bpn"];
    let (code, said) = run(admin, words).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("bpn=invalid("), "{said}");
    let id = said.lines().next().unwrap().rsplit(' ').next().unwrap();
    let shown = run(admin, &["trace", "show", id]).await;
    assert_eq!(shown.0, 0, "{}", shown.1);
    assert!(shown.1.contains("!   -> bpn invalid ("), "{}", shown.1);
    assert!(shown.1.contains("audit"), "{}", shown.1);
    assert!(shown.1.contains("INFO  answered"), "{}", shown.1);

    let (code, said) = run(admin, &["top", "--once"]).await;
    assert_eq!(code, 0, "{said}");
    let worst = said.lines().nth(2).unwrap();
    assert!(
        worst.contains("bpn") && worst.contains("schema_invalid"),
        "{said}"
    );

    let words = &["trace", "list", "--agency", "nobody", "--output", "json"];
    let (code, said) = run(admin, words).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["traces"]), (0, &json!([])));
    let nobodys = &["trace", "show", "0af7651916cd43dd8448eb211c80319c"];
    assert_eq!(run(admin, nobodys).await.0, 4);
    assert_eq!(
        run(admin, &["trace", "list", "--why", "because"]).await.0,
        1
    );
    gateway.stop().await;
    site.close().await;
}

#[test]
fn the_command_line_describes_itself() {
    let run = |words: &[&str]| {
        let ran = Command::new(loket()).args(words).output().unwrap();
        assert!(ran.status.success(), "{words:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("healthcheck"), "{shell}");
    }
    assert!(run(&["man"]).contains(".TH loket 1"));
    let directory = tempfile::tempdir().unwrap();
    run(&["man", "--directory", directory.path().to_str().unwrap()]);
    for page in ["loket.1", "loket-serve.1", "loket-audit-verify.1"] {
        assert!(directory.path().join(page).exists(), "{page}");
    }
}
