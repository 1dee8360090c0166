use std::num::NonZeroU32;

use loket_sdk::ids::MemberId;
use loket_sdk::jws::JwsError;
use serde_json::{Value, json};

use super::*;
use crate::directory::{Directory, GrantState, MemberKey, Rate};

const KID: &str = "bpjs-kesehatan/2026-1";
const ID: &str = "grt-9901";

struct Town {
    members: Vec<Member>,
    keys: Vec<(&'static str, SigningKey)>,
}

/// Two agencies: the one that owns the data has a key to grant, one of last year and one to answer.
fn town() -> Town {
    let mut keys = Vec::new();
    let mut member = |id: &str, ids: &[(&'static str, KeyUse, Option<&str>)]| Member {
        id: MemberId::parse(id).unwrap(),
        name: id.to_owned(),
        rate: Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::MIN,
        },
        systems: Vec::new(),
        keys: ids
            .iter()
            .map(|(kid, allows, to)| {
                let key = SigningKey::generate().unwrap();
                let public = key.public_key().clone();
                keys.push((*kid, key));
                MemberKey {
                    id: kid.split_once('/').unwrap().1.to_owned(),
                    allows: *allows,
                    public,
                    from: None,
                    to: to.map(|day| day.parse().unwrap()),
                }
            })
            .collect(),
    };
    let members = vec![
        member(
            "bpjs-kesehatan",
            &[
                (KID, KeyUse::Grant, None),
                ("bpjs-kesehatan/2025-1", KeyUse::Grant, Some("2025-12-31")),
                ("bpjs-kesehatan/answers", KeyUse::Answer, None),
            ],
        ),
        member("korlantas", &[("korlantas/2026-1", KeyUse::Grant, None)]),
    ];
    Town { members, keys }
}

impl Town {
    fn key(&self, kid: &str) -> &SigningKey {
        &self.keys.iter().find(|(id, _)| *id == kid).unwrap().1
    }

    /// Signed without a look at the document, as another's program might.
    fn signed(&self, document: &Value, kid: &str) -> String {
        self.signed_as(document, kid, kid)
    }

    fn signed_as(&self, document: &Value, key: &str, kid: &str) -> String {
        let payload = document.to_string();
        jws::sign_compact(self.key(key), TYP, kid, payload.as_bytes()).unwrap()
    }

    fn admit(&self, text: &str) -> Result<Granted, Fault> {
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        admit(ID, text, &self.members, &zone, now)
    }

