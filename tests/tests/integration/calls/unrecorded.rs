//! The log fails while a call is under way: nothing of its answer leaves that isn't on record.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use loket_gateway::directory::Protocol::Http1;
use loket_sdk::problem::Code;
use loket_tests::Town;

use super::backend::{call, channel, empty, town};
use super::{get, post, problem};

async fn write_failures(town: &Town) -> f64 {
    town.metric("loket_audit_write_failures_total", &[]).await
}

/// `call` of a small answer and of one without a body, `call_opened` of any other.
#[tokio::test]
async fn an_answer_that_cant_be_recorded_doesnt_begin() {
    for http2 in [false, true] {
        for path in ["length", "nothing", "pour", "echo"] {
            let (town, seen) = town(Http1).await;
            let path = format!("/do/unlog-{path}");
            let response = call(&town, http2, get(), &path, empty()).await.unwrap();
            assert_eq!(response.status(), 503, "{path}");
            assert!(!response.headers().contains_key("trailer"));
            let told = problem(response).await;
            assert_eq!(told.code, Code::AuditUnavailable, "{path}");
            assert_eq!(seen.count(), 1, "the service was asked");
            assert!(write_failures(&town).await >= 1.0);
            // Now nobody is asked any more.
            let response = call(&town, http2, get(), "/do/length", empty()).await;
            assert_eq!(response.unwrap().status(), 503);
            assert_eq!(seen.count(), 1);
            town.stop().await;
        }
    }
}

/// `call` of an answer that has begun: the caller can't take it for whole.
#[tokio::test]
async fn an_answer_whose_end_cant_be_recorded_has_none() {
    for http2 in [false, true] {
        for length in [None, Some("200000")] {
            let (town, _) = town(Http1).await;
            let (sender, body) = channel();
            let request = match length {
                Some(length) => post().header("content-length", length),
                None => post(),
            };
            let chunk = || Frame::data(Bytes::from(vec![1; 100_000]));
            sender.send(chunk()).await.unwrap();
            let response = call(&town, http2, request, "/do/echo", body).await.unwrap();
            assert_eq!(response.status(), 200);
            std::fs::remove_dir_all(town.audit_dir()).unwrap();
            sender.send(chunk()).await.unwrap();
            drop(sender);
            let (mut body, mut got, mut broke) = (response.into_body(), 0, false);
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => got += frame.into_data().map_or(0, |data| data.len()),
                    Err(_) => {
                        broke = true;
                        break;
                    }
                }
            }
            assert!(broke, "{http2} {length:?}");
            assert!(got < 200_000 || length.is_none(), "{got}");
            assert!(write_failures(&town).await >= 1.0);
            town.stop().await;
        }
    }
}
