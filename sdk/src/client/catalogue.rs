//! What a caller may ask: the answer of `GET /v1/catalogue`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{AgencyId, MemberId, SystemId};
use crate::message::{Purpose, RecordRef};

/// The records that the caller's grants open, with their sources, purposes and fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The caller's organisation, as the gateway read it from the certificate.
    pub member: MemberId,
    /// The caller's system.
    pub system: SystemId,
    /// One entry per record with at least one active grant.
    #[serde(default)]
    pub records: Vec<CatalogueRecord>,
}

/// One record of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueRecord {
    /// Which record.
    pub record: RecordRef,
    /// Schema version that the gateway has, `major.minor`.
    pub version: String,
    /// The record's name for people, by language (`id`, `en`, `az`).
    #[serde(default)]
    pub label: BTreeMap<String, String>,
    /// Who answers it.
    #[serde(default)]
    pub sources: Vec<CatalogueSource>,
}

/// One agency's system that answers a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueSource {
    /// The agency.
    pub agency: AgencyId,
    /// Its system.
    pub system: SystemId,
    /// What may be asked, purpose by purpose.
    #[serde(default)]
    pub purposes: Vec<CataloguePurpose>,
}

/// What one purpose opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CataloguePurpose {
    /// The purpose.
    pub purpose: Purpose,
    /// Fields whose value may be read.
    #[serde(default)]
    pub read: Vec<String>,
    /// Fields on which claims may be verified.
    #[serde(default)]
    pub verify: Vec<String>,
}

impl Catalogue {
    /// The entry of a record.
    #[must_use]
    pub fn record(&self, record: &RecordRef) -> Option<&CatalogueRecord> {
        self.records.iter().find(|entry| entry.record == *record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_wires() {
        let wire = serde_json::json!({
            "member": "mpp-banyuwangi", "system": "counter-app",
            "records": [{
                "record": "person-identity/1", "version": "1.0",
                "label": {"en": "Person", "id": "Penduduk"},
                "sources": [{"agency": "dukcapil", "system": "siak", "purposes": [
                    {"purpose": "business_licence", "read": [], "verify": ["full_name"]}
                ]}]
            }]
        });
        let catalogue: Catalogue = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&catalogue).unwrap(), wire);
        let record = "person-identity/1".parse().unwrap();
        assert!(catalogue.record(&record).is_some());
    }
}
