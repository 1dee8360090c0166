//! Closed lists: one vocabulary for the wire, the log, the metrics and the command line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$item])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = $crate::message::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|word| word.as_str() == text)
                    .ok_or($crate::message::UnknownWord::of(stringify!($name)))
            }
        }
    };
}

/// The text isn't one of a closed list's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the words of {0}")]
pub struct UnknownWord(&'static str);

impl UnknownWord {
    /// Of the list of this name.
    pub(crate) fn of(list: &'static str) -> Self {
        Self(list)
    }
}

pub(super) use words;

words! {
    /// Why a citizen's data is asked for (`purposes.json`; the law stands there).
    Purpose {
        /// Counter identity check.
        IdentityCheck "identity_check",
        /// Newborn: birth deed, family card, child card.
        BirthRegistration "birth_registration",
        /// Death deed, change of the family card.
        DeathRegistration "death_registration",
        /// Moving house.
        AddressChange "address_change",
        /// Enrol a newborn or change facility.
        HealthInsuranceEnrolment "health_insurance_enrolment",
        /// Driving licence renewal.
        DrivingLicenceRenewal "driving_licence_renewal",
        /// Yearly vehicle tax.
        VehicleTax "vehicle_tax",
        /// Passport, new or replacement.
        PassportApplication "passport_application",
        /// Police clearance.
        PoliceClearance "police_clearance",
        /// Business licence, issue or change.
        BusinessLicence "business_licence",
        /// Sale of land.
        LandTransfer "land_transfer",
        /// Property tax.
        PropertyTax "property_tax",
        /// Social assistance.
        SocialAssistance "social_assistance",
        /// The citizen's own access (UU 27/2022 art. 32).
        DataSubjectAccess "data_subject_access",
        /// Complaint handling.
        ComplaintHandling "complaint_handling",
    }
}

impl Purpose {
    /// Whether a hold on the subject leaves this purpose alone, since the law obliges it.
    #[must_use]
    pub fn is_mandatory(self) -> bool {
        matches!(
            self,
            Self::BirthRegistration
                | Self::DeathRegistration
                | Self::AddressChange
                | Self::HealthInsuranceEnrolment
                | Self::VehicleTax
                | Self::BusinessLicence
                | Self::LandTransfer
                | Self::PropertyTax
                | Self::DataSubjectAccess
        )
    }
}

words! {
    /// Legal basis (UU 27/2022 art. 20).
    LegalBasisKind {
        /// The citizen's consent; `consent_id` is then required.
        Consent "consent",
        /// A contract with the citizen.
        Contract "contract",
        /// A duty by law.
        LegalObligation "legal_obligation",
        /// The citizen's vital interest.
        VitalInterest "vital_interest",
        /// A public task.
        PublicTask "public_task",
        /// A legitimate interest.
        LegitimateInterest "legitimate_interest",
    }
}

words! {
    /// How the citizen showed the identifier.
    PresentedAs {
        /// Read from the card's chip.
        CardReader "card_reader",
        /// Read from a document by the clerk.
        DocumentSeen "document_seen",
        /// From the digital identity application.
        DigitalId "digital_id",
        /// Spoken.
        Spoken "spoken",
        /// Scanned.
        Qr "qr",
    }
}

words! {
    /// Language of labels and messages.
    Locale {
        /// Indonesian.
        Id "id",
        /// English.
        En "en",
        /// Azerbaijani.
        Az "az",
    }
}

words! {
    /// What became of one question to one source.
    Outcome {
        /// The source has a record and it is passed on.
        Found "found",
        /// The source says that it has none, or several.
        NotFound "not_found",
        /// Not allowed, by grant, quota, hold or the source.
        Denied "denied",
        /// No answer by the deadline; it may have been processed.
        TimedOut "timed_out",
        /// The source couldn't be asked or couldn't answer.
        Unavailable "unavailable",
        /// The source answered something unusable.
        Invalid "invalid",
        /// The source will answer later.
        Deferred "deferred",
        /// Not asked.
        NotAttempted "not_attempted",
    }
}

words! {
    /// Why: the second word beside [`Outcome`].
    Reason {
        /// `found`: all that was granted and asked.
        Complete "complete",
        /// `found`: the source lacks or the gateway withheld some.
        InPart "in_part",
        /// `found`: the last good answer, where the grant allows it.
        Stale "stale",
        /// `not_found`: an honest no.
        NoRecord "no_record",
        /// `not_found`: more than one record for the key.
        SeveralRecords "several_records",
        /// `denied`: no grant at all.
        NoGrant "no_grant",
        /// `denied`: granted, but not for this purpose.
        NotThisPurpose "not_this_purpose",
        /// `denied`: granted, but none of these fields.
        NotTheseFields "not_these_fields",
        /// `denied`: the subject has a hold.
        OnHold "on_hold",
        /// `denied`: today's quota is used up.
        QuotaUsedUp "quota_used_up",
        /// `denied`: the source refuses.
        RefusedBySource "refused_by_source",
        /// `timed_out`.
        NoAnswerYet "no_answer_yet",
        /// `unavailable`: no connection.
        Unreachable "unreachable",
        /// `unavailable`: too many recent failures, not tried.
        BreakerOpen "breaker_open",
        /// `unavailable`: too many questions at once.
        Overloaded "overloaded",
        /// `unavailable`: the source answered an error.
        SourceError "source_error",
        /// `unavailable`: the source is stopping.
        Draining "draining",
        /// `invalid`: not JSON.
        NotJson "not_json",
        /// `invalid`: breaks the schema.
        BreaksSchema "breaks_schema",
        /// `invalid`: larger than the limit.
        TooLarge "too_large",
        /// `invalid`: about someone else.
        OtherSubject "other_subject",
        /// `invalid`: not signed as it must be.
        BadSignature "bad_signature",
        /// `deferred`.
        SourceWillAnswerLater "source_will_answer_later",
        /// `deferred`: the citizen must do something first.
        CitizenMustAct "citizen_must_act",
        /// `not_attempted`: a required record was denied before anything was asked.
        RequiredSourceFailed "required_source_failed",
        /// `not_attempted`: the caller left.
        CallerLeft "caller_left",
    }
}

impl Reason {
    /// The outcome that this reason belongs to.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Complete | Self::InPart | Self::Stale => Outcome::Found,
            Self::NoRecord | Self::SeveralRecords => Outcome::NotFound,
            Self::NoGrant
            | Self::NotThisPurpose
            | Self::NotTheseFields
            | Self::OnHold
            | Self::QuotaUsedUp
            | Self::RefusedBySource => Outcome::Denied,
            Self::NoAnswerYet => Outcome::TimedOut,
            Self::Unreachable
            | Self::BreakerOpen
            | Self::Overloaded
            | Self::SourceError
            | Self::Draining => Outcome::Unavailable,
            Self::NotJson
            | Self::BreaksSchema
            | Self::TooLarge
            | Self::OtherSubject
            | Self::BadSignature => Outcome::Invalid,
            Self::SourceWillAnswerLater | Self::CitizenMustAct => Outcome::Deferred,
            Self::RequiredSourceFailed | Self::CallerLeft => Outcome::NotAttempted,
        }
    }

    /// Whether operations count it as an error.
    #[must_use]
    pub fn is_error(self) -> bool {
        match self.outcome() {
            Outcome::TimedOut | Outcome::Unavailable | Outcome::Invalid => true,
            Outcome::Denied => matches!(self, Self::RefusedBySource | Self::QuotaUsedUp),
            Outcome::Found | Outcome::NotFound | Outcome::Deferred | Outcome::NotAttempted => false,
        }
    }
}

