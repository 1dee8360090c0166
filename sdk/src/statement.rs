//! Statements: what an agency said, signed by it, so that a counter can prove it.
//!
//! The kit signs not the bytes of an answer but a statement of it: who answers, to which question,
//! when, and a salted digest of each field or claim. The salts go beside it, so that the gateway can
//! leave out what isn't granted and what is given stays verifiable (selective disclosure, the idea of
//! RFC 9901). In: an answer and a key, or a signature and the agency's keys. Out: a signature, or a
//! [`Statement`]. Refused, each by name ([`Error`]): another agency's key, another source, another
//! question, an answer that differs, a field that was left out or put in.
//!
//! The statement is a compact JWS of type [`TYPE`] over the JSON
//!
//! ```json
//! {
//!   "v": 1, "agency": "djp", "system": "registry", "record": "taxpayer/1", "status": "found",
//!   "as_of": "2026-11-24T03:00:00Z", "iat": 1795489200,
//!   "question": "5f3c…", "asked": ["npwp"], "fields": {"npwp": "n4bQ…"}
//! }
//! ```
//!
//! - `question`: SHA-256 in hex of the JSON array `[salt, organisation, purpose, record, scheme, value]`,
//!   with the signature's own `salt`: nobody who sees the statement alone can try out citizens' numbers.
//! - `asked`: the fields asked for, or those of the claims, sorted.
//! - `fields`: of each field asked for and given, SHA-256 in base64url of `[salt, name, value]`; `claims`: likewise of
//!   `[salt, field, {"claim": …, "result": …}]`, with the claim as it was asked. A field is claimed once.
//! - All of it in the canonical form of RFC 8785. Integers beyond 2^53 and fractions that it would write
//!   with an exponent aren't covered and can't be signed.

mod canonical;
mod digest;
mod error;
mod keys;
mod result;
mod signer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::claims::{Claim, ClaimAnswer};
use crate::ids::{AgencyId, MemberId, SystemId};
use crate::json;
use crate::jws::{self, PublicKey};
use crate::message::{Purpose, RecordRef, SourceName, SourceSignature, SourceStatus, SubjectKey};

pub use error::Error;
pub use keys::SourceKeys;
pub use signer::Signer;

/// The JWS's type.
pub const TYPE: &str = "loket-statement+jws";
/// How far a statement's time may be from the gateway's when it comes: clocks differ, and an older
/// one is another answer's.
pub const FRESH: Duration = Duration::from_secs(300);

/// What a statement answers: nobody else's question, of no other subject, for no other purpose.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// On whose behalf it was asked.
    pub organisation: &'a MemberId,
    /// Why.
    pub purpose: Purpose,
    /// Which record.
    pub record: &'a RecordRef,
    /// About whom, in normal form.
    pub subject: &'a SubjectKey,
}

/// What of the record was asked.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// These fields.
    Fields(&'a [String]),
    /// These claims.
    Claims(&'a [Claim]),
}

impl<'a> Asked<'a> {
    fn names(self) -> BTreeSet<&'a str> {
        match self {
            Self::Fields(names) => names.iter().map(String::as_str).collect(),
            Self::Claims(claims) => claims.iter().map(|claim| claim.field.as_str()).collect(),
        }
    }
}

/// What an agency answered, as far as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// How it answered.
    pub status: SourceStatus,
    /// Of when its data is.
    pub as_of: Option<Timestamp>,
    /// The fields.
    pub record: Option<&'a Map<String, Value>>,
    /// The claims, answered.
    pub claims: Option<&'a [ClaimAnswer]>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u8,
    agency: AgencyId,
    system: SystemId,
    record: RecordRef,
    status: SourceStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    iat: i64,
    question: String,
    asked: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    claims: BTreeMap<String, String>,
}

/// What an agency signed. There is none whose signature wasn't verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    kid: String,
    wire: Wire,
}

