mod behaviour;
mod config;
mod identity;
mod mounted;
mod replies;
mod requests;
mod signed;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::problem::{Code, Problem};
use crate::testing::{Ca, CounterAnswer, FakeCounter, sample};

const PATH: &str = "/v1/records/person-identity/1";
const NIK: &str = "3510161405889901";
const AS_OF: &str = "2026-11-24T08:00:00Z";

/// A provider of `person-identity/1` that does what the test says.
struct Scripted<F>(F);

impl<F, R> Provider for Scripted<F>
where
    F: Fn(Query) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Reply, ProviderError>> + Send,
{
    fn records(&self) -> Vec<RecordRef> {
        vec!["person-identity/1".parse().unwrap()]
    }

    fn find(&self, query: &Query) -> impl Future<Output = Result<Reply, ProviderError>> + Send {
        (self.0)(query.clone())
    }
}

/// Finds the sample, whoever is asked for.
fn the_sample() -> impl Provider {
    Scripted(|_| async { Reply::found(sample("person-identity/1"), AS_OF.parse()?) })
}

/// A kit that serves on loopback.
struct Town {
    ca: Ca,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Town {
    async fn new(provider: impl Provider) -> Self {
        Self::with(provider, |server| server).await
    }

    async fn with<P: Provider>(
        provider: P,
        change: impl FnOnce(ServerBuilder<P>) -> ServerBuilder<P>,
    ) -> Self {
        let ca = Ca::new("loket.example");
        let server = Server::builder(provider)
            .address((Ipv4Addr::LOCALHOST, 0).into())
            .tls(ca.system("dukcapil", "siak").mutual_tls())
            .gateways([ca.spiffe("gateway", "mpp-1")]);
        let bound = change(server).bind().await.unwrap();
        let address = bound.local_addr();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(bound.serve(async { drop(stopped.await) }));
        Self {
            ca,
            address,
            stop,
            served,
        }
    }

    fn gateway(&self) -> FakeCounter {
        self.caller("gateway", "mpp-1")
    }

    fn caller(&self, member: &str, system: &str) -> FakeCounter {
        FakeCounter::new(&self.ca.system(member, system).mutual_tls(), self.address)
    }
}

fn question() -> Value {
    json!({
        "request_id": "0192f0c4-7d1a-7e55-9b61-000000000001",
        "case_id": "MPP-3510-20261124-000123",
        "purpose": "identity_check",
        "legal_basis": {"kind": "public_task", "reference": "UU 23/2006 art. 58"},
        "requester": {"organisation": "bapenda-3510", "counter": "A02", "clerk": "clk-1b22"},
        "subject": {"scheme": "nik", "value": NIK},
        "fields": ["full_name", "birth_date"],
    })
}

fn with(mut question: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            question.as_object_mut().unwrap().remove(name);
        } else {
            question[name] = value.clone();
        }
    }
    question
}

#[track_caller]
fn assert_problem(answer: &CounterAnswer, code: Code) -> Problem {
    let problem: Problem = answer.json();
    assert_eq!(problem.code, code, "{problem:?}");
    assert_eq!(answer.status, code.status());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("x-trace-id"), problem.trace_id);
    problem
}
