//! Health insurance: a database driver that blocks its thread goes to a thread of its own.

use std::sync::Arc;

use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{HealthInsurance, Record};

use super::{Register, key, samples};

/// BPJS Kesehatan with its system JKN.
pub struct HealthInsurer {
    members: Arc<Register<HealthInsurance>>,
}

impl HealthInsurer {
    /// The insurer of the sample family.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let members = Register::new(samples()?, |member: &HealthInsurance| {
            let card = key(Scheme::Jkn, member.card_number.expose());
            let nik = member.nik.as_ref();
            let nik = nik.map(|nik| key(Scheme::Nik, nik.expose()));
            [card].into_iter().chain(nik).collect()
        });
        Ok(Self {
            members: Arc::new(members),
        })
    }
}

impl Provider for HealthInsurer {
    fn records(&self) -> Vec<RecordRef> {
        vec![HealthInsurance::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        let (members, subject) = (self.members.clone(), query.subject.clone());
        // An async driver needs none of this. `?` takes any error; its text is never sent or
        // logged, since a driver may quote the query in it.
        tokio::task::spawn_blocking(move || members.reply(&subject)).await?
    }
}
