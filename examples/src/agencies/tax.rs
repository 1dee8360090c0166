//! The tax office: one record that is asked by either of two identifiers.

use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{Record, Taxpayer};

use super::{Register, key, samples};

/// Ditjen Pajak with its system Coretax.
pub struct TaxOffice {
    taxpayers: Register<Taxpayer>,
}

impl TaxOffice {
    /// The office of the sample family.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let taxpayers = Register::new(samples()?, |taxpayer: &Taxpayer| {
            let npwp = key(Scheme::Npwp, taxpayer.npwp.expose());
            let nik = taxpayer.nik.as_ref();
            let nik = nik.map(|nik| key(Scheme::Nik, nik.expose()));
            [npwp].into_iter().chain(nik).collect()
        });
        Ok(Self { taxpayers })
    }
}

impl Provider for TaxOffice {
    fn records(&self) -> Vec<RecordRef> {
        vec![Taxpayer::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        self.taxpayers.reply(&query.subject)
    }
}
