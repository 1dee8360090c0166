//! Immigration: old passports are in an archive on paper, and the counter needn't wait for it.

use std::collections::HashSet;
use std::time::Duration;

use loket_sdk::ids::Scheme;
use loket_sdk::message::{RecordRef, SubjectKey};
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{Passport, Record};

use super::{Register, key, samples};

/// How long it takes to fetch a file from the archive.
const ARCHIVE: Duration = Duration::from_secs(900);

/// Ditjen Imigrasi with its system SIMKIM.
pub struct Immigration {
    passports: Register<Passport>,
    on_paper: HashSet<SubjectKey>,
}

impl Immigration {
    /// The office of the sample family: the father's passport is in the register, the mother's is
    /// on paper.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let passports = Register::new(samples()?, |passport: &Passport| {
            vec![
                key(Scheme::Nik, passport.nik.expose()),
                key(Scheme::Passport, passport.passport_number.expose()),
            ]
        });
        let mother = key(Scheme::Nik, "3510166307919902");
        Ok(Self {
            passports,
            on_paper: HashSet::from([mother]),
        })
    }
}

impl Provider for Immigration {
    fn records(&self) -> Vec<RecordRef> {
        vec![Passport::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        // Never a "no" from the register alone: that would be a false answer.
        if self.on_paper.contains(&query.subject) {
            return Ok(Reply::Later {
                retry_after: Some(ARCHIVE),
            });
        }
        self.passports.reply(&query.subject)
    }
}
