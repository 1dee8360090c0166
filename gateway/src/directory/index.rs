//! Index: the parts of a directory in, ways to find them and all that can't stand out.

use std::collections::{BTreeMap, HashMap, HashSet};

use loket_sdk::ids::{AgencyId, MemberId, SystemId};
use loket_sdk::message::RecordRef;
use loket_sdk::schema;

use super::keys::named_twice;
use super::{GrantIndex, Inconsistency, KeyUse, MemberIndex, Parts, Place, Source, SourceIndex};

pub(super) type ByName = HashMap<MemberId, HashMap<SystemId, (MemberIndex, usize)>>;
pub(super) type ByPin = HashMap<[u8; 32], (MemberIndex, usize)>;

pub(super) fn index_members(parts: &Parts, wrong: &mut Vec<Inconsistency>) -> (ByName, ByPin) {
    let (mut by_name, mut by_pin) = (ByName::new(), ByPin::new());
    let mut seen = HashSet::new();
    for (m, member) in parts.members.iter().enumerate() {
        if !seen.insert(&member.id) {
            wrong.push(Inconsistency {
                place: Place::Member(m),
                key: "id",
                message: format!("member {} is named twice", member.id),
                remedy: "merge the two entries".into(),
            });
        }
        for (s, system) in member.systems.iter().enumerate() {
            let systems = by_name.entry(member.id.clone()).or_default();
            if systems.insert(system.id.clone(), (m, s)).is_some() {
                wrong.push(Inconsistency {
                    place: Place::Member(m),
                    key: "systems",
                    message: format!("system {}/{} is named twice", member.id, system.id),
                    remedy: "give each system its own id".into(),
                });
            }
            for pin in &system.pins {
                if by_pin.insert(*pin, (m, s)).is_some() {
                    wrong.push(Inconsistency {
                        place: Place::Member(m),
                        key: "systems",
                        message: "a pinned key belongs to two systems".into(),
                        remedy: "pin each key to one system only".into(),
                    });
                }
            }
        }
    }
    for (m, id) in named_twice(parts) {
        wrong.push(Inconsistency {
            place: Place::Member(m),
            key: "keys",
            message: format!("key {}/{id} is named twice", parts.members[m].id),
            remedy: "give each key of a member its own id".into(),
        });
    }
    (by_name, by_pin)
}

pub(super) fn index_sources(
    parts: &Parts,
    wrong: &mut Vec<Inconsistency>,
) -> HashMap<RecordRef, Vec<SourceIndex>> {
    let mut by_record: HashMap<RecordRef, Vec<SourceIndex>> = HashMap::new();
    let mut seen: BTreeMap<(&AgencyId, &SystemId), SourceIndex> = BTreeMap::new();
    for (s, source) in parts.sources.iter().enumerate() {
        if seen.insert((&source.agency, &source.system), s).is_some() {
            wrong.push(Inconsistency {
                place: Place::Source(s),
                key: "system",
                message: format!("source {}/{} is named twice", source.agency, source.system),
                remedy: "merge the two entries".into(),
            });
        }
        if source.requires_signature && !signs(parts, source) {
            wrong.push(Inconsistency {
                place: Place::Source(s),
                key: "source_requires_signature",
                message: format!("{} has no key for answers", source.agency),
                remedy: "enrol one under the member's keys, with use = \"answer\"".into(),
            });
        }
        for record in &source.records {
            if schema::record(record).is_none() {
                wrong.push(unknown_record(Place::Source(s), "records", record));
            }
            let sources = by_record.entry(record.clone()).or_default();
            let twice = sources
                .iter()
                .any(|&other| parts.sources[other].agency == source.agency);
            if twice {
                wrong.push(Inconsistency {
                    place: Place::Source(s),
                    key: "records",
                    message: format!("agency {} serves {record} from two sources", source.agency),
                    remedy: "leave the record to one of them".into(),
                });
            }
            sources.push(s);
        }
    }
    by_record
}

/// Whether the agency has a key with which it may sign answers, some day.
fn signs(parts: &Parts, source: &Source) -> bool {
    let members = parts.members.iter();
    members
        .filter(|member| member.id.as_str() == source.agency.as_str())
        .any(|member| member.keys.iter().any(|key| key.allows == KeyUse::Answer))
}

pub(super) fn index_grants(
    parts: &Parts,
    wrong: &mut Vec<Inconsistency>,
) -> HashMap<MemberId, HashMap<RecordRef, Vec<GrantIndex>>> {
    let mut by_consumer: HashMap<MemberId, HashMap<RecordRef, Vec<GrantIndex>>> = HashMap::new();
    let members: HashSet<&MemberId> = parts.members.iter().map(|member| &member.id).collect();
    let mut seen = HashSet::new();
    for (g, grant) in parts.grants.iter().enumerate() {
        let place = Place::Grant(g);
        if !seen.insert(&grant.id) {
            wrong.push(Inconsistency {
                place,
                key: "grant_id",
                message: format!("grant {} is named twice", grant.id),
                remedy: "give each grant its own id".into(),
            });
        }
        if !members.contains(&grant.consumer) {
            wrong.push(Inconsistency {
                place,
                key: "consumer",
                message: format!("{} isn't a member", grant.consumer),
                remedy: "enrol it under [[members]] or correct the id".into(),
            });
        }
        let served = parts
            .sources
            .iter()
            .any(|source| source.agency == grant.source && source.records.contains(&grant.record));
        if !served {
            wrong.push(Inconsistency {
                place,
                key: "source",
                message: format!("no source of {} serves {}", grant.source, grant.record),
                remedy: "add the record to a source of the agency or correct the grant".into(),
            });
        }
        if grant.valid_from > grant.valid_to {
            wrong.push(Inconsistency {
                place,
                key: "valid_to",
                message: "the last day lies before the first".into(),
                remedy: "swap or correct the dates".into(),
            });
        }
        match schema::record(&grant.record) {
            None => wrong.push(unknown_record(place, "record", &grant.record)),
            Some(known) => {
                for field in grant
                    .fields
                    .iter()
                    .filter(|name| known.field(name).is_none())
                {
                    wrong.push(Inconsistency {
                        place,
                        key: "fields",
                        message: format!("{} has no field {field}", grant.record),
                        remedy: "name fields of the record's schema".into(),
                    });
                }
            }
        }
        by_consumer
            .entry(grant.consumer.clone())
            .or_default()
            .entry(grant.record.clone())
            .or_default()
            .push(g);
    }
    by_consumer
}

fn unknown_record(place: Place, key: &'static str, record: &RecordRef) -> Inconsistency {
    Inconsistency {
        place,
        key,
        message: format!("there is no schema of {record}"),
        remedy: "name a record and major version that `GET /v1/schemas` serves".into(),
    }
}
