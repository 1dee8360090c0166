//! Driving licences: the register keeps every licence a citizen ever had, and the newest counts.

use jiff::Timestamp;
use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{DrivingLicence, Record};

use super::{Register, key, samples};

/// Korlantas Polri with its register of licences.
pub struct LicenceOffice {
    licences: Register<DrivingLicence>,
}

impl LicenceOffice {
    /// The office of the sample family.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let licences = Register::new(samples()?, |licence: &DrivingLicence| {
            vec![
                key(Scheme::Nik, licence.nik.expose()),
                key(Scheme::Sim, licence.licence_number.expose()),
            ]
        });
        Ok(Self { licences })
    }
}

impl Provider for LicenceOffice {
    fn records(&self) -> Vec<RecordRef> {
        vec![DrivingLicence::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        let all = self.licences.find(&query.subject);
        match all.max_by_key(|licence| licence.issued_on) {
            Some(newest) => Reply::found(newest, Timestamp::now()),
            None => Ok(Reply::NotFound),
        }
    }
}
