//! Refusal: why a request isn't carried out. A closed list; each has a sentence for the outside
//! and a cause for the inside.

use std::time::Duration;

use loket_sdk::problem::{Code, Violation};

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Not HTTP or JSON as agreed: what, and what to do, without the last full stop.
    Malformed(String),
    /// A routed call's path, query or head can't be passed on as it is.
    BadTarget(&'static str),
    /// The certificate names no enrolled system.
    NotEnrolled(NotEnrolled),
    /// A header names another member than the certificate.
    IdentityContradicted,
    /// No grant covers anything of the request.
    NothingGranted,
    /// Only someone else of the same member may do this: what, and what to do.
    SecondPersonNeeded(&'static str),
    /// No such path.
    NotFound,
    /// The path has no such method; these it has.
    MethodNotAllowed(&'static str),
    /// None of the accepted media types is served; these are.
    NotAcceptable(&'static str),
    /// The same `request_id` came with another body.
    RequestIdReused,
    /// The lookup of this `request_id` is under way.
    RequestInProgress,
    /// The body didn't arrive in time.
    RequestTimeout(Duration),
    /// The body is larger than this many bytes.
    BodyTooLarge(usize),
    /// The body isn't of this media type.
    UnsupportedMediaType(&'static str),
    /// The document breaks the schema at these places.
    BreaksSchema(Vec<Violation>),
    /// The member asks faster than agreed.
    RateLimited(Limited),
    /// The grant has no more calls today.
    QuotaUsedUp(Duration),
    /// The agency of a routed call can't be reached, or isn't asked for now.
    SourceUnavailable(Option<Duration>),
    /// The agency of a routed call didn't begin to answer in time.
    SourceTimeout,
    /// More came than can be served.
    Overloaded,
    /// The process is stopping.
    Draining,
    /// The exchange can't be recorded.
    AuditUnavailable(String),
    /// A bug; the cause is for us.
    Internal(String),
}

/// Why a certificate names nobody here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEnrolled {
    /// The directory has no such system.
    UnknownSystem,
    /// The certificate's validity has ended, or not begun, since the connection was made.
    OutOfValidity,
    /// The certificate's names can't be read as an identity.
    Unnamed,
    /// A certificate of the chain was revoked since the connection was made.
    Revoked,
    /// The chain leads to no anchor that is trusted since the last reload, or isn't covered by a
    /// revocation list in force.
    Untrusted,
}

/// How far over the agreed rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// When the next request will be let in.
    pub retry_after: Duration,
    /// Requests at once.
    pub burst: u32,
    /// Requests a second.
    pub per_second: u32,
}

impl Refusal {
    /// The problem type.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::BadTarget(_) => Code::MalformedRequest,
            Self::NotEnrolled(_) => Code::NotEnrolled,
            Self::IdentityContradicted => Code::IdentityContradicted,
            Self::NothingGranted => Code::NothingGranted,
            Self::SecondPersonNeeded(_) => Code::SecondPersonNeeded,
            Self::NotFound => Code::NotFound,
            Self::MethodNotAllowed(_) => Code::MethodNotAllowed,
            Self::NotAcceptable(_) => Code::NotAcceptable,
            Self::RequestTimeout(_) => Code::RequestTimeout,
            Self::RequestIdReused => Code::RequestIdReused,
            Self::RequestInProgress => Code::RequestInProgress,
            Self::BodyTooLarge(_) => Code::BodyTooLarge,
            Self::UnsupportedMediaType(_) => Code::UnsupportedMediaType,
            Self::BreaksSchema(_) => Code::BreaksSchema,
            Self::RateLimited(_) | Self::QuotaUsedUp(_) => Code::RateLimited,
            Self::SourceUnavailable(_) => Code::SourceUnavailable,
            Self::SourceTimeout => Code::SourceTimeout,
            Self::Overloaded => Code::Overloaded,
            Self::Draining => Code::Draining,
            Self::AuditUnavailable(_) => Code::AuditUnavailable,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// What the caller is told: what happened, what to do. Nothing of the request, nothing of us.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Malformed(what) => format!("{what}."),
            Self::BadTarget(what) => format!("{what}. Send it as the service's documentation writes it."),
            Self::NotEnrolled(NotEnrolled::UnknownSystem) => {
                "No enrolled system has this certificate. Ask the operator of the gateway to enrol it.".into()
            }
            Self::NotEnrolled(NotEnrolled::OutOfValidity) => {
                "This certificate's validity has ended or not begun. Connect with a current certificate.".into()
            }
            Self::NotEnrolled(NotEnrolled::Unnamed) => {
                "This certificate names no system: it needs one URI name of the form spiffe://trust-domain/member/system.".into()
            }
            Self::NotEnrolled(NotEnrolled::Revoked) => {
                "This certificate has been revoked. Connect with a new certificate from your authority.".into()
            }
            Self::NotEnrolled(NotEnrolled::Untrusted) => {
                "This certificate isn't trusted any more. Connect with one from a current authority, or ask the operator of the gateway.".into()
            }
            Self::IdentityContradicted => {
                "A header names another member than the certificate. Leave the header out or name yourself.".into()
            }
            Self::NothingGranted => {
                "Nothing of this request is granted to you for this purpose. GET /v1/catalogue says what is; the agency that owns the data gives grants.".into()
            }
            Self::SecondPersonNeeded(what) => format!("{what}."),
            Self::NotFound => "There is nothing at this path. GET /openapi.json lists what there is.".into(),
            Self::MethodNotAllowed(allowed) => format!("Use {allowed}."),
            Self::NotAcceptable(served) => format!("Accept one of {served}."),
            Self::RequestIdReused => {
                "This request_id was answered for another body within 24 hours. Make a new one for each lookup.".into()
            }
            Self::RequestInProgress => "Wait as Retry-After says and ask again: the answer will be the same.".into(),
            Self::RequestTimeout(limit) => {
                format!("The body must arrive within {} ms. Send it at once.", limit.as_millis())
            }
            Self::BodyTooLarge(limit) => format!("A body may have {limit} bytes at most."),
            Self::UnsupportedMediaType(wanted) => {
                format!("Send the body as {wanted}, without a content coding.")
            }
            Self::BreaksSchema(_) => "Mend the members named in errors.".into(),
            Self::RateLimited(limited) => format!(
                "You may ask {} times a second, {} at once. Wait as Retry-After says.",
                limited.per_second, limited.burst
            ),
            Self::QuotaUsedUp(_) => "The grant has no more calls today. Wait as Retry-After says, or ask the agency for more.".into(),
            Self::SourceUnavailable(_) => "The agency can't be reached now. Wait and ask again, if asking twice does no harm.".into(),
            Self::SourceTimeout => "The agency may have carried it out all the same. Find out before you ask again.".into(),
            Self::Overloaded => "Wait as Retry-After says and ask again.".into(),
            Self::Draining => "Ask another instance, or this one again after its restart.".into(),
            Self::AuditUnavailable(_) => {
                "What can't be recorded isn't answered. Ask again; the operator has been told.".into()
            }
            Self::Internal(_) => String::new(),
        }
    }

    /// Whether no request of this connection can be carried out, whatever the time, so that it ends.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::NotEnrolled(NotEnrolled::Revoked | NotEnrolled::Untrusted)
        )
    }

    /// Whether it came before anything was asked, so that a caller can make any number of them.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        matches!(
            self,
            Self::NotEnrolled(_)
                | Self::RateLimited(_)
                | Self::QuotaUsedUp(_)
                | Self::Overloaded
                | Self::Draining
        )
    }

    /// What the engineer on call is told. Never a value of the request.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::AuditUnavailable(cause) | Self::Internal(cause) => Some(cause),
            Self::NotEnrolled(NotEnrolled::UnknownSystem) => Some("unknown system"),
            Self::NotEnrolled(NotEnrolled::OutOfValidity) => Some("certificate out of validity"),
            Self::NotEnrolled(NotEnrolled::Unnamed) => Some("certificate names no system"),
            Self::NotEnrolled(NotEnrolled::Revoked) => Some("certificate revoked"),
            Self::NotEnrolled(NotEnrolled::Untrusted) => Some("certificate not trusted any more"),
            Self::Malformed(_)
            | Self::BadTarget(_)
            | Self::QuotaUsedUp(_)
            | Self::SourceUnavailable(_)
            | Self::SourceTimeout
            | Self::IdentityContradicted
            | Self::NothingGranted
            | Self::SecondPersonNeeded(_)
            | Self::NotFound
            | Self::MethodNotAllowed(_)
            | Self::NotAcceptable(_)
            | Self::RequestTimeout(_)
            | Self::RequestIdReused
            | Self::RequestInProgress
            | Self::BodyTooLarge(_)
            | Self::UnsupportedMediaType(_)
            | Self::BreaksSchema(_)
            | Self::RateLimited(_)
            | Self::Overloaded
            | Self::Draining => None,
        }
    }
}

#[cfg(test)]
mod tests;
