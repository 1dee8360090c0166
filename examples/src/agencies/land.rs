//! Land titles: spouses hold a title together, so each of them finds it.

use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{LandTitle, Record};

use super::{Register, key, samples};

/// Kementerian ATR/BPN with its system KKP.
pub struct LandOffice {
    titles: Register<LandTitle>,
}

impl LandOffice {
    /// The office of the sample family.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let titles = Register::new(samples()?, |title: &LandTitle| {
            let people = title
                .holders
                .iter()
                .filter_map(|holder| holder.nik.as_ref());
            let companies = title
                .holders
                .iter()
                .filter_map(|holder| holder.npwp.as_ref());
            people
                .map(|nik| key(Scheme::Nik, nik.expose()))
                .chain(companies.map(|npwp| key(Scheme::Npwp, npwp.expose())))
                .chain([key(Scheme::Parcel, title.parcel_id.expose())])
                .collect()
        });
        Ok(Self { titles })
    }
}

impl Provider for LandOffice {
    fn records(&self) -> Vec<RecordRef> {
        vec![LandTitle::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        self.titles.reply(&query.subject)
    }
}
