//! How many calls a day has, and that nothing forgets them.

use http_body_util::BodyExt;
use loket_gateway::directory::Protocol::Http1;
use loket_tests::Town;
use serde_json::Value;

use super::backend::{call, channel, empty, of, with};
use super::{get, post, whole};

/// The status of so many small calls.
async fn statuses(town: &Town, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        let response = call(town, false, get(), "/do/whole", empty())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let told = response.headers().contains_key("retry-after");
        assert_eq!(told, status == 429);
        whole(response).await.unwrap();
        statuses.push(status);
    }
    statuses
}

#[tokio::test]
async fn a_day_has_so_many_calls() {
    let (town, seen) = with(Http1, |_, grant| grant.daily_quota = Some(2)).await;
    assert_eq!(statuses(&town, 3).await, [200, 200, 429]);
    assert_eq!(seen.count(), 2);
    let refused = &town.audit_entries_of("refusal", 1).await[0]["call"];
    assert_eq!(refused["grant"], "call-1");
    assert_eq!(refused["outcome"], "denied");
    assert_eq!(refused["asked"], false);
    town.stop().await;
}

/// Two agreements that overlap: what both name may be called as often as both say.
#[tokio::test]
async fn the_next_grant_that_names_the_call_is_drawn_on_when_one_is_used_up() {
    let (town, _) = of(Http1, |parts| {
        let first = &mut parts.service_grants[0];
        first.daily_quota = Some(1);
        let mut elsewhere = first.clone();
        elsewhere.id = "call-2".into();
        elsewhere.paths = vec!["/people/**".parse().unwrap()];
        let mut second = first.clone();
        second.id = "call-3".into();
        second.paths = vec!["/do/*".parse().unwrap()];
        second.daily_quota = Some(2);
        parts.service_grants.extend([elsewhere, second]);
    })
    .await;
    assert_eq!(statuses(&town, 4).await, [200, 200, 200, 429]);
    let entries = town.audit_entries_of("call", 3).await;
    let by = |entry: &Value| {
        let word = |name: &str| entry["call"][name].as_str().unwrap().to_owned();
        (word("grant"), word("path"))
    };
    let expected = [
        ("call-1", "/do/**"),
        ("call-3", "/do/*"),
        ("call-3", "/do/*"),
    ];
    let expected = expected.map(|(grant, path)| (grant.to_owned(), path.to_owned()));
    assert_eq!(entries.iter().map(by).collect::<Vec<_>>(), expected);
    town.stop().await;
}

/// What was asked counts once, however it ended; what was refused doesn't.
#[tokio::test]
async fn a_restart_forgets_no_call() {
    let (mut town, _) = with(Http1, |_, grant| grant.daily_quota = Some(3)).await;
    assert_eq!(statuses(&town, 1).await, [200]);
    // Recorded twice: when it opened, and whole.
    let (sender, body) = channel();
    let response = call(&town, false, post(), "/do/echo", body).await.unwrap();
    drop(sender);
    whole(response).await.unwrap();
    town.audit_entries_of("call_opened", 1).await;
    let response = call(&town, true, get(), "/do/stall", empty())
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    town.audit_entries_of("abandoned", 1).await;
    assert_eq!(statuses(&town, 1).await, [429]);
    town.stop_gateway().await;

    let mut parts = town.parts();
    parts.service_grants[0].daily_quota = Some(5);
    town.start_gateway_on(parts).await;
    assert_eq!(statuses(&town, 3).await, [200, 200, 429]);
    town.stop().await;
}
