//! Catalogue: a caller's grants in, what it may ask and call out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use loket_sdk::claims::Verify;
use loket_sdk::client::catalogue::{
    Catalogue, CatalogueCalls, CataloguePurpose, CatalogueRecord, CatalogueService, CatalogueSource,
};
use loket_sdk::ids::MemberId;
use loket_sdk::message::Purpose;
use loket_sdk::schema::{self, RecordSchema};

use crate::directory::{Directory, Mode, Source};
use crate::identity::Identified;

/// What the caller's grants in force allow: records, sources, purposes, fields, modes; services,
/// methods, paths.
#[must_use]
pub fn catalogue(directory: &Directory, identified: &Identified, today: Date) -> Catalogue {
    let member = identified.member();
    let records = schema::records().iter().filter_map(|record| {
        let sources: Vec<CatalogueSource> = directory
            .sources_of(&record.record)
            .iter()
            .filter_map(|&index| {
                let source = &directory.sources()[index];
                let purposes = purposes(directory, member, source, record, today);
                (!purposes.is_empty()).then(|| CatalogueSource {
                    agency: source.agency.clone(),
                    system: source.system.clone(),
                    purposes,
                })
            })
            .collect();
        (!sources.is_empty()).then(|| CatalogueRecord {
            record: record.record.clone(),
            version: record.version.clone(),
            label: record.label.clone().into_iter().collect(),
            sources,
        })
    });
    Catalogue {
        member: member.clone(),
        system: identified.system().clone(),
        records: records.collect(),
        services: services(directory, member, today),
    }
}

/// What one source may be asked of one record.
fn purposes(
    directory: &Directory,
    member: &MemberId,
    source: &Source,
    record: &RecordSchema,
    today: Date,
) -> Vec<CataloguePurpose> {
    let mut purposes: BTreeMap<Purpose, (BTreeSet<&String>, BTreeSet<&String>)> = BTreeMap::new();
    for (_, grant) in directory.grants_of(member, &record.record) {
        if grant.source != source.agency || !grant.is_in_force(today) {
            continue;
        }
        for purpose in &grant.purposes {
            let (read, verify) = purposes.entry(*purpose).or_default();
            verify.extend(grant.fields.iter().filter(|name| {
                // A field that can't be verified at all is no promise.
                record
                    .field(name)
                    .is_some_and(|field| field.verify != Verify::None)
            }));
            if grant.mode == Mode::Read {
                read.extend(&grant.fields);
            }
        }
    }
    let owned = |names: BTreeSet<&String>| names.into_iter().cloned().collect();
    purposes
        .into_iter()
        .map(|(purpose, (read, verify))| CataloguePurpose {
            purpose,
            read: owned(read),
            verify: owned(verify),
        })
        .collect()
}

/// What may be called.
fn services(directory: &Directory, member: &MemberId, today: Date) -> Vec<CatalogueService> {
    let services = directory.services().iter().enumerate();
    services
        .filter_map(|(index, service)| {
            let grants: Vec<CatalogueCalls> = directory
                .service_grants_of(index, member.as_str())
                .filter(|(_, grant)| grant.is_in_force(today))
                .map(|(_, grant)| CatalogueCalls {
                    methods: grant.methods.iter().map(ToString::to_string).collect(),
                    paths: grant.paths.iter().map(ToString::to_string).collect(),
                    daily_quota: grant.daily_quota,
                })
                .collect();
            (!grants.is_empty()).then(|| CatalogueService {
                agency: service.agency.clone(),
                service: service.service.clone(),
                grants,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
