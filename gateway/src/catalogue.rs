//! Catalogue: a caller's grants in, what it may ask out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use loket_sdk::claims::Verify;
use loket_sdk::client::catalogue::{Catalogue, CataloguePurpose, CatalogueRecord, CatalogueSource};
use loket_sdk::message::Purpose;
use loket_sdk::schema;

use crate::directory::{Directory, Mode};
use crate::identity::Identified;

/// What the caller's grants in force allow: records, sources, purposes, fields, modes.
#[must_use]
pub fn catalogue(directory: &Directory, identified: &Identified, today: Date) -> Catalogue {
    let records = schema::records()
        .iter()
        .filter_map(|record| {
            let sources: Vec<CatalogueSource> = directory
                .sources_of(&record.record)
                .iter()
                .filter_map(|&index| {
                    let source = &directory.sources()[index];
                    let mut purposes: BTreeMap<Purpose, (BTreeSet<&String>, BTreeSet<&String>)> =
                        BTreeMap::new();
                    let grants = directory.grants_of(identified.member(), &record.record);
                    for (_, grant) in grants {
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
                    let purposes: Vec<CataloguePurpose> = purposes
                        .into_iter()
                        .map(|(purpose, (read, verify))| CataloguePurpose {
                            purpose,
                            read: owned(read),
                            verify: owned(verify),
                        })
                        .collect();
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
        })
        .collect();
    Catalogue {
        member: identified.member().clone(),
        system: identified.system().clone(),
        records,
    }
}

#[cfg(test)]
mod tests;
