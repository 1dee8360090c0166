//! Change: two configurations in; what differs out, and what of it only a restart can change.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::audit::HoldCounts;
use crate::config::{
    AuditSettings, Config, Drain, Finding, Limits, Listener, Reload, ReplaySettings,
};
use crate::directory::Directory;
use crate::grants::Change;
use crate::telemetry;

/// What a reload changed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Changes {
    /// Members, by id.
    pub members: Difference,
    /// Sources, by agency and system.
    pub sources: Difference,
    /// Grants, by id.
    pub grants: Difference,
    /// Grants of routed calls, by id.
    pub service_grants: Difference,
    /// The versions of signed grants that changed, for the log.
    #[serde(skip)]
    pub versions: Vec<Change>,
    /// Whether others' data is held now.
    pub holds: bool,
    /// How many.
    #[serde(skip)]
    pub hold_counts: Option<HoldCounts>,
    /// Whether the certificate that callers see, or whom we trust of them, changed.
    pub server_tls: bool,
    /// Whether the same towards agencies changed; then every agency is connected to anew.
    pub upstream_tls: bool,
    /// What is in force and deserves a look.
    pub warnings: Vec<Finding>,
}

/// Entries of a list that differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// New ones.
    pub added: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that aren't what they were.
    pub changed: Vec<String>,
}

impl Difference {
    fn between<T: PartialEq>(old: &[T], new: &[T], id: impl Fn(&T) -> String) -> Self {
        let mut before: BTreeMap<String, &T> = old.iter().map(|entry| (id(entry), entry)).collect();
        let mut difference = Self::default();
        for entry in new {
            let id = id(entry);
            match before.remove(&id) {
                None => difference.added.push(id),
                Some(was) if was != entry => difference.changed.push(id),
                Some(_) => {}
            }
        }
        difference.removed = before.into_keys().collect();
        difference
    }

    fn count(&self) -> usize {
        self.added.len() + self.removed.len() + self.changed.len()
    }
}

impl Changes {
    /// In one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let lists = [
            (self.members.count(), "members"),
            (self.sources.count(), "sources"),
            (self.grants.count(), "grants"),
            (self.service_grants.count(), "grants of routed calls"),
        ];
        let flags = [
            (self.holds, "holds"),
            (self.server_tls, "TLS towards counters"),
            (self.upstream_tls, "TLS towards agencies"),
        ];
        let lists = lists.iter().filter(|(count, _)| *count > 0);
        let lists = lists.map(|(count, what)| format!("{what} ({count})"));
        let flags = flags.iter().filter(|(changed, _)| *changed);
        let all: Vec<String> = lists
            .chain(flags.map(|(_, what)| (*what).to_owned()))
            .collect();
        match all.is_empty() {
            true => "nothing".to_owned(),
            false => all.join(", "),
        }
    }
}

/// What differs of two directories.
pub(super) fn between(old: &Directory, new: &Directory, warnings: Vec<Finding>) -> Changes {
    Changes {
        members: Difference::between(old.members(), new.members(), |member| member.id.to_string()),
        sources: Difference::between(old.sources(), new.sources(), |source| {
            format!("{}/{}", source.agency, source.system)
        }),
        grants: Difference::between(old.grants(), new.grants(), |grant| grant.id.clone()),
        service_grants: Difference::between(old.service_grants(), new.service_grants(), |grant| {
            grant.id.clone()
        }),
        holds: old.holds() != new.holds(),
        hold_counts: hold_counts(old, new),
        warnings,
        ..Changes::default()
    }
}

fn hold_counts(old: &Directory, new: &Directory) -> Option<HoldCounts> {
    let (old, new) = (old.holds(), new.holds());
    (old != new).then(|| HoldCounts {
        before: old.len(),
        after: new.len(),
        added: new.difference(old).count(),
        removed: old.difference(new).count(),
    })
}

/// What counts at the start only: sockets are bound, the log is open under its key, places are
/// counted, days have begun.
#[derive(Debug, PartialEq)]
pub(super) struct Fixed {
    gateway: (String, TimeZone),
    listener: Listener,
    admin: SocketAddr,
    limits: Limits,
    audit: AuditSettings,
    replay: Option<ReplaySettings>,
    telemetry: telemetry::Settings,
    drain: Drain,
    reload: Reload,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            gateway: (config.trust_domain.clone(), config.time_zone.clone()),
            listener: config.listener.clone(),
            admin: config.admin,
            limits: config.limits.clone(),
            audit: config.audit.clone(),
            replay: config.replay.clone(),
            telemetry: config.telemetry.clone(),
            drain: config.drain,
            reload: config.reload,
        }
    }

    /// The tables that differ.
    pub(super) fn differing(&self, new: &Self) -> Vec<&'static str> {
        let tables = [
            (self.gateway == new.gateway, "[gateway]"),
            (self.listener == new.listener, "[listener]"),
            (self.admin == new.admin, "[admin]"),
            (self.limits == new.limits, "[limits]"),
            (self.audit == new.audit, "[audit] or its key"),
            (self.replay == new.replay, "[replay]"),
            (self.telemetry == new.telemetry, "[telemetry]"),
            (self.drain == new.drain, "[drain]"),
            (self.reload == new.reload, "[reload]"),
        ];
        let differing = tables.into_iter().filter(|(same, _)| !same);
        differing.map(|(_, table)| table).collect()
    }
}
