//! `loket healthcheck`, `drain` and `reload`: the operators' listener asked; a line for people or a
//! document for programs out, and an exit code for scripts.

use std::io::{self, Write};

use anyhow::bail;
use clap::Args as ClapArgs;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::admin::{Admin, Shape, ask, late};

/// Exit code: it answers, and something is wrong.
const WRONG: u8 = 3;
/// Asks whether a gateway takes requests.
///
/// For a container's health check too, where there is no shell.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  loket healthcheck --admin 127.0.0.1:9901

Exit codes:
  0 well   1 nobody answers   2 usage   3 something is wrong, or it starts or drains   7 too late")]
pub struct Healthcheck {
    /// Only whether the process lives: not whether it is ready, which a restart seldom mends
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    admin: Admin,
}

/// Stops a gateway gently: what runs is finished, and nothing new comes.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit codes:
  0 it drains, and ends when it has   1 nobody answers, or it refuses   2 usage   7 too late")]
pub struct Drain {
    #[command(flatten)]
    admin: Admin,
}

/// Has a gateway read its configuration again, as SIGHUP does, and says what changed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit codes:
  0 in force   1 nobody answers   2 usage   3 refused: what was in force stays   7 too late; it may
  be in force")]
pub struct Reload {
    #[command(flatten)]
    admin: Admin,
}

/// Asks; the process's exit code.
///
/// # Errors
/// When nobody answers.
pub fn healthcheck(args: &Healthcheck, out: &mut dyn Write) -> anyhow::Result<u8> {
    let path = if args.live {
        "/livez"
    } else {
        "/readyz?verbose"
    };
    let Some(reply) = ask(&args.admin, &Method::GET, path)? else {
        return late(&args.admin, out);
    };
    let is_well = reply.status == StatusCode::OK;
    match args.admin.output {
        Shape::Text => write!(out, "{}", reply.body)?,
        Shape::Json => {
            let lines: Vec<&str> = reply.body.lines().collect();
            writeln!(out, "{:#}", json!({"well": is_well, "report": lines}))?;
        }
    }
    Ok(if is_well { 0 } else { WRONG })
}

/// Drains; the process's exit code.
///
/// # Errors
/// When nobody answers, or it refuses.
pub fn drain(args: &Drain, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Some(reply) = ask(&args.admin, &Method::POST, "/drain")? else {
        return late(&args.admin, out);
    };
    if reply.status != StatusCode::ACCEPTED {
        bail!("the gateway refuses to drain: {}", reply.says());
    }
    match args.admin.output {
        Shape::Text => writeln!(out, "it drains, and ends when what runs is finished")?,
        Shape::Json => writeln!(out, "{:#}", json!({"draining": true}))?,
    }
    Ok(0)
}

/// Reloads; the process's exit code.
///
/// # Errors
/// When nobody answers.
pub fn reload(args: &Reload, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Some(reply) = ask(&args.admin, &Method::POST, "/reload")? else {
        return late(&args.admin, out);
    };
    let is_in_force = reply.status == StatusCode::OK;
    let said = serde_json::from_str::<Value>(&reply.body);
    match (args.admin.output, said) {
        (Shape::Json, Ok(said)) => writeln!(out, "{said:#}")?,
        (Shape::Text, Ok(said)) if is_in_force => changes(&said, out)?,
        _ => {
            writeln!(out, "{}", reply.says())?;
            findings(&reply.body, out)?;
        }
    }
    Ok(if is_in_force { 0 } else { WRONG })
}

/// What a reload changed, a list to a line.
fn changes(said: &Value, out: &mut dyn Write) -> io::Result<()> {
    let mut any = false;
    for what in ["members", "sources", "grants", "service_grants"] {
        for how in ["added", "removed", "changed"] {
            let ids = said[what][how].as_array().map(Vec::as_slice);
            let ids: Vec<&str> = ids
                .unwrap_or_default()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            if !ids.is_empty() {
                any = true;
                writeln!(out, "{} {how}: {}", what.replace('_', " "), ids.join(", "))?;
            }
        }
    }
    for (flag, words) in [
        ("holds", "other citizens' data is held"),
        ("server_tls", "TLS towards counters changed"),
        ("upstream_tls", "TLS towards agencies changed"),
    ] {
        if said[flag] == true {
            any = true;
            writeln!(out, "{words}")?;
        }
    }
    if !any {
        writeln!(out, "nothing changed")?;
    }
    each_finding(&said["warnings"], "warning", out)
}

/// What is wrong with a configuration that was refused.
fn findings(body: &str, out: &mut dyn Write) -> io::Result<()> {
    let said: Value = serde_json::from_str(body).unwrap_or_default();
    each_finding(&said["findings"], "wrong", out)
}

fn each_finding(list: &Value, word: &str, out: &mut dyn Write) -> io::Result<()> {
    for finding in list.as_array().into_iter().flatten() {
        let text = |name: &str| finding[name].as_str().unwrap_or_default();
        let (file, line) = (text("file"), &finding["line"]);
        writeln!(out, "{word}: {file}:{line}: {}", text("message"))?;
        if !text("remedy").is_empty() {
            writeln!(out, "  {}", text("remedy"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_changed_is_said_a_list_to_a_line() {
        let said = json!({
            "members": {"added": [], "removed": [], "changed": []},
            "sources": {"added": ["bpn/records"], "removed": ["dukcapil/old"], "changed": []},
            "grants": {"added": ["g-1", "g-2"], "removed": [], "changed": []},
            "holds": false, "server_tls": true, "upstream_tls": false,
            "warnings": [{"file": "loket.toml", "line": 7, "message": "a grant ends soon",
                "remedy": "ask the agency"}],
        });
        let mut out = Vec::new();
        changes(&said, &mut out).unwrap();
        let expected = "sources added: bpn/records\nsources removed: dukcapil/old\ngrants added: g-1, \
                        g-2\nTLS towards counters changed\nwarning: loket.toml:7: a grant ends soon\n  ask \
                        the agency\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        changes(&json!({}), &mut out).unwrap();
        assert_eq!(out, b"nothing changed\n");
    }
}
