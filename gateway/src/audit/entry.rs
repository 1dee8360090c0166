//! One entry of the audit log, before its number, time and hash.

use jiff::civil::Date;
use loket_sdk::ids::{AgencyId, CaseId, MemberId, SystemId};
use loket_sdk::message::{Ground, LegalBasis, Outcome, Purpose, Reason, RecordRef};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CallEntry;
use crate::directory::Visibility;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A lookup was carried out and answered.
    Lookup,
    /// One result of a streamed lookup, before it leaves.
    Result,
    /// A lookup that was answered before had the same answer again.
    Replay,
    /// A lookup was explained instead of carried out.
    Explain,
    /// A lookup is let through by its break-glass, before anyone is asked.
    BreakGlass,
    /// A second person approved that.
    BreakGlassApproved,
    /// The caller read its catalogue, a schema or the description of the API.
    Read,
    /// A routed call was answered.
    Call,
    /// A routed call began to be answered, before anything leaves.
    CallOpened,
    /// The request was refused.
    Refusal,
    /// The caller left before the answer, or the request broke off.
    Abandoned,
    /// The configuration was read again, and put in force or refused.
    Reload,
    /// The gateway began to stop.
    Drain,
    /// Another version of a grant is in force, or none.
    GrantChanged,
    /// What is known of grants, so that nobody has to read back further than this.
    GrantsStanding,
    /// A citizen was told who looked at the data about them.
    AccessReport,
    /// Another set of subjects is held since a reload.
    HoldChanged,
    /// Entries past their term are about to be deleted.
    Pruned,
}

impl Kind {
    /// The word in the entry and the metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Result => "result",
            Self::Replay => "replay",
            Self::Explain => "explain",
            Self::BreakGlass => "break_glass",
            Self::BreakGlassApproved => "break_glass_approved",
            Self::Read => "read",
            Self::Call => "call",
            Self::CallOpened => "call_opened",
            Self::Refusal => "refusal",
            Self::Abandoned => "abandoned",
            Self::Reload => "reload",
            Self::Drain => "drain",
            Self::GrantChanged => "grant_changed",
            Self::GrantsStanding => "grants_standing",
            Self::AccessReport => "access_report",
            Self::HoldChanged => "hold_changed",
            Self::Pruned => "pruned",
        }
    }
}

/// What is recorded of a request. Everything but the kind and the trace is absent until known.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// What happened.
    pub kind: Kind,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// Why it was refused: the problem's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'static str>,
    /// How many requests like it were refused since the last entry of the kind without an entry of
    /// their own.
    #[serde(skip_serializing_if = "is_zero")]
    pub unrecorded: u64,
    /// The organisation, from its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    /// Its system, from its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemId>,
    /// The certificate, when no enrolled system has it: its SPIFFE ID or SHA-256 of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Route template that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// The lookup's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Uuid>,
    /// The case at the counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// By which right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// Asserted by the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clerk: Option<String>,
    /// Asserted by the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<String>,
    /// HMAC of scheme and value; never the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_ref: Option<String>,
    /// Keyed hash of the body, 16 hexadecimal digits; of a lookup that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_mac: Option<String>,
    /// Number of the entry whose answer is given again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replays: Option<u64>,
    /// Why the glass would be broken, or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Box<GlassEntry>>,
    /// What was disclosed shows that the subject is under 18.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub minor: bool,
    /// `deferred` or `withheld` when the subject isn't told of it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<&'static str>,
    /// The day from which on the subject is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred_to: Option<Date>,
    /// On which ground the subject isn't told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground: Option<String>,
    /// What became of each question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceEntry>,
    /// Numbers of the entries of kind [`Kind::Result`] that say nothing that this one doesn't.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<u64>,
    /// The routed call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallEntry>>,
    /// What a report of access told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportEntry>,
}

/// How much a report of access told. The desk may read its own entry, so that what was held back isn't in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReportEntry {
    /// Entries that were told.
    pub entries: usize,
}

/// Why the glass was broken, and which entry a second person approves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GlassEntry {
    /// Which ground; none in an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground: Option<Ground>,
    /// What happened, sealed; see [`super::seal`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// The entry of kind [`Kind::BreakGlass`]; none before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The approval came after its time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// What became of one question to one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Which record.
    pub record: RecordRef,
    /// Who was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency: Option<AgencyId>,
    /// The grants that allowed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// Names of the fields given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Names of the fields on which claims were answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// How long the source took.
    pub elapsed_ms: u64,
    /// SHA-256 of the source's signature, when it signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Entry {
    /// An entry of which only the trace is known.
    #[must_use]
    pub fn new(trace_id: String) -> Self {
        Self {
            kind: Kind::Abandoned,
            trace_id,
            refusal: None,
            unrecorded: 0,
            member: None,
            system: None,
            certificate: None,
            operation: None,
            request_id: None,
            case_id: None,
            purpose: None,
            legal_basis: None,
            clerk: None,
            counter: None,
            subject_ref: None,
            body_mac: None,
            replays: None,
            break_glass: None,
            minor: false,
            visibility: None,
            deferred_to: None,
            ground: None,
            sources: Vec::new(),
            parts: Vec::new(),
            call: None,
            report: None,
        }
    }

    /// Turns it into a refusal: nothing of it leaves.
    pub fn refused(&mut self, code: &'static str) {
        self.kind = Kind::Refusal;
        self.refusal = Some(code);
        self.body_mac = None;
        for source in &mut self.sources {
            source.fields.clear();
            source.claims.clear();
        }
    }

    /// When the subject is told of it.
    pub fn show(&mut self, visibility: Visibility) {
        (self.visibility, self.deferred_to, self.ground) = match visibility {
            Visibility::Now => (None, None, None),
            Visibility::Deferred(to) => (Some("deferred"), Some(to), None),
            Visibility::Withheld(ground) => (Some("withheld"), None, Some(ground.to_string())),
        };
    }
}
