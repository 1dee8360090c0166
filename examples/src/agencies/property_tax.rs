//! Property tax of a regency: a record may not name the citizen by whom it is asked.
//!
//! The tax object is still in the name of the dead father, without a NIK. The office knows from
//! elsewhere, by who filed its last form, whose object it is now. The kit checks that a record is
//! about the subject only where the record says whom it is about, so such a reply may leave.

use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{PropertyTax, Record};

use super::{Register, key, samples};

/// Who filed the last form (SPOP) of which object.
const FILED: [(&str, &str); 1] = [("3510161405889901", "351016000300199010")];

/// Bapenda of the regency with its system SISMIOP.
pub struct RegionalTaxOffice {
    objects: Register<PropertyTax>,
}

impl RegionalTaxOffice {
    /// The office of the sample family.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let objects = Register::new(samples()?, |object: &PropertyTax| {
            let number = object.nop.expose();
            let payer = object.payer_nik.as_ref().map(|nik| nik.expose());
            let filed = FILED
                .iter()
                .filter(|(nik, nop)| *nop == number && payer != Some(*nik));
            let niks = filed.map(|(nik, _)| *nik).chain(payer);
            niks.map(|nik| key(Scheme::Nik, nik))
                .chain([key(Scheme::Nop, number)])
                .collect()
        });
        Ok(Self { objects })
    }
}

impl Provider for RegionalTaxOffice {
    fn records(&self) -> Vec<RecordRef> {
        vec![PropertyTax::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        self.objects.reply(&query.subject)
    }
}
