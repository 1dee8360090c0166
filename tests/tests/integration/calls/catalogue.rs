//! What a caller may call, and that it then may.

use loket_gateway::directory::GrantState;
use loket_gateway::directory::Protocol::Http1;
use serde_json::{Value, json};

use super::CALLS;
use super::backend::of;

#[tokio::test]
async fn the_catalogue_lists_what_may_be_called() {
    let (town, _) = of(Http1, |parts| {
        let first = &mut parts.service_grants[0];
        first.daily_quota = Some(40);
        let mut second = first.clone();
        second.id = "call-2".into();
        second.methods = vec![http::Method::DELETE];
        second.daily_quota = None;
        let mut suspended = second.clone();
        suspended.id = "call-3".into();
        suspended.state = GrantState::Suspended;
        parts.service_grants.extend([second, suspended]);
    })
    .await;
    let counter = town.counter();
    let document: Value = counter.get("/v1/catalogue").await.unwrap().json();
    let checked = loket_sdk::schema::catalogue().check(&document);
    assert_eq!(checked, Ok(()));
    let paths = json!(["/people/*/status", "/do/**"]);
    let expected = json!([{"agency": "dukcapil", "service": "population", "grants": [
        {"methods": ["GET", "HEAD", "POST"], "paths": paths, "daily_quota": 40},
        {"methods": ["DELETE"], "paths": paths},
    ]}]);
    assert_eq!(document["services"], expected);

    let send = async |method: &str, path: &str| {
        let path = format!("{CALLS}{path}");
        let answer = counter.send(method, &path, &[], "").await;
        answer.unwrap().status.as_u16()
    };
    let catalogue = town.client().catalogue().await.unwrap();
    let service = catalogue.service("dukcapil", "population").unwrap();
    for grant in &service.grants {
        for path in &grant.paths {
            let path = path.replace("/**", "/length").replace('*', "1");
            for method in &grant.methods {
                assert_eq!(send(method, &path).await, 200, "{method} {path}");
            }
        }
    }
    for method in ["PUT", "PATCH"] {
        assert_eq!(send(method, "/do/length").await, 403, "{method}");
    }
    town.stop().await;
}
