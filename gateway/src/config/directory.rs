//! Members, sources and grants: the file's entries in, the directory out.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::Range;

use loket_sdk::ids::{AgencyId, IdError, MallId, MemberId, SystemId};
use loket_sdk::message::{Purpose, RecordRef};
use loket_sdk::schema;

use super::backend::backend;
use super::document::{Keys, Report, Section};
use super::explain::nearest;
use super::file::{self, Fields};
use super::material::unhex;
use super::services;
use super::value::number;
use crate::directory::{Directory, Grant, Member, Parts, Place, Rate, Source, System};

/// The entries as they were read; one that couldn't be is `None`.
pub(crate) struct Entries {
    pub(crate) members: Vec<Option<Section<file::Member>>>,
    pub(crate) sources: Vec<Option<Section<file::Source>>>,
    pub(crate) grants: Vec<Option<Section<file::Grant>>>,
    pub(crate) services: Vec<Option<Section<file::Service>>>,
    pub(crate) service_grants: Vec<Option<Section<file::ServiceGrant>>>,
}

impl Entries {
    /// Checks every entry by itself, then all of them together.
    pub(crate) fn directory(
        &self,
        trust_domain: &str,
        holds: Vec<String>,
        out: &mut Report,
    ) -> Option<Directory> {
        let (members, member_keys) = convert(&self.members, member, out);
        let (sources, source_keys) = convert(&self.sources, source, out);
        let (grants, grant_keys) = convert(&self.grants, grant, out);
        let (services, service_keys) = convert(&self.services, services::service, out);
        let (service_grants, call_keys) = convert(&self.service_grants, services::grant, out);
        // A grant isn't blamed for a member or source that couldn't be read.
        let all_members = members.len() == self.members.len();
        let all_sources = sources.len() == self.sources.len();
        let all_services = services.len() == self.services.len();
        let all = all_members
            && all_sources
            && all_services
            && grants.len() == self.grants.len()
            && service_grants.len() == self.service_grants.len();
        let trust_domain = trust_domain.to_owned();
        let wrong = match Directory::new(Parts {
            trust_domain,
            members,
            sources,
            grants,
            services,
            service_grants,
            holds,
        }) {
            Ok(directory) => return all.then_some(directory),
            Err(wrong) => wrong,
        };
        for inconsistency in wrong {
            let at = match (inconsistency.place, inconsistency.key) {
                (Place::Grant(_) | Place::ServiceGrant(_), "consumer") if !all_members => continue,
                (Place::Grant(_), "source") if !all_sources => continue,
                (Place::ServiceGrant(_), "service") if !all_services => continue,
                (Place::Member(m), _) => member_keys[m],
                (Place::Source(s), _) => source_keys[s],
                (Place::Grant(g), _) => grant_keys[g],
                (Place::Service(s), _) => service_keys[s],
                (Place::ServiceGrant(g), _) => call_keys[g],
            };
            out.error(
                at,
                inconsistency.key,
                inconsistency.message,
                inconsistency.remedy,
            );
        }
        None
    }
}

/// What can be converted, with the keys of each.
fn convert<'a, Raw, T>(
    entries: &'a [Option<Section<Raw>>],
    one: impl Fn(&'a Section<Raw>, &mut Report) -> Option<T>,
    out: &mut Report,
) -> (Vec<T>, Vec<&'a Keys>) {
    let read = entries.iter().flatten();
    read.filter_map(|section| Some((one(section, out)?, &section.at)))
        .unzip()
}

fn member(section: &Section<file::Member>, out: &mut Report) -> Option<Member> {
    let (raw, at) = (&section.raw, &section.at);
    let id = id(at, "id", &raw.id, MemberId::parse, out);
    let mut rate = |key, value| {
        let rate = NonZeroU32::new(value);
        if rate.is_none() {
            let remedy = "write 1 or more; leave the member out to shut it out";
            out.error(at, key, "is 0, which lets nothing through", remedy);
        }
        rate
    };
    let per_second = rate("requests_per_second", raw.requests_per_second);
    let burst = rate("burst", raw.burst.unwrap_or(raw.requests_per_second.max(1)));
    let mut systems = Vec::new();
    for (s, system) in raw.systems.iter().enumerate() {
        systems.push(self::system(system, at.path(&format!("systems[{s}]")), out));
    }
    Some(Member {
        id: id?,
        name: raw.name.clone(),
        rate: Rate {
            per_second: per_second?,
            burst: burst?,
        },
        systems: systems.into_iter().collect::<Option<_>>()?,
    })
}

fn system(raw: &file::System, path: String, out: &mut Report) -> Option<System> {
    let id = SystemId::parse(raw.id.get_ref());
    if let Err(error) = id {
        out.error_at(
            raw.id.span(),
            &format!("{path}.id"),
            error.kind.to_string(),
            "correct the id",
        );
    }
    let mall = raw
        .mall
        .as_ref()
        .map(|mall| MallId::parse(mall.get_ref()).map_err(|e| (e, mall.span())));
    let mall = match mall.transpose() {
        Ok(mall) => mall,
        Err((error, span)) => {
            let remedy = "write country and region, such as ID-35.10";
            out.error_at(
                span,
                &format!("{path}.mall"),
                error.kind.to_string(),
                remedy,
            );
            None
        }
    };
    let mut pins = Vec::new();
    for pin in &raw.pins {
        let bytes = unhex(pin.get_ref().as_bytes()).and_then(|bytes| bytes.try_into().ok());
        if bytes.is_none() {
            let remedy = "write the 64 hexadecimal digits that `loket pki inspect` shows as pin";
            let message = "isn't the SHA-256 of a public key";
            out.error_at(pin.span(), &format!("{path}.pins"), message, remedy);
        }
        pins.push(bytes);
    }
    let pins = pins.into_iter().collect::<Option<_>>()?;
    Some(System {
        id: id.ok()?,
        pins,
        mall,
    })
}

