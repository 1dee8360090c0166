//! Calls: a routed call and the service grants in, leave to forward it or nothing out.

use http::Method;
use jiff::civil::Date;

use crate::admission::Admitted;
use crate::directory::{Directory, ServiceGrantIndex, ServiceIndex};
use crate::refusal::Refusal;
use crate::request::CallTarget;

/// A call that at least one grant in force names. Built only here.
#[derive(Debug)]
pub struct PermittedCall {
    admitted: Admitted,
    target: CallTarget,
    service: ServiceIndex,
    first: NamedBy,
    others: Vec<NamedBy>,
}

/// A grant that names a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedBy {
    /// The grant.
    pub grant: ServiceGrantIndex,
    /// Which of its path patterns named the path.
    pub pattern: usize,
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

    /// The grants that name it, in the directory's order. It rests on the first of them that has a
    /// call left today.
    pub fn grants(&self) -> impl Iterator<Item = NamedBy> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// The first of the grants.
    #[must_use]
    pub fn first(&self) -> NamedBy {
        self.first
    }
}

/// Decides one call: the grants in force that name service, method and path.
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
    let service = directory
        .service_named(target.agency(), target.service())
        .ok_or(Refusal::NothingGranted)?;
    let mut grants = directory
        .service_grants_of(service, consumer)
        .filter(|(_, grant)| grant.is_in_force(today) && grant.methods.contains(method))
        .filter_map(|(index, grant)| {
            let mut paths = grant.paths.iter();
            let pattern = paths.position(|pattern| pattern.matches(target.path()))?;
            Some(NamedBy {
                grant: index,
                pattern,
            })
        });
    let first = grants.next().ok_or(Refusal::NothingGranted)?;
    // Seldom any, so seldom an allocation.
    let others = grants.collect();
    Ok(PermittedCall {
        admitted,
        target,
        service,
        first,
        others,
    })
}
