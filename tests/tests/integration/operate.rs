//! The operator's commands against the built gateway: what they say, and the exit codes that scripts go by.

use std::net::SocketAddr;
use std::process::{Command, Output};

use loket_tests::real::{BYSTANDERS, Gateway, Site, loket};
use serde_json::Value;

async fn run(admin: SocketAddr, words: &'static [&'static str]) -> (i32, String) {
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
