//! Services: agencies' REST services, and who may call what of them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use http::Method;
use jiff::civil::Date;
use loket_sdk::ids::{AgencyId, MemberId, SystemId};
use loket_sdk::message::SourceName;

use super::{Backend, GrantState, Inconsistency, Parts, PathPattern, Place, Signature};

/// The methods that a routed call may have.
pub const CALL_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Position of a service in the snapshot.
pub type ServiceIndex = usize;
/// Position of a service grant in the snapshot.
pub type ServiceGrantIndex = usize;

/// A REST service of an agency's system.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The agency.
    pub agency: AgencyId,
    /// What callers write, unique within the agency.
    pub service: SystemId,
    /// The system that its certificate names.
    pub system: SystemId,
    /// Where it is and how it may be called.
    pub backend: Backend,
    /// How long the head of an answer may take once the request has gone.
    pub first_byte_timeout: Duration,
    /// How long a body may stand still, either way.
    pub stall_timeout: Duration,
}

impl Service {
    /// The system that is to be met.
    #[must_use]
    pub fn name(&self) -> SourceName {
        SourceName {
            agency: self.agency.clone(),
            system: self.system.clone(),
        }
    }
}

/// What an agency lets a consumer call.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceGrant {
    /// Unique id, also among grants of records.
    pub id: String,
    /// Agreement number (MoU or PKS).
    pub agreement: String,
    /// The consumer.
    pub consumer: MemberId,
    /// The agency.
    pub agency: AgencyId,
    /// Its service.
    pub service: SystemId,
    /// By which methods.
    pub methods: Vec<Method>,
    /// Below which paths.
    pub paths: Vec<PathPattern>,
    /// Calls a day in the agency's time zone.
    pub daily_quota: Option<u64>,
    /// First day.
    pub valid_from: Date,
    /// Last day.
    pub valid_to: Date,
    /// Where it stands in its life.
    pub state: GrantState,
    /// Data-protection impact assessment, for specific data.
    pub dpia_ref: Option<String>,
    /// Who signed it and when; absent when a program or an unsigned entry made it.
    pub signature: Option<Signature>,
    /// Why the operator narrowed it, if so.
    pub narrowed: Option<String>,
}

impl ServiceGrant {
    /// Whether the grant is in force on this day.
    #[must_use]
    pub fn is_in_force(&self, today: Date) -> bool {
        self.state == GrantState::Active && (self.valid_from..=self.valid_to).contains(&today)
    }
}

/// Ways to find a service by its names and its grants by their consumer.
#[derive(Debug, Default)]
pub(super) struct Services {
    by_name: HashMap<AgencyId, HashMap<SystemId, ServiceIndex>>,
    granted: Vec<HashMap<MemberId, Vec<ServiceGrantIndex>>>,
}

impl Services {
    pub(super) fn find(&self, agency: &str, service: &str) -> Option<ServiceIndex> {
        self.by_name.get(agency)?.get(service).copied()
    }

    pub(super) fn granted(&self, service: ServiceIndex, consumer: &str) -> &[ServiceGrantIndex] {
        self.granted[service]
            .get(consumer)
            .map_or(&[], Vec::as_slice)
    }

    /// Indexes the parts; what can't stand goes to `wrong`.
    pub(super) fn of(parts: &Parts, wrong: &mut Vec<Inconsistency>) -> Self {
        let mut services = Self::default();
        services
            .granted
            .resize_with(parts.services.len(), HashMap::new);
        for (s, service) in parts.services.iter().enumerate() {
            let of_agency = services.by_name.entry(service.agency.clone()).or_default();
            if of_agency.insert(service.service.clone(), s).is_some() {
                let name = format!("{}/{}", service.agency, service.service);
                wrong.push(Inconsistency {
                    place: Place::Service(s),
                    key: "service",
                    message: format!("service {name} is named twice"),
                    remedy: "give each service of an agency its own name".into(),
                });
            }
        }
        let members: HashSet<&MemberId> = parts.members.iter().map(|member| &member.id).collect();
        let mut seen: HashSet<&str> = parts.grants.iter().map(|it| it.id.as_str()).collect();
        for (g, grant) in parts.service_grants.iter().enumerate() {
            check(grant, g, &members, &mut seen, wrong);
            match services.find(grant.agency.as_str(), grant.service.as_str()) {
                Some(service) => services.granted[service]
                    .entry(grant.consumer.clone())
                    .or_default()
                    .push(g),
                None => wrong.push(Inconsistency {
                    place: Place::ServiceGrant(g),
                    key: "service",
                    message: format!("{} has no service {}", grant.agency, grant.service),
                    remedy: "add it under [[services]] or correct the names".into(),
                }),
            }
        }
        services
    }
}

fn check<'a>(
    grant: &'a ServiceGrant,
    index: ServiceGrantIndex,
    members: &HashSet<&MemberId>,
    seen: &mut HashSet<&'a str>,
    wrong: &mut Vec<Inconsistency>,
) {
    let mut say = |key, message: String, remedy: &str| {
        wrong.push(Inconsistency {
            place: Place::ServiceGrant(index),
            key,
            message,
            remedy: remedy.into(),
        });
    };
    if !seen.insert(&grant.id) {
        let message = format!("grant {} is named twice", grant.id);
        say("grant_id", message, "give each grant its own id");
    }
    if !members.contains(&grant.consumer) {
        let message = format!("{} isn't a member", grant.consumer);
        say(
            "consumer",
            message,
            "enrol it under [[members]] or correct the id",
        );
    }
    if grant.valid_from > grant.valid_to {
        let message = "the last day lies before the first".to_owned();
        say("valid_to", message, "swap or correct the dates");
    }
}
