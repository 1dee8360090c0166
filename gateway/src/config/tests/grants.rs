use std::fs;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use loket_sdk::jws::SigningKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{BASE, Config, ConfigErrors, load, town};
use crate::directory::GrantState;
use crate::grants;

const KID: &str = "djp/2026-1";

/// A directory of signed grants beside the configuration, and the agency's key.
struct Site {
    dir: TempDir,
    key: SigningKey,
}

fn site() -> Site {
    let dir = town();
    fs::create_dir(dir.path().join("grants")).unwrap();
    let key = SigningKey::generate().unwrap();
    fs::write(dir.path().join("djp.pub"), key.public_key().to_pem()).unwrap();
    Site { dir, key }
}

fn document() -> Value {
    json!({
        "grant_id": "g-2", "serial": 1, "issued_at": "2026-01-01T00:00:00Z",
        "agreement": "PKS 2", "consumer": "dukcapil", "source": "djp", "record": "taxpayer/1",
        "purposes": ["business_licence"], "fields": ["npwp", "registered_name"], "mode": "read",
        "daily_quota": 10, "valid_from": "2020-01-01", "valid_to": "2099-12-31",
        "state": "active", "onward_transfer": false
    })
}

impl Site {
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("grants").join(name)
    }

    fn sign(&self, document: &Value) -> String {
        grants::sign(document.to_string().as_bytes(), &self.key, KID).unwrap()
    }

    fn grant(&self, document: &Value) {
        let name = format!("{}.jws", document["grant_id"].as_str().unwrap());
        fs::write(self.file(&name), self.sign(document)).unwrap();
    }

    /// Without the unsigned grant, and with the agency's key enrolled.
    fn text(&self) -> String {
        let (base, _) = BASE.split_once("[[grants]]").unwrap();
        let base = base.replace("danger_unsigned_grants = true\n", "");
        format!(
            "grants_dir = \"grants\"\n{base}
[[members]]
id = \"djp\"
name = \"DJP\"
requests_per_second = 1
[[members.keys]]
id = \"2026-1\"
use = \"grant\"
public_key_file = \"djp.pub\"
from = 2026-01-01
"
        )
    }

    fn load(&self, more: &str) -> Result<Config, ConfigErrors> {
        load(&self.dir, &(self.text() + more))
    }

    #[track_caller]
    fn refused(&self, more: &str, file: &str, key: &str, fragment: &str) {
        let errors = self.load(more).map(drop).unwrap_err();
        let said = errors.to_string();
        assert_eq!(errors.errors.len(), 1, "{said}");
        let error = &errors.errors[0];
        assert_eq!(error.file.file_name().unwrap(), file, "{said}");
        assert_eq!(error.key, key, "{said}");
        assert!(said.contains(fragment), "{said}");
    }
}

#[test]
fn signed_grants_are_read_with_their_keys() {
    let site = site();
    site.grant(&document());
    let calls = json!({
        "grant_id": "g-3", "serial": 1, "issued_at": "2026-01-01T00:00:00Z",
        "agreement": "PKS 3", "consumer": "dukcapil", "source": "djp", "service": "tax",
        "methods": ["GET"], "paths": ["/status/*"],
        "valid_from": "2020-01-01", "valid_to": "2099-12-31", "state": "active"
    });
    site.grant(&calls);
    fs::create_dir(site.file("..data")).unwrap();
    let service = "[[services]]\nagency = \"djp\"\nservice = \"tax\"\nsystem = \"coretax\"\n\
                   url = \"https://coretax.example:8443\"\n";
    let config = site.load(service).unwrap();
    assert!(config.warnings.is_empty(), "{:#?}", config.warnings);
    let grant = &config.directory.grants()[0];
    assert_eq!(grant.signature.as_ref().unwrap().kid, KID);
    assert_eq!(config.directory.service_grants()[0].id, "g-3");
    assert_eq!(config.directory.members()[1].keys[0].id, "2026-1");
}

#[test]
fn a_file_that_does_not_count_is_named() {
    let site = site();
    fs::write(site.file("g-2.jws"), document().to_string()).unwrap();
    site.refused("", "g-2.jws", "grants_dir", "isn't signed");
    let mut wide = document();
    wide["source"] = json!("dukcapil");
    let payload = wide.to_string();
    let wrong = loket_sdk::jws::sign_compact(&site.key, grants::TYP, KID, payload.as_bytes());
    fs::write(site.file("g-2.jws"), wrong.unwrap()).unwrap();
    site.refused(
        "",
        "g-2.jws",
        "grants_dir",
        "only the agency that owns the data",
    );
    fs::write(site.file("g-2.jws"), [0xff]).unwrap();
    site.refused("", "g-2.jws", "grants_dir", "can't be read");
    site.grant(&document());
    fs::rename(site.file("g-2.jws"), site.file("g-1.jws")).unwrap();
    site.refused("", "g-1.jws", "grants_dir", "belongs into g-2.jws");
    fs::rename(site.file("g-1.jws"), site.file("g-2.jws")).unwrap();
    fs::write(site.file("notes.txt"), "").unwrap();
    site.refused("", "notes.txt", "grants_dir", "nothing else belongs here");
    fs::remove_file(site.file("notes.txt")).unwrap();
    let mut other = document();
    other["consumer"] = json!("bkpm");
    site.grant(&other);
    site.refused("", "g-2.jws", "grants_dir", "bkpm isn't a member");
    fs::remove_dir_all(site.dir.path().join("grants")).unwrap();
    site.refused("", "loket.toml", "grants_dir", "can't be read");
}

