//! The smallest agency: one record, from one table. Run it with `LOKET_CERT`, `LOKET_KEY`,
//! `LOKET_CA` and `LOKET_GATEWAYS` in the environment.

use std::collections::HashMap;

use jiff::Timestamp;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Config, Provider, ProviderError, Query, Reply, serve};
use serde_json::{Value, json};

struct TaxOffice(HashMap<String, Value>);

impl Provider for TaxOffice {
    fn records(&self) -> Vec<RecordRef> {
        RecordRef::new("taxpayer", 1).into_iter().collect()
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        match self.0.get(query.subject.value.expose()) {
            Some(record) => Reply::found(record, Timestamp::now()),
            None => Ok(Reply::NotFound),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let number = "3510161405889901";
    let record = json!({
        "npwp": number, "nik": number, "taxpayer_type": "individual_resident",
        "registered_name": "BAGAS C PRATAMA SE", "nik_match_status": "not_yet_valid",
        "registration_status": "active", "tax_office_code": "627", "updated_on": "2026-10-30"
    });
    let table = HashMap::from([(number.to_owned(), record)]);
    Ok(serve(TaxOffice(table), Config::from_env()?).await?)
}
