//! What a caller may ask: the answer of `GET /v1/catalogue`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{AgencyId, MemberId, SystemId};
use crate::message::{Purpose, RecordRef};

/// The records and services that the caller's grants open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The caller's organisation, as the gateway read it from the certificate.
    pub member: MemberId,
    /// The caller's system.
    pub system: SystemId,
    /// One entry per record with at least one active grant.
    #[serde(default)]
    pub records: Vec<CatalogueRecord>,
    /// One entry per service with at least one active grant, for routed calls.
    #[serde(default)]
    pub services: Vec<CatalogueService>,
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

/// One service of the catalogue, called at `/v1/services/{agency}/{service}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueService {
    /// Whose it is.
    pub agency: AgencyId,
    /// Its name, unique within the agency.
    pub service: SystemId,
    /// What may be called, grant by grant, in the order in which they are drawn on. One of them must
    /// name both the method and the path of a call.
    #[serde(default)]
    pub grants: Vec<CatalogueCalls>,
}

/// What one grant lets be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueCalls {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`: those of them that are granted.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Path patterns below the service: `*` is one segment, `**` at the end any number.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Calls a day in the gateway's time zone; none when there is no quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_quota: Option<u64>,
}

impl Catalogue {
    /// The entry of a record.
    #[must_use]
    pub fn record(&self, record: &RecordRef) -> Option<&CatalogueRecord> {
        self.records.iter().find(|entry| entry.record == *record)
    }

    /// The entry of an agency's service.
    #[must_use]
    pub fn service(&self, agency: &str, service: &str) -> Option<&CatalogueService> {
        self.services
            .iter()
            .find(|entry| entry.agency.as_str() == agency && entry.service.as_str() == service)
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
            }],
            "services": [{"agency": "dukcapil", "service": "population", "grants": [
                {"methods": ["GET"], "paths": ["/people/*/status"], "daily_quota": 20},
                {"methods": ["POST"], "paths": ["/reports"]}
            ]}]
        });
        let catalogue: Catalogue = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&catalogue).unwrap(), wire);
        let record = "person-identity/1".parse().unwrap();
        assert!(catalogue.record(&record).is_some());
        let service = catalogue.service("dukcapil", "population").unwrap();
        assert_eq!(service.grants[0].daily_quota, Some(20));
        assert!(catalogue.service("dukcapil", "other").is_none());
    }

    #[test]
    fn every_golden_catalogue_is_read_and_written() {
        for (name, text) in loket_schemas::envelope("catalogue").unwrap().valid {
            let wire: serde_json::Value = serde_json::from_str(text).unwrap();
            let catalogue: Catalogue = serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(serde_json::to_value(&catalogue).unwrap(), wire, "{name}");
        }
    }
}