impl Statement {
    /// Verifies that this source signed this answer to this question, all of it or, of fields and
    /// claims, what its salts are there for. `key` finds an agency's key by its `kid`, which is
    /// `<agency>/<id>`; whether it is in time is the caller's to say.
    ///
    /// # Errors
    /// What speaks against it.
    pub fn verify<'k>(
        signature: &SourceSignature,
        source: &SourceName,
        question: &Question<'_>,
        key: impl FnOnce(&str) -> Option<&'k PublicKey>,
    ) -> Result<Self, Error> {
        let own = |kid: &str| {
            let (agency, _) = kid.split_once('/')?;
            (agency == source.agency.as_str())
                .then(|| key(kid))
                .flatten()
        };
        let read = jws::verify_compact(&signature.jws, TYPE, own)?;
        let wire = json::parse(&read.payload).map_err(|_| Error::Malformed)?;
        let wire: Wire = serde_json::from_value(wire).map_err(|_| Error::Malformed)?;
        if wire.v != 1 {
            return Err(Error::Malformed);
        }
        if wire.agency != source.agency || wire.system != source.system {
            return Err(Error::OtherSource);
        }
        let asked = digest::question(question, signature.salt.expose())?;
        if wire.record != *question.record || wire.question != asked {
            return Err(Error::OtherQuestion);
        }
        let kid = read.header.kid;
        Ok(Self { kid, wire })
    }

    /// Checks that it was made now, give or take [`FRESH`], and not before what it tells of.
    ///
    /// # Errors
    /// [`Error::NotFresh`], [`Error::AheadOfItself`].
    pub fn is_fresh(&self, now: Timestamp) -> Result<(), Error> {
        if self
            .wire
            .as_of
            .is_some_and(|at| at.as_second() > self.wire.iat)
        {
            return Err(Error::AheadOfItself);
        }
        if self.wire.iat.abs_diff(now.as_second()) > FRESH.as_secs() {
            return Err(Error::NotFresh);
        }
        Ok(())
    }

    /// Checks that the agency said this, no more and no less of what was asked.
    ///
    /// # Errors
    /// What differs, by the field's name.
    pub fn says(
        &self,
        said: &Said<'_>,
        asked: Asked<'_>,
        salts: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        if (said.status, said.as_of) != (self.wire.status, self.wire.as_of) {
            return Err(Error::OtherStatus);
        }
        let names = asked.names();
        if !self
            .wire
            .asked
            .iter()
            .map(String::as_str)
            .eq(names.iter().copied())
        {
            return Err(Error::OtherFields);
        }
        // What nobody asked for would be vouched for unseen, and could be told later.
        let claimed = match asked {
            Asked::Claims(_) => names.clone(),
            Asked::Fields(_) => BTreeSet::new(),
        };
        let more = |signed: &BTreeMap<String, String>, names: &BTreeSet<&str>| {
            let more = signed.keys().find(|name| !names.contains(name.as_str()));
            more.map_or(Ok(()), |name| Err(Error::Unasked(name.clone())))
        };
        more(&self.wire.fields, &names)?;
        more(&self.wire.claims, &claimed)?;
        let none = Map::new();
        let record = said.record.unwrap_or(&none);
        for name in &names {
            let value = record.get(*name);
            let given = value
                .map(|value| digest::field(name, value, salts))
                .transpose()?;
            compare(name, self.wire.fields.get(*name), given)?;
        }
        let claims = match asked {
            Asked::Claims(claims) => claims,
            Asked::Fields(_) => &[],
        };
        for claim in claims {
            let answers = said.claims.unwrap_or_default();
            let fits = |it: &&ClaimAnswer| it.field == claim.field && it.op == claim.op;
            let given = answers.iter().find(fits);
            let given = given
                .map(|answer| digest::claim(claim, answer.result, salts))
                .transpose()?;
            compare(&claim.field, self.wire.claims.get(&claim.field), given)?;
        }
        Ok(())
    }

    /// The key that signed it: `<agency>/<id>`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Who said it.
    #[must_use]
    pub fn agency(&self) -> &AgencyId {
        &self.wire.agency
    }

    /// How it answered.
    #[must_use]
    pub fn status(&self) -> SourceStatus {
        self.wire.status
    }

    /// Of when its data is.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.wire.as_of
    }

    /// When it was signed, to the second.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        Timestamp::from_second(self.wire.iat).unwrap_or(Timestamp::MIN)
    }

    /// The fields asked for, or those of the claims, sorted.
    #[must_use]
    pub fn asked(&self) -> &[String] {
        &self.wire.asked
    }
}

fn compare(name: &str, signed: Option<&String>, given: Option<String>) -> Result<(), Error> {
    match (signed, given) {
        (None, None) => Ok(()),
        (Some(signed), Some(given)) if *signed == given => Ok(()),
        (Some(_), Some(_)) => Err(Error::Altered(name.to_owned())),
        (Some(_), None) => Err(Error::LeftOut(name.to_owned())),
        (None, Some(_)) => Err(Error::PutIn(name.to_owned())),
    }
}

#[cfg(test)]
mod tests;
