//! What happens when something goes wrong or ends: panics, deadlines, too much at once, the drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::*;

#[tokio::test]
async fn a_panic_is_answered_and_survived() {
    let asked = AtomicUsize::new(0);
    let town = Town::new(Scripted(move |_| {
        let count = asked.fetch_add(1, Ordering::Relaxed);
        assert!(count != 0, "before the future");
        async move {
            assert!(count != 1, "within the future");
            Ok(Reply::NotFound)
        }
    }))
    .await;
    let mut connection = town.gateway().connect().await.unwrap();
    let headers = [("content-type", "application/json")];
    for status in [500, 500, 200] {
        let body = question().to_string();
        let answer = connection.send("POST", PATH, &headers, body).await.unwrap();
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn an_error_is_answered_without_its_text() {
    let town = Town::new(Scripted(|_| async {
        Err(std::io::Error::other("no row for 3510161405889901").into())
    }))
    .await;
    let answer = town.gateway().post(PATH, &question()).await.unwrap();
    assert_problem(&answer, Code::Internal);
    assert!(!String::from_utf8_lossy(&answer.body).contains("row"));
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_deadline_ends_the_search() {
    let ended = Arc::new(AtomicBool::new(false));
    let seen = ended.clone();
    let town = Town::new(Scripted(move |_| {
        let guard = Dropped(seen.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    }))
    .await;
    let headers = [
        ("content-type", "application/json"),
        ("loket-deadline-ms", "20"),
    ];
    let body = question().to_string();
    let answer = town.gateway().send("POST", PATH, &headers, body).await;
    assert_problem(&answer.unwrap(), Code::SourceTimeout);
    assert!(ended.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_deadline_is_bounded_and_has_a_default() {
    let town = Town::new(Scripted(|query: Query| async move {
        let retry_after = Some(query.remaining());
        Ok(Reply::Later { retry_after })
    }))
    .await;
    for (header, most) in [("999999999", 15), ("", 3)] {
        let mut headers = vec![("content-type", "application/json")];
        if !header.is_empty() {
            headers.push(("loket-deadline-ms", header));
        }
        let body = question().to_string();
        let answer = town.gateway().send("POST", PATH, &headers, body).await;
        assert_eq!(answer.unwrap().json::<Value>()["retry_after_s"], most);
    }
}

#[tokio::test]
async fn more_than_the_limit_is_refused_at_once() {
    let (begun, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let limits = Limits {
        concurrency: 1,
        ..Limits::default()
    };
    let provider = Scripted({
        let (begun, go_on) = (begun.clone(), go_on.clone());
        move |_| {
            let (begun, go_on) = (begun.clone(), go_on.clone());
            async move {
                begun.add_permits(1);
                go_on.notified().await;
                Ok(Reply::NotFound)
            }
        }
    });
    let town = Town::with(provider, |server| server.limits(limits)).await;
    let gateway = town.gateway();
    let asked = question();
    let first = gateway.post(PATH, &asked);
    let second = async {
        begun.acquire().await.unwrap().forget();
        let answer = gateway.post(PATH, &asked).await.unwrap();
        assert_problem(&answer, Code::Overloaded);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(gateway.get("/health").await.unwrap().status, 200);
        go_on.notify_one();
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.unwrap().status, 200);
}

#[tokio::test]
async fn a_question_under_way_outlives_the_signal_to_stop() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let provider = Scripted({
        let (begun, go_on) = (begun.clone(), go_on.clone());
        move |_| {
            let (begun, go_on) = (begun.clone(), go_on.clone());
            async move {
                begun.notify_one();
                go_on.notified().await;
                Ok(Reply::NotFound)
            }
        }
    });
    let town = Town::new(provider).await;
    let gateway = town.gateway();
    let asked = question();
    let meanwhile = async {
        begun.notified().await;
        town.stop.send(()).unwrap();
        // The listener is gone once nothing more is accepted.
        while gateway.get("/health").await.is_ok() {}
        assert!(!town.served.is_finished());
        go_on.notify_one();
    };
    let (first, ()) = tokio::join!(gateway.post(PATH, &asked), meanwhile);
    assert_eq!(first.unwrap().status, 200);
    town.served.await.unwrap();
}

#[tokio::test]
async fn the_drain_is_bounded() {
    let begun = Arc::new(Notify::new());
    let provider = Scripted({
        let begun = begun.clone();
        move |_| {
            begun.notify_one();
            std::future::pending()
        }
    });
    let limits = Limits {
        drain_timeout: Duration::from_millis(1),
        ..Limits::default()
    };
    let town = Town::with(provider, |server| server.limits(limits)).await;
    let gateway = town.gateway().http2();
    let asked = question();
    let ending = async {
        begun.notified().await;
        town.stop.send(()).unwrap();
        town.served.await.unwrap();
    };
    let (first, ()) = tokio::join!(gateway.post(PATH, &asked), ending);
    assert!(first.is_err());
}

#[tokio::test]
async fn bytes_that_are_not_http_harm_nobody() {
    let town = Town::new(the_sample()).await;
    let answer = town
        .gateway()
        .send_bytes(b"\x00\x01 nonsense\r\n\r\n")
        .await;
    assert!(answer.is_err() || answer.unwrap().starts_with(b"HTTP/1.1 400"));
    assert_eq!(town.gateway().get("/health").await.unwrap().status, 200);
}