    #[track_caller]
    fn refused(&self, text: &str) -> Fault {
        let fault = self.admit(text).unwrap_err();
        assert!(!fault.remedy().is_empty());
        fault
    }
}

fn document() -> Value {
    let envelope = loket_schemas::envelope("grant").unwrap();
    let (_, text) = envelope
        .valid
        .iter()
        .find(|(name, _)| name.contains("sample"))
        .unwrap();
    serde_json::from_str(text).unwrap()
}

fn with(key: &str, value: Value) -> Value {
    let mut document = document();
    document[key] = value;
    document
}

fn record(granted: &Granted) -> &crate::directory::Grant {
    match granted {
        Granted::Record(grant) => grant,
        Granted::Service(_) => panic!("of a service"),
    }
}

#[test]
fn what_the_agency_signed_is_granted() {
    let town = town();
    let text = sign(document().to_string().as_bytes(), town.key(KID), KID).unwrap();
    let granted = town.admit(&text).unwrap();
    let grant = record(&granted);
    assert_eq!((grant.id.as_str(), grant.state), (ID, GrantState::Active));
    assert_eq!(grant.fields.len(), 1);
    let signature = grant.signature.as_ref().unwrap();
    assert_eq!((signature.kid.as_str(), signature.serial), (KID, 1));
    for (name, case) in loket_schemas::envelope("grant").unwrap().valid {
        let document = read(case.as_bytes()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let again = serde_json::to_vec(&document).unwrap();
        assert_eq!(read(&again).unwrap(), document, "{name}");
    }
}

#[test]
fn an_unsigned_grant_is_refused() {
    let town = town();
    assert_eq!(town.refused(&document().to_string()), Fault::Unsigned);
    let text = town.signed(&document(), KID);
    let (before, _) = text.rsplit_once('.').unwrap();
    assert!(matches!(
        town.refused(&format!("{before}.")),
        Fault::Jws(JwsError::Signature(_))
    ));
}

#[test]
fn an_altered_payload_is_refused() {
    let town = town();
    let signed = town.signed(&document(), KID);
    let wider = town.signed(&with("daily_quota", json!(9_000_000)), KID);
    let [head, _, signature] = signed.split('.').collect::<Vec<_>>()[..] else {
        panic!()
    };
    let payload = wider.split('.').nth(1).unwrap();
    let altered = format!("{head}.{payload}.{signature}");
    assert_eq!(
        town.refused(&altered),
        Fault::Jws(JwsError::Signature(KID.into()))
    );
}

#[test]
fn an_altered_header_is_refused() {
    let town = town();
    let signed = town.signed(&document(), KID);
    let other = town.signed(&document(), "bpjs-kesehatan/2025-1");
    let head = other.split('.').next().unwrap();
    let (_, rest) = signed.split_once('.').unwrap();
    let fault = town.refused(&format!("{head}.{rest}"));
    assert!(
        matches!(fault, Fault::Jws(JwsError::Signature(_))),
        "{fault}"
    );
    let typ = jws::sign_compact(town.key(KID), "loket-answer+jws", KID, b"{}").unwrap();
    assert!(matches!(
        town.refused(&typ),
        Fault::Jws(JwsError::Type { .. })
    ));
}

#[test]
fn a_header_that_says_more_is_refused() {
    use base64::Engine;
    let town = town();
    let signed = town.signed(&document(), KID);
    let (_, rest) = signed.split_once('.').unwrap();
    for member in ["crit", "jwk", "x5c"] {
        let header = json!({"alg": "Ed25519", "kid": KID, "typ": TYP, member: ["exp"]});
        let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string());
        let fault = town.refused(&format!("{head}.{rest}"));
        assert_eq!(fault, Fault::Jws(JwsError::Member(member.into())));
    }
}

#[test]
fn a_key_of_another_time_is_refused() {
    let town = town();
    let kid = "bpjs-kesehatan/2025-1";
    let fault = town.refused(&town.signed(&document(), kid));
    assert!(matches!(fault, Fault::KeyDay { .. }), "{fault}");
    let in_its_time = with("issued_at", json!("2025-12-31T16:59:59Z"));
    town.admit(&town.signed(&in_its_time, kid)).unwrap();
    // Midnight in Jakarta.
    let after = with("issued_at", json!("2025-12-31T17:00:00Z"));
    let fault = town.refused(&town.signed(&after, kid));
    assert!(matches!(fault, Fault::KeyDay { .. }), "{fault}");
    let to_come = with("issued_at", json!("2026-11-24T09:06:00Z"));
    let fault = town.refused(&town.signed(&to_come, KID));
    assert!(matches!(fault, Fault::Future(_)), "{fault}");
}

#[test]
fn a_key_of_another_agency_is_refused() {
    let town = town();
    let fault = town.refused(&town.signed(&document(), "korlantas/2026-1"));
    assert!(matches!(fault, Fault::ForeignKey { .. }), "{fault}");
    let fault = town.refused(&town.signed_as(&document(), "korlantas/2026-1", KID));
    assert_eq!(fault, Fault::Jws(JwsError::Signature(KID.into())));
    for unknown in ["djp/2026-1", "bpjs-kesehatan/2027-1", "bpjs-kesehatan"] {
        let fault = town.refused(&town.signed_as(&document(), KID, unknown));
        assert_eq!(fault, Fault::Jws(JwsError::UnknownKey(unknown.into())));
    }
    let kid = "korlantas/2026-1";
    let fault = sign(document().to_string().as_bytes(), town.key(kid), kid).unwrap_err();
    assert!(matches!(fault, Fault::ForeignKey { .. }), "{fault}");
}

#[test]
fn a_key_that_signs_answers_grants_nothing() {
    let town = town();
    let kid = "bpjs-kesehatan/answers";
    let fault = town.refused(&town.signed(&document(), kid));
    assert_eq!(fault, Fault::KeyUse(kid.into()));
}

#[test]
fn a_grant_wider_than_the_schema_is_refused() {
    let town = town();
    let fields = json!(["membership_status", "blood_type"]);
    let fault = town.refused(&town.signed(&with("fields", fields), KID));
    let wider = Fault::Wider {
        record: "health-insurance/1".into(),
        fields: vec!["blood_type".into()],
    };
    assert_eq!(fault, wider);
    let fault = town.refused(&town.signed(&with("record", json!("horoscope/1")), KID));
    assert_eq!(fault, Fault::Record("horoscope/1".into()));
    for (key, value) in [
        ("purposes", json!(["curiosity"])),
        ("mode", json!("write")),
        ("onward_transfer", json!(true)),
        ("serial", json!(0)),
        ("daily_quota", json!(0)),
        ("valid_to", json!("2026-02-30")),
        ("more", json!(1)),
    ] {
        let fault = town.refused(&town.signed(&with(key, value), KID));
        assert!(matches!(fault, Fault::Schema(_)), "{key}: {fault}");
        assert!(!fault.to_string().contains("curiosity"));
    }
    let fault = town.refused(&town.signed(&with("valid_from", json!("2029-01-01")), KID));
    assert_eq!(fault, Fault::Dates);
    let unknown = sign(
        with("fields", json!(["x"])).to_string().as_bytes(),
        town.key(KID),
        KID,
    );
    assert!(matches!(unknown, Err(Fault::Wider { .. })));
    let twice = format!("{{\"grant_id\":\"{ID}\",\"grant_id\":\"{ID}\"}}");
    let twice = jws::sign_compact(town.key(KID), TYP, KID, twice.as_bytes()).unwrap();
    assert!(matches!(town.refused(&twice), Fault::Json(_)));
}

#[test]
fn another_grants_file_is_refused() {
    let town = town();
    let text = town.signed(&with("grant_id", json!("grt-1")), KID);
    assert_eq!(town.refused(&text), Fault::FileName { id: "grt-1".into() });
    assert_eq!(town.refused(&"a".repeat(MAX_BYTES + 1)), Fault::TooLong);
}

#[test]
fn a_narrowing_takes_away_and_never_adds() {
    let town = town();
    let admit = |document: &Value| town.admit(&town.signed(document, KID)).unwrap();
    let two = with("fields", json!(["membership_status", "care_class"]));
    let by = Narrowing {
        fields: Some(["care_class".to_owned()].into()),
        purposes: Some(["vehicle_tax".parse().unwrap()].into()),
        daily_quota: Some(10),
        valid_to: Some("2026-12-31".parse().unwrap()),
        suspended: false,
        reason: "on the ombudsman's advice".into(),
    };
    let mut granted = admit(&two);
    narrow(&mut granted, &by).unwrap();
    let grant = record(&granted);
    assert_eq!(grant.fields, ["care_class".to_owned()].into());
    assert_eq!(grant.purposes.len(), 1);
    assert_eq!(
        (grant.daily_quota, grant.valid_to.to_string()),
        (Some(10), "2026-12-31".into())
    );
    assert_eq!(grant.narrowed.as_deref(), Some("on the ombudsman's advice"));

    let wide = Narrowing {
        fields: Some(["care_class".to_owned(), "nik".to_owned()].into()),
        purposes: Some(["business_licence".parse().unwrap()].into()),
        daily_quota: Some(200_001),
        valid_to: Some("2029-01-01".parse().unwrap()),
        ..by.clone()
    };
    let mut granted = admit(&two);
    let wrong = narrow(&mut granted, &wide).unwrap_err();
    let keys: Vec<_> = wrong.iter().map(|it| it.key).collect();
    assert_eq!(keys, ["fields", "purposes", "daily_quota", "valid_to"]);
    let grant = record(&granted);
    assert_eq!(grant.fields, ["care_class".to_owned()].into());
    assert!(grant.purposes.is_empty());
    assert_eq!(
        (grant.daily_quota, grant.valid_to.year()),
        (Some(200_000), 2028)
    );
    // What the agency suspends isn't held up by the operator.
    let mut two = two;
    two["state"] = json!("suspended");
    narrow(&mut admit(&two), &wide).unwrap();

    let mut granted = admit(&document());
    let stop = Narrowing {
        suspended: true,
        ..Narrowing::default()
    };
    narrow(&mut granted, &stop).unwrap();
    assert_eq!(record(&granted).state, GrantState::Suspended);
}

#[test]
fn versions_only_go_on() {
    let town = town();
    let directory = |documents: &[Value]| {
        let grants = documents.iter().map(|document| {
            let granted = town.admit(&town.signed(document, KID)).unwrap();
            record(&granted).clone()
        });
        let mut parts = crate::fixture::town::parts();
        parts.grants = grants.collect();
        if parts.members.iter().all(|it| it.id.as_str() != "korlantas") {
            parts
                .members
                .push(crate::fixture::town::member("korlantas"));
        }
        Directory::new(parts).unwrap()
    };
    let serial = |serial: u64| with("serial", json!(serial));
    let (versions, changes) = Versions::default()
        .followed_by(&directory(&[serial(3)]))
        .unwrap();
    assert_eq!(changes.len(), 1);
    let first = changes[0].clone();
    assert_eq!(
        (first.before.as_ref(), first.after.as_ref().unwrap().serial),
        (None, 3)
    );
    let (same, none) = versions.followed_by(&directory(&[serial(3)])).unwrap();
    assert_eq!((same, none), (versions.clone(), Vec::new()));

    let mut suspended = serial(4);
    suspended["state"] = json!("suspended");
    let (versions, changes) = versions.followed_by(&directory(&[suspended])).unwrap();
    let after = changes[0].after.as_ref().unwrap();
    assert_eq!((after.serial, after.state), (4, GrantState::Suspended));

    let back = versions.followed_by(&directory(&[serial(3)])).unwrap_err();
    let words = "an older version of the grant grt-9901 was put back: serial 3, and 4 was in force";
    assert_eq!(back.to_string(), words);
    let altered = versions.followed_by(&directory(&[serial(4)])).unwrap_err();
    assert!(altered.to_string().contains("kept its serial"), "{altered}");

    // One that was taken out comes back no older than it was.
    let (gone, changes) = versions.followed_by(&directory(&[])).unwrap();
    assert_eq!(changes[0].after, None);
    gone.followed_by(&directory(&[serial(3)])).unwrap_err();
    gone.followed_by(&directory(&[serial(5)])).unwrap();

    let mut replayed = Versions::default();
    for change in [first, changes[0].clone()] {
        let text = serde_json::to_string(&change).unwrap();
        replayed.replay(serde_json::from_str(&text).unwrap());
    }
    assert_eq!(replayed, gone);
}

#[test]
fn what_differs_is_said_in_words() {
    let read = |document: &Value| read(document.to_string().as_bytes()).unwrap();
    let mut new = document();
    new["fields"] = json!(["care_class"]);
    new["daily_quota"] = json!(100);
    new["valid_to"] = json!("2029-12-31");
    new["state"] = json!("suspended");
    let said = compare(&read(&document()), &read(&new));
    let said: Vec<_> = said
        .iter()
        .map(|it| (it.effect, it.sentence.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Effect::Wider, "the field care_class is added"),
            (Effect::Narrower, "the field membership_status is taken out"),
            (Effect::Narrower, "the daily quota was 200000 and is 100"),
            (
                Effect::Wider,
                "the last day was 2028-12-31 and is 2029-12-31"
            ),
            (Effect::Narrower, "the state was active and is suspended"),
            (
                Effect::Alike,
                "the serial was 1 and is 1: gateways refuse the change until it grows"
            ),
        ]
    );
    assert_eq!(compare(&read(&document()), &read(&document())), []);
}