words! {
    /// Why a field that was asked for isn't in the answer.
    WithheldReason {
        /// No grant names it for this purpose.
        NotGranted "not_granted",
        /// The grant allows claims on it, not reading it.
        VerifyOnly "verify_only",
        /// The source doesn't have it.
        NotProvided "not_provided",
    }
}

words! {
    /// The lookup as a whole.
    Overall {
        /// Every source gave an answer, an honest "no" among them.
        Complete "complete",
        /// Some did.
        Partial "partial",
        /// None did.
        None "none",
    }
}

words! {
    /// How grave a finding is.
    Severity {
        /// Worth knowing, lawful.
        Info "info",
        /// Worth mending.
        Warning "warning",
        /// The service can't go on before it is mended.
        Blocking "blocking",
    }
}

words! {
    /// What the consumer must do with the answer.
    Obligation {
        /// Show it, keep no copy.
        ShowOnly "show_only",
        /// Don't store it.
        DoNotStore "do_not_store",
        /// Delete it when the case closes.
        DeleteAfterCase "delete_after_case",
        /// Don't pass it on.
        NoOnwardTransfer "no_onward_transfer",
        /// Tell the citizen.
        NotifySubject "notify_subject",
        /// Check the parent or guardian who is with the child.
        GuardianCheck "guardian_check",
        /// A second person of the same member must approve within 24 hours.
        SecondPersonWithin24h "second_person_within_24h",
    }
}

words! {
    /// Why the glass was broken: what can't wait for a grant or the end of a hold.
    Ground {
        /// A life is in danger.
        ThreatToLife "threat_to_life",
        /// Someone is missing.
        MissingPerson "missing_person",
        /// A disaster.
        Disaster "disaster",
        /// A court or prosecutor orders it.
        CourtOrder "court_order",
    }
}

words! {
    /// How it is known who said something.
    ProvenanceMethod {
        /// The source signed it, and the gateway verified that.
        SourceSigned "source_signed",
        /// The source didn't; it said it over a connection with its certificate.
        SourceTls "source_tls",
    }
}

words! {
    /// How a source answers.
    SourceStatus {
        /// One record.
        Found "found",
        /// No record.
        NotFound "not_found",
        /// More than one.
        SeveralRecords "several_records",
        /// The source refuses.
        Refused "refused",
        /// The source's own quota is used up.
        QuotaUsedUp "quota_used_up",
        /// It will answer later.
        Later "later",
        /// The citizen must do something first.
        CitizenMustAct "citizen_must_act",
    }
}