#[test]
fn an_unsigned_grant_in_the_file_is_refused() {
    let text = BASE.replace("danger_unsigned_grants = true\n", "");
    let errors = load(&town(), &text).map(drop).unwrap_err();
    let said = errors.to_string();
    assert_eq!(errors.errors[0].key, "grants[0].grant_id", "{said}");
    assert!(said.contains("`loket grant sign`"), "{said}");
    let config = load(&town(), BASE).unwrap();
    let warning = &config.warnings[0];
    assert_eq!(warning.key, "gateway.danger_unsigned_grants");
}

#[test]
fn an_id_is_granted_once() {
    let site = site();
    let mut same = document();
    same["grant_id"] = json!("g-1");
    site.grant(&same);
    let (_, unsigned) = BASE.split_once("[[grants]]").unwrap();
    let danger = "[gateway]\ndanger_unsigned_grants = true";
    let text = site.text().replace("[gateway]", danger) + "[[grants]]" + unsigned;
    let errors = load(&site.dir, &text).map(drop).unwrap_err();
    assert!(
        errors.to_string().contains("grant g-1 is named twice"),
        "{errors}"
    );
}

#[test]
fn an_operator_only_narrows() {
    let site = site();
    site.grant(&document());
    let narrowing = |keys: &str| format!("[[narrowings]]\ngrant_id = \"g-2\"\n{keys}\n");
    let because = "reason = \"until the audit is over\"\n";
    let config = site
        .load(&narrowing(&format!("{because}fields = [\"npwp\"]")))
        .unwrap();
    let grant = &config.directory.grants()[0];
    assert_eq!(grant.fields, ["npwp".to_owned()].into());
    assert_eq!(grant.narrowed.as_deref(), Some("until the audit is over"));
    let config = site
        .load(&narrowing(&format!("{because}suspended = true")))
        .unwrap();
    assert_eq!(config.directory.grants()[0].state, GrantState::Suspended);
    for (keys, key, fragment) in [
        (
            "fields = [\"npwp\", \"address\"]",
            "fields",
            "would widen the grant g-2: it doesn't name address",
        ),
        (
            "purposes = [\"vehicle_tax\"]",
            "purposes",
            "it isn't for vehicle_tax",
        ),
        ("daily_quota = 11", "daily_quota", "it allows 10 a day"),
        ("valid_to = 2100-01-01", "valid_to", "it ends on 2099-12-31"),
        ("fields = []", "fields", "leaves no field"),
        ("purposes = [\"curiosity\"]", "purposes", "isn't a purpose"),
        ("daily_quota = 0", "daily_quota", "lets nothing through"),
        ("", "grant_id", "narrows nothing"),
    ] {
        let key = format!("narrowings[0].{key}");
        site.refused(
            &narrowing(&format!("{because}{keys}")),
            "loket.toml",
            &key,
            fragment,
        );
    }
    site.refused(
        &narrowing("suspended = true\nreason = \" \""),
        "loket.toml",
        "narrowings[0].reason",
        "is empty",
    );
    let twice = narrowing(&format!("{because}suspended = true")).repeat(2);
    site.refused(
        &twice,
        "loket.toml",
        "narrowings[1].grant_id",
        "narrowed twice",
    );
    let gone = narrowing(&format!("{because}suspended = true")).replace("g-2", "g-9");
    let config = site.load(&gone).unwrap();
    assert_eq!(config.warnings[0].key, "narrowings[0].grant_id");
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let site = site();
    let more = |keys: &str| format!("[[members.keys]]\nid = \"next\"\nuse = \"answer\"\n{keys}\n");
    let file = "public_key_file = \"djp.pub\"\n";
    site.load(&more(file)).unwrap();
    let at = |key: &str| format!("members[1].keys[1].{key}");
    let missing = more("public_key_file = \"none.pub\"");
    site.refused(
        &missing,
        "loket.toml",
        &at("public_key_file"),
        "can't be used",
    );
    let other = more("public_key_file = \"subject.key\"");
    site.refused(
        &other,
        "loket.toml",
        &at("public_key_file"),
        "PEM file with a PUBLIC KEY",
    );
    let days = more(&format!("{file}from = 2026-02-01\nto = 2026-01-01"));
    site.refused(&days, "loket.toml", &at("to"), "before its first");
    let twice = more(file).replace("next", "2026-1");
    site.refused(&twice, "loket.toml", "members[1].keys", "named twice");
    let unknown = more(file).replace("answer", "anything");
    let errors = site.load(&unknown).map(drop).unwrap_err();
    assert!(errors.to_string().contains("keys[1].use"), "{errors}");
}

#[test]
fn a_grant_that_ends_soon_is_warned_of() {
    let site = site();
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let today = zone.to_datetime(Timestamp::now()).date();
    // Midnight may come in between.
    for (left, fragment) in [
        (26, Some("grant g-2 ends in 2")),
        (40, None),
        (-2, Some("grant g-2 has ended")),
    ] {
        let mut ends = document();
        let last = today + SignedDuration::from_hours(24 * left);
        ends["valid_to"] = json!(last.to_string());
        site.grant(&ends);
        let config = site.load("").unwrap();
        let said: Vec<_> = config.warnings.iter().map(|it| &it.message).collect();
        assert_eq!(said.len(), fragment.iter().count(), "{said:?}");
        assert!(
            said.iter()
                .zip(fragment)
                .all(|(it, part)| it.starts_with(part)),
            "{said:?}"
        );
        assert!(
            config
                .warnings
                .iter()
                .all(|it| it.file.ends_with("grants/g-2.jws"))
        );
    }
}