fn source(section: &Section<file::Source>, out: &mut Report) -> Option<Source> {
    let (raw, at) = (&section.raw, &section.at);
    let agency = id(at, "agency", &raw.agency, AgencyId::parse, out);
    let system = id(at, "system", &raw.system, SystemId::parse, out);
    let records: Vec<_> = raw
        .records
        .iter()
        .map(|r| record(at, "records", r.get_ref(), r.span(), out))
        .collect();
    if records.is_empty() {
        out.error(
            at,
            "records",
            "names no record",
            "name what the source answers for",
        );
    }
    let backend = backend(&raw.backend(), at, out);
    let kib = number(
        at,
        "max_answer_kib",
        raw.max_answer_kib,
        256,
        1,
        65_536,
        out,
    );
    Some(Source {
        agency: agency?,
        system: system?,
        records: records.into_iter().collect::<Option<_>>()?,
        backend: backend?,
        max_answer: kib << 10,
    })
}

fn grant(section: &Section<file::Grant>, out: &mut Report) -> Option<Grant> {
    let (raw, at) = (&section.raw, &section.at);
    for (key, text) in [("grant_id", &raw.grant_id), ("agreement", &raw.agreement)] {
        if text.trim().is_empty() {
            out.error(
                at,
                key,
                "is empty",
                "write what the agreement between the two says",
            );
        }
    }
    let consumer = id(at, "consumer", &raw.consumer, MemberId::parse, out);
    let source = id(at, "source", &raw.source, AgencyId::parse, out);
    let record = record(at, "record", &raw.record, at.span("record"), out);
    let purposes = purposes(&raw.purposes, at, out);
    let fields = record
        .as_ref()
        .map(|record| fields(&raw.fields, record, at, out));
    if raw.onward_transfer {
        let message = "is true, and no answer may be passed on to third parties";
        out.error(
            at,
            "onward_transfer",
            message,
            "give the third party a grant of its own",
        );
    }
    if raw.daily_quota == Some(0) {
        let remedy = "set state to \"suspended\", or leave the quota out for none";
        out.error(
            at,
            "daily_quota",
            "is 0, which lets nothing through",
            remedy,
        );
    }
    Some(Grant {
        id: raw.grant_id.clone(),
        agreement: raw.agreement.clone(),
        consumer: consumer?,
        source: source?,
        record: record?,
        purposes,
        fields: fields?,
        mode: raw.mode.0,
        daily_quota: raw.daily_quota,
        valid_from: raw.valid_from.0,
        valid_to: raw.valid_to.0,
        state: raw.state.0,
        stale_ok: raw.stale_ok,
        break_glass_ok: raw.break_glass_ok,
    })
}

fn purposes(raw: &[toml::Spanned<String>], at: &Keys, out: &mut Report) -> BTreeSet<Purpose> {
    if raw.is_empty() {
        out.error(
            at,
            "purposes",
            "names no purpose",
            "data is given for a purpose or not at all",
        );
    }
    let mut known = BTreeSet::new();
    for purpose in raw {
        match purpose.get_ref().parse() {
            Ok(purpose) => drop(known.insert(purpose)),
            Err(_) => {
                let all = Purpose::ALL
                    .iter()
                    .map(|purpose| purpose.as_str())
                    .collect();
                let remedy = nearest(purpose.get_ref(), all);
                out.error_at(
                    purpose.span(),
                    &at.path("purposes"),
                    "isn't a purpose",
                    remedy,
                );
            }
        }
    }
    known
}

/// The fields by name. What a name stands for is the directory's affair.
fn fields(raw: &Fields, record: &RecordRef, at: &Keys, out: &mut Report) -> BTreeSet<String> {
    match raw {
        Fields::All => schema::record(record)
            .map(|schema| {
                schema
                    .fields()
                    .iter()
                    .map(|field| field.name.clone())
                    .collect()
            })
            .unwrap_or_default(),
        Fields::Named(names) => {
            if names.is_empty() {
                out.error(
                    at,
                    "fields",
                    "names no field",
                    "name fields, or write \"all\"",
                );
            }
            names.iter().map(|name| name.get_ref().clone()).collect()
        }
    }
}

pub(super) fn id<T>(
    at: &Keys,
    key: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, IdError>,
    out: &mut Report,
) -> Option<T> {
    match parse(text) {
        Ok(id) => Some(id),
        Err(error) => {
            out.error(at, key, error.kind.to_string(), "correct the id");
            None
        }
    }
}

fn record(
    at: &Keys,
    key: &str,
    text: &str,
    span: Range<usize>,
    out: &mut Report,
) -> Option<RecordRef> {
    let record = text.parse();
    if record.is_err() {
        let remedy = "write its name and major version, such as person-identity/1";
        out.error_at(span, &at.path(key), "isn't a record", remedy);
    }
    record.ok()
}
