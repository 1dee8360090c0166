//! What a caller may ask, and that it then may.

use loket_sdk::claims::ClaimResult;
use loket_sdk::message::Reason;
use loket_sdk::testing::samples;
use loket_tests::{Ask, Town};
use serde_json::{Value, json};

/// A subject about whom an agency has the record, by the sample.
fn subject(record: &str) -> (&'static str, String) {
    let (_, sample) = samples()
        .into_iter()
        .find(|(name, _)| name.to_string() == record)
        .unwrap();
    let keys = [
        ("nik", "/nik"),
        ("nik", "/child_nik"),
        ("nik", "/deceased_nik"),
        ("nik", "/owner_nik"),
        ("nik", "/holder_nik"),
        ("nik", "/head_nik"),
        ("nik", "/spouse_1/nik"),
        ("nik", "/holders/0/nik"),
        ("nop", "/nop"),
        ("az_fin", "/fin"),
    ];
    let mut found = keys
        .iter()
        .filter_map(|(scheme, at)| Some((*scheme, sample.pointer(at)?.as_str()?.to_owned())));
    found.next().unwrap()
}

/// Everything the catalogue promises is kept, for every record, purpose and field; nothing that it
/// leaves out can be had.
#[tokio::test]
async fn every_promise_is_kept() {
    let town = Town::start().await;
    let catalogue = town.client().catalogue().await.unwrap();
    let mut promises = 0;
    for entry in &catalogue.records {
        let record = entry.record.to_string();
        let (scheme, value) = subject(&record);
        for promised in &entry.sources[0].purposes {
            let ask = || Ask::new(promised.purpose.as_str()).about_by(scheme, &value);
            let read: Vec<&str> = promised.read.iter().map(String::as_str).collect();
            if !read.is_empty() {
                let answer = town.answer(&ask().fields(&record, &read)).await;
                let result = &answer.results[0];
                assert_eq!(result.outcome.as_str(), "found", "{record}");
                let granted = result.withheld.iter();
                assert!(
                    granted
                        .into_iter()
                        .all(|w| w.reason.as_str() == "not_provided")
                );
            }
            let claims: Vec<_> = promised
                .verify
                .iter()
                .map(|field| (field.as_str(), "exists", Value::Null))
                .collect();
            // A grant of fields that can't be verified promises nothing.
            if claims.is_empty() {
                continue;
            }
            let answer = town.answer(&ask().claims(&record, &claims)).await;
            assert_eq!(answer.results[0].claims.len(), claims.len(), "{record}");
            for claim in &answer.results[0].claims {
                assert_ne!(
                    claim.result,
                    ClaimResult::NotPermitted,
                    "{record} {}",
                    claim.field
                );
                promises += 1;
            }
        }
    }
    assert!(promises > 150, "{promises}");
    town.stop().await;
}

#[tokio::test]
async fn what_isnt_in_the_catalogue_is_denied() {
    let town = Town::start().await;
    let catalogue = town.client().catalogue().await.unwrap();
    let person: loket_sdk::message::RecordRef = "person-identity/1".parse().unwrap();
    let promised = &catalogue.record(&person).unwrap().sources[0].purposes;
    let schema = loket_sdk::schema::record(&person).unwrap();
    for promised in promised {
        for field in schema.fields() {
            let ask =
                Ask::new(promised.purpose.as_str()).fields("person-identity/1", &[&field.name]);
            let answer = town.ask(&ask).await;
            let may = promised.read.contains(&field.name);
            assert_eq!(
                answer.status == 200,
                may,
                "{} {}",
                promised.purpose,
                field.name
            );
        }
    }
    town.stop().await;
}

#[tokio::test]
async fn schemas_and_the_description_are_served_with_a_tag() {
    let town = Town::builder().agencies(&["dukcapil"]).start().await;
    let counter = town.counter();
    for path in ["/v1/schemas/person-identity/1", "/openapi.json"] {
        let first = counter.get(path).await.unwrap();
        assert_eq!(first.status, 200);
        assert!(first.json::<Value>().is_object());
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 10, "{tag}");
        for known in [tag.as_str(), "*", &format!("\"x\", {tag}")] {
            let headers = [("if-none-match", known)];
            let again = counter.send("GET", path, &headers, "").await.unwrap();
            assert_eq!(again.status, 304, "{known}");
            assert!(again.body.is_empty());
            assert_eq!(again.header("etag"), tag);
        }
        let other = counter
            .send("GET", path, &[("if-none-match", "\"x\"")], "")
            .await;
        assert_eq!(other.unwrap().status, 200);
        let head = counter.send("HEAD", path, &[], "").await.unwrap();
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    }
    let schema = counter.get("/v1/schemas/person-identity/1").await.unwrap();
    assert_eq!(
        schema.json::<Value>()["$schema"],
        json!("https://json-schema.org/draft/2020-12/schema")
    );
    let read = town.audit_entries_of("read", 13).await;
    assert!(read.iter().all(|entry| entry["member"] == "mpp-kota"));
    town.stop().await;
}

/// What the description promises is there, and the other way round.
#[tokio::test]
async fn the_description_names_every_operation() {
    let town = Town::builder().agencies(&["dukcapil"]).start().await;
    let description: Value = town.counter().get("/openapi.json").await.unwrap().json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = description["paths"].as_object().unwrap();
    for path in [
        "/v1/lookups",
        "/v1/explain",
        "/v1/break-glass/{entry}/approvals",
        "/v1/catalogue",
        "/v1/schemas/{record}/{version}",
        "/v1/services/{agency}/{service}/{path}",
        "/openapi.json",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    for path in paths.keys() {
        let path = path
            .replace("{record}", "person-identity")
            .replace("{version}", "1")
            .replace("{entry}", "1")
            .replace("{level}/{tile}", "0/000.p/1")
            .replace("{agency}/{service}/{path}", "dukcapil/population/people");
        let answer = town.counter().get(&path).await.unwrap();
        assert!(
            // Nobody has granted the mall that service; a path that isn't there would be 404.
            [200, 403, 405].contains(&answer.status.as_u16()),
            "{path}: {}",
            answer.status
        );
    }
    assert_eq!(Reason::ALL.len(), 26, "a new reason is described too");
    for reason in Reason::ALL {
        let word = format!("\"{reason}\"");
        assert!(description.to_string().contains(&word), "{reason}");
    }
    town.stop().await;
}
