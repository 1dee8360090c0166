//! Who may knock at the gateway.

use std::num::NonZeroU32;

use anyhow::Context;
use loket_gateway::directory::{Member, Rate, System};
use loket_sdk::ids::{MemberId, SystemId};

use super::{Agency, COUNTER};

/// Every organisation with counters at the mall: id and name.
pub(super) const MEMBERS: [(&str, &str); 9] = [
    ("dukcapil", "Dinas Kependudukan dan Pencatatan Sipil"),
    ("dpmptsp-3510", "DPMPTSP Kabupaten Banyuwangi"),
    ("imigrasi", "Kantor Imigrasi"),
    ("korlantas", "Korlantas Polri"),
    ("samsat", "Samsat Banyuwangi"),
    ("bpjs-kesehatan", "BPJS Kesehatan"),
    ("bpn", "Kantor Pertanahan"),
    (
        "bapenda-3510",
        "Badan Pendapatan Daerah Kabupaten Banyuwangi",
    ),
    ("dinsos-3510", "Dinas Sosial Kabupaten Banyuwangi"),
];

/// Banyuwangi.
const MALL: &str = "ID-35.10";

/// Enrols the agencies' keys; an agency without a counter becomes a member that asks nothing.
pub(super) fn enrol(members: &mut Vec<Member>, agencies: &[Agency]) -> anyhow::Result<()> {
    for agency in agencies {
        let known = members.iter_mut().find(|it| it.id.as_str() == agency.id);
        match known {
            Some(member) => member.keys.push(agency.key()),
            None => members.push(Member {
                id: MemberId::parse(agency.id)?,
                name: agency.id.to_owned(),
                rate: rate()?,
                keys: vec![agency.key()],
                systems: Vec::new(),
            }),
        }
    }
    Ok(())
}

fn rate() -> anyhow::Result<Rate> {
    Ok(Rate {
        per_second: NonZeroU32::new(50).context("a rate is above zero")?,
        burst: NonZeroU32::new(100).context("a burst is above zero")?,
    })
}

pub(super) fn all() -> anyhow::Result<Vec<Member>> {
    let rate = rate()?;
    MEMBERS
        .iter()
        .map(|(id, name)| {
            Ok(Member {
                id: MemberId::parse(id)?,
                name: (*name).to_owned(),
                rate,
                keys: Vec::new(),
                systems: vec![System {
                    id: SystemId::parse(COUNTER)?,
                    pins: Vec::new(),
                    mall: Some(MALL.parse()?),
                    roles: std::collections::BTreeSet::new(),
                }],
            })
        })
        .collect()
}
