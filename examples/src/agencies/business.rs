//! Business licensing: an answer carries the agency's own reference, to be quoted in a complaint.

use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{BusinessLicence, Record};

use super::{Register, key, samples};

/// Kementerian Investasi/BKPM with its system OSS.
pub struct BusinessLicensing {
    licences: Register<BusinessLicence>,
}

impl BusinessLicensing {
    /// The office of the sample family, which has a shop.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let licences = Register::new(samples()?, |licence: &BusinessLicence| {
            let nib = key(Scheme::BusinessNib, licence.nib.expose());
            let nik = licence.holder_nik.as_ref();
            let npwp = licence.holder_npwp.as_ref();
            [nib]
                .into_iter()
                .chain(nik.map(|nik| key(Scheme::Nik, nik.expose())))
                .chain(npwp.map(|npwp| key(Scheme::Npwp, npwp.expose())))
                .collect()
        });
        Ok(Self { licences })
    }
}

impl Provider for BusinessLicensing {
    fn records(&self) -> Vec<RecordRef> {
        vec![BusinessLicence::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        let reply = self.licences.reply(&query.subject)?;
        // Nothing personal in it: the reference is kept in logs.
        Ok(reply.with_reference(format!("OSS-{}", query.request_id)))
    }
}
