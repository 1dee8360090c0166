//! An agency as a process of its own, which can be killed and frozen. The environment configures it
//! as it does every agency on the kit; `LOKET_RECORDS` names the records it answers for, by commas.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a part of tests fails where it stands, and says by a line where it listens"
)]

use std::collections::HashMap;

use jiff::Timestamp;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Config, Provider, ProviderError, Query, Reply, Server};
use loket_sdk::testing::sample;
use serde_json::Value;

struct Samples(HashMap<RecordRef, Value>);

impl Provider for Samples {
    fn records(&self) -> Vec<RecordRef> {
        self.0.keys().cloned().collect()
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        match self.0.get(&query.record) {
            Some(whole) => Reply::found(whole, Timestamp::now()),
            None => Ok(Reply::NotFound),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = Config::from_env().unwrap();
    let named = std::env::var("LOKET_RECORDS").unwrap();
    let records = named.split(',').map(|name| {
        let record: RecordRef = name.parse().unwrap();
        (record, sample(name))
    });
    let bound = Server::builder(Samples(records.collect()))
        .address(config.listen)
        .tls(config.tls)
        .gateways(config.gateways)
        .bind()
        .await
        .unwrap();
    println!("{}", bound.local_addr());
    bound.serve(std::future::pending()).await;
}
