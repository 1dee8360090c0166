//! Calls: a routed call and the service grants in, leave to forward it or nothing out.

use http::Method;
use jiff::civil::Date;

use crate::admission::Admitted;
use crate::directory::{Directory, ServiceGrantIndex, ServiceIndex};
use crate::refusal::Refusal;
use crate::request::CallTarget;

/// A call that a grant in force names. Built only here.
#[derive(Debug)]
pub struct PermittedCall {
    admitted: Admitted,
    target: CallTarget,
    service: ServiceIndex,
    grant: ServiceGrantIndex,
    pattern: usize,
}

impl PermittedCall {
    /// Who calls.
    #[must_use]
    pub fn admitted(&self) -> &Admitted {
        &self.admitted
    }

    /// What is called.
    #[must_use]
    pub fn target(&self) -> &CallTarget {
        &self.target
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> ServiceIndex {
        self.service
    }

    /// The grant that it rests on; it counts one call.
    #[must_use]
    pub fn grant(&self) -> ServiceGrantIndex {
        self.grant
    }

    /// Which of the grant's path patterns named the path.
    #[must_use]
    pub fn pattern(&self) -> usize {
        self.pattern
    }
}

/// Decides one call: the first grant in force that names service, method and path.
///
/// # Errors
/// [`Refusal::NothingGranted`]; a service that isn't there is told in the same words as one that
/// isn't granted.
pub fn authorise_call(
    admitted: Admitted,
    target: CallTarget,
    method: &Method,
    directory: &Directory,
    today: Date,
) -> Result<PermittedCall, Refusal> {
    let consumer = admitted.identified().member().as_str();
    let found = directory
        .service_named(target.agency(), target.service())
        .and_then(|service| {
            let mut grants = directory.service_grants_of(service, consumer);
            grants.find_map(|(index, grant)| {
                let in_force = grant.is_in_force(today) && grant.methods.contains(method);
                let mut paths = grant.paths.iter();
                let pattern = in_force
                    .then(|| paths.position(|pattern| pattern.matches(target.path())))
                    .flatten()?;
                Some((service, index, pattern))
            })
        });
    let (service, grant, pattern) = found.ok_or(Refusal::NothingGranted)?;
    Ok(PermittedCall {
        admitted,
        target,
        service,
        grant,
        pattern,
    })
}
