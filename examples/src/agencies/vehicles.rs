//! Vehicle registration: a citizen may own several vehicles, and only the plate tells which.

use loket_sdk::ids::Scheme;
use loket_sdk::message::RecordRef;
use loket_sdk::provider::{Provider, ProviderError, Query, Reply};
use loket_sdk::records::{Record, VehicleRegistration};

use super::{Register, key, samples};

/// Samsat, where police, province and insurer register vehicles together.
pub struct VehicleOffice {
    vehicles: Register<VehicleRegistration>,
}

impl VehicleOffice {
    /// The office of the sample family, which has one motorcycle.
    ///
    /// # Errors
    /// When a sample is missing.
    pub fn sample() -> anyhow::Result<Self> {
        let vehicles = Register::new(samples()?, |vehicle: &VehicleRegistration| {
            let plate = key(Scheme::Plate, vehicle.plate_number.expose());
            let owner = vehicle.owner_nik.as_ref();
            let owner = owner.map(|nik| key(Scheme::Nik, nik.expose()));
            [plate].into_iter().chain(owner).collect()
        });
        Ok(Self { vehicles })
    }
}

impl Provider for VehicleOffice {
    fn records(&self) -> Vec<RecordRef> {
        vec![VehicleRegistration::record_ref()]
    }

    async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
        // An owner of two vehicles gets `several_records`: an agency doesn't guess, and the clerk
        // asks again by plate.
        self.vehicles.reply(&query.subject)
    }
}
