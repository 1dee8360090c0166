//! Members, sources and grants: the file's entries in, the directory out.

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use loket_sdk::ids::{AgencyId, IdError, MallId, MemberId, SystemId};
use loket_sdk::message::RecordRef;

use super::backend::backend;
use super::document::{Keys, Report, Section};
use super::material::{self, unhex};
use super::value::number;
use super::{file, grants, services, visibility};
use crate::directory::{
    Directory, Inconsistency, Member, MemberKey, Parts, Place, Rate, Source, System,
};

/// The entries as they were read; one that couldn't be is `None`.
pub(crate) struct Entries {
    pub(crate) members: Vec<Option<Section<file::Member>>>,
    pub(crate) sources: Vec<Option<Section<file::Source>>>,
    pub(crate) grants: Vec<Option<Section<file::Grant>>>,
    pub(crate) services: Vec<Option<Section<file::Service>>>,
    pub(crate) service_grants: Vec<Option<Section<file::ServiceGrant>>>,
    pub(crate) visibility: Vec<Option<Section<file::Visibility>>>,
    pub(crate) narrowings: Vec<Option<Section<file::Narrowing>>>,
    pub(crate) grants_dir: Option<Section<String>>,
    /// Whether grants may stand in the file itself, unsigned; nothing when that couldn't be read.
    pub(crate) unsigned: Option<bool>,
}

/// Where and when the entries are read.
pub(crate) struct Surroundings<'a> {
    pub(crate) base: &'a Path,
    pub(crate) zone: &'a TimeZone,
    pub(crate) now: Timestamp,
}

impl Entries {
    /// Checks every entry by itself, then all of them together.
    pub(crate) fn directory(
        &self,
        trust_domain: &str,
        holds: Vec<String>,
        around: &Surroundings<'_>,
        out: &mut Report,
    ) -> Option<Directory> {
        let base = around.base;
        let (members, member_keys) = convert(&self.members, |it, out| member(it, base, out), out);
        let (sources, source_keys) = convert(&self.sources, source, out);
        let (services, service_keys) = convert(&self.services, services::service, out);
        let (visibility, _) = convert(&self.visibility, visibility::rule, out);
        // A grant isn't blamed for a member or source that couldn't be read.
        let all_members = members.len() == self.members.len();
        let all_sources = sources.len() == self.sources.len();
        let all_services = services.len() == self.services.len();
        let granted = grants::read(self, all_members.then_some(&members), around, out);
        let all = all_members
            && all_sources
            && all_services
            && granted.all
            && visibility.len() == self.visibility.len();
        let trust_domain = trust_domain.to_owned();
        let wrong = match Directory::new(Parts {
            trust_domain,
            members,
            sources,
            grants: granted.grants,
            services,
            service_grants: granted.service_grants,
            holds,
            visibility,
        }) {
            Ok(directory) => return all.then_some(directory),
            Err(wrong) => wrong,
        };
        for inconsistency in wrong {
            let Inconsistency {
                place,
                key,
                message,
                remedy,
            } = inconsistency;
            let at = match (place, key) {
                (Place::Grant(_) | Place::ServiceGrant(_), "consumer") if !all_members => continue,
                (Place::Grant(_), "source") if !all_sources => continue,
                (Place::ServiceGrant(_), "service") if !all_services => continue,
                (Place::Member(m), _) => member_keys[m],
                (Place::Source(s), _) => source_keys[s],
                (Place::Service(s), _) => service_keys[s],
                (Place::Grant(g), _) => {
                    granted.origins[g].error(key, message, remedy, out);
                    continue;
                }
                (Place::ServiceGrant(g), _) => {
                    granted.service_origins[g].error(key, message, remedy, out);
                    continue;
                }
            };
            out.error(at, key, message, remedy);
        }
        None
    }
}

/// What can be converted, with the keys of each.
pub(super) fn convert<'a, Raw, T>(
    entries: &'a [Option<Section<Raw>>],
    one: impl Fn(&'a Section<Raw>, &mut Report) -> Option<T>,
    out: &mut Report,
) -> (Vec<T>, Vec<&'a Keys>) {
    let read = entries.iter().flatten();
    read.filter_map(|section| Some((one(section, out)?, &section.at)))
        .unzip()
}

fn member(section: &Section<file::Member>, base: &Path, out: &mut Report) -> Option<Member> {
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
    let mut keys = Vec::new();
    for (k, key) in raw.keys.iter().enumerate() {
        keys.push(self::key(key, at.path(&format!("keys[{k}]")), base, out));
    }
    Some(Member {
        id: id?,
        name: raw.name.clone(),
        rate: Rate {
            per_second: per_second?,
            burst: burst?,
        },
        systems: systems.into_iter().collect::<Option<_>>()?,
        keys: keys.into_iter().collect::<Option<_>>()?,
    })
}

fn key(raw: &file::MemberKey, path: String, base: &Path, out: &mut Report) -> Option<MemberKey> {
    let id = raw.id.get_ref();
    let named = is_key_id(id);
    if !named {
        let remedy = "write 1 to 40 letters, digits, dots, dashes and underscores, such as 2026-1";
        let message = "isn't the id of a key";
        out.error_at(raw.id.span(), &format!("{path}.id"), message, remedy);
    }
    let at = format!("{path}.public_key_file");
    let public = material::public_key(&raw.public_key_file, &at, base, out);
    let (from, to) = (raw.from.map(|day| day.0), raw.to.map(|day| day.0));
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        let message = "the key's last day lies before its first";
        out.error_at(
            raw.id.span(),
            &format!("{path}.to"),
            message,
            "swap or correct the dates",
        );
    }
    Some(MemberKey {
        id: named.then(|| id.clone())?,
        allows: raw.r#use.0,
        public: public?,
        from,
        to,
    })
}

/// It stands in the `kid` of signatures after a slash.
fn is_key_id(id: &str) -> bool {
    let one = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=40).contains(&id.len()) && id.bytes().all(one)
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
        roles: raw.roles.iter().map(|role| role.0).collect(),
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
        requires_signature: raw.source_requires_signature.unwrap_or(false),
    })
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

pub(super) fn record(
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
